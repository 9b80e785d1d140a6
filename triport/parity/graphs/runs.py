"""Running a Cell in MindSpore and its ONNX file in ONNX Runtime, on arrays and without their logs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from triport.converters.mindir.outputs import flatten
from triport.converters.mindir.quiet import compiling, silenced
from triport.parity.judge.noise import nudged
from triport.reference_models.real_numbers import real_numbers

ONNX_RUNTIME, REFERENCE_IMPLEMENTATION = "ONNX Runtime", "ONNX's reference implementation"
FATAL = 4  # of ONNX Runtime's log: what it refuses is raised as well, and said by us


class RefusedError(Exception):
    """A runtime did not run what it was given; `who` says which."""

    def __init__(self, who: str, error: Exception) -> None:
        super().__init__(first_line(error))
        self.who = who


class NothingFiniteError(RefusedError):
    """A runtime gave no finite number where the other did: nothing can be compared."""


def run_cell(cell: Any, inputs: Sequence[np.ndarray], elem_types: Sequence[int] = ()) -> list[np.ndarray]:
    """Run a Cell compiled: operator by operator, MindSpore 2.10 forgets in-place writes on CPU.

    An input of the element type bfloat16 is given, and such an output returned, as float32.

    Raises:
        RefusedError: MindSpore cannot run it.
    """
    import mindspore

    narrow = [elem_type == onnx.TensorProto.BFLOAT16 for elem_type in elem_types] or [False] * len(inputs)
    tensors = [
        mindspore.Tensor(array, mindspore.bfloat16) if is_narrow else mindspore.Tensor(array)
        for array, is_narrow in zip(inputs, narrow, strict=True)
    ]
    try:
        with silenced(), compiling():
            return [_array_from_tensor(tensor) for tensor in flatten(cell(*tensors))]
    except Exception as error:  # whatever MindSpore's compiler and kernels raise
        raise RefusedError("MindSpore", error) from error


def run_cell_moved(
    cell: Any, inputs: Sequence[np.ndarray], elem_types: Sequence[int], step: float, seed: int
) -> list[np.ndarray]:
    """Run a Cell with each input and parameter a step down, as it is, or a step up, at random by the seed.

    A step is relative to each number.

    Raises:
        RefusedError: MindSpore cannot run it.
    """
    random = np.random.default_rng(seed)
    arrays = [nudged(array, random, step) for array in inputs]
    with parameters_moved(cell, step, random):
        return run_cell(cell, arrays, elem_types)


@contextlib.contextmanager
def parameters_moved(cell: Any, step: float, random: np.random.Generator) -> Iterator[None]:
    """Let each parameter of a Cell be a step off, at random; then as it was."""
    import mindspore

    kept = []
    try:
        for parameter in list(cell.get_parameters()):
            if str(parameter.dtype) not in ("Float16", "Float32", "Float64"):
                continue
            array = parameter.asnumpy().copy()
            kept.append((parameter, array))
            parameter.set_data(mindspore.Tensor(nudged(array, random, step)))
        yield
    finally:
        for parameter, array in kept:
            parameter.set_data(mindspore.Tensor(array))


def _array_from_tensor(tensor: Any) -> np.ndarray:
    return real_numbers((tensor.float() if str(tensor.dtype) == "BFloat16" else tensor).asnumpy())


def open_session(path: Path, level: str | None = "ALL") -> Any:
    """Open a file with graph optimisation up to a level; None is without.

    Raises:
        RefusedError: ONNX Runtime cannot, as it has kernels for the common types of an operator only.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    name = f"ORT_ENABLE_{level}" if level else "ORT_DISABLE_ALL"
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, name)
    options.log_severity_level = FATAL
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise RefusedError(ONNX_RUNTIME, error) from error


def run_onnx(session: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run an open file on its inputs in order.

    Raises:
        RefusedError: ONNX Runtime cannot run it on these.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = FATAL
    names = [item.name for item in session.get_inputs()]
    try:
        return session.run(None, dict(zip(names, inputs, strict=True)), options)
    except Exception as error:
        raise RefusedError(ONNX_RUNTIME, error) from error


def first_line(error: Exception) -> str:
    """Return what an error says first, or its kind if it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -")]
    # MindSpore puts headings between rules: "- Kernel select failed:"
    told = [line for line in lines if not line.startswith("- ")]
    line = (told or lines or [type(error).__name__])[0]
    # "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Non-zero status code returned while running Gather node"
    line = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", line)
    line = re.sub(
        r"^Non-zero status code returned while running (\w+) node\. Name:'(.*?)' ", r"\1 \2: ", line
    )
    return line.replace("Status Message: ", "")[:300]
