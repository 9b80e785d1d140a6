"""Which files the folder of a model that triport knows has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triport.converters.published import MODEL_FILE
from triport.publishing.folder import CARD_FILE, MINDSPORE_FILE, PYTORCH_FILE
from triport.reference_models.spec import UnknownModelError, get_model

OPTIMIZED_FILE = "model_optimized.onnx"
CONFIG_FILE = "config.json"
REPORT_FILE = "parity.html"
NETWORK_FILES = {"pytorch": "network_torch.py", "mindspore": "network_mindspore.py"}
_WHAT = {
    MODEL_FILE: "ONNX, unfolded, PyTorch's parameter names",
    OPTIMIZED_FILE: "ONNX, BatchNorm folded",
    PYTORCH_FILE: "weights for PyTorch",
    MINDSPORE_FILE: "weights for MindSpore",
    CONFIG_FILE: "architecture, classes, preprocessing",
    CARD_FILE: "the model card",
    REPORT_FILE: "the parity report",
    NETWORK_FILES["pytorch"]: "the network in PyTorch",
    NETWORK_FILES["mindspore"]: "the network in MindSpore",
}
_EXPECTED = frozenset(_WHAT)


def dialect_file(dialect: str, runtime: str) -> str:
    """Return the name of the weights file with a publisher's names."""
    return f"model.{dialect}{'.ckpt' if runtime == 'mindspore' else '.safetensors'}"


def what_of(name: str) -> str:
    """Return what a file of the folder is, in words."""
    return _WHAT.get(name) or f"weights with the names of {name.split('.')[1]}"


def files_of(values: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the files that are always made, and those with a publisher's names that could have been."""
    try:
        spec = get_model(values["model"])
    except UnknownModelError:
        return _EXPECTED, frozenset()
    named = {dialect_file(dialect.name, dialect.runtime) for dialect in spec.dialects}
    return _EXPECTED, frozenset(named)
