"""Rotary embeddings."""

from __future__ import annotations

import numpy as np

from .expansion import Expansion, NotExpandedError, rule

_END = np.iinfo(np.int64).max


@rule("RotaryEmbedding")
def _rotary(made: Expansion) -> None:
    """Pairs of features turned by the angles of their positions; the features beyond the angles' stay.

    Source: RunRotaryEmbedding of onnxruntime/contrib_ops/cpu/bert/rotary_embedding.cc.
    """
    heads, part = made.attribute("num_heads", 0), made.attribute("rotary_embedding_dim", 0)
    interleaved = bool(made.attribute("interleaved", 0))
    if made.attribute("scale", 1.0) != 1.0 or made.attribute("is_packed_batching", 0):
        raise NotExpandedError
    made.check(4)
    rank, half = made.rank(made.of(0)), made.shape(2)[1]
    if rank not in (3, 4) or (part and (part != 2 * half or not heads)):
        raise NotExpandedError
    x = made.of(0)
    if rank == 3:  # (batch, length, features), where four axes are (batch, heads, length, features)
        apart = [0, 0, heads, -1] if part else [0, 0, -1, 2 * half]
        x = made.put("Reshape", x, made.constant(np.array(apart)))
    cosines, sines = (_angles(made, index, rank) for index in (2, 3))
    found = turned(made, x, (cosines, sines), half, interleaved, keeps=bool(part))
    made.give(0, made.put("Reshape", found, made.constant(np.array([0, 0, -1]))) if rank == 3 else found)


def turned(
    made: Expansion,
    x: str,
    angles: tuple[str, str],
    half: int,
    interleaved: bool,
    keeps: bool,
    rank: int = 4,
) -> str:
    """Return features on the last axis turned by cosines and sines; with `keeps` there are more than that."""
    cosines, sines = angles
    first, second = _pairs(made, x, half, interleaved)
    parts = [
        made.put("Sub", made.put("Mul", first, cosines), made.put("Mul", second, sines)),
        made.put("Add", made.put("Mul", second, cosines), made.put("Mul", first, sines)),
    ]
    if interleaved:
        pairs = made.put("Concat", *(made.put("Unsqueeze", each, axes=[rank]) for each in parts), axis=rank)
        parts = [made.put("Reshape", pairs, made.constant(np.array([0] * (rank - 1) + [2 * half])))]
    kept = [_features(made, x, 2 * half, _END)] if keeps else []
    if len(parts) + len(kept) == 1:
        return parts[0]
    return made.put("Concat", *parts, *kept, axis=rank - 1)


def _angles(made: Expansion, index: int, rank: int) -> str:
    """Return the cosines or sines of each place, with an axis for the heads."""
    head_axis = 2 if rank == 3 else 1
    of_positions = made.rank(made.of(1))
    if of_positions == 2:
        return made.put("Unsqueeze", made.put("Gather", made.of(index), made.of(1)), axes=[head_axis])
    if of_positions != 1:
        raise NotExpandedError
    zero, one = made.constant(np.int64(0)), made.constant(np.int64(1))
    axis = made.constant(np.int64(1 if rank == 3 else 2))
    length = made.put("Gather", made.put("Shape", made.of(0)), axis)
    places = made.put("Add", made.put("Range", zero, length, one), made.of(1))
    return made.put("Unsqueeze", made.put("Gather", made.of(index), places), axes=[0, head_axis])


def _pairs(made: Expansion, x: str, half: int, interleaved: bool) -> tuple[str, str]:
    """Return the two features of each pair: side by side, or half of all apart."""
    if interleaved:
        return _features(made, x, 0, 2 * half, 2), _features(made, x, 1, 2 * half, 2)
    return _features(made, x, 0, half), _features(made, x, half, 2 * half)


def _features(made: Expansion, x: str, start: int, end: int, step: int = 1) -> str:
    bounds = (made.constant(np.array([n])) for n in (start, end, -1, step))
    return made.put("Slice", x, *bounds)
