"""Whole numbers of a Cell's own code that may be batch sizes: what it compares with, and where it cuts.

A branch such as `if x.shape[0] > 100` shows in no trace with fewer images. Its number stands in the source
of the Cell's class, which is read and not run; a number that is computed elsewhere is not found.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

MOST_IMAGES = 1024
_MOST_NUMBERS = 3
_MOST_FUNCTIONS = 1000


def batch_numbers(cell: Any, least: int) -> tuple[int, ...]:
    """Return the batch sizes, from `least` on, at which a Cell's code may do something else.

    Args:
        cell: the Cell, whose own classes are read, and not MindSpore's.
        least: sizes below are traced anyway.
    """
    found: set[int] = set()
    for _, inner in cell.cells_and_names():
        found |= {number for number in _numbers_of(inner) if least <= number < MOST_IMAGES}
    # on the number and beyond it: the branch may be for more, for fewer, or for this one alone
    return tuple(sorted({size for number in sorted(found)[:_MOST_NUMBERS] for size in (number, number + 1)}))


def _numbers_of(cell: Any) -> Iterator[int]:
    waiting = list(_methods(type(cell)))
    seen: set[FunctionType] = set()
    while waiting and len(seen) < _MOST_FUNCTIONS:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        except (OSError, TypeError, SyntaxError):  # no source is there
            continue
        names = function.__globals__
        for node in ast.walk(tree):
            numbers = (_number(part, cell, names) for part in _compared(node))
            yield from (abs(number) for number in numbers if number is not None)
            called = names.get(node.id) if isinstance(node, ast.Name) else None
            if isinstance(called, FunctionType) and _is_own(called.__module__):
                waiting.append(called)


def _methods(kind: type) -> Iterator[FunctionType]:
    """Yield the functions of a Cell's own classes that run with it."""
    for one in filter(lambda one: _is_own(one.__module__), kind.__mro__):
        yield from (
            value
            for name, value in vars(one).items()
            if isinstance(value, FunctionType) and name != "__init__"
        )


def _is_own(module: str) -> bool:
    return module.partition(".")[0] not in ("mindspore", "builtins")


def _compared(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what a node compares with or cuts at: x < n, min(x, n), x[:n], x % n, x // n."""
    if isinstance(node, ast.Compare):
        yield from (node.left, *node.comparators)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.FloorDiv):
        yield node.right
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("min", "max", "range")
    ):
        yield from node.args
    elif isinstance(node, ast.Subscript):
        first = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
        if isinstance(first, ast.Slice):
            yield from (bound for bound in (first.lower, first.upper) if bound is not None)
        else:
            yield first


def _number(node: ast.expr, cell: Any, names: Mapping[str, Any]) -> int | None:
    if isinstance(node, ast.UnaryOp):
        return _number(node.operand, cell, names)
    if isinstance(node, ast.Constant):
        value = node.value
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        value = cell.__dict__.get(node.attr)
    elif isinstance(node, ast.Name):
        value = names.get(node.id)
    else:
        return None
    return value if type(value) is int else None
