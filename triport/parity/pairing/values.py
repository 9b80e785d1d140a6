"""Values for the parameters of a pair: the same on both sides, whatever the right map is.

As long as nothing is known of a piece its value depends on its sizes and its role alone, and is the same in
every transposition; so both networks compute the same function under any right map, and the gradients of
what belongs together are equal. What is matched gets a value of its own.
"""

from __future__ import annotations

import itertools
import zlib

import numpy as np

from triport.parity.subjects.random_weights import SCALES, SHIFT, VARIANCES

from .pieces import Piece, key_of
from .sides import Shape

# of a value that may be a factor, a variance or what is added, as nobody knows which
_ANY = (0.5, 1.5)
# what a layer without them computes with, by their role
NEUTRAL = {"shift": "zeros", "norm shift": "zeros", "scale": "ones"}
# Variance of what a sum of products returns, relative to what it is given
GAIN = 1.5


def common_value(piece: Piece, alike: bool, gain: float = GAIN) -> np.ndarray:
    """Return the float32 values of a piece of which only its sizes and its role are known.

    Args:
        piece: whose.
        alike: whether all pieces of its sizes are laid out alike.
        gain: see GAIN.
    """
    key = piece.key
    drawn = _drawn(key, piece.role, f"{key} {piece.role}", gain)
    if len(key) < 2:
        return drawn
    order = np.argsort([-size for size in piece.shape], kind="stable")
    return np.transpose(drawn if alike else _symmetric(drawn), np.argsort(order))


def own_value(shape: Shape, role: str | None, tag: str, gain: float = GAIN) -> np.ndarray:
    """Return float32 values that no other piece has."""
    return _drawn(shape, role, tag, gain)


def _drawn(shape: Shape, role: str | None, tag: str, gain: float) -> np.ndarray:
    random = np.random.default_rng([zlib.crc32(tag.encode())])
    if len(key_of(shape)) <= 1:
        low, high = {"scale": SCALES, "variance": VARIANCES, "slope": (0.05, 0.45)}.get(role or "", _ANY)
        if role in ("shift", "norm shift", "mean"):
            return (SHIFT * 3 * random.standard_normal(shape)).astype(np.float32)
        return random.uniform(low, high, shape).astype(np.float32)
    return random.standard_normal(shape, np.float32) * np.float32(np.sqrt(gain / _fan(shape)))


def _fan(shape: Shape) -> float:
    """Return how many products a sum has, as far as that is the same in every transposition.

    Of two axes nobody knows which is summed over; what stands behind them is a kernel. With three, one
    channel is all that a kernel of two axes sees.
    """
    sizes = key_of(shape)
    if len(sizes) < 2:
        return float(np.prod(sizes)) or 1.0
    if len(sizes) == 3 and sizes[1] == sizes[2]:
        return float(sizes[1] * sizes[2])
    return float(np.sqrt(sizes[0] * sizes[1]) * np.prod(sizes[2:])) or 1.0


def _symmetric(array: np.ndarray) -> np.ndarray:
    """Return values that are the same when axes of one size change places."""
    orders = [
        order
        for order in itertools.permutations(range(array.ndim))
        if all(array.shape[order[axis]] == array.shape[axis] for axis in range(array.ndim))
    ]
    if len(orders) == 1:
        return array
    # in the order of their size, so that roundings are the same too
    total = np.sort(np.stack([np.transpose(array, order) for order in orders]), axis=0).sum(0)
    return np.asarray(total / np.float32(np.sqrt(len(orders))), np.float32)


def transpositions(a: Shape, b: Shape, is_turned: bool = False) -> list[tuple[int, ...]]:
    """Return the orders of axes that make squeezed shape `b` of `a`, the plain one first.

    What has three axes and more, and the same shape on both sides, is taken for laid out alike, unless it may
    be turned.
    """
    plain = tuple(range(len(a)))
    if a == b and len(a) > 2 and not is_turned:
        return [plain]
    return [order for order in itertools.permutations(plain) if tuple(a[axis] for axis in order) == b]
