"""Is a converted graph equal? MindSpore against ONNX Runtime, with float noise in mind."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from reference_models.errors import TriportError

from .reader import TensorType

if TYPE_CHECKING:
    import numpy as np

TOLERANCE = 5e-6
# half the distance between neighbouring numbers, relative, times four
TOLERANCES: dict[int, float] = {onnx.TensorProto.FLOAT16: 2e-3, onnx.TensorProto.BFLOAT16: 1.6e-2}
CHANGE = 1e-7
NUM_CHANGES = 3
SEED = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found; `error` and `noise` are relative to the largest value of each output.

    `noise` is how far MindSpore's own output moves when the input changes by 1e-7 of itself.
    """

    verdict: str
    error: float | None = None
    tolerance: float | None = None
    noise: float | None = None
    batch_problem: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the file."""
        return self.verdict != "not equal"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, by name."""
        return {
            "verdict": self.verdict,
            "max_rel": self.error,
            "tolerance": self.tolerance,
            "noise": self.noise,
        }

    def __str__(self) -> str:
        if self.error is None:
            return self.verdict
        text = f"{self.verdict}: MindSpore and ONNX Runtime differ by {self.error:.1e}"
        if self.noise is not None:
            text += (
                f"; a change of the input by {CHANGE:.0e} moves MindSpore's own output by {self.noise:.1e}"
            )
        return f"{text} (tolerance {self.tolerance:.1e})"


def compare(
    path: Path, types: Sequence[TensorType], get_cell: Callable[[], Any], is_batch_free: bool
) -> Comparison:
    """Run a Cell and its ONNX file on the same seeded input, and the file on batches of another size."""
    for module in ("onnxruntime", "mindspore"):
        if importlib.util.find_spec(module) is None:
            return Comparison(f"not compared: {module} is not installed")
    if any(type_.elem_type == onnx.TensorProto.BFLOAT16 for type_ in types):
        return Comparison("not compared: ONNX Runtime takes no bfloat16 from NumPy")
    inputs = make_inputs(types)
    try:
        session = _open(path)
        found = _run_onnx(session, inputs)
    except Exception as error:  # it has kernels for the common types of an operator only
        return Comparison(f"not compared: ONNX Runtime cannot run it: {_first_line(error)}")
    batch_problem = _check_batches(session, inputs, found) if is_batch_free else None
    try:
        cell = get_cell()
        references = run_cell(cell, inputs)
    except TriportError:
        raise
    except Exception as error:  # some operators have no kernel for this device
        return Comparison(
            f"not compared: MindSpore cannot run it here: {_first_line(error)}", batch_problem=batch_problem
        )
    if [array.shape for array in found] != [array.shape for array in references]:
        return Comparison("not equal", error=float("inf"), tolerance=TOLERANCE)
    largest = max(map(largest_difference, found, references), default=0.0)
    lowest = min((array.dtype.itemsize for array in references if array.dtype.kind == "f"), default=4)
    elem_types = [type_.elem_type for type_ in types]
    tolerance = max([TOLERANCES.get(elem_type, TOLERANCE) for elem_type in elem_types], default=TOLERANCE)
    tolerance = max(tolerance, TOLERANCES[onnx.TensorProto.FLOAT16] if lowest == 2 else TOLERANCE)
    if largest <= tolerance:
        return Comparison("equal", largest, tolerance, batch_problem=batch_problem)
    # ONNX Runtime's optimiser adds noise of its own to an ill-conditioned net
    plain = max(map(largest_difference, _run_onnx(_open(path, optimize=False), inputs), references))
    largest = min(largest, plain)
    noise = max(
        max(map(largest_difference, run_cell(cell, changed(inputs, seed)), references))
        for seed in range(NUM_CHANGES)
    )
    verdict = "equal" if largest <= tolerance else "ill-conditioned" if noise >= largest else "not equal"
    return Comparison(verdict, largest, tolerance, noise, batch_problem)


def changed(inputs: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Return the inputs, their float values changed by 1e-7 of themselves, up or down by the seed."""
    import numpy as np

    signs = np.random.default_rng(seed)
    return [
        (array * (1 + CHANGE * signs.choice([-1, 1], array.shape))).astype(array.dtype)
        if array.dtype.kind == "f"
        else array
        for array in inputs
    ]


def make_inputs(types: Sequence[TensorType]) -> list[np.ndarray]:
    """Return seeded inputs: standard normal, or 0 and 1 for whole numbers and truth values."""
    import numpy as np

    generator = np.random.default_rng(SEED)
    arrays = []
    for type_ in types:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(type_.elem_type)
        if dtype.kind == "f":
            arrays.append(generator.normal(size=type_.shape).astype(dtype))
        else:
            arrays.append(generator.integers(2, size=type_.shape).astype(dtype))
    return arrays


def run_cell(cell: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run a Cell compiled: operator by operator, MindSpore 2.10 forgets in-place writes on CPU."""
    import mindspore

    before = mindspore.get_context("mode")
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    try:
        return flatten(cell(*map(mindspore.Tensor, inputs)))
    finally:
        mindspore.set_context(mode=before)


def flatten(result: Any) -> list[np.ndarray]:
    """Return all tensors of a result as arrays."""
    if isinstance(result, tuple | list):
        return [array for item in result for array in flatten(item)]
    return [result.asnumpy()]


def largest_difference(found: np.ndarray, reference: np.ndarray) -> float:
    """Return max|found - reference| / max|reference|; NaN and infinity must be in the same places."""
    import numpy as np

    if found.size == 0:
        return 0.0
    found, reference = (array.astype(np.float64) for array in (found, reference))
    finite = np.isfinite(reference)
    if not np.array_equal(found[~finite], reference[~finite], equal_nan=True):
        return float("inf")
    difference = np.abs(np.where(finite, found, 0) - np.where(finite, reference, 0)).max()
    if not np.isfinite(difference):
        return float("inf")
    return float(difference / max(np.abs(reference[finite]).max(initial=0), 1e-30))


def _open(path: Path, optimize: bool = True) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _run_onnx(session: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    names = [item.name for item in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def _check_batches(session: Any, inputs: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> str | None:
    """Run each input twice over in one batch: both halves must be what one alone gives."""
    import numpy as np

    free = [isinstance(item.shape[0], str) if item.shape else False for item in session.get_inputs()]
    doubled = [
        np.concatenate([array, array]) if is_free else array
        for is_free, array in zip(free, inputs, strict=True)
    ]
    try:
        results = _run_onnx(session, doubled)
    except Exception as error:
        return f"the graph does not run at another batch size: {_first_line(error)}"
    for item, one, two in zip(session.get_outputs(), found, results, strict=True):
        axes = [axis for axis, size in enumerate(item.shape) if isinstance(size, str)]
        if not axes or one.dtype.kind != "f":
            continue
        both = np.concatenate([one, one], axis=axes[0])
        if both.shape != two.shape or largest_difference(two, both) > 1e-3:
            return f"output {item.name} at another batch size is not the same, image by image"
    return None


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -")]
    return (lines or [type(error).__name__])[0][:300]
