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
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from .batch_conditions import Reading, UnknownValueError

MOST_IMAGES = 1024
_MOST_WAYS = 6
_MOST_KINDS = 16
_FIRST = 3
_MOST_NUMBERS = 3
_MOST_MATCHES = 8
_PARTS = (1, 2, 3, 4)
_MOST_FUNCTIONS = 1000

Methods = dict[str, list[FunctionType]]


class _Function(NamedTuple):
    """A function that runs with a Cell, and which of its parameters are the batch size."""

    function: Any
    batch: frozenset[str] = frozenset()


def batch_numbers(cell: Any, tried: Collection[int], elements: Collection[int] = ()) -> tuple[int, ...]:
    """Return the batch sizes at which a Cell's code may do something else.

    Args:
        cell: the Cell, whose own classes are read, and not MindSpore's.
        tried: the sizes that are tried anyway.
        elements: how many numbers of one image each input holds, for code that asks for a tensor's size.
    """
    ways: dict[tuple[str, ...], int] = {}
    conditions: dict[str, list[str]] = {}
    bounds: set[int] = set()
    matches: set[int] = set()
    for _, inner in cell.cells_and_names():
        for reading in (one for count in elements or (0,) for one in _readings(inner, count)):
            conditions |= dict(_conditions(reading))
            bounds |= {abs(number) for number in reading.bounds()}
            matches.update(reading.matches())
    for size in (*tried, *range(1, MOST_IMAGES)):
        if size < MOST_IMAGES:
            ways.setdefault(tuple(one[size] for one in conditions.values()), size)
    other = [size for size in ways.values() if size not in tried]
    # of what is not known to be a batch size: on the number and beyond it, as it may be for this one alone
    least = max(tried)
    beyond = sorted(number for number in bounds if least <= number < MOST_IMAGES)[:_MOST_NUMBERS]
    matched = sorted({*_sizes_of(matches, elements)} - {*tried})[:_MOST_MATCHES] if elements else []
    return tuple(
        sorted({*other[:_MOST_WAYS], *(size for one in beyond for size in (one, one + 1)), *matched})
    )


def _sizes_of(matches: Collection[int], elements: Collection[int]) -> Iterator[int]:
    """Yield the batch sizes at which a tensor may be so large: some for each image, or one less."""
    for number in matches:
        parts = [
            number // (part * count)
            for part in _PARTS
            for count in (1, *elements)
            if count and number % (part * count) == 0
        ]
        of_pairs = [math.isqrt(number)] if math.isqrt(number) ** 2 == number else []
        yield from (size for size in (*parts, *of_pairs, number + 1) if 0 < size < MOST_IMAGES)


def _conditions(reading: Reading) -> Iterator[tuple[str, list[str]]]:
    """Yield what follows from the batch size alone, if of few kinds: the text, and what it is at each size."""
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


def _readings(cell: Any, elements: int) -> Iterator[Reading]:
    """Yield each function that runs with a Cell, from `construct` on."""
    methods: dict[str, list[FunctionType]] = {}
    for kind in filter(lambda one: _is_own(one.__module__), type(cell).__mro__):
        for name, value in vars(kind).items():
            function = inspect.unwrap(value) if callable(value) else value
            if isinstance(function, FunctionType):
                methods.setdefault(name, []).append(function)
    waiting = [_Function(function) for function in methods.get("construct", ())]
    seen: set[_Function] = set()
    while waiting and len(seen) < _MOST_FUNCTIONS:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(one.function)))
        except (OSError, TypeError, SyntaxError):  # no source is there
            continue
        reading = Reading(tree, cell, one.function.__globals__, one.batch, elements)
        yield reading
        waiting += _called(reading, methods)


def _called(reading: Reading, methods: Methods) -> Iterator[_Function]:
    """Yield the functions that are called or handed on, with the parameters that get the batch size."""
    for node in ast.walk(reading.tree):
        call = node if isinstance(node, ast.Call) else None
        for function in _functions(call.func if call else node, reading, methods):
            names = [name for name in inspect.getfullargspec(function).args if name != "self"]
            given = [*zip(names, call.args, strict=False)] if call else []
            given += [(one.arg, one.value) for one in call.keywords if one.arg] if call else []
            yield _Function(function, frozenset(name for name, value in given if reading.is_batch(value)))


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
