"""How far a Cell is from itself: run again with each input and each parameter one rounding off.

The tolerance of a file comes from the Cell alone, never from the file that is judged, and so a file's fault
does not widen it. Where some of the graph is computed in float16 or bfloat16, inputs and parameters are moved
by a rounding of that type. That is more than a single layer in float16 rounds, so there the file's own
roundings, each moved at random where the graph has them (`roundings.py`), bound the noise from above: the
smaller of the two counts. Neither a Cell that is moved too far nor a file that is wrong makes it wide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import onnx

from triport.parity.noise import CALIBRATIONS, FLOAT32, Calibration

from .differences import largest_move

# the outputs with inputs and parameters moved by up to a share of themselves, at random, by a seed
RunMoved = Callable[[Sequence[np.ndarray], float, int], Sequence[np.ndarray]]
NUM_DRAWS = 4  # the first is what the others are compared with
STEP = 2 * FLOAT32.rounding  # to the next number of float32
# no more is allowed for a narrow type: with more, an order or a choice flipped, which is looked at by itself
MOST_NARROW = 0.02
NARROW: dict[int, Calibration] = {
    onnx.TensorProto.FLOAT16: CALIBRATIONS["float16"],
    onnx.TensorProto.BFLOAT16: CALIBRATIONS["bfloat16"],
}


def noise_of(run_moved: RunMoved, inputs: Sequence[np.ndarray], share: float) -> list[float]:
    """Return how far each output moves, relative to its largest value, when all that goes in is moved."""
    return spread(run_moved(inputs, share, seed) for seed in range(NUM_DRAWS))


def spread(draws: Iterator[Sequence[np.ndarray]]) -> list[float]:
    """Return the largest distance of the draws' outputs from the first draw's."""
    first = next(draws)
    rows = [[largest_move(one, right) for one, right in zip(draw, first, strict=True)] for draw in draws]
    return [max(column) for column in zip(*rows, strict=True)]


def moved(array: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Return an array with each value moved by up to a share of itself; what does not round stays."""
    if array.dtype.kind != "f":
        return array
    return (array * (1 + share * random.uniform(-1, 1, array.shape))).astype(array.dtype)
