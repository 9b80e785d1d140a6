"""What a script saved beside the weights, as plain texts and numbers: arch, args, hyper_parameters."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from triport.converters.formats.pickled_values import Opaque
from triport.converters.formats.tensors import short

Plain = str | int | float | bool

_MAX_DEPTH = 4
_MAX_KEPT = 500
_MAX_SEEN = 20_000
_MAX_TEXT = 200
_MAX_BITS = 64
# what has thousands of entries and says nothing of the network
_TRAINING = ("optim", "scheduler", "scaler", "callbacks", "loops", "history")


def stated_beside(root: Any) -> dict[str, Plain]:
    """Return the texts and numbers in what a .pth file holds, by dotted path, such as `args.model`.

    Objects are looked into as far as the pickle gives their attributes; weights are not.

    Args:
        root: the unpickled data.
    """
    found: dict[str, Plain] = {}
    for path, value in islice(_leaves(root, (), 0), _MAX_SEEN):
        if len(found) == _MAX_KEPT:
            break
        if (
            (isinstance(value, str) and len(value) <= _MAX_TEXT)
            or isinstance(value, float | bool)
            or (isinstance(value, int) and value.bit_length() < _MAX_BITS)
        ):
            found[path] = value
    return found


def _leaves(value: Any, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Opaque):
        value = value.attributes
    if not isinstance(value, dict):
        yield ".".join(path), value
        return
    yield ".".join(path), None  # counts: a few bytes of a pickle can make one dict stand in a million places
    if depth == _MAX_DEPTH:
        return
    for key, item in value.items():
        if isinstance(key, str) and not any(word in key for word in _TRAINING):
            yield from _leaves(item, (*path, short(key, 60)), depth + 1)
