"""Which files the folder of a network of one's own has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triport.converters.published import MODEL_FILE
from triport.publishing.folder import CARD_FILE, MINDSPORE_FILE, PYTORCH_FILE

NAMES_FILE = "NAMES.toml"
SAMPLE_FILE = "sample.safetensors"
SECOND_FILES = {"pytorch": "model_b.safetensors", "mindspore": "model_b.ckpt"}
FIRST_FILES = {"pytorch": PYTORCH_FILE, "mindspore": MINDSPORE_FILE, "onnx": MODEL_FILE}
# what a manifest says made the graph of an .onnx file
AS_IT_IS = "the source"
_WHAT = {
    MODEL_FILE: "the graph with its weights, in ONNX",
    PYTORCH_FILE: "weights, PyTorch's names",
    MINDSPORE_FILE: "weights for MindSpore",
    SECOND_FILES["pytorch"]: "weights for the second network, in PyTorch",
    SECOND_FILES["mindspore"]: "weights for the second network, in MindSpore",
    NAMES_FILE: "which parameters of the two networks belong together",
    SAMPLE_FILE: "named inputs, and the outputs that they must give",
    CARD_FILE: "the model card",
}


def what_of(name: str) -> str:
    """Return what a file of the folder is, in words."""
    return _WHAT.get(name, "")


def weights_files(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the files with weights alone; the one with PyTorch's names is made of all networks in code."""
    own = [net["file"] for net in values["nets"] if net["runtime"] != "onnx"]
    return tuple(dict.fromkeys([PYTORCH_FILE, *own])) if own else ()


def is_as_it_is(values: Mapping[str, Any]) -> bool:
    """Return whether the graph is an .onnx file of the publisher's, and not made of a network."""
    return any(net["runtime"] == "onnx" for net in values["nets"])


def files_of(values: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """Return which files there must be, and which may be besides: none."""
    expected = {MODEL_FILE, SAMPLE_FILE, CARD_FILE, *weights_files(values)}
    return frozenset(expected | ({NAMES_FILE} if values["map"] else set())), frozenset()
