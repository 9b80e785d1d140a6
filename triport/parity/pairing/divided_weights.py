"""Weights that one network keeps in parts and the other as they are: by a weight norm or a spectral norm.

Matching works on a copy of the network with its weights merged; the rows and their proof are of what the
network has itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from triport.converters.environment import import_torch
from triport.converters.naming.one_way_steps import SpectralNorm, WeightNorm
from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.naming.step import Step
from triport.converters.naming.step_texts import Only

from .pieces import key_of
from .sides import Side
from .sides.module import ModuleSide
from .sides.spectral import spectral_norms


@dataclass(frozen=True, slots=True)
class Parts:
    """The tensors that a weight is kept in, and the step that makes it of them."""

    names: tuple[str, ...]
    step: Step


# by the name that a weight has once it is merged
Divided = Mapping[str, Parts]


def merged(a: Side, b: Side) -> tuple[Side, Divided]:
    """Return the first side with its weights merged, and how, if the second lacks what they are kept in.

    Only the first side's: of a weight nobody can tell which parts were meant.
    """
    if not isinstance(a, ModuleSide):
        return a, {}
    normed, spectral = _normed(a), _spectral(a)
    found = {**(normed if _lacks(b, a, normed) else {}), **({} if _has_vectors(b) else spectral)}
    if not found:
        return a, {}
    torch = import_torch()
    net = a.copied()
    for weight in found:
        path, _, leaf = weight.rpartition(".")
        module = net.get_submodule(path)
        if not hasattr(module, "parametrizations"):
            utils = torch.nn.utils
            (utils.remove_weight_norm if weight in normed else utils.remove_spectral_norm)(module, leaf)
            continue
        # a copy shares its class, of which the merged weight would take the property away
        shared = type(module)
        module.__class__ = type(shared.__name__, shared.__bases__, dict(shared.__dict__))
        torch.nn.utils.parametrize.remove_parametrizations(module, leaf)
    return ModuleSide(net, a.network, a.label), found


def _spectral(side: ModuleSide) -> dict[str, Parts]:
    norms = [one for one in spectral_norms(side.net) if one.original in side.parameters]
    return {one.weight: Parts((one.original, *one.vectors), SpectralNorm(one.axis)) for one in norms}


def _has_vectors(side: Side) -> bool:
    return any(one.is_vector for one in side.parameters.values())


def _normed(side: Side) -> dict[str, Parts]:
    torch = import_torch()
    kind: Any = torch.nn.utils.parametrizations._WeightNorm
    found = {}
    for path, module in side.net.named_modules():
        for leaf, steps in getattr(module, "parametrizations", {}).items():
            stem = f"{path}.parametrizations.{leaf}.original".lstrip(".")
            names = f"{stem}0", f"{stem}1"
            alone = len(steps) == 1 and isinstance(steps[0], kind)
            if alone and {*names} <= side.parameters.keys():
                axis = steps[0].dim % len(side.parameters[names[1]].shape)
                found[f"{path}.{leaf}".lstrip(".")] = Parts(names, WeightNorm(axis))
        for hook in _older_hooks(module):
            weight = f"{path}.{hook.name}".lstrip(".")
            magnitude, direction = f"{weight}_g", f"{weight}_v"
            axis = hook.dim % len(side.parameters[direction].shape)
            found[weight] = Parts((magnitude, direction), WeightNorm(axis))
    return found


def _older_hooks(module: Any) -> list[Any]:
    """Return the hooks that compute a module's weights, as torch.nn.utils.weight_norm puts them.

    One whose axis is -1 has a single magnitude for all of the weight.
    """
    known = "torch.nn.utils.weight_norm", "WeightNorm"
    hooks = module._forward_pre_hooks.values()
    return [one for one in hooks if (type(one).__module__, type(one).__name__) == known and one.dim != -1]


def _lacks(b: Side, a: Side, found: Divided) -> bool:
    """Return whether the other side has no place for the magnitudes.

    It has as many tensors fewer of their sizes, or too few that could be magnitudes at all: a vector of which
    it is known that it is added is none.
    """
    here, there = (Counter(key_of(one.shape) for one in side.parameters.values()) for side in (a, b))
    magnitudes = Counter(key_of(a.parameters[one.names[0]].shape) for one in found.values())
    able = Counter(key_of(one.shape) for one in b.parameters.values() if one.role in (None, "scale"))
    return all(here[key] - there[key] >= count or able[key] < count for key, count in magnitudes.items())


def with_parts(names: PairNames, divided: Divided) -> PairNames:
    """Return a map of what the network has itself, of one in which its weights are merged."""
    if not divided:
        return names
    rows = tuple(_row(row, divided) for row in names.rows)
    return replace(names, rows=rows, left_a=all_names(names.left_a, divided))


def all_names(names: Sequence[str], divided: Divided) -> tuple[str, ...]:
    """Return names of what the network has itself: its parts in place of a merged weight."""
    found: list[str] = []
    for name in names:
        found += divided[name].names if name in divided else (name,)
    return tuple(found)


def groups_of(groups: Sequence[tuple[str, ...]], divided: Divided) -> tuple[tuple[str, ...], ...]:
    """Return groups of names that can be exchanged: each part of a weight with the same of another."""
    found: list[tuple[str, ...]] = []
    for group in groups:
        if not any(name in divided for name in group):
            found.append(group)
        elif len({type(divided[name].step) if name in divided else None for name in group}) == 1:
            found += zip(*(divided[name].names for name in group), strict=True)
    return tuple(found)


def _row(row: PairRow, divided: Divided) -> PairRow:
    steps: list[Step] = []
    for place, name in enumerate(row.a):
        if name in divided:
            parts = divided[name]
            steps.append(parts.step if len(row.a) == 1 else Only(place, len(parts.names), parts.step))
    return replace(row, a=all_names(row.a, divided), steps=(*steps, *row.steps))
