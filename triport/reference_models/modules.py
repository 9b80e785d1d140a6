"""The modules of a network and its parameters, by kind: of a torch.nn.Module or of a mindspore Cell alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .kinds import LEAVES, kind_of, public_name
from .kinds.kind import Kind, Leaf, Seeding


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A module of a network; `leaf`: nothing in it is called on its own."""

    path: str
    module: Any
    kind: Kind | None
    leaf: bool

    @property
    def known(self) -> bool:
        """Whether it has a kind, or is made of modules that have."""
        return self.kind is not None or not self.leaf


@dataclass(frozen=True, slots=True, eq=False)
class Owned:
    """A parameter or buffer of a network, by the name that its state dict or its Cell has for it.

    `kind` is that of the module which owns it, None where that is none that is known. `key` is the same for
    the names of one tensor that is used twice. `seeding` is None for what is not to be drawn: a count, an
    index, a constant that the network computes with.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind | None
    leaf: Leaf | None
    seeding: Seeding | None
    key: int


def parts_of(net: Any) -> list[Part]:
    """Return every module of a network but itself, outermost first; nothing inside what is called as one."""
    parts: list[Part] = []
    whole: list[str] = []
    for path, module in _named(net):
        if not path or any(path.startswith(outer) for outer in whole):
            continue
        kind = kind_of(module)
        if kind is not None and kind.whole:
            whole.append(f"{path}.")
        inside = next(iter(_children(module)), None)
        parts.append(Part(path, module, kind, inside is None or (kind is not None and kind.whole)))
    return parts


def of_no_kind(net: Any) -> list[str]:
    """Return the modules of which nothing is known, with their classes: of no kind, and not made of any."""
    return [f"{part.path} ({public_name(type(part.module))})" for part in parts_of(net) if not part.known]


def parameters_of(net: Any) -> list[Owned]:
    """Return every parameter and buffer that a network keeps, in its own order."""
    found = _mindspore_parameters(net) if _is_cell(net) else _torch_parameters(net)
    return [
        Owned(name, tuple(tensor.shape), kind, leaf, _seeding(name, tensor, leaf, trained), id(tensor))
        for name, tensor, kind, leaf, trained in found
    ]


_Found = tuple[str, Any, Kind | None, Leaf | None, bool]


def _torch_parameters(net: Any) -> Iterator[_Found]:
    modules = dict(net.named_modules(remove_duplicate=False))
    for name, tensor in net.state_dict(keep_vars=True).items():
        path, _, last = name.rpartition(".")
        owner = modules.get(path)
        if not hasattr(tensor, "shape"):  # a module's extra state, which may be anything
            continue
        kind = None if owner is None else kind_of(owner)
        trained = owner is None or last in owner._parameters
        yield name, tensor, kind, None if kind is None else kind.leaf(last), trained


def _mindspore_parameters(net: Any) -> Iterator[_Found]:
    seen: set[int] = set()
    for _, cell in net.cells_and_names():
        kind = kind_of(cell)
        for attribute, parameter in cell.parameters_and_names(expand=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                leaf = None if kind is None else kind.leaf(attribute.rpartition(".")[2])
                yield parameter.name, parameter, kind, leaf, parameter.requires_grad


def _seeding(name: str, tensor: Any, leaf: Leaf | None, trained: bool) -> Seeding | None:
    if "float" not in str(tensor.dtype).lower():
        return None
    if leaf is not None:
        return None if leaf.seeding == "count" else leaf.seeding
    alike = LEAVES.get(name.rpartition(".")[2])
    if not trained and alike is None:
        return None
    if alike is not None and alike.seeding in ("shift", "variance"):
        return alike.seeding
    return _by_shape(tuple(tensor.shape))


def _by_shape(shape: tuple[int, ...]) -> Seeding:
    """Return how a bare parameter is drawn.

    One value a channel may be a factor, which must not be near zero; what is the same for every example (a
    first axis of one, as of a position's embedding) is added; all else is taken for a weight.
    """
    if sum(size != 1 for size in shape) <= 1:
        return "scale"
    return "shift" if shape[0] == 1 else "weight"


def _is_cell(net: Any) -> bool:
    return hasattr(net, "cells_and_names")


def _named(net: Any) -> Iterator[tuple[str, Any]]:
    return net.cells_and_names() if _is_cell(net) else net.named_modules()


def _children(module: Any) -> Iterator[Any]:
    return module.cells() if _is_cell(module) else module.children()
