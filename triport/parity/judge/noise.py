"""How far a network is from itself: runs that differ in roundings alone, and none of which is judged.

A tolerance must come from the network and the input, because both decide how rounding errors grow, and it
must not come from what is judged: a fault does not widen it. So the right side runs a few times more with all
that goes in moved by a rounding. The noise is the largest distance of these runs from the first, relative to
the largest value that is right. It is the distance between runs, not from what is right: a fault that they
share does not widen the tolerance either.

What moves besides the inputs is the runs' own matter: orders of summation and, in lower precisions, all that
a layer is given (`parity/noise/`), the parameters of a Cell (`graphs/runs.py`), parameters and results of a
Module (`module_export/reference.py`), the parameters of written source (`imported/runs.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from triport.reference_models.real_numbers import real_numbers

from .difference import distance, numbers, relative
from .tolerance import FLOAT32

STEP = 2 * FLOAT32.rounding  # to the next number of float32


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """How far one output is from itself.

    `size` is relative to its largest value. `unsure` is True where the runs do not agree on a whole number,
    or on whether there is a number at all: what is there hangs on a rounding.
    """

    size: float
    unsure: np.ndarray


def nudged(
    array: np.ndarray, random: np.random.Generator, step: float = STEP, dtype: type | None = None
) -> np.ndarray:
    """Return an array with each value one step down, as it is, or one step up.

    What is not floating point has no roundings, and stays.

    Args:
        array: the values.
        random: which way.
        step: relative to each value; to the next number of float32 by default.
        dtype: of what is returned; the array's own by default.
    """
    if array.dtype.kind != "f":
        return array
    steps = random.integers(-1, 2, array.shape, dtype=np.int8)
    return np.asarray(array * (1 + step * steps)).astype(dtype or array.dtype)


def spread(draws: Iterable[np.ndarray], largest: float, where: np.ndarray | None = None) -> float:
    """Return the largest distance of the draws from the first, relative to `largest`.

    It is of the places `where`, of all by default; NaN where a draw has one.
    """
    first, *others = map(numbers, draws)
    if where is not None:
        first, others = first[where], [draw[where] for draw in others]
    found = float(np.max([distance(draw, first) for draw in others]))
    return found if np.isnan(found) else relative(found, largest)


def noises_of(
    draws: Iterable[Sequence[np.ndarray]], right: Sequence[np.ndarray] | None = None
) -> list[Noise]:
    """Return the noise of each output, where every run gives finite numbers.

    Args:
        draws: the outputs of each run; the first is what the others are compared with.
        right: what an output's noise is relative to, where that is not the first draw.
    """
    runs = list(draws)
    right = runs[0] if right is None else right
    return [_noise([run[place] for run in runs], one) for place, one in enumerate(right)]


def whole_noise(draws: Iterable[np.ndarray], right: np.ndarray) -> Noise:
    """Return the noise of what is whole, equal or not: it has no size, but may hang on a rounding."""
    return Noise(0.0, _unsure([*draws, right]))


def _noise(runs: Sequence[np.ndarray], right: np.ndarray) -> Noise:
    runs, right = [*map(real_numbers, runs)], real_numbers(right)
    if any(run.shape != right.shape for run in runs):
        return Noise(np.inf, np.ones(right.shape, bool))
    finite = np.logical_and.reduce([np.isfinite(one) for one in (right, *runs)])
    largest = float(np.abs(right[finite].astype(np.float64)).max(initial=0.0))
    return Noise(spread(runs, largest, finite), _unsure([*runs, right]))


def _unsure(runs: Sequence[np.ndarray]) -> np.ndarray:
    """Return where the runs do not agree: on the value of what is whole, on NaN and infinity of the rest."""
    if runs[0].dtype.kind == "f":
        kinds = [np.where(np.isnan(run), 2, np.where(np.isinf(run), np.sign(run), 0)) for run in runs]
    else:
        kinds = list(runs)
    return np.logical_or.reduce([kind != kinds[0] for kind in kinds])
