"""Inputs of graphs whose attention is told how many keys count: sizes and numbers that fit each other.

Lengths that contradict the shapes have no defined result in GroupQueryAttention: so the keys before and the
new ones all count, and a mask from which the lengths are computed is one everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.onnx_import.large_tensors import read_parts

_ENDS, _TOTAL, _PAST = 5, 6, 3  # inputs of GroupQueryAttention
# batch, queries, keys before; the last one without any
_WITH_PAST = ((2, 1, 5), (1, 3, 4), (2, 4, 0))
_WITHOUT = ((2, 4, 0), (3, 7, 0))


@dataclass(frozen=True, slots=True)
class KeyLengths:
    """The inputs that lengths of keys are computed from, by how; none where no node takes lengths."""

    ends: frozenset[str] = frozenset()
    totals: frozenset[str] = frozenset()
    past: frozenset[str] = frozenset()
    axes: dict[str, list[int | str]] = field(default_factory=dict)

    @classmethod
    def of_file(cls, path: Path) -> KeyLengths:
        """Read them from a file."""
        graph = read_parts(path)[0].graph
        taking = [node for node in graph.node if node.op_type == "GroupQueryAttention"]
        stored = {tensor.name for tensor in graph.initializer}
        given = {value.name: _axes(value) for value in graph.input if value.name not in stored}
        if not taking:
            return cls()
        made_by = {name: node for node in graph.node for name in node.output}
        ends, totals, past = (
            frozenset(_sources([n.input[i] for n in taking if len(n.input) > i], made_by)) & given.keys()
            for i in (_ENDS, _TOTAL, _PAST)
        )
        return cls(frozenset(ends), frozenset(totals), frozenset(past), given)

    @property
    def note(self) -> str:
        """What the inputs leave open, empty where it is nothing."""
        if not self.ends | self.totals:
            return ""
        return "attention was compared where all keys count: shorter lengths were not tried"

    def sizes(self) -> list[dict[str, int]]:
        """Return sizes of the free axes with which keys before and new ones are as many as all."""
        if not self.ends | self.totals:
            return []
        names = {name for axes in self.axes.values() for name in axes if isinstance(name, str)}
        new = self._new()
        masks = [self.axes[name] for name in self.ends | self.totals if len(self.axes[name]) == 2]
        before = [self.axes[name] for name in self.past if len(self.axes[name]) == 4]
        found = []
        for batch, queries, keys in _WITH_PAST if before else _WITHOUT:
            sizes = dict.fromkeys(names, 16)
            sizes |= {axes[1]: queries + keys for axes in masks if isinstance(axes[1], str)}
            sizes |= {axes[2]: keys for axes in before if isinstance(axes[2], str)}
            sizes |= {axes[1]: queries for axes in new if isinstance(axes[1], str)}
            sizes |= {axes[0]: batch for axes in (*new, *masks, *before) if isinstance(axes[0], str)}
            lone = (axes[0] for name, axes in self.axes.items() if name in self.ends and axes)
            found.append(sizes | {name: batch for name in lone if isinstance(name, str)})
        return found

    def fitted(self, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return inputs with masks of ones, and lengths that say how many keys there are."""
        if not self.ends | self.totals:
            return feed
        masks = [feed[name] for name in self.ends | self.totals if feed[name].ndim == 2]
        new = [feed[name].shape[1] for name in self.axes if self._is_new(name)]
        before = [feed[name].shape[2] for name in self.past if feed[name].ndim == 4]
        total = masks[0].shape[1] if masks else sum(new[:1]) + sum(before[:1])
        fitted = dict(feed)
        for name in self.ends | self.totals:
            count = 1 if feed[name].ndim == 2 else total - (name in self.ends)
            fitted[name] = np.full_like(feed[name], count)
        return fitted

    def _new(self) -> list[list[int | str]]:
        return [axes for name, axes in self.axes.items() if self._is_new(name)]

    def _is_new(self, name: str) -> bool:
        """Return whether an input has a row for each query: it is no length, no mask and nothing before."""
        return name not in self.ends | self.totals | self.past and len(self.axes[name]) in (2, 3)


def _axes(value: Any) -> list[int | str]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _sources(names: list[str], made_by: dict[str, Any]) -> Iterator[str]:
    """Give the values from which these are computed; a shape alone is no number of an input."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        node = made_by.get(name)
        if node is not None and node.op_type not in ("Shape", "Size"):
            waiting.extend(node.input)
