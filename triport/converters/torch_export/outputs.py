"""What a Module returns, as named tensors: dicts, dataclasses, named tuples and tuples, one in another."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Flat(NamedTuple):
    """The tensors in order, each with the keys around it, and what else there was, each with its place."""

    tensors: list[tuple[str, Any]]
    left_out: list[tuple[str, str]]


def flatten(result: Any, tensor_type: type) -> Flat:
    """Return the tensors of a result, in order; what is no tensor has no place in ONNX, and is listed."""
    tensors, left_out = [], []
    for name, place, item in _walk(result, "", ""):
        if isinstance(item, tensor_type):
            tensors.append((name, item))
        else:
            is_small = item is None or isinstance(item, bool | int | float | str)
            left_out.append((place or "0", repr(item) if is_small else f"a {type(item).__name__}"))
    return Flat(tensors, left_out)


def _walk(result: Any, name: str, place: str) -> Iterator[tuple[str, str, Any]]:
    """Yield every leaf with its name, of keys and fields alone, and its place, with the numbers of tuples."""
    children: list[tuple[str, Any, bool]]
    if isinstance(result, Mapping):
        children = [(str(key), item, True) for key, item in result.items()]
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        children = [(field.name, getattr(result, field.name), True) for field in dataclasses.fields(result)]
    elif isinstance(result, tuple) and hasattr(result, "_fields"):
        children = [(key, item, True) for key, item in zip(result._fields, result, strict=True)]
    elif isinstance(result, tuple | list):
        children = [(str(index), item, False) for index, item in enumerate(result)]
    else:
        yield name, place, result
        return
    for key, item, is_named in children:
        below = f"{name}.{key}" if name else key
        yield from _walk(item, below if is_named else name, f"{place}.{key}" if place else key)
