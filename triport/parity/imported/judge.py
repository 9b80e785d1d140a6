"""Written source beside ONNX Runtime; where they part, float64 says whose fault it is."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.onnx_import.operators import Target
from triport.parity.graphs.differences import largest_difference
from triport.parity.noise import FLOAT32

from .result import Trial
from .runs import run

_ROUNDINGS = {
    "float32": 16 * 2.0**-23,
    "float64": 64 * 2.0**-52,
    "float16": 4 * 2.0**-10,
    "bfloat16": 4 * 2.0**-7,
}
_DRAWS = 3
# a tolerance above it would hide faults that a user sees
_WIDEST = 1e-3
# up to here it may be said of one of several inputs that nothing was found, if the others say more
_WIDE, WIDE = 1e-2, "float64, within a wide noise"

Arrays = list[np.ndarray] | None
# the source in float64 on inputs; with a seed, its inputs and parameters are each one rounding off
Exact = Callable[[dict[str, np.ndarray], int | None], Arrays]
Reference = Callable[[dict[str, np.ndarray]], Arrays]
References = Sequence[tuple[str, Reference]]


@dataclass(frozen=True, slots=True)
class Runtime:
    """ONNX Runtime without optimisation, on a file."""

    session: Any

    @classmethod
    def of(cls, path: Path | bytes) -> Runtime:
        """Load a file or its bytes."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        given = path if isinstance(path, bytes) else str(path)
        return cls(onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"]))

    def run(self, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs in order."""
        return [np.asarray(each) for each in self.session.run(None, feed)]


def distance(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest difference relative to the largest value; infinite where they cannot be compared."""
    if found.shape != wanted.shape:
        return float("inf")
    return largest_difference(found, wanted)


def allowed(wanted: Sequence[np.ndarray]) -> list[float]:
    """Return how far each output may be from another run's of its dtype without further questions."""
    return [_ROUNDINGS.get(str(each.dtype), 0.0) for each in wanted]


def trial(
    network: Any,
    target: Target,
    runtime: Runtime,
    feed: dict[str, np.ndarray],
    exact: Exact,
    references: References,
) -> tuple[Trial, list[np.ndarray]]:
    """Compare once.

    Args:
        network: the source's.
        target: its framework.
        runtime: ONNX Runtime with the graph.
        feed: the inputs.
        exact: returns the source's outputs in float64, or None; given a seed, of inputs and parameters that
            are each a rounding off.
        references: who is asked where ONNX Runtime alone is off, by name: each returns its outputs, or None.

    Returns:
        the verdict and the source's outputs.
    """
    shown = tuple(f"{name} {list(array.shape)}" for name, array in feed.items())
    wanted = runtime.run(feed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = run(network, target, list(feed.values()))
    if len(found) != len(wanted):
        return Trial(shown, float("inf"), "runtime", False, f"{len(found)} outputs for {len(wanted)}"), found
    for mine, its in zip(found, wanted, strict=True):
        if mine.dtype != its.dtype or mine.shape != its.shape:
            why = f"{mine.dtype}{list(mine.shape)} for {its.dtype}{list(its.shape)}"
            return Trial(shown, float("inf"), "runtime", False, why), found
    apart = [distance(mine, its) for mine, its in zip(found, wanted, strict=True)]
    if all(a <= limit for a, limit in zip(apart, allowed(wanted), strict=True)):
        return Trial(shown, max(apart, default=0.0), "runtime", True), found
    return _settled(shown, found, wanted, feed, exact, references), found


def _settled(
    shown: tuple[str, ...],
    found: list[np.ndarray],
    wanted: list[np.ndarray],
    feed: dict[str, np.ndarray],
    exact: Exact,
    references: References,
) -> Trial:
    """Return the verdict of float64.

    Source and ONNX Runtime must both be as near to the source's float64 as its own noise allows: how far it
    is from itself with inputs and parameters a rounding off. What is further away is not noise.
    """
    apart = [distance(mine, its) for mine, its in zip(found, wanted, strict=True)]
    worst = max(apart)
    true, *moved = (exact(feed, seed) for seed in (None, *range(_DRAWS)))
    if true is None or any(draw is None for draw in moved) or len(true) != len(found):
        return Trial(shown, worst, "noise", False, "no float64 to ask")
    draws = [draw for draw in moved if draw is not None]
    noise = [max(distance(draw[index], one) for draw in draws) for index, one in enumerate(true)]
    limits = [max(FLOAT32.factor * n, limit) for n, limit in zip(noise, allowed(wanted), strict=True)]
    mine = [distance(a, b) for a, b in zip(found, true, strict=True)]
    its = [distance(a, b) for a, b in zip(wanted, true, strict=True)]
    near = all(max(a, b) <= limit for a, b, limit in zip(mine, its, limits, strict=True))
    integral = any(w.dtype.kind not in "fV" and a > 0 for w, a in zip(wanted, apart, strict=True))
    why = (
        f"float64: the source is {max(mine):.1e} from it, ONNX Runtime {max(its):.1e}; "
        f"roundings of inputs and parameters move it by {max(noise):.1e}"
    )
    blind = integral or max(limits) > _WIDEST
    if not near and not blind and all(a <= limit for a, limit in zip(mine, limits, strict=True)):
        # the source is near to its own float64, ONNX Runtime is not: a third opinion decides
        for name, reference in references:
            third = reference(feed)
            if third is None or len(third) != len(found):
                continue
            its = [distance(a, b) for a, b in zip(third, true, strict=True)]
            why += f"; {name} {max(its):.1e}"
            if all(a <= limit for a, limit in zip(its, limits, strict=True)):
                return Trial(shown, worst, "reference", True, why)
    if near and blind and not integral and max(limits) <= _WIDE:
        return Trial(shown, worst, WIDE, False, why)
    return Trial(shown, worst, "float64", near and not blind, why)


def moved(feed: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Return the inputs in float64, each floating value one rounding of float32 up or down."""
    random = np.random.default_rng([7, seed])
    return {
        name: array.astype(np.float64) * (1 + random.choice([-1.0, 1.0], array.shape) * FLOAT32.rounding)
        if array.dtype.kind == "f"
        else array
        for name, array in feed.items()
    }
