"""Whole numbers of a Cell's own code that may be batch sizes: what it compares with, and where it cuts.

A branch such as `if x.shape[0] > 100` shows in no trace with fewer images. Its number stands in the source
of the Cell's class, which is read and not run; a number that is computed elsewhere is not found.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

MOST_IMAGES = 1024
_MOST_NUMBERS = 3
_MOST_FUNCTIONS = 1000
_EQUALITIES = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def batch_numbers(cell: Any, least: int) -> tuple[int, ...]:
    """Return the batch sizes at which a Cell's code may do something else.

    Args:
        cell: the Cell, whose own classes are read, and not MindSpore's.
        least: of the numbers that are a bound, those below are passed by a size that is traced anyway.
    """
    bounds: set[int] = set()
    alone: set[int] = set()
    for _, inner in cell.cells_and_names():
        for tree, names in _functions_of(inner):
            bounds |= set(_numbers(tree, _compared, inner, names))
            alone |= set(_numbers(tree, _equalled(tree), inner, names))
    bounds = {number for number in bounds if least <= number < MOST_IMAGES}
    alone = {number for number in alone if 1 < number < MOST_IMAGES}
    # on the number and beyond it: the branch may be for more, for fewer, or for this one alone
    sizes = {size for number in sorted(bounds)[:_MOST_NUMBERS] for size in (number, number + 1)}
    return tuple(sorted(sizes | set(sorted(alone)[:_MOST_NUMBERS])))


def _functions_of(cell: Any) -> Iterator[tuple[ast.Module, Mapping[str, Any]]]:
    """Yield the source of each function that runs with a Cell, and the names that it may use."""
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
        yield tree, names
        for node in ast.walk(tree):
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


def _equalled(tree: ast.Module) -> Callable[[ast.AST], Iterator[ast.expr]]:
    """Return what yields the numbers that a node takes a batch size for: x.shape[0] == n, in (n, m), % n."""
    assigned = {
        one.targets[0].elts[0] if isinstance(one.targets[0], ast.Tuple) else one.targets[0]: one.value
        for one in ast.walk(tree)
        if isinstance(one, ast.Assign)
    }
    names = {
        target.id for target, value in assigned.items() if isinstance(target, ast.Name) and _is_shape(value)
    }

    def is_batch(node: ast.expr) -> bool:
        return _is_shape(node) or (isinstance(node, ast.Name) and node.id in names)

    def equalled(node: ast.AST) -> Iterator[ast.expr]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and is_batch(node.left):
            yield node.right
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], _EQUALITIES):
            return
        sides = (node.left, *node.comparators)
        if any(map(is_batch, sides)):
            for side in sides:
                yield from side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]

    return equalled


def _is_shape(node: ast.expr) -> bool:
    """Whether an expression is x.shape, x.shape[0], or len(x)."""
    if isinstance(node, ast.Subscript):
        is_first = isinstance(node.slice, ast.Constant) and node.slice.value == 0
        return is_first and _is_shape(node.value)
    if isinstance(node, ast.Call):
        is_len = isinstance(node.func, ast.Name) and node.func.id == "len"
        return is_len and isinstance(next(iter(node.args), None), ast.Name)
    return isinstance(node, ast.Attribute) and node.attr == "shape"


def _numbers(
    tree: ast.Module,
    parts: Callable[[ast.AST], Iterator[ast.expr]],
    cell: Any,
    names: Mapping[str, Any],
) -> Iterator[int]:
    found = (_number(part, cell, names) for node in ast.walk(tree) for part in parts(node))
    return (abs(number) for number in found if number is not None)


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
