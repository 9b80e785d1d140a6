"""Whether two arrays, of two networks that compute otherwise, have the same channels in the same order."""

from __future__ import annotations

import numpy as np

from triport.reference_models.modules import Part

_FIRST = frozenset({"conv", "conv_transposed", "norm", "group_norm", "instance_norm"})
_LAST = frozenset({"dense", "layer_norm", "rms_norm"})
# more values of a channel than these tell no more
_MOST = 4096
# how alike a channel and its counterpart are at the least, and how much more than it and any other
LIKE, DRAWN_LIKE, _NEARER = 0.7, 0.9, 0.5


def channels_of(a: np.ndarray, part: Part, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what a layer is given on both sides as (values, channels).

    Where sizes differ these are means of each example. They are empty where the axis is not known.
    """
    name = "" if part.kind is None else part.kind.name
    nothing = np.zeros((0, 1)), np.zeros((0, 1))
    if name not in _FIRST | _LAST or min(a.ndim, b.ndim) < 2:
        return nothing
    axis = 1 if name in _FIRST else -1
    first, second = (np.moveaxis(np.asarray(one, np.float64), axis, -1) for one in (a, b))
    if first.shape[-1] != second.shape[-1] or first.shape[0] != second.shape[0]:
        return nothing
    if first.shape != second.shape:
        first, second = (one.mean(tuple(range(1, one.ndim - 1))) for one in (first, second))
    first, second = (one.reshape(-1, one.shape[-1]) for one in (first, second))
    if len(first) > _MOST:
        chosen = np.random.default_rng(0).choice(len(first), _MOST, replace=False)
        first, second = first[chosen], second[chosen]
    return first, second


def moved_alike(a: np.ndarray, b: np.ndarray, like: float) -> bool:
    """Whether each channel of the first varies as the same one of the second does, and as no other.

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
    if not (sizes[0].all() and sizes[1].all()):
        return False
    alike = (a / sizes[0]).T @ (b / sizes[1])
    own = alike.diagonal().copy()
    np.fill_diagonal(alike, 0)
    alike = np.abs(alike)
    others = np.maximum(alike.max(0), alike.max(1))
    return bool((own > like).all() and (1 - own <= _NEARER * (1 - others)).all())
