"""Runs a published file in its runtime, and tells a runtime that is not installed from one that fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.convert import read_parameters
from triport.converters.environment import MissingRuntimeError, import_mindspore, import_torch
from triport.parity.runners import Runner
from triport.parity.runners.mindspore import MindSporeRunner
from triport.parity.runners.onnx import OnnxRunner, import_onnxruntime
from triport.parity.runners.pytorch import PyTorchRunner
from triport.reference_models.errors import TriportError

_LOAD: dict[str, Callable[[], Any]] = {
    "pytorch": import_torch,
    "mindspore": import_mindspore,
    "onnx": import_onnxruntime,
}


_NAMES = {"pytorch": "PyTorch", "mindspore": "MindSpore", "onnx": "ONNX Runtime"}


def why_missing(runtime: str) -> str | None:
    """Return why a runtime cannot be used here, None where it can."""
    try:
        _LOAD[runtime]()
    except TriportError as error:
        absent = isinstance(error.__cause__, ModuleNotFoundError)
        return (
            f"{_NAMES[runtime]} {'is not installed' if absent else 'does not load'} where this was published"
        )
    return None


def run(runtime: str, file: Path, model: str, device: str, images: np.ndarray) -> tuple[np.ndarray, str]:
    """Return a file's logits (N, classes) and the runtime's name and version.

    PyTorch and MindSpore run triport's own definition of the model: the folder's is never executed.

    Raises:
        MissingRuntimeError: the runtime is not installed.
        TriportError: the file cannot be run.
    """
    try:
        framework = _LOAD[runtime]()
    except TriportError as error:
        raise MissingRuntimeError(str(error)) from error
    runner: Runner
    if runtime == "onnx":
        runner = OnnxRunner(file, device)
    else:
        loaded = read_parameters(file, model)
        kind = PyTorchRunner if runtime == "pytorch" else MindSporeRunner
        runner = kind(loaded.spec, loaded.num_classes, loaded.parameters, device)
    return runner.run(images), f"{framework.__name__} {framework.__version__}"
