"""One table of layer kinds: what is known of a kind stands in one row, whoever asks for it.

A file here is a family of kinds and defines `KINDS`, its rows; it is found by being here. To add a kind is
to add a row: names of parameters, seeded values, noise, the search in ONNX graphs and the faults that the
checks are tested with all read it. Nothing here imports a framework: classes go by the names under which
users import them.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from .kind import Kind, KindError, Leaf, Seeding
from .norms import COUNTER_LEAF

_FRAMEWORKS = ("torch.nn", "mindspore.mint.nn", "mindspore.nn")


def _found() -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for entry in sorted(pkgutil.iter_modules(__path__), key=lambda entry: entry.name):
        for kind in getattr(importlib.import_module(f"{__name__}.{entry.name}"), "KINDS", ()):
            if kind.name in kinds:
                raise KindError(f"two kinds of layer are called {kind.name}")
            kinds[kind.name] = kind
    return kinds


KINDS = _found()


def _by(names: str) -> dict[str, Kind]:
    """Return the kinds by one of their columns, in which each name stands once."""
    found: dict[str, Kind] = {}
    for kind in KINDS.values():
        for name in getattr(kind, names):
            if name in found:
                raise KindError(f"{name} is of two kinds, {found[name].name} and {kind.name}")
            found[name] = kind
    return found


_BY_CLASS = {**_by("torch"), **_by("mindspore")}
_BY_OPERATOR = _by("onnx")
# Leaves by the names of either framework; a single letter is anybody's name for anything.
LEAVES = {
    name: leaf
    for kind in KINDS.values()
    for leaf in kind.leaves
    for name in (leaf.name, leaf.in_mindspore)
    if len(name) > 1
}
MINDSPORE_LEAVES = frozenset(name for name, leaf in LEAVES.items() if name != leaf.name)
# what a layer counts of the batches that it is trained with
STATISTICS = frozenset(name for name, leaf in LEAVES.items() if leaf.statistic)


def kind_of(module: Any) -> Kind | None:
    """Return the kind of a torch.nn.Module or a mindspore Cell; None: it is no layer that is known.

    What inherits from a class of a kind is of that kind.
    """
    return kind_of_class(type(module))  # type: ignore[arg-type]


@cache
def kind_of_class(cls: type) -> Kind | None:
    """Return the kind of a class of a framework, or of one that inherits from it."""
    found = (_BY_CLASS.get(public_name(base)) for base in cls.__mro__)
    return next((kind for kind in found if kind is not None), None)


def kind_of_operator(op_type: str) -> Kind | None:
    """Return the kind of which a node of this ONNX operator alone can be a layer."""
    return _BY_OPERATOR.get(op_type)


def public_name(cls: type) -> str:
    """Return the name under which users import a class: torch.nn.Conv2d, not torch.nn.modules.conv.Conv2d."""
    package = next((one for one in _FRAMEWORKS if f"{cls.__module__}.".startswith(f"{one}.")), cls.__module__)
    return f"{package}.{cls.__qualname__}"


__all__ = [
    "COUNTER_LEAF",
    "KINDS",
    "LEAVES",
    "MINDSPORE_LEAVES",
    "STATISTICS",
    "Kind",
    "KindError",
    "Leaf",
    "Seeding",
    "kind_of",
    "kind_of_class",
    "kind_of_operator",
    "public_name",
]
