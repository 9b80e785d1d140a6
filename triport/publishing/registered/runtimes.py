"""Runs a published file in its runtime, and tells a runtime that is not installed from one that fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from triport.converters.convert import read_parameters
from triport.converters.environment import MissingRuntimeError
from triport.converters.networks.registered import of_model
from triport.parity.batches import logits_of
from triport.parity.runtimes import Runner, runtime_called
from triport.parity.runtimes.onnx import OnnxRunner
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import get_model


def why_missing(runtime: str) -> str | None:
    """Return why a runtime cannot be used here, None where it can."""
    try:
        runtime_called(runtime).framework()
    except TriportError as error:
        absent = isinstance(error.__cause__, ModuleNotFoundError)
        title = runtime_called(runtime).TITLE
        return f"{title} {'is not installed' if absent else 'does not load'} where this was published"
    return None


def run(runtime: str, file: Path, model: str, device: str, images: np.ndarray) -> tuple[np.ndarray, str]:
    """Return a file's logits (N, classes) and the runtime's name and version.

    PyTorch and MindSpore run triport's own definition of the model: the folder's is never executed.

    Raises:
        MissingRuntimeError: the runtime is not installed.
        TriportError: the file cannot be run.
    """
    try:
        framework = runtime_called(runtime).framework()
    except TriportError as error:
        raise MissingRuntimeError(str(error)) from error
    runner: Runner
    if runtime == "onnx":
        runner = OnnxRunner(file, of_model(get_model(model)), device)
    else:
        loaded = read_parameters(file, model)
        network = of_model(loaded.spec, loaded.num_classes)
        runner = runtime_called(runtime).load(network, loaded.parameters, device)
    return logits_of(runner, images), f"{framework.__name__} {framework.__version__}"
