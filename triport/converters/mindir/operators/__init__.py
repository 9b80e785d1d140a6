"""The operators: one file per family, found by discovery.

A file holds functions marked with `mindir_operator`, each of which takes a `Call` (one MindIR node
and what it reads) and a `Builder` (where ONNX nodes go) and returns what the node makes.
To add an operator, add it to a file here and a case to `tests/mindir/`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

# takes a Call (call.py) and a Builder (builder.py), and returns what the node makes
Convert = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class MindirOperator:
    """How to convert one primitive, and what of it cannot be.

    `in_place` is the input whose storage the primitive overwrites with its result; a view shares
    its first input's storage; `lowest_opset` is the first ONNX opset that has what it needs. `takes` has, for
    each argument or attribute that may not be anything, what it may be; `refuses` has the other reasons for
    which a call is refused, with {names} in the place of what was found. A converter refuses for no other
    reason (see `Call.require` and `Call.unsupported`), so that this is all that can be said of its limits.
    `differs` says on which numbers MindSpore's kernel gives something else than the file, and what: "numbers:
    what; other numbers: what".
    """

    primitive: str
    convert: Convert
    module: str
    in_place: int | None = None
    is_view: bool = False
    lowest_opset: int = 11
    takes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    refuses: tuple[str, ...] = ()
    differs: str = ""


_REGISTRY: dict[str, MindirOperator] = {}


def mindir_operator(
    *primitives: str,
    in_place: int | None = None,
    is_view: bool = False,
    lowest_opset: int = 11,
    takes: Mapping[str, tuple[Any, ...]] | None = None,
    refuses: tuple[str, ...] = (),
    differs: str | Mapping[str, str] = "",
) -> Callable[[Convert], Convert]:
    """Register the function as the converter of the named MindIR primitives.

    See `MindirOperator`; `differs` is for all of them, or for each that it names.
    """

    def register(convert: Convert) -> Convert:
        for primitive in primitives:
            known = _REGISTRY.get(primitive)
            if known is not None:
                raise ValueError(f"{primitive} is converted in both {known.module} and {convert.__module__}")
            _REGISTRY[primitive] = MindirOperator(
                primitive,
                convert,
                convert.__module__,
                in_place,
                is_view,
                lowest_opset,
                takes or {},
                refuses,
                differs if isinstance(differs, str) else differs.get(primitive, ""),
            )
        return convert

    return register


@cache
def load_operators() -> dict[str, MindirOperator]:
    """Import every file of this folder and return the operators by primitive name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_REGISTRY.items()))
