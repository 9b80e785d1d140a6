"""The operators: one file per tight family, found by discovery, PyTorch and MindSpore one below the other.

A function marked with `pytorch("Op")` or `mindspore("Op")` takes a `Call` (one ONNX node and what it reads)
and returns the expression of its output, or a tuple of them. `since` and `until` are schema versions of the
operator; without them the function is for all. Whatever attribute or input it leaves unread is refused.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.targets import TARGETS, Target

Translate = Callable[[Call], Any]
_NEWEST = 28  # the newest schema version that anything here was written for


@dataclass(frozen=True, slots=True)
class Operator:
    """How one operator's versions `since` to `until` are written in one framework."""

    domain: str
    op_type: str
    target: Target
    since: int
    until: int
    translate: Translate


_REGISTRY: dict[tuple[str, str, Target], list[Operator]] = {}


def _operator(
    target: Target, op_types: tuple[str, ...], since: int, until: int, domain: str
) -> Callable[[Translate], Translate]:
    def register(translate: Translate) -> Translate:
        for op_type in op_types:
            known = _REGISTRY.setdefault((domain, op_type, target), [])
            for other in known:
                if since <= other.until and other.since <= until:
                    raise ValueError(f"{op_type} {since} to {until} is translated to {target} twice")
            known.append(Operator(domain, op_type, target, since, until, translate))
        return translate

    return register


def pytorch(
    *op_types: str, since: int = 1, until: int = _NEWEST, domain: str = ""
) -> Callable[[Translate], Translate]:
    """Register the function as what writes these operators in PyTorch."""
    return _operator("pytorch", op_types, since, until, domain)


def mindspore(
    *op_types: str, since: int = 1, until: int = _NEWEST, domain: str = ""
) -> Callable[[Translate], Translate]:
    """Register the function as what writes these operators in MindSpore."""
    return _operator("mindspore", op_types, since, until, domain)


def both(
    *op_types: str, since: int = 1, until: int = _NEWEST, domain: str = ""
) -> Callable[[Translate], Translate]:
    """Register the function for both frameworks: what it writes, or how it decides, is the same."""

    def register(translate: Translate) -> Translate:
        for target in TARGETS:
            _operator(target, op_types, since, until, domain)(translate)
        return translate

    return register


@cache
def load_operators() -> dict[tuple[str, str, Target], list[Operator]]:
    """Import every file of this folder and return what it registers."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_REGISTRY.items()))


def find_operator(domain: str, op_type: str, version: int, target: Target) -> Operator | None:
    """Return what translates a schema version of an operator, or None."""
    for operator in load_operators().get((domain, op_type, target), []):
        if operator.since <= version <= operator.until:
            return operator
    return None
