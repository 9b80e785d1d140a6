"""Weights that one network has tied and the other has not: one tensor there, several here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from triport.converters.naming.constant_steps import Repeat, Unify
from triport.converters.naming.pair_names import Row

from .pieces import key_of
from .sides import Side
from .sides.module import ModuleSide

# by the first name of a tensor, its other names
Ties = Mapping[str, tuple[str, ...]]


def untied(a: Side, b: Side) -> Ties:
    """Untie what the first side has tied and the second has more of; return what was tied.

    Only the first side's: of two tensors that may differ none can be left out.
    """
    if not isinstance(a, ModuleSide):
        return {}
    here, there = (Counter(key_of(one.shape) for one in side.parameters.values()) for side in (a, b))
    return {
        name: a.untie(name)
        for name, one in list(a.parameters.items())
        if one.aliases and there[key_of(one.shape)] >= here[key_of(one.shape)] + len(one.aliases)
    }


def tied_rows(rows: Sequence[Row], ties: Ties) -> list[Row]:
    """Return rows in which what is tied stands together: one tensor under all its names."""
    by_name = {row.a[0]: row for row in rows if len(row.a) == 1}
    joined: list[Row] = []
    gone: set[str] = set()
    for name, others in ties.items():
        parts = [by_name[one] for one in (name, *others) if one in by_name]
        if len(parts) != 1 + len(others) or any(row.steps or len(row.b) != 1 for row in parts):
            continue
        steps = (Unify(len(parts)), Repeat(len(parts)))
        joined.append(Row((name, *others), tuple(row.b[0] for row in parts), steps, parts[0].reason))
        gone |= {name, *others}
    return [*(row for row in rows if not gone & {*row.a}), *joined]
