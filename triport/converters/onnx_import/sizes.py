"""Shape arithmetic: what a graph computes from shapes becomes numbers, or expressions of `x.shape`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .call import Call
from .expressions import code, walked
from .values import Known, Sizes, fields_of

_INTEGERS = ("int64", "int32")
Element = int | ast.expr


def sizes_made(call: Call) -> list[Sizes] | Sizes | Known | None:
    """Return what a node makes as sizes, or None if it is no shape arithmetic."""
    rule = _RULES.get(call.node.op_type)
    if rule is None or call.node.domain not in ("", "ai.onnx"):
        return None
    made = rule(call)
    if made is None or isinstance(made, Known):
        return made
    parts = made if isinstance(made, list) else [made]
    kind = fields_of(call.node.outputs[0])[0] or "int64"
    if kind not in _INTEGERS or not all(_fit(part, kind) for part in parts):
        return None
    typed = [replace(part, dtype=kind) for part in parts]
    return typed if isinstance(made, list) else typed[0]


def _fit(sizes: Sizes, kind: str) -> bool:
    """Return whether the numbers that are known are of that type; a size of a tensor always is."""
    limits = np.iinfo(kind)
    return all(limits.min <= n <= limits.max for n in sizes.elements if isinstance(n, int))


def _shape(call: Call) -> Sizes | None:
    shape = call.shape(0)
    if shape is None or isinstance(call.rep(0), Known):
        return None
    start, end = call.attribute("start", 0), call.attribute("end", None)
    if isinstance(call.rep(0), Sizes):
        return Sizes(tuple(n for n in shape if isinstance(n, int))[slice(start, end)])
    tensor = call.tensor(0)
    found: list[Element] = [
        n if isinstance(n, int) else code("x.shape[i]", x=tensor, i=i) for i, n in enumerate(shape)
    ]
    return Sizes(tuple(found[slice(start, end)]))


def _size(call: Call) -> Sizes | None:
    shape = call.shape(0)
    if shape is None or not all(isinstance(n, int) for n in shape):
        return None
    return Sizes((int(np.prod([n for n in shape if isinstance(n, int)], dtype=object)),), scalar=True)


def _is_sizes(call: Call) -> bool:
    return any(call.has(i) and isinstance(call.rep(i), Sizes) for i in range(call.count))


def _gather(call: Call) -> Sizes | None:
    values, index = call.rep(0), call.constant(1)
    if not isinstance(values, Sizes) or values.scalar or index is None or index.ndim > 1:
        return None
    count = len(values.elements)
    if call.attribute("axis", 0) not in (0, -1) or not all(-count <= i < count for i in index.reshape(-1)):
        return None
    return Sizes(tuple(values.elements[int(i)] for i in index.reshape(-1)), index.ndim == 0)


def _slice(call: Call) -> Sizes | None:
    values = call.rep(0)
    if not isinstance(values, Sizes) or call.version < 10:
        return None
    given = [call.constant(i) if call.has(i) else None for i in range(1, 5)]
    if given[0] is None or given[1] is None or any(g is None and call.has(i) for i, g in enumerate(given, 1)):
        return None
    start, end = int(given[0].reshape(-1)[0]), int(given[1].reshape(-1)[0])
    step = int(given[3].reshape(-1)[0]) if given[3] is not None else 1
    if step < 1:
        return None
    return Sizes(tuple(values.elements[slice(start, end, step)]))


def _split(call: Call) -> list[Sizes] | None:
    values, count = call.rep(0), len(call.node.outputs)
    if not isinstance(values, Sizes) or values.scalar:
        return None
    stated = call.attribute("split", None) if call.version < 13 else call.ints(1) if call.has(1) else None
    length = len(values.elements)
    given = [-(-length // count)] * count if stated is None else stated
    lengths = [n for n in given if isinstance(n, int) and n > 0]
    if len(lengths) != count or len(given) != count or (stated is not None and sum(lengths) != length):
        return None
    ends = np.cumsum(lengths).tolist()
    return [Sizes(values.elements[end - n : end]) for n, end in zip(lengths, ends, strict=True)]


def _concat(call: Call) -> Sizes | None:
    if not _is_sizes(call):
        return None
    call.attribute("axis", 0)
    parts = [call.ints(i) for i in range(call.count)]
    if any(part is None for part in parts):
        return None
    return Sizes(tuple(each for part in parts if part is not None for each in part))


def _reranked(scalar: bool) -> Callable[[Call], Sizes | None]:
    def rule(call: Call) -> Sizes | None:
        values = call.rep(0)
        if not isinstance(values, Sizes) or (scalar and len(values.elements) != 1) or values.scalar == scalar:
            return None
        if call.axes(1, 13) not in ([0], [-1], None):
            return None
        return Sizes(values.elements, scalar)

    return rule


def _same(call: Call) -> Sizes | None:
    values = call.rep(0)
    return values if isinstance(values, Sizes) else None


def _cast(call: Call) -> Sizes | None:
    values = call.rep(0)
    if not isinstance(values, Sizes) or call.output_dtype() not in _INTEGERS:
        return None
    call.attribute("to")
    call.attribute("saturate", 1)
    return values


def _reshape(call: Call) -> Sizes | None:
    values = call.rep(0)
    target = call.constant(1) if call.has(1) else None
    if not isinstance(values, Sizes) or target is None or target.size > 1:
        return None
    if target.size == 1 and int(target[0]) not in (-1, len(values.elements)):
        return None
    call.attribute("allowzero", 0)
    return Sizes(values.elements, target.size == 0)


def _arithmetic(on_numbers: Callable[[int, int], int], template: str) -> Callable[[Call], Sizes | None]:
    def rule(call: Call) -> Sizes | None:
        if not _is_sizes(call) or call.count != 2:
            return None
        left, right = call.rep(0), call.rep(1)
        a, b = call.ints(0), call.ints(1)
        if a is None or b is None or (len(a) != len(b) and 1 not in (len(a), len(b))):
            return None
        if call.dtype(0) != "int64":
            return None
        count = max(len(a), len(b))
        a, b = a * (count // len(a) if len(a) == 1 else 1), b * (count // len(b) if len(b) == 1 else 1)
        found = [_one(x, y, on_numbers, template) for x, y in zip(a, b, strict=True)]
        if any(each is None for each in found):
            return None
        ranks = [
            0
            if (isinstance(r, Sizes) and r.scalar) or (not isinstance(r, Sizes) and call.rank(i) == 0)
            else 1
            for i, r in enumerate((left, right))
        ]
        return Sizes(tuple(each for each in found if each is not None), max(ranks) == 0)

    return rule


def _equal(call: Call) -> Known | None:
    """Compare sizes with numbers, where what they are says it: a size of a shape is no negative number."""
    a, b = call.ints(0), call.ints(1)
    if not _is_sizes(call) or a is None or b is None or len(a) != len(b):
        return None
    found = [_are_equal(x, y) for x, y in zip(a, b, strict=True)]
    if any(each is None for each in found) or call.output_shape() != [len(a)]:
        return None
    return Known(np.array(found, bool))


def _are_equal(x: Element, y: Element) -> bool | None:
    if isinstance(x, int) and isinstance(y, int):
        return x == y
    for number, element in ((x, y), (y, x)):
        if isinstance(number, int) and isinstance(element, ast.AST) and number < 0:
            return None if _may_be_negative(element) else False
    return None


def _where(call: Call) -> Sizes | None:
    """Choose sizes by a mask that is known."""
    mask, a, b = call.constant(0), call.ints(1), call.ints(2)
    if mask is None or a is None or b is None or mask.ndim != 1 or not len(a) == len(b) == len(mask):
        return None
    if not any(isinstance(call.rep(i), Sizes) for i in (1, 2)) or call.dtype(1) != "int64":
        return None
    return Sizes(tuple(x if chosen else y for chosen, x, y in zip(mask, a, b, strict=True)))


def _one(x: Element, y: Element, on_numbers: Callable[[int, int], int], template: str) -> Element | None:
    if isinstance(x, int) and isinstance(y, int):
        if template == "x // y" and (y == 0 or x < 0 or y < 0):
            return None
        found = on_numbers(x, y)
        return found if abs(found) < 2**62 else None
    if template == "x // y":
        if (isinstance(x, int) and x < 0) or (isinstance(y, int) and y <= 0):
            return None
        if y == 1:
            return x
        # ONNX rounds to zero, Python down: not the same where a subtraction may have made it negative
        if any(isinstance(e, ast.AST) and _may_be_negative(e) for e in (x, y)):
            return code("int(x / y)", x=x, y=y)
    if template == "x * y" and 1 in (x if isinstance(x, int) else 0, y if isinstance(y, int) else 0):
        return y if isinstance(x, int) else x
    if template == "x + y" and y == 0 and isinstance(y, int):
        return x
    return code(template, x=x, y=y)


def _may_be_negative(element: ast.AST) -> bool:
    return any(isinstance(n, ast.Sub | ast.USub) for n in walked(element))


_RULES: dict[str, Callable[[Call], list[Sizes] | Sizes | Known | None]] = {
    "Shape": _shape,
    "Size": _size,
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "Concat": _concat,
    "Unsqueeze": _reranked(scalar=False),
    "Squeeze": _reranked(scalar=True),
    "Identity": _same,
    "Cast": _cast,
    "Reshape": _reshape,
    "Equal": _equal,
    "Where": _where,
    "Add": _arithmetic(lambda a, b: a + b, "x + y"),
    "Sub": _arithmetic(lambda a, b: a - b, "x - y"),
    "Mul": _arithmetic(lambda a, b: a * b, "x * y"),
    "Div": _arithmetic(lambda a, b: a // b, "x // y"),
    "Min": _arithmetic(min, "min(x, y)"),
    "Max": _arithmetic(max, "max(x, y)"),
}
