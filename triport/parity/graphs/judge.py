"""Where an error comes from: the net's own noise, a runtime's kernels or optimiser, an order, or the file."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from .feeds import changed
from .kernels import as_mindspore_computes
from .order import count_exchanged, with_scores
from .roundings import has_narrow_floats, perturb
from .runs import ONNX_RUNTIME, open_session, run_onnx
from .verdicts import EQUAL, ILL_CONDITIONED, NOT_EQUAL, UNOPTIMISED, Comparison

if TYPE_CHECKING:
    import numpy as np

    Run = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]

TOLERANCE = 5e-6
# what the last rounding of an output alone may make: twice half the distance of neighbouring numbers
TOLERANCES: dict[int, float] = {onnx.TensorProto.FLOAT16: 1e-3, onnx.TensorProto.BFLOAT16: 1.6e-2}
NUM_CHANGES = 3
# two runtimes each round in their own way, and sum in their own order
SHARE_OF_ROUNDINGS = 2.0
# larger noise of roundings excuses nothing: an order or a choice flipped, which is looked at by itself
MOST_NOISE = 0.02
# of rows in the order of a float16 score: what they may differ by at least
NARROW_ROWS = 1e-2
# of ONNX Runtime's graph optimisation, each of which includes the one before
LEVELS = ("BASIC", "EXTENDED", "LAYOUT", "ALL")


@dataclass
class Judge:
    """Judges what one ONNX file computes by what MindSpore does.

    `runtime` and `run_file` are another runtime where ONNX Runtime cannot run the file.
    """

    path: Path
    model: onnx.ModelProto
    run_mindspore: Run
    run_file: Run
    runtime: str = ONNX_RUNTIME

    @cached_property
    def tolerances(self) -> list[float]:
        """What each output may differ by, whatever happens inside."""
        elem_types = (value.type.tensor_type.elem_type for value in self.model.graph.output)
        return [TOLERANCES.get(elem_type, TOLERANCE) for elem_type in elem_types]

    @cached_property
    def is_narrow(self) -> bool:
        """Whether some of the graph is computed in float16."""
        return has_narrow_floats(self.model)

    def judge(
        self,
        inputs: Sequence[np.ndarray],
        found: Sequence[np.ndarray],
        references: Sequence[np.ndarray],
        *,
        is_edge: bool = False,
    ) -> Comparison:
        """Compare the outputs; at the edges, only where MindSpore gives finite numbers."""
        if [array.shape for array in found] != [array.shape for array in references]:
            return Comparison(NOT_EQUAL, float("inf"), max(self.tolerances), runtime=self.runtime)
        errors = self._errors(found, references, is_edge)
        worst = max(range(len(errors)), key=lambda index: errors[index] / self.tolerances[index], default=0)
        error, tolerance = (errors[worst], self.tolerances[worst]) if errors else (0.0, TOLERANCE)
        if error <= tolerance:
            return Comparison(EQUAL, error, tolerance, runtime=self.runtime)
        if self.runtime != ONNX_RUNTIME:
            return Comparison(NOT_EQUAL, error, tolerance, runtime=self.runtime)
        note = self._explain_by_kernels(inputs, references, self.tolerances, is_edge)
        if note is not None:
            return Comparison(EQUAL, error, tolerance, note=note)
        return self._find_cause(inputs, found, references, is_edge)

    def _errors(
        self, found: Sequence[np.ndarray], references: Sequence[np.ndarray], is_edge: bool
    ) -> list[float]:
        if is_edge:
            pairs = [_where_finite(*pair) for pair in zip(found, references, strict=True)]
            found, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        return list(map(largest_difference, found, references))

    def _find_cause(
        self,
        inputs: Sequence[np.ndarray],
        found: Sequence[np.ndarray],
        references: Sequence[np.ndarray],
        is_edge: bool,
    ) -> Comparison:
        session = open_session(self.path, None)
        plain = run_onnx(session, inputs)
        noise = self._noise(inputs, session, plain, references)
        errors, plain_errors = (self._errors(one, references, is_edge) for one in (found, plain))
        allowed = list(map(max, self.tolerances, noise))
        worst = max(range(len(errors)), key=lambda index: errors[index] / allowed[index])
        base = Comparison(
            NOT_EQUAL, errors[worst], self.tolerances[worst], noise[worst], plain_error=plain_errors[worst]
        )
        if _are_within(errors, allowed):
            if self.is_narrow and allowed[worst] <= MOST_NOISE:
                return replace(base, verdict=EQUAL, tolerance=allowed[worst])
            return replace(base, verdict=ILL_CONDITIONED)
        note = self._explain_by_kernels(inputs, references, allowed, is_edge)
        note = note or self._explain_by_order(inputs, plain, references, allowed)
        if note is not None:
            return replace(base, verdict=EQUAL, note=note)
        if not _are_within(plain_errors, allowed):
            return base
        for level in LEVELS[:-1]:
            results = run_onnx(open_session(self.path, level), inputs)
            if not _are_within(self._errors(results, references, is_edge), allowed):
                return replace(base, verdict=UNOPTIMISED, level=level)
        return replace(base, verdict=UNOPTIMISED, level=LEVELS[-1])

    def _noise(
        self,
        inputs: Sequence[np.ndarray],
        session: Any,
        plain: Sequence[np.ndarray],
        references: Sequence[np.ndarray],
    ) -> list[float]:
        """Return how far each output moves by itself."""

        def most(runs: Iterator[Sequence[np.ndarray]], unmoved: Sequence[np.ndarray]) -> list[float]:
            return [
                max(column) for column in zip(*(map(largest_move, run, unmoved) for run in runs), strict=True)
            ]

        seeds = range(NUM_CHANGES)
        theirs = most((self.run_mindspore(changed(inputs, seed)) for seed in seeds), references)
        ours = most((run_onnx(session, changed(inputs, seed)) for seed in seeds), plain)
        rounded = most((self._run_copy(perturb(self.model, seed + 1), inputs) for seed in seeds), plain)
        rounded = [
            SHARE_OF_ROUNDINGS * one if SHARE_OF_ROUNDINGS * one <= MOST_NOISE else 0.0 for one in rounded
        ]
        return [max(a + b, c) for a, b, c in zip(theirs, ours, rounded, strict=True)]

    def _run_copy(self, model: onnx.ModelProto, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        with beside(self.path, model) as path:
            return run_onnx(open_session(path, None), inputs)

    @cached_property
    def _as_mindspore(self) -> tuple[Any, list[str]] | None:
        """A session of the graph with MindSpore's approximations, and what these are; None without any."""
        told = as_mindspore_computes(self.model)
        if told is None:
            return None
        with beside(self.path, told[0]) as path:
            return open_session(path, None), told[1]

    def _explain_by_kernels(
        self,
        inputs: Sequence[np.ndarray],
        references: Sequence[np.ndarray],
        allowed: Sequence[float],
        is_edge: bool,
    ) -> str | None:
        """Say what MindSpore approximates, if the graph with that gives what MindSpore gives."""
        if self._as_mindspore is None:
            return None
        session, names = self._as_mindspore
        if not _are_within(self._errors(run_onnx(session, inputs), references, is_edge), allowed):
            return None
        return (
            f"MindSpore's CPU kernels approximate: {' and '.join(names)}. The file is exact; a copy of it "
            "with that approximation gives what MindSpore gives"
        )

    def _explain_by_order(
        self,
        inputs: Sequence[np.ndarray],
        plain: Sequence[np.ndarray],
        references: Sequence[np.ndarray],
        allowed: Sequence[float],
    ) -> str | None:
        """Say that rows lie in another order, if nothing else is the matter."""
        copy, scores = with_scores(self.model)
        results = self._run_copy(copy, inputs) if scores else []
        names = [output.name for output in copy.graph.output]
        least = NARROW_ROWS if self.is_narrow else 0.0
        for one in scores:
            values = results[names.index(one.name)]
            is_last = one.axis in (-1, values.ndim - 1)
            if is_last and count_exchanged(plain, references, [max(least, most) for most in allowed], values):
                return (
                    "some rows lie in another order than in MindSpore: their scores are the same within a "
                    "rounding, and the rows are the same"
                )
        return None


def _are_within(errors: Sequence[float], allowed: Sequence[float]) -> bool:
    return all(error <= most for error, most in zip(errors, allowed, strict=True))


def _where_finite(found: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both without what MindSpore gives no finite number for: how kernels overflow differs."""
    import numpy as np

    if reference.dtype.kind != "f":
        return found, reference
    lost = ~np.isfinite(reference)
    return np.where(lost, 0, found), np.where(lost, 0, reference)


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


def largest_move(found: np.ndarray, reference: np.ndarray) -> float:
    """Return the largest difference where both are finite: noise is measured, not excused, elsewhere."""
    import numpy as np

    if found.shape != reference.shape:
        return 0.0
    both = np.isfinite(found) & np.isfinite(reference)
    return largest_difference(np.where(both, found, 0), np.where(both, reference, 0))


@contextlib.contextmanager
def beside(path: Path, model: onnx.ModelProto) -> Iterator[Path]:
    """Give the path of a changed copy of a file, beside it, whose external data it reads."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".onnx")
    os.close(handle)
    try:
        Path(name).write_bytes(model.SerializeToString())
        yield Path(name)
    finally:
        Path(name).unlink()
