"""Whether two arrays, of two networks that compute otherwise, have the same channels in the same order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from triport.reference_models.modules import Part

_NORMS = frozenset({"norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"})
_KNOWN = _NORMS | {"conv", "conv_transposed", "dense"}
# more values of a channel than these tell no more
_MOST = 4096
# how alike a channel and its counterpart are at the least, and how much more than it and any other
LIKE, DRAWN_LIKE, _NEARER = 0.7, 0.9, 0.75


def channels_of(a: np.ndarray, part: Part, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what a layer is given on both sides as (values, channels).

    Where sizes differ these are means of each example. They are empty where the axis is not known.
    """
    nothing = np.zeros((0, 1)), np.zeros((0, 1))
    axis = _axis_of_channels(part, (a, b))
    if axis is None or a.shape[0] != b.shape[0]:
        return nothing
    first, second = (np.moveaxis(np.asarray(one, np.float64), axis, -1) for one in (a, b))
    if first.shape[-1] != second.shape[-1]:
        return nothing
    if first.shape != second.shape:
        first, second = (one.mean(tuple(range(1, one.ndim - 1))) for one in (first, second))
    first, second = (one.reshape(-1, one.shape[-1]) for one in (first, second))
    if len(first) > _MOST:
        chosen = np.random.default_rng(0).choice(len(first), _MOST, replace=False)
        first, second = first[chosen], second[chosen]
    return first, second


def keeps_channels(part: Part) -> bool:
    """Whether a layer returns channels in the order in which it is given them, each with its own values."""
    return part.kind is not None and part.kind.name in _NORMS


def _axis_of_channels(part: Part, given: Sequence[np.ndarray]) -> int | None:
    """Return the axis with the channels: the first behind the examples, or the last; None: nobody knows."""
    if part.kind is None or part.kind.name not in _KNOWN or min(one.ndim for one in given) < 2:
        return None
    if part.kind.name == "dense":
        return -1
    if part.kind.name not in ("layer_norm", "rms_norm"):
        return 1
    # one over channels alone may be given an image with these first
    weight = getattr(part.module, "weight", getattr(part.module, "gamma", None))
    size = None if weight is None or len(weight.shape) != 1 else int(weight.shape[0])
    fits = [axis for axis in (-1, 1) if all(one.shape[axis] == size for one in given)]
    return fits[0] if fits else None


def moved_alike(a: np.ndarray, b: np.ndarray, like: float) -> bool:
    """Whether each channel of the first varies as the same one of the second does, and as no other.

    What does not vary at all, behind a ReLU that lets nothing through, must not do so on both sides.

    Args:
        a: (values, channels).
        b: likewise.
        like: the least cosine of a channel and its counterpart.
    """
    if a.shape != b.shape or len(a) < 2:
        return False
    if a.shape[1] == 1:
        return True
    sizes = np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0)
    live = sizes[0] > 0
    if not live.any() or not np.array_equal(live, sizes[1] > 0):
        return False
    alike = (a[:, live] / sizes[0][live]).T @ (b[:, live] / sizes[1][live])
    own = alike.diagonal().copy()
    np.fill_diagonal(alike, 0)
    alike = np.abs(alike)
    others = np.maximum(alike.max(0), alike.max(1))
    return bool((own > like).all() and (1 - own <= _NEARER * (1 - others)).all())
