"""Biases that one network adds up and the other keeps added up: the two of a recurrent layer, and the one.

The two have one gradient, so that nothing tells them apart. The second is left out, and does nothing, while
the first is matched; what proves the map gives both values of their own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from triport.converters.naming.one_way_steps import Sum
from triport.converters.naming.pair_names import PairRow

from .pieces import Parameters, key_of
from .rows import without_counterpart
from .sides import Side, SideParameter

_FIRST, _SECOND = "bias_ih", "bias_hh"


class Sums:
    """The second biases that have no counterpart of their own, by the first, of both sides.

    They are hidden from the start, with zeros, until they are shown.
    """

    def __init__(self, a: Side, b: Side) -> None:
        self._sides = a, b
        self._all = [dict(side.parameters) for side in self._sides]
        self._seconds = [_without_counterpart(self._all[place], self._all[1 - place]) for place in (0, 1)]
        self.hide()

    def hide(self) -> None:
        """Leave the second biases out: they are zeros."""
        for side, every, seconds in zip(self._sides, self._all, self._seconds, strict=True):
            hidden = set(seconds.values())
            if hidden:
                side.set_values({name: np.zeros(every[name].shape, np.float32) for name in hidden})
                _set_parameters(side, {name: one for name, one in every.items() if name not in hidden})

    def show(self) -> None:
        """Let the sides have all of their parameters."""
        for side, every, seconds in zip(self._sides, self._all, self._seconds, strict=True):
            if seconds:
                _set_parameters(side, every)

    def rows(self, rows: Iterable[PairRow]) -> list[PairRow]:
        """Return rows in which the second biases stand too: added to the first, or zeros."""
        first, second = self._seconds
        found = []
        for row in rows:
            if len(row.a) == 1 and row.a[0] in first:
                steps = (Sum(1), *row.steps)
                row = replace(row, a=(row.a[0], first[row.a[0]]), steps=steps)
            found.append(row)
            for name in row.b:
                if name in second:
                    shape = self._all[1][second[name]].shape
                    found.append(without_counterpart(second[name], "zeros", shape, on_a=False))
        return found


def _set_parameters(side: Side, parameters: Mapping[str, SideParameter]) -> None:
    side.parameters = parameters


def _without_counterpart(parameters: Parameters, others: Parameters) -> dict[str, str]:
    """Return the second bias of each recurrent layer by the first, where there are just as many too many.

    The other side may have a bias for each gate: then its elements are counted.
    """
    found: dict[tuple[int, int], dict[str, str]] = defaultdict(dict)
    for name, second in _pairs(parameters):
        size = parameters[name].size
        found[size, size // _gates(parameters, second)][name] = second
    sizes, of_others = (_sizes_of_vectors(side) for side in (parameters, others))
    return {
        name: second
        for (size, of_gate), pairs in found.items()
        if len(pairs) == sizes[size] - of_others[size]
        or len(pairs) * size == sum(one * (sizes[one] - of_others[one]) for one in {size, of_gate})
        for name, second in pairs.items()
    }


def _gates(parameters: Parameters, bias: str) -> int:
    """Return how many gates a recurrent layer has, by the weight beside a bias; 1 where nothing tells."""
    weight = parameters.get(bias.replace("bias", "weight"))
    shape = () if weight is None else weight.shape
    return shape[0] // shape[1] if len(shape) == 2 and shape[0] % shape[1] == 0 else 1


def _sizes_of_vectors(parameters: Parameters) -> Counter[int]:
    return Counter(one.size for one in parameters.values() if len(key_of(one.shape)) == 1)


def _pairs(parameters: Parameters) -> Sequence[tuple[str, str]]:
    """Return the two biases of each recurrent layer."""
    found = []
    for name, one in parameters.items():
        second = name.replace(_FIRST, _SECOND)
        known = one.leaf is not None and one.leaf.name.startswith(_FIRST)
        if known and second in parameters and parameters[second].shape == one.shape:
            found.append((name, second))
    return found
