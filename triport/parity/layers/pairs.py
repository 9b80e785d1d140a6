"""Which module of one definition is which of the other.

A module that owns parameters is the one that owns the same of them; where several do (a container
of one), the outermost goes with the outermost. A module without parameters (an activation, a pool) is
found within its paired parent: by its name, or by its kind where there is one of it on each side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from triport.parity.calls import CalledModule, Feed, ModuleCall, ReferenceNames, Visit


def paired_paths(ours: Iterable[CalledModule], theirs: Iterable[CalledModule]) -> dict[str, str]:
    """Return their path -> ours for every module that has a counterpart."""
    ours, theirs = list(ours), list(theirs)
    pairs: dict[str, str] = {"": ""}
    our_owners, their_owners = _owners(ours), _owners(theirs)
    for parameters, their_paths in their_owners.items():
        our_paths = our_owners.get(parameters, [])
        if len(our_paths) == len(their_paths):
            pairs.update(zip(their_paths, our_paths, strict=True))
        elif our_paths:
            # innermost: what a container of one returns is what its module returns
            pairs[their_paths[-1]] = our_paths[-1]
    _pair_without_parameters(ours, theirs, pairs)
    del pairs[""]
    return pairs


def _owners(modules: list[CalledModule]) -> dict[frozenset[str], list[str]]:
    """Return the paths of the modules that own each set of parameters, outermost first."""
    owners: dict[frozenset[str], list[str]] = defaultdict(list)
    for module in modules:
        floating = frozenset(name for name in module.parameters if not name.endswith(".num_batches_tracked"))
        if floating:
            owners[floating].append(module.path)
    return {names: sorted(paths, key=len) for names, paths in owners.items()}


def _pair_without_parameters(
    ours: list[CalledModule], theirs: list[CalledModule], pairs: dict[str, str]
) -> None:
    our_children, their_children = _children(ours), _children(theirs)
    # parents come before their children: a pool may be a container of its own
    queue = list(pairs.items())
    while queue:
        their_parent, our_parent = queue.pop(0)
        mine = [module for module in our_children.get(our_parent, []) if module.path not in pairs.values()]
        others = [module for module in their_children.get(their_parent, []) if module.path not in pairs]
        for other in others:
            by_name = [m for m in mine if _leaf_name(m) == _leaf_name(other) and _kind(m) == _kind(other)]
            by_kind = [m for m in mine if _kind(m) == _kind(other)]
            alone = sum(_kind(o) == _kind(other) for o in others) == 1
            found = by_name or (by_kind if alone else [])
            if len(found) == 1:
                pairs[other.path] = found[0].path
                queue.append((other.path, found[0].path))
                mine.remove(found[0])


def _children(modules: list[CalledModule]) -> dict[str, list[CalledModule]]:
    """Return the modules without parameters by the path of their parent."""
    children: dict[str, list[CalledModule]] = defaultdict(list)
    for module in modules:
        if not module.parameters:
            children[module.path.rpartition(".")[0]].append(module)
    return children


def _leaf_name(module: CalledModule) -> str:
    return module.path.rpartition(".")[2].replace("_", "")


def _kind(module: CalledModule) -> str:
    """Return the kind of layer, or else the name of a class that both frameworks have one of."""
    return module.kind.lower().removeprefix("_") if module.layer is None else module.layer.name


def under_their_names(
    beside: ReferenceNames, modules: Sequence[CalledModule], visit: Visit, fed: Feed | None
) -> tuple[Visit, Feed | None]:
    """Return `visit` and `fed` for a runner of these modules, by the names of the reference's modules."""
    if list(beside.modules) == list(modules):
        return visit, fed
    ours = paired_paths(beside.modules, modules)

    def renamed(call: ModuleCall) -> None:
        if call.path in ours:
            visit(replace(call, path=ours[call.path]))

    def given(path: str, number: int) -> tuple[np.ndarray, ...] | None:
        return fed(ours[path], number) if fed and path in ours else None

    return renamed, given if fed else None
