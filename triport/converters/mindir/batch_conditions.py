"""What a function's source says of the batch size: the conditions on it, read and not run."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from triport.converters.networks.whole_numbers import whole_numbers

from .batch_values import CALLS, UnknownValueError, plain, worked_out

_COUNTS = ("min", "max", "range")
# after which the batch may be on another axis
_MOVES = frozenset(
    ("T", "transpose", "swapaxes", "permute", "reshape", "view", "expand_dims", "unsqueeze", "matmul")
)
_DEEPEST = 20
_FLOAT_BYTES = 4


class Reading:
    """A function's source, and what its names stand for."""

    def __init__(
        self,
        tree: ast.Module,
        cell: Any,
        names: Mapping[str, Any],
        batch: Collection[str] = (),
        elements: int = 0,
        has_inputs: bool = True,
    ) -> None:
        """Begin.

        Args:
            tree: the source.
            cell: what `self` is.
            names: those of the module.
            batch: the parameters that are the batch size.
            elements: how many numbers a tensor holds of each image; 0 where that is not known.
            has_inputs: whether tensors that are given are the network's inputs, and none made within.
        """
        self.tree, self.cell, self.names, self.batch = tree, cell, names, batch
        self.elements, self.has_inputs = elements, has_inputs
        self._assigned: dict[str, list[ast.expr | None]] = {}
        self._unpacked: dict[str, int] = {}  # from a shape: the axis
        for node in ast.walk(tree):
            self._note(node)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self._assigned.setdefault(target.id, []).append(node.value)
                elif isinstance(target, ast.Tuple | ast.List) and self._is_shape(node.value):
                    self._unpacked |= {
                        one.id: axis for axis, one in enumerate(target.elts) if isinstance(one, ast.Name)
                    }
        elif isinstance(node, ast.AugAssign | ast.For) and isinstance(node.target, ast.Name):
            self._assigned.setdefault(node.target.id, []).append(None)

    def is_batch(self, node: ast.expr) -> bool:
        """Whether an expression is the batch size."""
        try:
            return all(self.value(node, size) == size for size in (3, 7))
        except UnknownValueError:
            return False

    def conditions(self) -> Iterator[tuple[str, Callable[[int], Any]]]:
        """Yield the text of each condition, and what works it out for a batch size."""
        within: set[ast.AST] = set()  # of one that has been yielded
        for node in ast.walk(self.tree):
            for one in tests_of(node):
                if one not in within and not self._is_constant(one):
                    within.update(ast.walk(one))
                    yield self._text(one), partial(self._truth, one)
            if is_choice(node) and node not in within and not self._is_constant(node):
                within.update(ast.walk(node))
                yield self._text(node), partial(self.value, node)

    def _is_constant(self, node: ast.AST) -> bool:
        with suppress(UnknownValueError):
            self.value(node, None)
            return True
        return False

    def _text(self, node: ast.AST) -> str:
        return f"{ast.dump(node)} {sorted(self.batch)} {self.elements}"

    def _truth(self, node: ast.AST, size: int) -> bool:
        return bool(self.value(node, size))

    def bounds(self) -> Iterator[int]:
        """Yield numbers that may be batch sizes, for all that the source says: compared with, or cut at."""
        for node in ast.walk(self.tree):
            sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else [*_cuts(node)]
            if not any(self._is_other(side) or is_count(side) for side in sides):
                for side in sides:
                    with suppress(UnknownValueError):
                        yield from whole_numbers(self.value(side, None))

    def _is_of_made(self, node: ast.AST, depth: int = 0) -> bool:
        """Whether sizes in an expression are those of tensors that are made within, or of any tensor."""
        for one in ast.walk(node):
            if isinstance(one, ast.Name):
                values = self._assigned.get(one.id, ()) if depth < _DEEPEST else ()
                if any(value and self._is_of_made(value, depth + 1) for value in values):
                    return True
                if one.id in self._unpacked and not self.has_inputs:
                    return True
            elif is_count(one) or self._is_shape(one) or self._is_batch_itself(one):
                tensor = _tensor_of(one)
                is_given = isinstance(tensor, ast.Name) and tensor.id not in self._assigned
                if tensor is not None and not (is_given and self.has_inputs):
                    return True
        return False

    def _is_moved(self, node: ast.AST, depth: int = 0) -> bool:
        """Whether the batch may be on any axis of a tensor: of x.T, x[None], or a name of one."""
        if isinstance(node, ast.Name):
            values = self._assigned.get(node.id, ()) if depth < _DEEPEST else ()
            return any(value is not None and self._is_moved(value, depth + 1) for value in values)
        return any(
            (isinstance(one, ast.Attribute) and one.attr in _MOVES)
            or (isinstance(one, ast.BinOp) and isinstance(one.op, ast.MatMult))
            or (
                isinstance(one, ast.Subscript)
                and isinstance(one.slice, ast.Constant)
                and one.slice.value is None
            )
            for one in ast.walk(node)
        )

    def value(self, node: ast.AST, size: int | None, depth: int = 0) -> Any:
        """Return what an expression is for a batch size; None stands for any.

        Raises:
            UnknownValueError: that does not follow from these alone.
        """
        if depth > _DEEPEST:
            raise UnknownValueError
        of = partial(self.value, size=size, depth=depth + 1)
        if self._is_batch_itself(node):
            if size is None:
                raise UnknownValueError
            return size
        if self.elements and size is not None:
            if is_count(node):
                return size * self.elements
            if isinstance(node, ast.Attribute) and node.attr == "nbytes":
                return size * self.elements * _FLOAT_BYTES
        if isinstance(node, ast.Attribute) and node.attr == "itemsize":
            return _FLOAT_BYTES
        try:
            if isinstance(node, ast.Name):
                return self._named(node.id, size, depth)
            return plain(worked_out(node, of, self.cell))
        except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError, RecursionError) as error:
            raise UnknownValueError from error

    def _named(self, name: str, size: int | None, depth: int) -> Any:
        if name in self._assigned:
            first, *others = self._assigned[name]
            if first is None or not all(one is not None and self._is_batch_itself(one) for one in others):
                raise UnknownValueError
            if others and not self._is_batch_itself(first):
                raise UnknownValueError
            return self.value(first, size, depth + 1)
        if name in self._unpacked or name not in self.names:
            raise UnknownValueError
        return plain(self.names[name])

    def _is_batch_itself(self, node: ast.AST) -> bool:
        """Whether an expression is x.shape[0], ops.shape(x)[0], len(x), or a name of one."""
        if isinstance(node, ast.Name):
            return node.id in self.batch or self._unpacked.get(node.id) == 0
        if isinstance(node, ast.Subscript):
            is_first = isinstance(node.slice, ast.Constant) and node.slice.value == 0
            return is_first and self._is_shape(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
            one = next(iter(node.args), None)
            return isinstance(one, ast.Name) and not self._is_shape(one)
        return False

    def _is_shape(self, node: ast.AST, depth: int = 0) -> bool:
        """Whether an expression is x.shape, ops.shape(x), or a name of one."""
        if isinstance(node, ast.Name):
            values = self._assigned.get(node.id, ()) if depth < _DEEPEST else ()
            return any(one is not None and self._is_shape(one, depth + 1) for one in values)
        called = node.func if isinstance(node, ast.Call) else node
        return isinstance(called, ast.Attribute) and called.attr == "shape" and not _is_own(called)

    def _is_other(self, node: ast.AST) -> bool:
        """Whether an expression is known to be something else than the batch size."""
        if isinstance(node, ast.Constant):
            return not isinstance(node.value, int)
        if isinstance(node, ast.Name):
            return self._unpacked.get(node.id, 0) > 0
        if isinstance(node, ast.Subscript) and self._is_shape(node.value):
            of = node.value.value if isinstance(node.value, ast.Attribute) else node.value
            return _is_behind_the_first(node.slice) and not self._is_moved(of)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
            return any(map(self._is_shape, node.args))
        return isinstance(node, ast.Attribute) and node.attr in ("ndim", "dtype")


def _tensor_of(node: ast.AST) -> ast.AST | None:
    """Return of which tensor x.shape, x.size, ops.shape(x), x.numel() or len(x) is; None of anything else."""
    if isinstance(node, ast.Call):
        return next(iter(node.args), node.func.value if isinstance(node.func, ast.Attribute) else None)
    return node.value if isinstance(node, ast.Attribute) else None


def _is_own(node: ast.Attribute) -> bool:
    """Whether an attribute is one of the Cell's: self.size."""
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def is_count(node: ast.AST) -> bool:
    """Whether an expression is the count of a tensor's elements: x.size, ops.size(x), x.numel()."""
    called = node.func if isinstance(node, ast.Call) else node
    return (
        isinstance(called, ast.Attribute)
        and not _is_own(called)
        and called.attr in (("size", "numel") if isinstance(node, ast.Call) else ("size",))
    )


def _cuts(node: ast.AST) -> Iterator[ast.expr]:
    """Yield where a node cuts, or up to where it counts: x[:n], x[n], min(x, n), range(n), x // n."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
        yield node.right
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _COUNTS:
        yield from node.args
    elif isinstance(node, ast.Subscript):
        first = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
        if isinstance(first, ast.Slice):
            yield from (bound for bound in (first.lower, first.upper) if bound is not None)
        else:
            yield first


def tests_of(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node asks whether it is true."""
    match node:
        case ast.If(test=one) | ast.IfExp(test=one) | ast.While(test=one):
            yield one
        case ast.UnaryOp(op=ast.Not(), operand=one):
            yield one
        case ast.BoolOp(values=many):
            yield from many
        case ast.Compare():
            yield node


def is_choice(node: ast.AST) -> bool:
    """Whether a node may be one of few values: a remainder, bits, an entry of a table, a text, a call."""
    match node:
        case ast.BinOp(op=op):
            return isinstance(op, ast.Mod | ast.BitAnd | ast.BitOr | ast.BitXor | ast.RShift)
        case ast.Subscript(slice=place):
            return not isinstance(place, ast.Slice | ast.Tuple)
        case ast.Call(func=ast.Attribute(attr=name, value=of)):
            return name == "get" or (isinstance(of, ast.Name) and of.id == "math")
        case ast.Call(func=ast.Name(id=name)):
            return name in CALLS
    return isinstance(node, ast.JoinedStr)


def _is_behind_the_first(place: ast.expr) -> bool:
    """Whether an index of a shape leaves the first axis of it out: 1, -1 or 1:, but not i or -2."""
    match place:
        case ast.Slice(lower=lower):
            return lower is not None
        case ast.Constant(value=int(axis)):
            return axis > 0
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=axis)):
            return axis == 1
    return False
