"""Where an error comes from: the Cell's noise, a runtime's kernels or optimiser, an order, or the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx

from triport.parity.judge.difference import difference, distance, largest_value, relative, without
from triport.parity.judge.noise import STEP, noises_of
from triport.parity.judge.tolerance import (
    BFLOAT16,
    DRAWS,
    FLOAT16,
    FLOAT32,
    WIDEST,
    WIDEST_NARROW,
    Calibration,
    within,
    worst_of,
)

from .beside import beside
from .kernels import Copies, as_mindspore_computes, overflowing
from .order import count_exchanged, with_scores
from .roundings import narrowest_float, noise_of_roundings, sizes_of
from .runs import ONNX_RUNTIME, NothingFiniteError, open_session, run_onnx
from .verdicts import EQUAL, ILL_CONDITIONED, NOT_EQUAL, UNOPTIMISED, OutputsVerdict

Run = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]
# the outputs with each number that goes in, parameters too, a step down, as it is, or a step up, by a seed
RunMoved = Callable[[Sequence[np.ndarray], float, int], Sequence[np.ndarray]]

# what an output may differ by whatever the noise is, relative to its largest value: of a narrow type, twice
# half the distance of neighbouring numbers; of others float32's last roundings; whole numbers are equal
LEAST: dict[int, float] = {onnx.TensorProto.FLOAT16: 1e-3, onnx.TensorProto.BFLOAT16: 1.6e-2}
NARROW: dict[int, Calibration] = {
    onnx.TensorProto.FLOAT16: FLOAT16,
    onnx.TensorProto.BFLOAT16: BFLOAT16,
}
# of rows in the order of a float16 score: what they may differ by at least
NARROW_ROWS = 1e-2
OVERFLOW = (
    "MindSpore's exp overflows: beyond 87 the file's softplus gives numbers, and MindSpore infinities or the "
    "logarithm of a subnormal number; the others were compared"
)
# of ONNX Runtime's graph optimisation, each of which includes the one before
LEVELS = ("BASIC", "EXTENDED", "LAYOUT", "ALL")


@dataclass(frozen=True, slots=True, eq=False)
class MindSporeFeed:
    """Inputs, what MindSpore gives for them, and whether they are at the edges of operators."""

    inputs: Sequence[np.ndarray]
    references: Sequence[np.ndarray]
    is_edge: bool = False

    def errors_of(self, found: Sequence[np.ndarray]) -> list[float]:
        """Return how far outputs are from MindSpore's; at the edges, where those are finite numbers."""
        pairs = zip(found, self.references, strict=True)
        return [_edge_difference(*pair) if self.is_edge else difference(*pair) for pair in pairs]


@dataclass
class GraphJudge:
    """Judges what one ONNX file computes by what MindSpore does.

    `run_moved` runs the Cell with inputs and parameters a rounding off. `runtime` and `run_file` are another
    runtime where ONNX Runtime cannot run the file.
    """

    path: Path
    model: onnx.ModelProto
    run_mindspore: Run
    run_moved: RunMoved
    run_file: Run
    runtime: str = ONNX_RUNTIME

    @cached_property
    def least(self) -> list[float]:
        """What each output may differ by, whatever happens inside."""
        elem_types = [value.type.tensor_type.elem_type for value in self.model.graph.output]
        return [LEAST.get(one, FLOAT32.least if _is_float(one) else 0.0) for one in elem_types]

    @cached_property
    def narrow(self) -> int | None:
        """The narrowest type that some of the graph is computed in, None if it is float32 or wider."""
        return narrowest_float(self.model)

    def judge(
        self,
        inputs: Sequence[np.ndarray],
        found: Sequence[np.ndarray],
        references: Sequence[np.ndarray],
        *,
        is_edge: bool = False,
    ) -> OutputsVerdict:
        """Compare the outputs; at the edges, only where MindSpore gives finite numbers."""
        if [array.shape for array in found] != [array.shape for array in references]:
            return OutputsVerdict(NOT_EQUAL, float("inf"), max(self.least, default=0.0), runtime=self.runtime)
        feed = MindSporeFeed(inputs, references, is_edge)
        verdict = self._judge(feed, found)
        if verdict.verdict == EQUAL:
            return verdict
        below = self._below_overflow(feed, found)
        if below is None:
            return verdict
        finite = self._judge(MindSporeFeed(inputs, below, is_edge=True), found)
        return replace(finite, note=". ".join(filter(None, (OVERFLOW, finite.note))))

    def _judge(self, feed: MindSporeFeed, found: Sequence[np.ndarray]) -> OutputsVerdict:
        errors = feed.errors_of(found)
        if not errors:
            return OutputsVerdict(EQUAL, 0.0, FLOAT32.least, runtime=self.runtime)
        if within(errors, self.least):
            worst = worst_of(errors, self.least)
            return OutputsVerdict(EQUAL, errors[worst], self.least[worst], runtime=self.runtime)
        return self._judge_by_noise(feed, errors)

    def _judge_by_noise(self, feed: MindSporeFeed, errors: list[float]) -> OutputsVerdict:
        noise, allowed = self._measure(feed)
        worst = worst_of(errors, allowed)
        base = OutputsVerdict(NOT_EQUAL, errors[worst], allowed[worst], noise[worst], runtime=self.runtime)
        widest = WIDEST if self.narrow is None else WIDEST_NARROW
        is_within = within(errors, allowed)
        if is_within and allowed[worst] <= widest:
            return replace(base, verdict=EQUAL)
        if self.runtime == ONNX_RUNTIME:
            base = self._find_cause(feed, base, [min(one, widest) for one in allowed])
        if is_within and base.verdict == NOT_EQUAL:
            return replace(base, verdict=ILL_CONDITIONED)
        return base

    def _measure(self, feed: MindSporeFeed) -> tuple[list[float], list[float]]:
        """Return how far the Cell is from itself in each output, and what each may differ by.

        Where some of the graph is computed in float16 or bfloat16, all that goes in is moved by a step of
        that type. That is more than a single layer rounds, so there the file's own roundings, each moved at
        random where the graph has them (`roundings.py`), bound the noise from above: the smaller of the two
        counts. Neither a Cell that is moved too far nor a file that is wrong makes it wide.
        """
        noise = self._noise_of_cell(feed, STEP)
        allowed = [FLOAT32.tolerance_of(one, most) for most, one in zip(self.least, noise, strict=True)]
        if self.narrow is None:
            return noise, allowed
        calibration = NARROW[self.narrow]
        bounds = zip(
            self._noise_of_cell(feed, 2 * calibration.rounding), self._noise_of_roundings(feed), strict=True
        )
        for index, bound in enumerate(bounds):
            noise[index] = max(noise[index], min(bound))
            narrow = min(calibration.factor * min(bound), WIDEST_NARROW)
            allowed[index] = max(allowed[index], narrow)
        return noise, allowed

    def _noise_of_cell(self, feed: MindSporeFeed, step: float) -> list[float]:
        """Return how far each output moves when all that goes in is a step off.

        The first run is moved by nothing. It is not the one that the file is judged by: MindSpore may give
        something else from its second run on.
        """
        steps = enumerate([0.0, *[step] * DRAWS])
        return sizes_of(noises_of(self.run_moved(feed.inputs, one, seed) for seed, one in steps))

    def _noise_of_roundings(self, feed: MindSporeFeed) -> list[float]:
        """Return how far the file's outputs move when each of its roundings falls otherwise."""
        if self.runtime != ONNX_RUNTIME:
            return [float("inf")] * len(feed.references)
        return noise_of_roundings(self.model, lambda copy, _: self._run_copy(copy, feed.inputs))

    def _find_cause(
        self, feed: MindSporeFeed, base: OutputsVerdict, allowed: Sequence[float]
    ) -> OutputsVerdict:
        """Say what else an error comes from: MindSpore's kernels, an order of rows, or the optimiser."""
        plain = run_onnx(open_session(self.path, None), feed.inputs)
        plain_errors = feed.errors_of(plain)
        base = replace(base, plain_error=plain_errors[worst_of(plain_errors, allowed)])
        note = self._explain_by_kernels(feed, plain, allowed) or self._explain_by_order(feed, plain, allowed)
        if note is not None:
            return replace(base, verdict=EQUAL, note=note)
        if not within(plain_errors, allowed):
            return base
        for level in LEVELS[:-1]:
            results = run_onnx(open_session(self.path, level), feed.inputs)
            if not within(feed.errors_of(results), allowed):
                return replace(base, verdict=UNOPTIMISED, level=level)
        return replace(base, verdict=UNOPTIMISED, level=LEVELS[-1])

    def _run_copy(self, model: onnx.ModelProto, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        with beside(self.path, model) as path:
            return run_onnx(open_session(path, None), inputs)

    @cached_property
    def _as_mindspore(self) -> Copies | None:
        """Copies of the graph with MindSpore's approximations and without any."""
        return as_mindspore_computes(self.model)

    def _below_overflow(self, feed: MindSporeFeed, found: Sequence[np.ndarray]) -> list[np.ndarray] | None:
        """Return what MindSpore gives, NaN where the file's softplus is of what its exp cannot take.

        There a sigmoid is a subnormal number or 0 in MindSpore, and its logarithm another number or -inf. It
        is None where no softplus is of so much, or MindSpore has infinities in other places too.

        Raises:
            NothingFiniteError: no number is left to compare.
        """
        if self.runtime != ONNX_RUNTIME or self.narrow is not None:
            return None
        copy = overflowing(self.model)
        if copy is None:
            return None
        beyond = [~np.isfinite(array) for array in self._run_copy(copy, feed.inputs)]
        lost = [~np.isfinite(array) for array in feed.references]
        if not any(map(np.any, beyond)) or not all(np.isfinite(array).all() for array in found):
            return None
        if any((mine & ~its).any() for mine, its in zip(lost, beyond, strict=True)):
            return None
        if all(map(np.all, beyond)):
            raise NothingFiniteError("MindSpore", OverflowError("its exp overflows in every number"))
        pairs = zip(feed.references, beyond, strict=True)
        return [np.where(its, np.nan, array) if its.any() else array for array, its in pairs]

    def _explain_by_kernels(
        self, feed: MindSporeFeed, plain: Sequence[np.ndarray], allowed: Sequence[float]
    ) -> str | None:
        """Say what MindSpore approximates, if the graph with that gives what MindSpore gives.

        And if the file itself gives what exact functions do: a function of ONNX Runtime's may be off as well,
        and a file that is right with MindSpore's and wrong with ONNX Runtime's is not right.
        """
        copies = self._as_mindspore
        if copies is None:
            return None
        if not within(feed.errors_of(self._run_copy(copies.imitating, feed.inputs)), allowed):
            return None
        note = (
            f"MindSpore's CPU kernels approximate: {' and '.join(copies.names)}. The file is exact; a "
            "copy of it with that approximation gives what MindSpore gives"
        )
        ideal = MindSporeFeed(feed.inputs, self._run_copy(copies.exact, feed.inputs), feed.is_edge)
        errors = ideal.errors_of(plain)
        if within(errors, allowed):
            return note
        if copies.shaken is None or not within(errors, self._allowed_by_functions(ideal, copies.shaken)):
            return None
        return (
            f"{note}. ONNX Runtime's differ from exact functions by a rounding of 1, which is much of such "
            f"small outputs: {max(errors):.1e}"
        )

    def _allowed_by_functions(self, ideal: MindSporeFeed, shaken: onnx.ModelProto) -> list[float]:
        """Return what each output may differ by where bounded functions are a rounding of 1 off."""
        with beside(self.path, shaken) as path:
            session = open_session(path, None)  # whose random numbers are others in each run
            draws = [run_onnx(session, ideal.inputs) for _ in range(DRAWS)]
        noise = sizes_of(noises_of([ideal.references, *draws]))
        return [
            min(FLOAT32.tolerance_of(one, least), WIDEST)
            for one, least in zip(noise, self.least, strict=True)
        ]

    def _explain_by_order(
        self, feed: MindSporeFeed, plain: Sequence[np.ndarray], allowed: Sequence[float]
    ) -> str | None:
        """Say that rows lie in another order, if nothing else is the matter."""
        copy, scores = with_scores(self.model)
        results = self._run_copy(copy, feed.inputs) if scores else []
        names = [output.name for output in copy.graph.output]
        least = NARROW_ROWS if self.narrow is not None else 0.0
        most = [max(least, one) for one in allowed]
        for one in scores:
            values = results[names.index(one.name)]
            is_last = one.axis in (-1, values.ndim - 1)
            if is_last and count_exchanged(plain, feed.references, most, values):
                return (
                    "some rows lie in another order than in MindSpore: their scores are the same within a "
                    "rounding, and the rows are the same"
                )
        return None


def _is_float(elem_type: int) -> bool:
    return onnx.helper.tensor_dtype_to_np_dtype(elem_type).kind == "f"


def _edge_difference(found: np.ndarray, reference: np.ndarray) -> float:
    """Return how far they are apart where MindSpore gives a finite number: how kernels overflow differs.

    Where all that is left are zeros, what the file gives in the other places is the scale.
    """
    if reference.dtype.kind != "f" or found.shape != reference.shape:
        return difference(found, reference)
    lost = ~np.isfinite(reference)
    left, right = without(found, lost), without(reference, lost)
    overflown = found[lost & np.isfinite(found)]
    if not right.any() and overflown.size:
        return relative(distance(left, right), largest_value(overflown))
    return difference(left, right)
