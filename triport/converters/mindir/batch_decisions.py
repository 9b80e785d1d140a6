"""Decisions by a size that the source does not tell: a number in them may be a batch size."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from triport.converters.networks.whole_numbers import whole_numbers

from .batch_conditions import Reading, is_choice, is_count, tests_of
from .batch_values import CALLS, OF_MATH, UnknownValueError, plain

_ANY = 7
_SIZES = frozenset(("nbytes", "itemsize", "dim_size", "element_size"))
_MODULES = frozenset(("math", "np", "numpy", "operator"))
_METHODS = frozenset(("get", "format", "index", "count", "bit_length", "bit_count"))
_BUILT_IN = CALLS.keys() | {"hash", "pow", "enumerate", "zip", "map", "filter", "reversed", "next", "iter"}
# of a size, these are a size again, and nothing is decided
_MEANS_NOTHING = frozenset(("range", "len", "int", "float", "list", "tuple"))


class Sized(NamedTuple):
    """What holds a size, beyond what expressions say."""

    parameters: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()  # that return one


_NONE = Sized()


class Decisions(Reading):
    """A function's source, and where it decides by a size."""

    def __init__(
        self,
        tree: ast.Module,
        cell: Any,
        names: Mapping[str, Any],
        batch: Collection[str] = (),
        elements: int = 0,
        has_inputs: bool = True,
        sized: Sized = _NONE,
    ) -> None:
        """Begin, with what holds a size beyond what expressions say; the rest is as of `Reading`."""
        super().__init__(tree, cell, names, batch, elements, has_inputs)
        self.sized = sized
        self._known: dict[ast.AST, bool] = {}
        self._iterated = {
            name.id: node.iter
            for node in ast.walk(tree)
            if isinstance(node, ast.For | ast.comprehension)
            for name in ast.walk(node.target)
            if isinstance(name, ast.Name)
        }

    @property
    def name(self) -> str:
        """The function's name; "" of a lambda."""
        return next((one.name for one in self.tree.body if isinstance(one, ast.FunctionDef)), "")

    def handed(self, children: Collection[str]) -> Iterator[int | str]:
        """Yield the places and names of arguments by which a size is handed to a Cell within."""
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.Call):
                continue
            match node.func:
                case ast.Attribute(value=ast.Name(id="self"), attr=name):
                    may_be_cell = name in children
                case ast.Name(id=name):
                    may_be_cell = name not in self.names and name not in _BUILT_IN
                case func:
                    may_be_cell = isinstance(func, ast.Subscript)
            if may_be_cell:
                yield from (place for place, value in enumerate(node.args) if self.holds_size(value))
                yield from (one.arg for one in node.keywords if one.arg and self.holds_size(one.value))

    def returns_size(self) -> bool:
        """Whether the function returns a size."""
        returned = (node.value for node in ast.walk(self.tree) if isinstance(node, ast.Return))
        return any(value is not None and self.holds_size(value) for value in returned)

    def suspects(self) -> tuple[list[int], bool]:
        """Return the numbers in decisions that are not worked out, and whether these may not be all."""
        found: list[int] = []
        is_open = False
        within: set[ast.AST] = set()
        for node in ast.walk(self.tree):
            for one in self._decisions(node):
                if one not in within:
                    within.update(ast.walk(one))
                    if not self._is_worked_out(one):
                        is_open |= self._gather(one, found, set())
        return found, is_open

    def numbers(self) -> Iterator[int]:
        """Yield all whole numbers of the function, and of the attributes that it reads."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant | ast.Attribute):
                with suppress(UnknownValueError):
                    yield from whole_numbers(self.value(node, None))

    def _decisions(self, node: ast.AST) -> Iterator[ast.AST]:
        yield from filter(self.holds_size, tests_of(node))
        if isinstance(node, ast.Match) and self.holds_size(node.subject):
            yield node
        elif isinstance(node, ast.Subscript) and is_choice(node):
            if self.holds_size(node.slice):
                yield node
        elif isinstance(node, ast.Call):
            if _name_of(node) not in _MEANS_NOTHING and self._is_of_sizes(node):
                yield node
        elif is_choice(node) and self.holds_size(node):
            yield node

    def _is_worked_out(self, node: ast.AST) -> bool:
        if self._is_of_made(node):
            return False
        try:
            return all(self.value(node, size) is not NotImplemented for size in (3, 7))
        except UnknownValueError:
            return False

    def holds_size(self, node: ast.AST) -> bool:
        """Whether an expression is the size of a tensor, or some values of which one is."""
        if node not in self._known:
            self._known[node] = False  # for a name that is made of itself
            self._known[node] = self._holds_size(node)
        return self._known[node]

    def _holds_size(self, node: ast.AST) -> bool:
        if self._is_other(node):
            return False
        if self._is_shape(node) or self._is_batch_itself(node) or is_count(node):
            return True
        holds = self.holds_size
        match node:
            case ast.Name(id=name):
                values = [*self._assigned.get(name, ()), self._iterated.get(name)]
                return name in self.sized.parameters or any(one is not None and holds(one) for one in values)
            case ast.Attribute(attr=name):
                return name in _SIZES
            case ast.Subscript(value=many, slice=place):
                return holds(many) or (is_choice(node) and holds(place) and self._is_scalar(many))
            case ast.Call():
                return self._is_of_sizes(node) or _name_of(node) in self.sized.functions | _SIZES
            case ast.BinOp(left=left, right=right):
                return (holds(left) or holds(right)) and all(map(self._is_scalar, (left, right)))
            case ast.IfExp(body=yes, orelse=no):
                return holds(yes) or holds(no)
            case ast.Lambda() | ast.Constant():
                return False
        return isinstance(node, ast.expr | ast.comprehension) and any(map(holds, ast.iter_child_nodes(node)))

    def _is_of_sizes(self, call: ast.Call) -> bool:
        """Whether a call makes a plain value of a size."""
        given = [*call.args, *(one.value for one in call.keywords)]
        if isinstance(call.func, ast.Name):
            values = self._assigned.get(call.func.id, ())
            is_plain = call.func.id in _BUILT_IN or any(isinstance(one, ast.Lambda) for one in values)
        else:
            of = call.func.value if isinstance(call.func, ast.Attribute) else None
            is_module = isinstance(of, ast.Name) and of.id in _MODULES
            is_plain = _name_of(call) in (OF_MATH if is_module else _METHODS)
        return is_plain and any(map(self.holds_size, given))

    def _is_scalar(self, node: ast.AST) -> bool:
        """Whether an expression is known to be no tensor."""
        if self.holds_size(node) or self._is_other(node):
            return True
        if isinstance(node, ast.Name) and node.id in self._iterated:
            return True
        if isinstance(node, ast.BinOp):
            return self._is_scalar(node.left) and self._is_scalar(node.right)
        try:
            self.value(node, _ANY)
        except UnknownValueError:
            return False
        return True

    def _gather(self, node: ast.AST, found: list[int], seen: set[str]) -> bool:
        """Collect the numbers of which an expression is made; return whether there may be others."""
        if self._is_shape(node) or self._is_batch_itself(node) or is_count(node) or self._is_of_shape(node):
            return False
        match node:
            case ast.Constant(value=value):
                found += whole_numbers(value)
                return False
            case ast.Name(id=name):
                if name in seen or name in self.batch or name in self.sized.parameters | _BUILT_IN:
                    return False
                seen.add(name)
                values = [*self._assigned.get(name, ()), self._iterated.get(name)]
                parts = [one for one in values if one is not None]
                if parts or name in self._unpacked:
                    return self._gather_all(parts, found, seen)
                return self._gather_value(self.names.get(name), found)
            case ast.Attribute(value=ast.Name(id="self")):
                try:
                    found += whole_numbers(self.value(node, None))
                except UnknownValueError:
                    return True
                return False
            case ast.Attribute(attr=name, value=of):
                return name not in (*_SIZES, "dtype", "ndim") and self._gather(of, found, seen)
            case ast.Call(func=ast.Name(), args=given, keywords=more):
                return self._gather_all((*given, *more), found, seen)
        return self._gather_all(ast.iter_child_nodes(node), found, seen)

    def _gather_all(self, nodes: Iterable[ast.AST], found: list[int], seen: set[str]) -> bool:
        are_open = [self._gather(one, found, seen) for one in nodes]
        return any(are_open)

    def _is_of_shape(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Subscript) and self._is_shape(node.value)

    @staticmethod
    def _gather_value(value: Any, found: list[int]) -> bool:
        if isinstance(value, ModuleType | FunctionType):
            return False
        try:
            found += whole_numbers(plain(value))
        except UnknownValueError:
            return True
        return value is None


def _name_of(call: ast.Call) -> str:
    """Return the last name of what is called."""
    called = call.func
    return (
        called.attr
        if isinstance(called, ast.Attribute)
        else called.id
        if isinstance(called, ast.Name)
        else ""
    )
