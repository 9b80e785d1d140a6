"""By what a Cell's own code decides, seen as it runs: operator by operator, with sizes that tell."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from triport.converters.networks.input_specs import InputSpec
from triport.converters.networks.telling_sizes import (
    SIZES,
    Notes,
    codes_within,
    is_framework,
    plain,
    shadowed,
    telling,
)

from .quiet import context_kept, silenced

_START = 8
_SIZE_WORDS = {"shape", "size", "numel", "nbytes", "len", "getattr"}
_MOST_RUNS = 4
_MOST_WAYS = 24
_MOST_HIDDEN = 12
_MOST_NAMED = 6


class Asked(NamedTuple):
    """Batch sizes at which code may go another way, and why these may not be all; "" if they are."""

    sizes: tuple[int, ...]
    unseen: str = ""


def asked_sizes(
    cell: Any, resized: Callable[[int], Sequence[InputSpec]], tried: Sequence[int], most: int
) -> Asked:
    """Run a Cell with sizes that tell, and again at those at which its code goes another way.

    Args:
        cell: the Cell; what it keeps is put back.
        resized: the inputs at a batch size.
        tried: the batch sizes that are tried anyway.
        most: the largest at which it can be.
    """
    notes, seen = Notes(), set[int]()
    waiting, unseen = [min(_START, most)], ""
    while waiting and len(seen) < _MOST_RUNS:
        size = waiting.pop(0)
        seen.add(size)
        try:
            _run(cell, resized, size, notes)
        except Exception as error:  # whatever the Cell or MindSpore raises, of which more operators compiled
            if not unseen and _asks_for_sizes(cell):
                unseen = f"operator by operator its code does not run ({type(error).__name__})"
        waiting = [one for one in notes.sizes() if one not in {*seen, *tried} and one <= most]
    ways = [size for size in notes.sizes() if size not in tried]
    others = [size for size in notes.hidden if size not in {*tried, *ways}]
    found = [*ways[:_MOST_WAYS], *others[:_MOST_HIDDEN]]
    left = [str(size) for size in (*ways, *others) if size not in found or size > most]
    if notes.unseen:
        unseen = f"its code makes a size a plain number ({', '.join([*notes.unseen][:3])})"
    elif left:
        unseen = f"its code may go another way at {', '.join(left[:_MOST_NAMED])}"
        unseen += f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    return Asked(tuple(size for size in found if size <= most), unseen)


def _run(cell: Any, resized: Callable[[int], Sequence[InputSpec]], size: int, notes: Notes) -> None:
    """Run a Cell at a size and at its double, which says how the sizes of tensors depend on the batch."""
    import mindspore

    plain: list[tuple[int, ...]] = []
    with ExitStack() as stack:
        for entered in (silenced(), context_kept(), _kept(cell), _uncompiled(cell), shadowed(_modules(cell))):
            stack.enter_context(entered)
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
        for at in (2 * size, size):
            places = iter(list(plain))

            def tell(shape: tuple[int, ...], at: int = at, places: Iterator[Any] = places) -> tuple[int, ...]:
                if at != size:
                    plain.append(shape)
                    return shape
                return _told(shape, next(places, None), size, notes)

            with _shapes(tell):
                cell(*_inputs(resized(at)))


def _told(shape: tuple[int, ...], doubled: Any, size: int, notes: Notes) -> tuple[int, ...]:
    if doubled is None or len(doubled) != len(shape):
        doubled = [2 * one if one == size else one for one in shape]
    return tuple(
        telling(one, one + (SIZES - size) * (other - one) // size, notes) if other != one else one
        for one, other in zip(shape, doubled, strict=True)
    )


def _inputs(specs: Sequence[InputSpec]) -> list[Any]:
    import mindspore

    ones = [np.ones(spec.shape, np.float32) for spec in specs]
    return [
        mindspore.Tensor(array, getattr(mindspore, spec.dtype))
        for array, spec in zip(ones, specs, strict=True)
    ]


@contextmanager
def _shapes(tell: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Iterator[None]:
    """Let every tensor say its sizes in other numbers."""
    import mindspore

    kind: Any = mindspore.Tensor

    def shape(tensor: Any) -> tuple[int, ...]:
        return tell(tensor._shape)

    def count(tensor: Any) -> int:
        return math.prod(shape(tensor))

    def length(tensor: Any) -> int:
        return len(tensor._shape) and plain(shape(tensor)[0], "len()")

    others = {
        "shape": property(shape, kind.shape.fset),
        "size": property(count),
        "nbytes": property(lambda tensor: count(tensor) * tensor._itemsize),
        "numel": count,
        "__len__": length,
    }
    before = {name: vars(kind)[name] for name in others}
    try:
        for name, other in others.items():
            setattr(kind, name, other)
        yield
    finally:
        for name, held in before.items():
            setattr(kind, name, held)


@contextmanager
def _kept(cell: Any) -> Iterator[None]:
    """Put back what Cells keep of a call."""
    held = [(one, dict(vars(one))) for _, one in cell.cells_and_names()]
    many = [
        (value, type(value)(value))
        for _, kept in held
        for value in kept.values()
        if type(value) in (list, dict, set)
    ]
    try:
        yield
    finally:
        for one, kept in held:
            vars(one).clear()
            vars(one).update(kept)
        for value, before in many:
            value.clear()
            (value.extend if isinstance(value, list) else value.update)(before)


def _own_kinds(cell: Any) -> list[type]:
    kinds = {kind: None for _, one in cell.cells_and_names() for kind in type(one).__mro__}
    return [kind for kind in kinds if kind.__module__.partition(".")[0] not in ("mindspore", "builtins")]


def _modules(cell: Any) -> list[ModuleType]:
    """Return the modules of the Cell's classes, and those that these import functions of."""
    own = [sys.modules[kind.__module__] for kind in _own_kinds(cell) if kind.__module__ in sys.modules]
    used = {
        getattr(held, "__module__", None) or ""
        for one in own
        for held in vars(one).values()
        if callable(held)
    }
    return [*own, *(sys.modules[name] for name in used if name in sys.modules and not is_framework(name))]


@contextmanager
def _uncompiled(cell: Any) -> Iterator[None]:
    """Let methods that MindSpore would compile run as they are."""
    before = [
        (kind, name, held)
        for kind in _own_kinds(cell)
        for name, held in vars(kind).items()
        if isinstance(held, FunctionType) and hasattr(held, "__wrapped__")
    ]
    try:
        for kind, name, held in before:
            if is_framework(held.__globals__["__name__"]):
                setattr(kind, name, inspect.unwrap(held))
        yield
    finally:
        for kind, name, held in before:
            setattr(kind, name, held)


def _asks_for_sizes(cell: Any) -> bool:
    """Whether the Cell's own code, and what it calls by name, has a word for the size of a tensor."""
    waiting: list[Any] = [held for kind in _own_kinds(cell) for held in vars(kind).values()]
    seen: set[Any] = set()
    while waiting:
        function = inspect.unwrap(held) if callable(held := waiting.pop()) else held
        if not isinstance(function, FunctionType) or function in seen or function.__name__ == "__init__":
            continue
        seen.add(function)
        for code in codes_within(function.__code__):
            if not _SIZE_WORDS.isdisjoint(code.co_names):
                return True
            named = (function.__globals__.get(name) for name in code.co_names)
            waiting += [one for one in named if not is_framework(getattr(one, "__module__", None) or "")]
    return False
