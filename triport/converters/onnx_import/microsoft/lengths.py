"""Where queries stand among keys, of lengths that are computed: a number of each sequence.

The keys and values before are in a buffer that may be longer than what of it counts. New ones follow those
that count; what is behind them is zero. Where there are as many queries as keys in all, none before counts.
Source: onnxruntime/contrib_ops/cpu/bert/gqa_attention_base.h, group_query_attention_helper.h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .attention import length_of, places
from .expansion import Expansion

_INT64 = 7


@dataclass(frozen=True, slots=True)
class Computed:
    """Where the queries stand among the keys, a number of each sequence.

    `start` (batch, 1) is the place of the first query, `at` (batch, queries) are those of all; `new` and
    `all_keys` are scalars.
    """

    made: Expansion
    start: str
    at: str
    new: str
    all_keys: str

    def angles(self, rank: int) -> tuple[str, str]:
        """Return cosines and sines of the queries' places, with axes for the heads."""
        made, axes = self.made, list(range(1, rank - 2))
        cosines, sines = (
            made.put("Unsqueeze", made.put("Gather", made.of(index), self.at), axes=axes) for index in (7, 8)
        )
        return cosines, sines

    def joined(self, index: int, new: str) -> str:
        """Return the keys or values before that count, the new ones, and zeros up to the buffer's length."""
        made = self.made
        place = made.put("Unsqueeze", places(made, self.all_keys), axes=[0])
        ends = made.put("Add", self.start, self.new)
        is_given = made.put("Unsqueeze", made.put("Less", place, ends), axes=[1, 3])
        among_new = made.put("Sub", place, self.start)
        if made.has(index):
            old = length_of(made, made.of(index), 2)
            among = made.put(
                "Where", made.put("Less", place, self.start), place, made.put("Add", among_new, old)
            )
            both = made.put("Concat", made.of(index), new, axis=2)
            last = made.put("Sub", made.put("Add", old, self.new), made.constant(np.array(1)))
        else:
            among, both = among_new, new
            last = made.put("Sub", self.new, made.constant(np.array(1)))
        among = made.put("Max", made.put("Min", among, last), made.constant(np.array(0)))
        among = made.put("Unsqueeze", among, axes=[1, 3])
        shape = made.put("Shape", both)
        sizes = [made.put("Gather", shape, made.constant(np.array([axis]))) for axis in (0, 1, 3)]
        length = made.put("Unsqueeze", self.all_keys, axes=[0])
        whole = made.put("Concat", sizes[0], sizes[1], length, sizes[2], axis=0)
        taken = made.put("GatherElements", both, made.put("Expand", among, whole), axis=2)
        return made.put("Where", is_given, taken, made.number(0))

    def hidden(self, query: str, key: str, window: int) -> str:
        """Return which keys a query does not see: later ones, and those before its window."""
        made = self.made
        at = made.put("Unsqueeze", self.at, axes=[1, 2, 4])
        place = places(made, self.all_keys)
        later = made.put("Greater", place, at)
        if window <= 0:
            return later
        first = made.put("Sub", at, made.constant(np.array(window - 1)))
        return made.put("Or", later, made.put("Greater", first, place))


def of_lengths(made: Expansion, query: str) -> Computed:
    """Return where queries (batch, groups, heads of one, length, features) stand, by inputs 5 and 6."""
    one = made.constant(np.array(1))
    new = length_of(made, query, 3)
    ends = made.put("Add", made.put("Cast", made.of(5), to=_INT64), one)
    ends = made.put("Reshape", ends, made.constant(np.array([-1, 1])))
    total = made.put("Cast", made.of(6), to=_INT64)
    total = made.put("Reshape", total, made.constant(np.array([], np.int64)))
    is_first = made.put("Equal", new, total)
    start = made.put("Where", is_first, made.constant(np.array(0)), made.put("Sub", ends, new))
    at = made.put("Add", start, places(made, new))
    all_keys = total
    if made.has(3):
        all_keys = made.put("Max", total, length_of(made, made.of(3), 2))
    return Computed(made, start, at, new, all_keys)
