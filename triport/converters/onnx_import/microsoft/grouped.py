"""Attention whose queries share keys and values by groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .attention import later_places, length_of, places, query_places
from .expansion import Expansion, NotExpandedError, rule
from .lengths import of_lengths
from .rotary import turned


@rule("GroupQueryAttention")
def _grouped(made: Expansion) -> None:
    """Causal attention on keys and values before, and those that are given; lengths are stored or computed.

    Source: onnxruntime/contrib_ops/cpu/bert/gqa_attention_base.h.
    """
    heads, groups = made.attribute("num_heads", 0), made.attribute("kv_num_heads", 0)
    scale, cap = made.attribute("scale", 0.0), made.attribute("softcap", 0.0)
    window = made.attribute("local_window_size", -1)
    is_turned = bool(made.attribute("do_rotary", 0))
    interleaved = bool(made.attribute("rotary_interleaved", 0))
    made.check(9, 3)
    if not groups or heads % groups or made.attribute("smooth_softmax", 0) > 0:
        raise NotExpandedError
    query, key, value = _apart(made, heads, groups)
    placed = _stored(made) if made.is_stored(5) and made.is_stored(6) else of_lengths(made, query)
    if is_turned:
        half, features = made.shape(7)[1], _features(made, heads, groups)
        keeps = features != 2 * half
        query = turned(made, query, placed.angles(5), half, interleaved, keeps, 5)
        key = turned(made, key, placed.angles(4), half, interleaved, keeps)
    key, value = placed.joined(3, key), placed.joined(4, value)
    made.give(1, key)
    made.give(2, value)
    across = made.put("Unsqueeze", made.put("Transpose", key, perm=[0, 1, 3, 2]), axes=[2])
    scale = scale or _features(made, heads, groups) ** -0.5
    scores = made.put("Mul", made.put("MatMul", query, across), made.number(scale))
    if cap:
        scores = made.put(
            "Mul", made.put("Tanh", made.put("Div", scores, made.number(cap))), made.number(cap)
        )
    hidden = placed.hidden(query, key, window)
    weights = made.put("Softmax", made.put("Where", hidden, made.number(-np.inf), scores), axis=-1)
    found = made.put("MatMul", weights, made.put("Unsqueeze", value, axes=[2]))
    found = made.put("Transpose", found, perm=[0, 3, 1, 2, 4])
    made.give(0, made.put("Reshape", found, made.constant(np.array([0, 0, -1]))))


def _apart(made: Expansion, heads: int, groups: int) -> tuple[str, str, str]:
    """Return queries (batch, groups, heads of one, length, features), keys and values without the third."""
    if made.has(1):
        parts = [made.of(0), made.of(1), made.of(2)]
    else:
        features = _features(made, heads, groups)
        sizes = made.constant(np.array([heads * features, groups * features, groups * features]))
        if made.opset < 13:
            raise NotExpandedError
        parts = made.several("Split", 3, made.of(0), sizes, axis=2)
    shape = made.constant(np.array([0, 0, groups, heads // groups, -1]))
    query = made.put("Transpose", made.put("Reshape", parts[0], shape), perm=[0, 2, 3, 1, 4])
    split = made.constant(np.array([0, 0, groups, -1]))
    key, value = (
        made.put("Transpose", made.put("Reshape", part, split), perm=[0, 2, 1, 3]) for part in parts[1:]
    )
    return query, key, value


def _features(made: Expansion, heads: int, groups: int) -> int:
    """Return the features of a head, which the keys before state too."""
    stated = made.size(3, 3) if made.has(3) else None
    if stated is not None:
        return stated
    width = made.size(0, 2)
    if width is None:
        raise NotExpandedError
    return width // (heads if made.has(1) else heads + 2 * groups)


def _stored(made: Expansion) -> Stored:
    """Return where queries stand where the lengths are stored.

    Raises:
        NotExpandedError: what is stored does not say that all of the keys before count, in each sequence.
    """
    lengths, total = made.array(5), made.array(6)
    new = made.size(0, 1)
    before = (made.size(3, 2) or 0) if made.has(3) else 0
    if new is None or total.size != 1 or (lengths != total - 1).any() or before + new != int(total):
        raise NotExpandedError
    return Stored(made, before, int(total))


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the queries stand among the keys: after all of those before."""

    made: Expansion
    before: int
    total: int

    def angles(self, rank: int) -> tuple[str, str]:
        """Return cosines and sines of the queries' places."""
        made = self.made
        bounds = [made.constant(np.array([n])) for n in (self.before, self.total, 0)]
        return made.put("Slice", made.of(7), *bounds), made.put("Slice", made.of(8), *bounds)

    def joined(self, index: int, new: str) -> str:
        """Return keys or values before, and the new ones."""
        return self.made.put("Concat", self.made.of(index), new, axis=2) if self.before else new

    def hidden(self, query: str, key: str, window: int) -> str:
        """Return which keys a query does not see: later ones, and those before its window."""
        made = self.made
        length, of_keys = length_of(made, query, 3), length_of(made, key, 2)
        later = later_places(made, length, of_keys)
        if window <= 0:
            return later
        first = made.put("Sub", query_places(made, length, of_keys), made.constant(np.array(window - 1)))
        return made.put("Or", later, made.put("Greater", first, places(made, of_keys)))
