"""Written source beside ONNX Runtime; where they part, float64 says whose fault it is."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from triport.parity.judge.difference import difference
from triport.parity.judge.noise import noises_of, nudged
from triport.parity.judge.tolerance import (
    BFLOAT16,
    DRAWS,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    WIDEST,
    WIDEST_NARROW,
    Calibration,
    within,
)
from triport.reference_models.errors import counted

from .bfloat16 import BFLOAT16_ARRAY, rounded_in_float32
from .result import UNPROVEN, SourceTrial
from .runs import Run, remembered

# of two runs, neither of which is exact: twice the least; in narrow types the least, which is much already
_LEAST = {
    "float32": 2 * FLOAT32.least,
    "float64": 2 * FLOAT64.least,
    "float16": FLOAT16.least,
    "bfloat16": BFLOAT16.least,
}
# of what two runs in float32 may be apart: source and graph in float64 where each node and module is proven
_OF_THE_LEAST = 1e-3
Arrays = list[np.ndarray] | None
Reference = Callable[[dict[str, np.ndarray]], Arrays]


@dataclass(frozen=True, slots=True)
class Opinion:
    """Somebody else who runs the graph: its name, how it is asked, and whether its word alone is a proof."""

    name: str
    ask: Reference
    proves: bool


class Draws(Protocol):
    """A network in float64 that tells its own noise."""

    @property
    def arithmetic(self) -> Calibration:
        """What the graph computes in: the narrowest of its types."""

    def __call__(self, feed: dict[str, np.ndarray], seed: int | None = None) -> Arrays:
        """Return its outputs, or None; with a seed, of inputs and parameters that are each a rounding off."""


class Exact(Draws, Protocol):
    """The source in float64."""

    @property
    def is_source(self) -> bool:
        """Whether it is the source itself, and not another one of the same graph."""

    def rounded(self, feed: dict[str, np.ndarray], seed: int) -> Arrays:
        """Return its outputs where each result within is rounded to float32, or None."""


@dataclass(frozen=True, slots=True)
class UnoptimisedRuntime:
    """ONNX Runtime without optimisation, on a file.

    It multiplies no bfloat16: where it does not load such a file, that is computed in float32 and rounded.
    """

    session: Any
    narrow: frozenset[int] = frozenset()  # which outputs are of bfloat16
    known: Run | None = None  # what runs each input once

    @classmethod
    def of(cls, path: Path | bytes, optimised: bool = False) -> UnoptimisedRuntime:
        """Load a file or its bytes."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        level = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 4

        def session(given: Any) -> Any:
            return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])

        try:
            return cls(session(path if isinstance(path, bytes) else str(path)))
        except Exception:
            found = rounded_in_float32(path)
            if found is None:
                raise
            return cls(session(found[0]), found[1])

    def remembering(self) -> UnoptimisedRuntime:
        """Return the same, which runs no input twice and keeps what each gave."""
        return replace(self, known=remembered(self.run))

    @property
    def outputs(self) -> list[str]:
        """The outputs' names in order."""
        return [each.name for each in self.session.get_outputs()]

    def run(self, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs in order."""
        if self.known is not None:
            return self.known(feed)
        feed = {n: a.astype(np.float32) if a.dtype == BFLOAT16_ARRAY else a for n, a in feed.items()}
        found = [np.asarray(each) for each in self.session.run(None, feed)]
        return [each.astype(BFLOAT16_ARRAY) if i in self.narrow else each for i, each in enumerate(found)]


def allowed(wanted: Sequence[np.ndarray], arithmetic: Calibration = FLOAT32) -> list[float]:
    """Return how far each output may be from another run's of its dtype without further questions.

    Where the graph computes in a narrow type within, a wider dtype of its outputs says nothing.
    """
    narrow = arithmetic.least if _is_narrow(arithmetic) else 0.0
    return [max(_LEAST[str(e.dtype)], narrow) if str(e.dtype) in _LEAST else 0.0 for e in wanted]


def notes_on(arithmetic: Calibration) -> list[str]:
    """Return what should be known of a comparison: what a narrow type within the graph hides."""
    if not _is_narrow(arithmetic):
        return []
    return [
        "the graph computes in a type narrower than float32: outputs that are within "
        f"{arithmetic.least:.1e} of their largest value count as equal, and a smaller fault does not show"
    ]


def _is_narrow(arithmetic: Calibration) -> bool:
    return arithmetic.rounding > FLOAT32.rounding


def trial(
    ran: Run,
    runtime: UnoptimisedRuntime,
    feed: dict[str, np.ndarray],
    exact: Exact,
    references: Sequence[Opinion],
    graphs: Sequence[Reference],
) -> tuple[SourceTrial, list[np.ndarray]]:
    """Compare once.

    Args:
        ran: runs the source's network.
        runtime: ONNX Runtime with the graph.
        feed: the inputs.
        exact: returns the source's outputs in float64, or None; given a seed, of inputs and parameters that
            are each a rounding off.
        references: who is asked where ONNX Runtime alone is off, by name: each returns its outputs, or None.
        graphs: the graph itself in float64, in every way it is run, asked where float32 says too little.

    Returns:
        the verdict and the source's outputs.
    """
    shown = tuple(f"{name} {list(array.shape)}" for name, array in feed.items())
    wanted = runtime.run(feed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = ran(feed)
    if len(found) != len(wanted):
        return SourceTrial(
            shown, float("inf"), "runtime", False, f"{counted(len(found), 'output')} for {len(wanted)}"
        ), found
    for mine, its in zip(found, wanted, strict=True):
        if mine.dtype != its.dtype or mine.shape != its.shape:
            why = f"{mine.dtype}{list(mine.shape)} for {its.dtype}{list(its.shape)}"
            return SourceTrial(shown, float("inf"), "runtime", False, why), found
    apart = [difference(mine, its) for mine, its in zip(found, wanted, strict=True)]
    if within(apart, allowed(wanted, exact.arithmetic)):
        return SourceTrial(shown, max(apart, default=0.0), "runtime", True), found
    verdict = settled(shown, found, wanted, feed, exact, references)
    if not verdict.passed and not _is_narrow(exact.arithmetic):
        verdict = _by_the_graph(verdict, found, wanted, feed, exact, graphs)
    return verdict, found


def settled(
    shown: tuple[str, ...],
    found: list[np.ndarray],
    wanted: list[np.ndarray],
    feed: dict[str, np.ndarray],
    exact: Draws,
    references: Sequence[Opinion],
) -> SourceTrial:
    """Return the verdict of float64.

    Source and ONNX Runtime must both be as near to the source's float64 as its own noise allows: how far it
    is from itself with inputs and parameters a rounding off. What is further away is not noise.
    """
    apart = [difference(mine, its) for mine, its in zip(found, wanted, strict=True)]
    worst = max(apart)
    true, *moved = (exact(feed, seed) for seed in (None, *range(DRAWS)))
    if true is None or any(draw is None for draw in moved) or len(true) != len(found):
        return SourceTrial(shown, worst, "noise", False, "no float64 to ask")
    draws = [draw for draw in moved if draw is not None]
    noises = noises_of([true, *draws])
    noise = [one.size for one in noises]
    own = exact.arithmetic
    limits = [own.tolerance_of(n, limit) for n, limit in zip(noise, allowed(wanted, own), strict=True)]
    mine = [difference(a, b) for a, b in zip(found, true, strict=True)]
    its = [difference(a, b) for a, b in zip(wanted, true, strict=True)]
    near = within(mine, limits) and within(its, limits)
    integral = any(w.dtype.kind not in "fV" and a > 0 for w, a in zip(wanted, apart, strict=True))
    why = (
        f"float64: the source is {max(mine):.1e} from it, ONNX Runtime {max(its):.1e}; "
        f"roundings of inputs and parameters move it by {max(noise):.1e}"
    )
    unsure = integral or any(one.unsure.any() for one in noises)
    blind = unsure or max(limits) > (WIDEST_NARROW if _is_narrow(own) else WIDEST)
    if not near and not blind and within(mine, limits):
        # the source is near to its own float64, ONNX Runtime is not: a third opinion decides
        for opinion in references:
            third = opinion.ask(feed)
            if third is None or len(third) != len(found):
                continue
            its = [difference(a, b) for a, b in zip(third, true, strict=True)]
            why += f"; {opinion.name} {max(its):.1e}"
            if within(its, limits) and opinion.proves:
                return SourceTrial(shown, worst, "reference", True, why, agreed=opinion.name)
            if within(its, limits):
                why += f". {opinion.name} alone agrees, which is no proof: the source may share its mistake"
                return SourceTrial(shown, worst, UNPROVEN, False, why)
    if near and blind:
        return SourceTrial(shown, worst, UNPROVEN, False, f"{why}, which would hide a fault")
    if blind and not within(mine, limits) and not within(its, limits):
        why += ": both are further from it than that, so that float32 says nothing here"
        return SourceTrial(shown, worst, UNPROVEN, False, why)
    return SourceTrial(shown, worst, "float64", near, why)


def _by_the_graph(
    verdict: SourceTrial,
    found: list[np.ndarray],
    wanted: list[np.ndarray],
    feed: dict[str, np.ndarray],
    exact: Exact,
    graphs: Sequence[Reference],
) -> SourceTrial:
    """Return the verdict of the graph itself in float64, or the one before.

    If it and the source agree there to what float64 rounds, the two are one function, and no fault can hide
    in the noise of float32. Both float32 runs must then be as near to it as float32 results within it are,
    or as WIDEST: sums of many terms are further off than one rounding. Where the source is MindSpore's,
    which has no float64, the one that agrees is PyTorch's of the same graph: MindSpore's must be as near as
    its results allow.
    """
    beside = in_double(feed, wanted, exact, graphs)
    if beside is None:
        return verdict
    mine = [difference(a, b) for a, b in zip(found, beside.true, strict=True)]
    limits = beside.limits
    # it is one function: what is left is how the two libraries add up in float32
    most = beside.widest if exact.is_source else [limit if limit <= WIDEST else 0.0 for limit in limits]
    why = (
        f"in float64 the graph is {beside.apart:.1e} from the source; in float32 the source is "
        f"{max(mine):.1e} from that, ONNX Runtime {beside.its:.1e}, and results that are rounded to float32 "
        f"move it by {beside.noise:.1e}"
    )
    if not within(mine, most) and within(mine, limits):
        return replace(verdict, judged_by=UNPROVEN, why=f"{why}, which would hide a fault")
    if not within(mine, most):
        return verdict
    return replace(verdict, judged_by="graph", passed=True, why=why)


@dataclass(frozen=True, slots=True)
class OneFunction:
    """What is known where source and graph are one function in float64, and ONNX Runtime is near to it."""

    true: list[np.ndarray]  # the outputs
    apart: float  # source and graph
    its: float  # ONNX Runtime and the source
    noise: float  # what roundings of results within make
    limits: list[float]  # how far float32 may be off by that, an output each
    node: float | None = None  # ONNX Runtime and the graph at one node, where they part in the end

    @property
    def widest(self) -> list[float]:
        """How far ONNX Runtime may be off: sums of many terms are further off than one rounding."""
        return [max(limit, WIDEST) for limit in self.limits]


def in_double(
    feed: dict[str, np.ndarray],
    wanted: list[np.ndarray],
    exact: Exact,
    graphs: Sequence[Reference],
    by_nodes: Callable[[], float | None] = lambda: None,
) -> OneFunction | None:
    """Return what float64 says of the outputs, None where source and graph part in it, or cannot run.

    Args:
        feed: the inputs.
        wanted: ONNX Runtime's outputs.
        exact: the source in float64.
        graphs: the graph in float64, in every way it is run.
        by_nodes: tells how far ONNX Runtime is from the graph in float64 at one node that is given the same
            values, or None; it is asked where the two part in the end, or where source and graph do by more
            than a few roundings of float64.
    """
    true = exact(feed)
    drawn = [exact.rounded(feed, seed) for seed in range(DRAWS)]
    if true is None or any(each is None for each in drawn) or any(a.dtype.kind not in "fV" for a in wanted):
        return None
    noises = noises_of([true, *(each for each in drawn if each is not None)])
    if any(one.unsure.any() for one in noises):
        return None
    limits = [
        FLOAT32.tolerance_of(one.size, least) for one, least in zip(noises, allowed(wanted), strict=True)
    ]
    apart = _nearest(graphs, feed, true)
    ratio = FLOAT64.rounding / FLOAT32.rounding
    if apart is None or max(apart) > _LEAST["float32"] * _OF_THE_LEAST:
        return None
    its = [difference(a, b) for a, b in zip(wanted, true, strict=True)]
    found = OneFunction(true, max(apart), max(its), max(one.size for one in noises), limits)
    is_near = within(apart, [max(FLOAT64.least, limit * ratio) for limit in limits])
    if is_near and within(its, found.widest):
        return found
    node = by_nodes()
    return None if node is None or node > _LEAST["float32"] else replace(found, node=node)


def _nearest(
    graphs: Sequence[Reference], feed: dict[str, np.ndarray], true: list[np.ndarray]
) -> list[float] | None:
    """Return how far the outputs of the graph are from the source's, run in the way that is the nearest."""
    found = []
    for graph in graphs:
        its_own = graph(feed)
        if its_own is not None and [a.shape for a in its_own] == [a.shape for a in true]:
            found.append([difference(a, b) for a, b in zip(its_own, true, strict=True)])
    return min(found, key=max, default=None)


def moved(feed: dict[str, np.ndarray], seed: int, step: float) -> dict[str, np.ndarray]:
    """Return the inputs in float64, each floating value one rounding down, as it is, or one up."""
    random = np.random.default_rng([7, seed])
    return {name: nudged(array, random, step, np.float64) for name, array in feed.items()}
