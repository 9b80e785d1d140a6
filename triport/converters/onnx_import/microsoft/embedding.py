"""Embeddings of words, places and segments."""

from __future__ import annotations

import numpy as np

from .attention import length_of, places
from .expansion import Expansion, NotExpandedError, rule
from .norms import normal

_INT32 = 6


@rule("EmbedLayerNormalization")
def _embedded(made: Expansion) -> None:
    """The sum of the rows that are asked for, and its layer norm; how many places of a mask are one.

    Source: onnxruntime/contrib_ops/cpu/bert/embed_layer_norm.cc.
    """
    epsilon = made.attribute("epsilon", 1e-12)
    if made.attribute("mask_index_type", 0) not in (0, 1) or made.has(1) != made.has(4):
        raise NotExpandedError
    made.check(9, 3)
    words = made.put("Gather", made.of(2), made.of(0))
    at = made.of(8) if made.has(8) else places(made, length_of(made, made.of(0), 1))
    total = made.put("Add", words, made.put("Gather", made.of(3), at))
    if made.has(1):
        total = made.put("Add", total, made.put("Gather", made.of(4), made.of(1)))
    made.give(0, normal(made, total, made.of(5), made.of(6), epsilon))
    made.give(2, total)
    if any(made.node.output[1:2]):
        made.give(1, _counted(made))
        made.dims[made.node.output[1]] = (None,)


def _counted(made: Expansion) -> str:
    """Return how many places of each sequence's mask are one; 0 where there is none."""
    given = made.of(7) if made.has(7) else made.of(0)
    stands = made.put("Cast", made.put("Equal", given, made.constant(np.int32(1))), to=_INT32)
    if not made.has(7):
        stands = made.put("Mul", stands, made.constant(np.int32(0)))
    return made.put("ReduceSum", stands, axes=[1], keepdims=0)
