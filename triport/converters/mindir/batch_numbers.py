"""Batch sizes at which a Cell's own code goes another way: by what it compares, and where it cuts.

A branch such as `if x.shape[0] > 100` shows in no trace with fewer images. Its condition stands in the source
of the Cell's class, which is read and not run; what is computed elsewhere is not found.
"""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Collection, Iterator
from functools import cache
from itertools import islice, zip_longest
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from .batch_conditions import Reading
from .batch_decisions import Decisions, Sized
from .batch_values import UnknownValueError

MOST_IMAGES = 1024
_MOST_WAYS = 6
_MOST_KINDS = 16
_FIRST = 3
_MOST_NUMBERS = 3
_MOST_SUSPECTS = 12
# further than 2: an axis or a step more often than a batch size
_LEAST_SUSPECT = 3
_PARTS = (1, 2, 3, 4)
_MOST_FUNCTIONS = 1000

Methods = dict[str, list[FunctionType]]


class _Function(NamedTuple):
    """A function that runs with a Cell, and which of its parameters are the batch size, or some size."""

    function: Any
    batch: frozenset[str] = frozenset()
    sized: frozenset[str] = frozenset()


def batch_numbers(cell: Any, tried: Collection[int], elements: Collection[int] = ()) -> tuple[int, ...]:
    """Return the batch sizes at which a Cell's code may do something else.

    Args:
        cell: the Cell, whose own classes are read, and not MindSpore's.
        tried: the sizes that are tried anyway.
        elements: how many numbers of one image each input holds, for code that asks for a tensor's size.
    """
    all_readings = _all_readings(cell, elements)
    ways: dict[tuple[str, ...], int] = {}
    conditions: dict[str, list[str]] = {}
    bounds: set[int] = set()
    suspects: list[int] = []
    for readings in all_readings:
        is_open = False
        for reading in readings:
            conditions |= dict(_conditions(reading))
            bounds |= {abs(number) for number in reading.bounds()}
            numbers, may_be_more = reading.suspects()
            suspects += numbers
            is_open |= may_be_more
        suspects += [number for reading in readings if is_open for number in reading.numbers()]
    for size in (*tried, *range(1, MOST_IMAGES)):
        if size < MOST_IMAGES:
            ways.setdefault(tuple(one[size] for one in conditions.values()), size)
    other = [size for size in ways.values() if size not in tried]
    # of what is not known to be a batch size: on the number and beyond it, as it may be for this one alone
    least = max(tried)
    beyond = sorted(number for number in bounds if least <= number < MOST_IMAGES)[:_MOST_NUMBERS]
    known = {*other[:_MOST_WAYS], *(size for one in beyond for size in (one, one + 1))}
    further = (size for size in _suspected(suspects, elements) if size not in {*tried, *known})
    return tuple(sorted({*known, *islice(further, _MOST_SUSPECTS)}))


def _suspected(numbers: Collection[int], elements: Collection[int]) -> Iterator[int]:
    """Yield each batch size once for which a number in a decision may stand, the likeliest first."""
    by_number = [
        [number, number + 1, *_sizes_of(number, elements), *(number * part for part in _PARTS)]
        for number in dict.fromkeys(map(abs, numbers))
        if number >= _LEAST_SUSPECT and elements
    ]
    found = (size for row in zip_longest(*by_number) for size in row if size is not None)
    yield from (size for size in dict.fromkeys(found) if 0 < size < MOST_IMAGES)


def _sizes_of(number: int, elements: Collection[int]) -> Iterator[int]:
    """Yield the batch sizes at which a tensor may be so large: some an image, or in pairs; or beyond."""
    parts = [part * count for part in _PARTS for count in dict.fromkeys((1, *elements)) if count]
    yield from (number // part for part in parts if number % part == 0)
    if math.isqrt(number) ** 2 == number:
        yield math.isqrt(number)
    yield from (number // part + 1 for part in parts)


def _conditions(reading: Reading) -> Iterator[tuple[str, list[str]]]:
    """Yield what follows from the batch size alone, if of few kinds: what it is at each size."""
    for text, condition in reading.conditions():
        found: list[str] = []
        for size in range(MOST_IMAGES):
            try:
                found.append(repr(condition(size)))
            except UnknownValueError:
                found.append("")
            if not any(found) and size == _FIRST:
                break
        kinds = {*found[1:]} - {""}
        if 1 < len(kinds) <= _MOST_KINDS:
            first = next(filter(None, found))
            yield text, [one or first for one in found]


def _all_readings(cell: Any, elements: Collection[int]) -> list[list[Decisions]]:
    """Return the functions that run with each Cell of a network, once for each input that counts elements.

    What a function returns, and what a Cell hands to those within, is known when all have been read.
    """
    cells = [*cell.cells_and_names()]
    children = {part for name, _ in cells for part in name.split(".")}
    kinds = {type(inner): inner for _, inner in reversed(cells)}
    returning: frozenset[str] = frozenset()
    handed: frozenset[int | str] = frozenset()
    while True:
        readings = [
            one for inner in kinds.values() for one in _readings(inner, 0, returning, inner is cell, handed)
        ]
        more = returning | {one.name for one in readings if one.name != "construct" and one.returns_size()}
        handed_on = handed.union(*(one.handed(children) for one in readings))
        if (more, handed_on) == (returning, handed):
            break
        returning, handed = more, handed_on
    return [
        [
            one
            for count in elements or (0,)
            for one in _readings(inner, count, returning, inner is cell, handed)
        ]
        for _, inner in cells
    ]


@cache
def _tree_of(function: FunctionType) -> ast.Module | None:
    """Return a function's source, None if it is not there."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None


def _readings(
    cell: Any, elements: int, returning: frozenset[str], is_network: bool, handed: frozenset[int | str]
) -> Iterator[Decisions]:
    """Yield each function that runs with a Cell, from `construct` on.

    Args:
        cell: the Cell, whose own classes are read, and not MindSpore's.
        elements: how many numbers of one image an input holds.
        returning: the functions that return a size.
        is_network: whether what is given are the network's inputs.
        handed: which arguments of other Cells may be sizes.
    """
    methods: dict[str, list[FunctionType]] = {}
    for kind in filter(lambda one: _is_own(one.__module__), type(cell).__mro__):
        for name, value in vars(kind).items():
            function = inspect.unwrap(value) if callable(value) else value
            if isinstance(function, FunctionType):
                methods.setdefault(name, []).append(function)
    waiting = [_Function(one, sized=_handed(one, handed)) for one in methods.get("construct", ())]
    if is_network:
        waiting = [one._replace(sized=frozenset()) for one in waiting]
    first = {*waiting}
    seen: set[_Function] = set()
    while waiting and len(seen) < _MOST_FUNCTIONS:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        tree = _tree_of(one.function)
        if tree is None:
            continue
        sized = Sized(one.sized, returning)
        names, has_inputs = one.function.__globals__, is_network and one in first
        reading = Decisions(tree, cell, names, one.batch, elements, has_inputs, sized)
        yield reading
        waiting += _called(reading, methods)


def _called(reading: Decisions, methods: Methods) -> Iterator[_Function]:
    """Yield the functions that are called or handed on, with the parameters that get a size."""
    for node in ast.walk(reading.tree):
        call = node if isinstance(node, ast.Call) else None
        for function in _functions(call.func if call else node, reading, methods):
            names = _parameters(function)
            given = [*zip(names, call.args, strict=False)] if call else []
            given += [(one.arg, one.value) for one in call.keywords if one.arg] if call else []
            batch = frozenset(name for name, value in given if reading.is_batch(value))
            sized = frozenset(
                name for name, value in given if name not in batch and reading.holds_size(value)
            )
            yield _Function(function, batch, sized)


def _handed(function: FunctionType, handed: frozenset[int | str]) -> frozenset[str]:
    """Return the parameters of which the place or the name is among those."""
    return frozenset(name for place, name in enumerate(_parameters(function)) if {place, name} & handed)


def _parameters(function: FunctionType) -> list[str]:
    return [name for name in inspect.getfullargspec(function).args if name != "self"]


def _functions(node: ast.AST, reading: Reading, methods: Methods) -> list[FunctionType]:
    """Return the functions that a node may stand for; of a method, those of all classes."""
    found: Any = None
    if isinstance(node, ast.Name):
        found = reading.names.get(node.id)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id == "self":
            return methods.get(node.attr, [])
        module = reading.names.get(node.value.id)
        found = getattr(module, node.attr, None) if isinstance(module, ModuleType) else None
    found = inspect.unwrap(found) if callable(found) else None
    return [found] if isinstance(found, FunctionType) and _is_own(found.__module__) else []


def _is_own(module: str) -> bool:
    return module.partition(".")[0] not in ("mindspore", "builtins")
