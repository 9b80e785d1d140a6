"""Which module of one side is which of the other: by the parameters that they own, and by their place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from triport.converters.naming.pair_names import PairNames
from triport.reference_models.modules import Part, parts_of

from .sides import Side

# norms that libraries fuse with what comes behind: timm's BatchNormAct2d holds its activation
_FUSED = ("norm", "layer_norm", "rms_norm", "group_norm")


def watched_parts(side: Side) -> dict[str, Part]:
    """Return the modules of a side that compute, by path: the innermost, and norms that call others behind.

    Such a norm returns what the first module that it calls is given.
    """
    return {
        part.path: part
        for part in parts_of(side.net)
        if part.leaf or (part.kind is not None and part.kind.name in _FUSED and side.runtime == "pytorch")
    }


def owners_of(side: Side, parts: Mapping[str, Part]) -> dict[str, str]:
    """Return the innermost module that each parameter lies in, by the parameter's name; "" where in none."""
    found = {}
    for name, parameter in side.parameters.items():
        path = parameter.owner
        while path and path not in parts:
            path = path.rpartition(".")[0]
        for one in (name, *parameter.aliases):
            found[one] = path
    return found


def modules_with_parameters(
    a: Side, b: Side, names: PairNames, a_parts: Mapping[str, Part], b_parts: Mapping[str, Part]
) -> dict[str, str]:
    """Return a's path by b's of each module that owns what exactly one module of the other side owns.

    Where three layers hold what the other side packs into one, no module of one is a module of the other.
    """
    a_owners, b_owners = owners_of(a, a_parts), owners_of(b, b_parts)
    of_a: dict[str, set[str]] = defaultdict(set)
    of_b: dict[str, set[str]] = defaultdict(set)
    for row in names.rows:
        firsts = {a_owners.get(name, "") for name in row.a}
        seconds = {b_owners.get(name, "") for name in row.b}
        for first in firsts:
            of_a[first] |= seconds
        for second in seconds:
            of_b[second] |= firsts
    return {
        second: first
        for second, firsts in of_b.items()
        for first in firsts
        if second and first and len(firsts) == 1 and len(of_a[first]) == 1
    }
