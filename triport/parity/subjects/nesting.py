"""Tensors within what a module takes and returns: tuples, lists and dictionaries, however deep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def leaves(value: Any, is_leaf: Callable[[Any], bool]) -> Iterator[Any]:
    """Yield what counts as a leaf within a value, in order."""
    if is_leaf(value):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from leaves(one, is_leaf)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from leaves(one, is_leaf)


def replaced(value: Any, is_leaf: Callable[[Any], bool], others: Iterator[Any]) -> Any:
    """Return the value with the next of `others` for each of its leaves; what is no leaf stays."""
    if is_leaf(value):
        return next(others)
    if isinstance(value, Mapping):
        return {name: replaced(one, is_leaf, others) for name, one in value.items()}
    if isinstance(value, tuple | list):
        made = [replaced(one, is_leaf, others) for one in value]
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*made)
        return tuple(made) if isinstance(value, tuple) else made
    return value
