"""Which module of one side is which of the other: by the parameters that they own, and by their place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from triport.converters.naming.pair_names import PairNames
from triport.reference_models.kinds import public_name
from triport.reference_models.modules import Part, parameters_of, parts_of

from .settings import group_of
from .sides import Side


def watched_parts(side: Side) -> dict[str, Part]:
    """Return the modules of a side that compute, by path, outermost first.

    These are the innermost ones, and in PyTorch layers with others inside: a norm that calls its activation.
    What is made of activations alone, as x * sigmoid(x) is, is an activation itself, and watched as a whole.
    """
    parts = parts_of(side.net)
    made = _made_of_activations(parts)
    inside = tuple(f"{path}." for path in made)
    return {
        part.path: replace(part, leaf=True) if part.path in made else part
        for part in parts
        if part.leaf or part.path in made or _is_layer(side, part)
        if not part.path.startswith(inside)
    }


def _is_layer(side: Side, part: Part) -> bool:
    return side.runtime == "pytorch" and part.kind is not None and bool(part.kind.leaves)


def _made_of_activations(parts: Sequence[Part]) -> set[str]:
    """Return the paths of modules of classes that nobody knows with nothing but activations inside."""
    inside: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        inside[part.path.rpartition(".")[0]].append(part)
    return {
        part.path
        for part in parts
        if part.kind is None
        and not part.leaf
        and not is_frameworks_own(part.module)
        and not parameters_of(part.module)
        and all(one.leaf and group_of(one.kind) == "activation" for one in inside[part.path])
    }


def is_frameworks_own(module: Any) -> bool:
    """Whether a module is of a class of its framework; with others inside it only calls these, in turn."""
    return public_name(type(module)).startswith(("torch.nn.", "mindspore.nn."))


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


def could_be(one: Part, other: Part) -> bool:
    """Whether a module could stand in another's place: of a class that nobody knows, in that of any."""
    groups = group_of(one.kind), group_of(other.kind)
    return groups[0] == groups[1] or None in groups


def unlikeness(one: Part, other: Part) -> int:
    """Return by how little one module is like another that it could be: 0 for one of its class."""
    if type(one.module) is type(other.module):
        return 0
    return 1 if one.kind is other.kind is not None else 2 if None not in (one.kind, other.kind) else 3
