"""What an expression of plain values is: numbers, texts and a few of them. No code of a Cell runs."""

from __future__ import annotations

import ast
import inspect
import math
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

_MOST_BITS = 64
_MOST_VALUES = 10_000


class UnknownValueError(Exception):
    """What an expression is cannot be told from the source and the batch size."""


def _times(one: Any, other: Any) -> Any:
    for many, by in ((one, other), (other, one)):
        if not isinstance(many, int | float) and by * max(len(many), 1) > _MOST_VALUES:
            raise UnknownValueError
    return one * other


def _rest(one: Any, by: Any) -> Any:
    if isinstance(one, str) and any(map(str.isdigit, one)):  # a width, of any size
        raise UnknownValueError
    return one % by


def _power(one: Any, by: Any) -> Any:
    if abs(by) > _MOST_BITS:
        raise UnknownValueError
    return one**by


def _shifted(one: Any, by: Any) -> Any:
    if by > _MOST_BITS:
        raise UnknownValueError
    return one << by


_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Mod: _rest,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.RShift: operator.rshift,
    ast.LShift: _shifted,
    ast.Pow: _power,
    ast.Invert: operator.invert,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
CALLS: dict[str, Callable[..., Any]] = {
    one.__name__: one
    for one in (
        *(abs, all, any, bool, divmod, float, int, len, list, max, min, range, round, set, sorted, str),
        *(sum, tuple),
    )
}
OF_MATH = frozenset(("ceil", "floor", "gcd", "isqrt", "log", "log10", "log2", "prod", "sqrt", "trunc"))


def worked_out(node: ast.AST, of: Callable[[ast.AST], Any], cell: Any) -> Any:
    """Return what an expression is, of what its parts are."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return inspect.getattr_static(cell, name)
        case ast.Subscript(value=many, slice=place):
            return of(many)[of(place)]
        case ast.UnaryOp(op=op, operand=one):
            return _OPERATORS[type(op)](of(one))
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](of(left), of(right))
        case ast.BoolOp(op=op, values=values):
            for value in map(of, values):
                if bool(value) is isinstance(op, ast.Or):
                    break
            return value
        case ast.IfExp(test=test, body=yes, orelse=no):
            return of(yes) if of(test) else of(no)
        case ast.NamedExpr(value=value):
            return of(value)
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [of(side) for side in (left, *others)]
            pairs = zip(ops, sides, sides[1:], strict=False)
            return all(_OPERATORS[type(kind)](one, other) for kind, one, other in pairs)
        case ast.Tuple(elts=many):
            return tuple(map(of, many))
        case ast.List(elts=many):
            return list(map(of, many))
        case ast.Set(elts=many):
            return set(map(of, many))
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return dict(zip(map(of, filter(None, keys)), map(of, values), strict=True))
        case ast.JoinedStr(values=parts):
            return "".join(str(of(part)) for part in parts)
        case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
            return of(value)
        case ast.Call(func=ast.Attribute(value=many, attr="get"), args=given, keywords=[]):
            return dict(of(many)).get(*map(of, given))
        case ast.Call(func=ast.Attribute(value=ast.Name(id="math"), attr=name), args=given) if (
            name in OF_MATH
        ):
            return getattr(math, name)(*map(of, given))
        case ast.Call(func=ast.Name(id=name), args=given, keywords=[]):
            return CALLS[name](*map(of, given))
    raise UnknownValueError


def plain(value: Any) -> Any:
    """Return a number, a text, or a few of them."""
    parts: Collection[Any] = ()
    if isinstance(value, int) and value.bit_length() > _MOST_BITS**2:
        raise UnknownValueError
    if isinstance(value, Mapping):
        parts = (*value, *value.values())
    elif isinstance(value, tuple | list | set | frozenset | range):
        parts = value
    elif value is not None and not isinstance(value, int | float | str):
        raise UnknownValueError
    if len(parts) > _MOST_VALUES or (isinstance(value, str) and len(value) > _MOST_VALUES):
        raise UnknownValueError
    if not isinstance(value, range):
        for one in parts:
            plain(one)
    return value
