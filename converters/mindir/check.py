"""Is a converted graph equal? MindSpore against ONNX Runtime, with float noise in mind.

Beyond the tolerance there are two more verdicts. Ill-conditioned: a change of the input by 1e-7
moves the two runtimes' own outputs, together, by more than they differ. Equal without graph
optimisation: the file is right, and ONNX Runtime's optimiser, which is on by default, is not.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from reference_models.errors import TriportError

from .bfloat16 import is_bfloat16, run_reference, widened
from .outputs import iterate_tensors
from .reader import TensorType

if TYPE_CHECKING:
    import numpy as np

TOLERANCE = 5e-6
# half the distance between neighbouring numbers, relative, times four
TOLERANCES: dict[int, float] = {onnx.TensorProto.FLOAT16: 2e-3, onnx.TensorProto.BFLOAT16: 1.6e-2}
CHANGE = 1e-7
NUM_CHANGES = 3
SEED = 0

EQUAL, NOT_EQUAL, ILL_CONDITIONED = "equal", "not equal", "ill-conditioned"
ONNX_RUNTIME = "ONNX Runtime"
UNOPTIMISED = "equal without ONNX Runtime's graph optimisation, not with it"
# of ONNX Runtime's graph optimisation, each of which includes the one before
LEVELS = ("BASIC", "EXTENDED", "LAYOUT", "ALL")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found; `error` and `noise` are relative to the largest value of each output.

    `noise` is how far the outputs of MindSpore and of ONNX Runtime, added up, move when the input
    changes by 1e-7 of itself. `plain_error` is the error without ONNX Runtime's graph optimisation,
    `level` the first level of it that differs.
    """

    verdict: str
    error: float | None = None
    tolerance: float | None = None
    noise: float | None = None
    batch_problem: str | None = None
    plain_error: float | None = None
    level: str | None = None
    runtime: str = ONNX_RUNTIME

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the file."""
        return self.verdict != NOT_EQUAL

    @property
    def warnings(self) -> list[str]:
        """What whoever runs the file should know."""
        if self.verdict != UNOPTIMISED:
            return []
        return [
            f"{self}. Run the file with GraphOptimizationLevel.ORT_DISABLE_ALL, or in another runtime: "
            "its optimiser changes the results"
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, by name."""
        return {
            "verdict": self.verdict,
            "runtime": self.runtime,
            "max_rel": self.error,
            "tolerance": self.tolerance,
            "noise": self.noise,
            "max_rel_without_optimisation": self.plain_error,
            "optimisation_level_that_differs": self.level,
        }

    def __str__(self) -> str:
        if self.error is None:
            return self.verdict
        text = f"{self.verdict}: MindSpore and {self.runtime} differ by {self.error:.1e}"
        if self.level is not None:
            text += f" from level ORT_ENABLE_{self.level} on, by {self.plain_error:.1e} without"
        if self.noise is not None:
            text += f"; a change of the input by {CHANGE:.0e} moves their own outputs by {self.noise:.1e}"
        return f"{text} (tolerance {self.tolerance:.1e})"


def compare(
    path: Path, types: Sequence[TensorType], get_cell: Callable[[], Any], is_batch_free: bool
) -> Comparison:
    """Run a Cell and its ONNX file on the same seeded input, and the file on batches of another size."""
    for module in ("onnxruntime", "mindspore"):
        if importlib.util.find_spec(module) is None:
            return Comparison(f"not compared: {module} is not installed")
    model = onnx.load(path, load_external_data=False)
    if not is_bfloat16(model):
        return _compare(path, types, get_cell, is_batch_free, lowest_precision(model))
    with widened(path, model) as wide:
        return _compare(wide, types, get_cell, is_batch_free, TOLERANCES[onnx.TensorProto.BFLOAT16])


def lowest_precision(model: onnx.ModelProto) -> float:
    """Return the tolerance for a graph: that of the coarsest of its inputs, outputs and parameters."""
    values = (*model.graph.input, *model.graph.output)
    elem_types = {value.type.tensor_type.elem_type for value in values}
    elem_types |= {tensor.data_type for tensor in model.graph.initializer}
    return max(TOLERANCES.get(elem_type, TOLERANCE) for elem_type in elem_types)


def _compare(
    path: Path,
    types: Sequence[TensorType],
    get_cell: Callable[[], Any],
    is_batch_free: bool,
    tolerance: float,
) -> Comparison:
    inputs = make_inputs(types)
    session, batch_problem, runtime = None, None, ONNX_RUNTIME
    try:
        session = _open(path)
        found = _run_onnx(session, inputs)
    except Exception as error:  # it has kernels for the common types of an operator only
        reason = f"ONNX Runtime cannot run it: {_first_line(error)}"
        if tolerance != TOLERANCES[onnx.TensorProto.BFLOAT16]:
            return Comparison(f"not compared: {reason}")
        session, runtime = None, "ONNX's reference implementation"
        try:
            found = run_reference(path, inputs)
        except Exception as second:
            return Comparison(f"not compared: {reason}; nor can {runtime}: {_first_line(second)}")
    if session is not None and is_batch_free:
        batch_problem = _check_batches(session, inputs, found)
    elem_types = [type_.elem_type for type_ in types]
    try:
        cell = get_cell()
        references = run_cell(cell, inputs, elem_types)
    except TriportError:
        raise
    except Exception as error:  # some operators have no kernel for this device
        return Comparison(
            f"not compared: MindSpore cannot run it here: {_first_line(error)}", batch_problem=batch_problem
        )
    if [array.shape for array in found] != [array.shape for array in references]:
        return Comparison(NOT_EQUAL, error=float("inf"), tolerance=tolerance, runtime=runtime)
    difference = _error(found, references)
    if difference <= tolerance or session is None:
        verdict = EQUAL if difference <= tolerance else NOT_EQUAL
        return Comparison(verdict, difference, tolerance, batch_problem=batch_problem, runtime=runtime)
    judged = judge(
        path, inputs, difference, references, lambda given: run_cell(cell, given, elem_types), tolerance
    )
    return replace(judged, batch_problem=batch_problem)


def judge(
    path: Path,
    inputs: Sequence[np.ndarray],
    error: float,
    references: Sequence[np.ndarray],
    run_mindspore: Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]],
    tolerance: float = TOLERANCE,
) -> Comparison:
    """Say what an error beyond the tolerance comes from: the net, ONNX Runtime's optimiser, or the file."""
    session = _open(path, None)
    plain = _run_onnx(session, inputs)
    plain_error = _error(plain, references)
    noise = 0.0
    for run, unmoved in ((run_mindspore, references), (lambda given: _run_onnx(session, given), plain)):
        noise += max(_error(run(changed(inputs, seed)), unmoved) for seed in range(NUM_CHANGES))
    found = Comparison(NOT_EQUAL, error, tolerance, noise, plain_error=plain_error)
    if error <= noise:
        return replace(found, verdict=ILL_CONDITIONED)
    if plain_error > max(tolerance, noise):
        return found
    differs = (
        level
        for level in LEVELS[:-1]
        if _error(_run_onnx(_open(path, level), inputs), references) > max(tolerance, noise)
    )
    return replace(found, verdict=UNOPTIMISED, level=next(differs, LEVELS[-1]))


def _error(found: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> float:
    return max(map(largest_difference, found, references), default=0.0)


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
        if type_.elem_type == onnx.TensorProto.BFLOAT16:
            arrays.append(generator.normal(size=type_.shape).astype(dtype).astype(np.float32))
        elif dtype.kind == "f":
            arrays.append(generator.normal(size=type_.shape).astype(dtype))
        else:
            arrays.append(generator.integers(2, size=type_.shape).astype(dtype))
    return arrays


def run_cell(cell: Any, inputs: Sequence[np.ndarray], elem_types: Sequence[int] = ()) -> list[np.ndarray]:
    """Run a Cell compiled: operator by operator, MindSpore 2.10 forgets in-place writes on CPU.

    An input of the element type bfloat16 is given, and such an output returned, as float32.
    """
    import mindspore

    before = mindspore.get_context("mode")
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    narrow = [elem_type == onnx.TensorProto.BFLOAT16 for elem_type in elem_types] or [False] * len(inputs)
    try:
        tensors = [
            mindspore.Tensor(array, mindspore.bfloat16) if is_narrow else mindspore.Tensor(array)
            for array, is_narrow in zip(inputs, narrow, strict=True)
        ]
        return flatten(cell(*tensors))
    finally:
        mindspore.set_context(mode=before)


def flatten(result: Any) -> list[np.ndarray]:
    """Return all tensors of a result as arrays."""
    tensors = (tensor for _, tensor in iterate_tensors(result))
    return [(tensor.float() if str(tensor.dtype) == "BFloat16" else tensor).asnumpy() for tensor in tensors]


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


def _open(path: Path, level: str | None = "ALL") -> Any:
    """Open a file with graph optimisation up to a level; None is without."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    name = f"ORT_ENABLE_{level}" if level else "ORT_DISABLE_ALL"
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, name)
    options.log_severity_level = 4  # what it says is in the result
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
