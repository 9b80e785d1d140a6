"""Where an error comes from: the Cell's noise, a runtime's kernels or optimiser, an order, or the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from triport.parity.noise import FLOAT32

from .beside import beside
from .cell_noise import MOST_NARROW, NARROW, NUM_DRAWS, STEP, RunMoved, noise_of, spread
from .differences import largest_difference, where_finite
from .kernels import as_mindspore_computes
from .order import count_exchanged, with_scores
from .roundings import narrowest_float, perturb
from .runs import ONNX_RUNTIME, open_session, run_onnx
from .verdicts import EQUAL, ILL_CONDITIONED, NOT_EQUAL, UNOPTIMISED, Comparison

Run = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]

# what an output may differ by whatever the noise is, relative to its largest value: of a narrow type, twice
# half the distance of neighbouring numbers; of others float32's last roundings; whole numbers are equal
LEAST: dict[int, float] = {onnx.TensorProto.FLOAT16: 1e-3, onnx.TensorProto.BFLOAT16: 1.6e-2}
# a tolerance above it would hide faults: the Cell is ill-conditioned, and that is said
WIDEST = 1e-3
# of rows in the order of a float16 score: what they may differ by at least
NARROW_ROWS = 1e-2
# of ONNX Runtime's graph optimisation, each of which includes the one before
LEVELS = ("BASIC", "EXTENDED", "LAYOUT", "ALL")


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """Inputs, what MindSpore gives for them, and whether they are at the edges of operators."""

    inputs: Sequence[np.ndarray]
    references: Sequence[np.ndarray]
    is_edge: bool = False

    def errors_of(self, found: Sequence[np.ndarray]) -> list[float]:
        """Return how far outputs are from MindSpore's; at the edges, where those are finite numbers."""
        pairs = list(zip(found, self.references, strict=True))
        if self.is_edge:
            pairs = [where_finite(*pair) for pair in pairs]
        return [largest_difference(*pair) for pair in pairs]


@dataclass
class Judge:
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
    ) -> Comparison:
        """Compare the outputs; at the edges, only where MindSpore gives finite numbers."""
        if [array.shape for array in found] != [array.shape for array in references]:
            return Comparison(NOT_EQUAL, float("inf"), max(self.least, default=0.0), runtime=self.runtime)
        feed = Feed(inputs, references, is_edge)
        errors = feed.errors_of(found)
        if not errors:
            return Comparison(EQUAL, 0.0, FLOAT32.least, runtime=self.runtime)
        if _are_within(errors, self.least):
            worst = _worst(errors, self.least)
            return Comparison(EQUAL, errors[worst], self.least[worst], runtime=self.runtime)
        if self.runtime == ONNX_RUNTIME:
            note = self._explain_by_kernels(feed, self.least)
            if note is not None:
                worst = _worst(errors, self.least)
                return Comparison(EQUAL, errors[worst], self.least[worst], note=note)
        return self._judge_by_noise(feed, errors)

    def _judge_by_noise(self, feed: Feed, errors: list[float]) -> Comparison:
        noise, allowed = self._measure(feed)
        worst = _worst(errors, allowed)
        base = Comparison(NOT_EQUAL, errors[worst], allowed[worst], noise[worst], runtime=self.runtime)
        widest = WIDEST if self.narrow is None else MOST_NARROW
        is_within = _are_within(errors, allowed)
        if is_within and allowed[worst] <= widest:
            return replace(base, verdict=EQUAL)
        if self.runtime == ONNX_RUNTIME:
            base = self._find_cause(feed, base, [min(one, widest) for one in allowed])
        if is_within and base.verdict == NOT_EQUAL:
            return replace(base, verdict=ILL_CONDITIONED)
        return base

    def _measure(self, feed: Feed) -> tuple[list[float], list[float]]:
        """Return how far the Cell is from itself in each output, and what each may differ by."""
        noise = noise_of(self.run_moved, feed.inputs, STEP)
        allowed = [max(most, FLOAT32.factor * one) for most, one in zip(self.least, noise, strict=True)]
        if self.narrow is None:
            return noise, allowed
        calibration = NARROW[self.narrow]
        bounds = zip(
            noise_of(self.run_moved, feed.inputs, 2 * calibration.rounding),
            self._noise_of_roundings(feed),
            strict=True,
        )
        for index, bound in enumerate(bounds):
            noise[index] = max(noise[index], min(bound))
            narrow = min(calibration.factor * min(bound), MOST_NARROW)
            allowed[index] = max(allowed[index], narrow)
        return noise, allowed

    def _noise_of_roundings(self, feed: Feed) -> list[float]:
        """Return how far the file's outputs move when each of its roundings falls otherwise."""
        if self.runtime != ONNX_RUNTIME:
            return [float("inf")] * len(feed.references)
        copies = (perturb(self.model, seed + 1) for seed in range(NUM_DRAWS))
        return spread(self._run_copy(copy, feed.inputs) for copy in copies)

    def _find_cause(self, feed: Feed, base: Comparison, allowed: Sequence[float]) -> Comparison:
        """Say what else an error comes from: MindSpore's kernels, an order of rows, or the optimiser."""
        plain = run_onnx(open_session(self.path, None), feed.inputs)
        plain_errors = feed.errors_of(plain)
        base = replace(base, plain_error=plain_errors[_worst(plain_errors, allowed)])
        note = self._explain_by_kernels(feed, allowed) or self._explain_by_order(feed, plain, allowed)
        if note is not None:
            return replace(base, verdict=EQUAL, note=note)
        if not _are_within(plain_errors, allowed):
            return base
        for level in LEVELS[:-1]:
            results = run_onnx(open_session(self.path, level), feed.inputs)
            if not _are_within(feed.errors_of(results), allowed):
                return replace(base, verdict=UNOPTIMISED, level=level)
        return replace(base, verdict=UNOPTIMISED, level=LEVELS[-1])

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

    def _explain_by_kernels(self, feed: Feed, allowed: Sequence[float]) -> str | None:
        """Say what MindSpore approximates, if the graph with that gives what MindSpore gives."""
        if self._as_mindspore is None:
            return None
        session, names = self._as_mindspore
        if not _are_within(feed.errors_of(run_onnx(session, feed.inputs)), allowed):
            return None
        return (
            f"MindSpore's CPU kernels approximate: {' and '.join(names)}. The file is exact; a copy of it "
            "with that approximation gives what MindSpore gives"
        )

    def _explain_by_order(
        self, feed: Feed, plain: Sequence[np.ndarray], allowed: Sequence[float]
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


def _are_within(errors: Sequence[float], allowed: Sequence[float]) -> bool:
    return all(error <= most for error, most in zip(errors, allowed, strict=True))


def _worst(errors: Sequence[float], allowed: Sequence[float]) -> int:
    """Return which output's error is the largest in tolerances."""
    return max(range(len(errors)), key=lambda index: errors[index] / max(allowed[index], 1e-30))
