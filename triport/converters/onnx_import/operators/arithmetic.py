"""Arithmetic, comparison and logic of two or more tensors."""

from __future__ import annotations

import ast
from functools import reduce

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code, literal, text_of
from triport.converters.onnx_import.values import Known, Variable, number

from . import both, mindspore, pytorch

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_WIDE = ("uint16", "uint32", "uint64")
_OPERATORS = {"Add": "a + b", "Sub": "a - b", "Mul": "a * b"}
_COMPARISONS = {
    "Equal": "a == b",
    "Greater": "a > b",
    "GreaterOrEqual": "a >= b",
    "Less": "a < b",
    "LessOrEqual": "a <= b",
}


@both("Add", "Sub", "Mul", since=7)
def arithmetic(call: Call) -> ast.expr:
    """Add, subtract, multiply."""
    same = _kept(call, 1 if call.node.op_type == "Mul" else 0, "int64", "int32")
    return same if same is not None else _unsigned(call, _OPERATORS[call.node.op_type])


def _kept(call: Call, neutral: int | bool, *dtypes: str) -> ast.expr | None:
    """Return the one operand that is the result, as the other is a number that changes nothing; or None."""
    if call.dtype(0) not in dtypes:
        return None
    for place, other in ((1, 0),) if call.node.op_type == "Sub" else ((1, 0), (0, 1)):
        rep, shape = call.rep(place), call.shape(other)
        if not isinstance(rep, Known) or not isinstance(call.rep(other), Variable) or shape is None:
            continue
        if rep.array.size == 1 and rep.array.reshape(-1)[0] == neutral and len(shape) >= rep.array.ndim:
            return call.tensor(other)
    return None


def _unsigned(call: Call, template: str) -> ast.expr:
    """Return an operation; in unsigned integers that the framework does not compute with, by int64."""
    dtype = call.dtype(0)
    if dtype in (_WIDE if call.target == "pytorch" else (*_WIDE, "uint8")):
        cast = code(f"({template}).to(d)", a=_wide(call, 0), b=_wide(call, 1), d=call.dtype_name(dtype))
        if dtype == "uint64" and template not in _OPERATORS.values():
            call.refuse("of uint64: the framework computes with int64 at most")
        return cast
    return code(template, a=call.operand(0, (1,)), b=call.operand(1, (0,)))


def _wide(call: Call, index: int) -> ast.expr:
    wide = "torch.int64" if call.target == "pytorch" else "mindspore.int64"
    return code(f"x.to({wide})", x=call.tensor(index))


@pytorch("Div", since=7)
def div(call: Call) -> ast.expr:
    """Divide; whole numbers towards zero."""
    if call.dtype(0) in _FLOATS:
        return code("a / b", a=call.operand(0, (1,)), b=call.operand(1, (0,)))
    if call.dtype(0) in _WIDE:
        return _unsigned(call, "torch.div(a, b, rounding_mode='trunc')")
    a = call.tensor(0)
    return code("torch.div(a, b, rounding_mode='trunc')", a=a, b=call.operand(1, (0,)))


@mindspore("Div", since=7)
def div_mindspore(call: Call) -> ast.expr:
    """Divide; whole numbers towards zero."""
    if call.dtype(0) in _FLOATS:
        return code("a / b", a=call.operand(0, (1,)), b=call.operand(1, (0,)))
    if call.dtype(0) == "uint64":
        call.refuse("of uint64: MindSpore computes with int64 at most")
    a, b = call.let("x", _wide(call, 0)), call.let("x", _wide(call, 1))
    quotient = code("ops.sign(a) * ops.sign(b) * (ops.abs(a) // ops.abs(b))", a=a, b=b)
    return code("q.to(d)", q=quotient, d=call.dtype_name(call.dtype(0)))


@both("Mod")
def mod(call: Call) -> ast.expr:
    """Remainder with the sign of the divisor, or with fmod of the dividend."""
    fmod = call.attribute("fmod", 0)
    if not fmod and call.dtype(0) in _FLOATS and call.version < 28:
        call.refuse("Mod of floating numbers needs fmod=1")
    if call.target == "pytorch":
        template = "torch.fmod(a, b)" if fmod else "torch.remainder(a, b)"
        if call.dtype(0) == "uint64":
            template = "torch.remainder(a, b)"
        if call.dtype(0) in _WIDE:
            wide = code(template, a=_wide(call, 0), b=_wide(call, 1))
            return code("x.to(d)", x=wide, d=call.dtype_name(call.dtype(0)))
        return code(template, a=call.tensor(0), b=call.operand(1, (0,)))
    if fmod and call.dtype(0) in _FLOATS:
        # parity: ops.fmod is a - b * trunc(a / b), which has no right digit where the quotient is large
        return code("ops.TruncateMod()(a, b)", a=call.tensor(0), b=call.tensor(1))
    if call.dtype(0) == "uint64":
        call.refuse("of uint64: MindSpore computes with int64 at most")
    a, b = call.let("x", _wide(call, 0)), call.let("x", _wide(call, 1))
    found = (
        code("ops.sign(a) * (ops.abs(a) % ops.abs(b))", a=a, b=b)
        if fmod
        else code("a - b * ops.floor_div(a, b)", a=a, b=b)
    )
    if not fmod and call.dtype(0) in _FLOATS:
        call.refuse("of floats without fmod: MindSpore has no remainder that keeps the sign of zero")
    return code("x.to(d)", x=found, d=call.dtype_name(call.dtype(0)))


@both("Pow", since=7)
def power(call: Call) -> ast.expr:
    """Power; the result has the base's dtype."""
    base, exponent = call.dtype(0), call.dtype(1)
    known = call.rep(1)
    if base in _FLOATS and isinstance(known, Known) and known.array.size == 1:
        value = known.array.reshape(-1)[0]
        rank = call.shape(0)
        if rank is not None and known.array.ndim <= len(rank):
            if value == 0.5 and not _variable_rank0(call):
                return code("torch.sqrt(x)" if call.target == "pytorch" else "ops.sqrt(x)", x=call.tensor(0))
            small = float(value).is_integer() and abs(value) < 100
            return code("x ** n", x=call.tensor(0), n=int(value) if small else number(known.array))
    a, b = call.tensor(0), call.tensor(1)
    if base in _WIDE:
        a = _wide(call, 0)
    if exponent in _WIDE:
        b = _wide(call, 1)
    if base == exponent and base not in _WIDE:
        return code("torch.pow(a, b)" if call.target == "pytorch" else "ops.pow(a, b)", a=a, b=b)
    if base in _FLOATS and exponent not in _FLOATS:
        b = code("x.to(d)", x=b, d=call.dtype_name(base))
        return code("torch.pow(a, b)" if call.target == "pytorch" else "ops.pow(a, b)", a=a, b=b)
    if call.target == "mindspore":
        a = (
            code("x.to(mindspore.float64)", x=a)
            if exponent in _FLOATS
            else code("x.to(mindspore.int64)", x=a)
        )
        b = (
            code("x.to(mindspore.float64)", x=b)
            if exponent in _FLOATS
            else code("x.to(mindspore.int64)", x=b)
        )
        return code("ops.pow(a, b).to(d)", a=a, b=b, d=call.dtype_name(base))
    return code("torch.pow(a, b).to(d)", a=a, b=b, d=call.dtype_name(base))


def _variable_rank0(call: Call) -> bool:
    return False


_VARIADIC = {
    "Max": ("torch.maximum(a, b)", "ops.maximum(a, b)"),
    "Min": ("torch.minimum(a, b)", "ops.minimum(a, b)"),
}


@both("Max", "Min", since=6)
def extremes(call: Call) -> ast.expr:
    """The largest or least of each place."""
    template = _VARIADIC[call.node.op_type][call.target == "mindspore"]
    dtype = call.dtype(0)
    tensors = [call.tensor(i) for i in range(call.count)]
    unsupported = dtype in _WIDE if call.target == "pytorch" else dtype in (*_WIDE, "int8", "uint8", "int16")
    if unsupported and len(tensors) > 1:
        if dtype == "uint64":
            return _extremes_unsigned(call, tensors)
        wide = "torch.int64" if call.target == "pytorch" else "mindspore.int64"
        tensors = [code(f"x.to({wide})", x=t) for t in tensors]
        found = reduce(lambda a, b: code(template, a=a, b=b), tensors)
        return code("x.to(d)", x=found, d=call.dtype_name(dtype))
    if call.target == "mindspore" and dtype == "float16" and len(tensors) == 1:
        return tensors[0]
    return reduce(lambda a, b: code(template, a=a, b=b), tensors)


def _extremes_unsigned(call: Call, tensors: list[ast.expr]) -> ast.expr:
    if call.target == "mindspore":
        call.refuse("of uint64: MindSpore compares int64 at most")
    # flipping the sign bit keeps the order of unsigned numbers as int64
    flipped = [code("x.view(torch.int64) ^ n", x=t, n=-(2**63)) for t in tensors]
    template = _VARIADIC[call.node.op_type][0]
    found = reduce(lambda a, b: code(template, a=a, b=b), flipped)
    return code("(x ^ n).view(torch.uint64)", x=found, n=-(2**63))


@both("Sum", since=6)
def total(call: Call) -> ast.expr:
    """The sum of all inputs."""
    return reduce(lambda a, b: code("a + b", a=a, b=b), [call.tensor(i) for i in range(call.count)])


@both("Mean", since=6)
def mean(call: Call) -> ast.expr:
    """The mean of all inputs."""
    if call.count == 1:
        return call.tensor(0)
    return code("x / n", x=total(call), n=call.count)


@both(*_COMPARISONS, since=7)
def comparison(call: Call) -> ast.expr:
    """Compare."""
    template = _COMPARISONS[call.node.op_type]
    dtype = call.dtype(0)
    if dtype == "string":
        call.refuse("of texts, which no framework has")
    if dtype in _WIDE and call.node.op_type != "Equal":
        if dtype == "uint64":
            if call.target == "mindspore":
                call.refuse("of uint64: MindSpore compares int64 at most")
            a, b = (code("x.view(torch.int64) ^ n", x=call.tensor(i), n=-(2**63)) for i in (0, 1))
            return code(template, a=a, b=b)
        return code(template, a=_wide(call, 0), b=_wide(call, 1))
    if call.target == "mindspore" and dtype == "bool":
        return code(template, a=_wide(call, 0), b=_wide(call, 1))
    return code(template, a=call.operand(0, (1,)), b=call.operand(1, (0,)))


_LOGIC = {
    "And": ("a & b", "ops.logical_and(a, b)"),
    "Or": ("a | b", "ops.logical_or(a, b)"),
    "Xor": ("a ^ b", "ops.logical_xor(a, b)"),
    "BitwiseAnd": ("a & b", "ops.bitwise_and(a, b)"),
    "BitwiseOr": ("a | b", "ops.bitwise_or(a, b)"),
    "BitwiseXor": ("a ^ b", "ops.bitwise_xor(a, b)"),
}


@both(*_LOGIC, since=7)
def logic(call: Call) -> ast.expr:
    """Logic, of bools or of bits; what is true and a mask is the mask."""
    neutral = {"And": True, "Or": False}.get(call.node.op_type)
    same = _kept(call, neutral, "bool") if neutral is not None else None
    if same is not None:
        return same
    return code(_LOGIC[call.node.op_type][call.target == "mindspore"], a=call.tensor(0), b=call.tensor(1))


# the schema version since which a shift by the width or more is defined
_SHIFTS_ARE_DEFINED = 28


@pytorch("BitShift")
def bit_shift(call: Call) -> ast.expr:
    """Shift bits; ONNX leaves shifts by the width or more undefined before version 28."""
    direction, dtype = call.attribute("direction"), call.dtype(0)
    if direction not in ("LEFT", "RIGHT"):
        call.refuse("attribute direction is neither LEFT nor RIGHT")
    template = "torch.bitwise_left_shift(a, b)" if direction == "LEFT" else "torch.bitwise_right_shift(a, b)"
    if dtype == "uint64":
        a, b = (code("x.view(torch.int64)", x=call.tensor(i)) for i in (0, 1))
        if direction == "LEFT":
            return code("torch.bitwise_left_shift(a, b).view(torch.uint64)", a=a, b=b)
        return code("f(a, b).view(torch.uint64)", f=call.function("logical_right_shift"), a=a, b=b)
    if dtype in _WIDE:
        shifted = code(template, a=_wide(call, 0), b=_wide(call, 1))
        return code("x.to(d)", x=shifted, d=call.dtype_name(dtype))
    return code(template, a=call.tensor(0), b=call.tensor(1))


@mindspore("BitShift")
def bit_shift_mindspore(call: Call) -> ast.expr:
    """Shift bits; from version 28 on what is shifted by the width or more has no bit left but its sign."""
    direction, dtype = call.attribute("direction"), call.dtype(0)
    if direction not in ("LEFT", "RIGHT"):
        call.refuse("attribute direction is neither LEFT nor RIGHT")
    template = "ops.bitwise_left_shift(a, b)" if direction == "LEFT" else "ops.bitwise_right_shift(a, b)"
    a, b = call.tensor(0), call.tensor(1)
    if call.version < _SHIFTS_ARE_DEFINED:
        return code(template, a=a, b=b)
    width = np.dtype(dtype).itemsize * 8
    bits = call.let("bits", code("b.to(mindspore.int64)", b=b))  # MindSpore compares no wide unsigned ones
    is_within = call.let("mask", code("ops.logical_and(b >= 0, b < n)", b=bits, n=width))
    if direction == "RIGHT" and not dtype.startswith("u"):
        bits = code("ops.where(m, b, ops.full_like(b, n))", m=is_within, b=bits, n=width - 1)
        return code(template, a=a, b=code("b.to(d)", b=bits, d=call.dtype_name(dtype)))
    kept = code("m.to(d)", m=is_within, d=call.dtype_name(dtype))
    return code("s * k", s=code(template, a=a, b=code("b * k", b=b, k=kept)), k=kept)


@both("Where")
def where(call: Call) -> ast.expr:
    """Choose by a mask."""
    condition = call.tensor(0)
    if call.target == "pytorch":
        a, b = call.operand(1, (2,)), call.operand(2, (1,))
        numbers = [call.rep(i) for i in (1, 2)]
        if call.dtype(1) == "float32" and all(isinstance(n, Known) and n.array.ndim == 0 for n in numbers):
            a, b = (literal(number(n.array)) for n in numbers if isinstance(n, Known))
        return code("torch.where(c, a, b)", c=condition, a=a, b=b)
    return code("ops.where(c, a, b)", c=condition, a=call.tensor(1), b=call.tensor(2))


@pytorch("Clip", since=6)
def clip(call: Call) -> ast.expr:
    """Between bounds; where they are the wrong way round, the upper one holds."""
    if call.version < 11:
        low, high = call.attribute("min", None), call.attribute("max", None)
        from .elementwise import f32

        return _clamped(
            "torch.clamp(x, min=a, max=b)", call, *(None if v is None else f32(v) for v in (low, high))
        )
    low, high = (_bound(call, i) if call.has(i) else None for i in (1, 2))
    if call.dtype(0) in _WIDE:
        call.refuse(f"PyTorch does not clip {call.dtype(0)}")
    if (
        isinstance(low, ast.Constant | ast.UnaryOp) != isinstance(high, ast.Constant | ast.UnaryOp)
        and low
        and high
    ):
        low, high = call.tensor(1), call.tensor(2)
    return _clamped("torch.clamp(x, min=a, max=b)", call, low, high)


@mindspore("Clip", since=6)
def clip_mindspore(call: Call) -> ast.expr:
    """Between bounds; where they are the wrong way round, the upper one holds."""
    if call.version < 11:
        from .elementwise import f32

        low, high = call.attribute("min", None), call.attribute("max", None)
        bounds = [None if v is None else code("v", v=f32(v)) for v in (low, high)]
    else:
        bounds = [_bound(call, i) if call.has(i) else None for i in (1, 2)]
    tree = call.tensor(0)
    dtype = call.dtype(0)
    if dtype in (*_WIDE, "int8", "uint8", "int16"):
        tree = _wide(call, 0)
        bounds = [
            b
            if b is None or not isinstance(b, ast.Name | ast.Call | ast.Attribute)
            else code("x.to(mindspore.int64)", x=b)
            for b in bounds
        ]
    if bounds[0] is not None:
        tree = code("ops.maximum(x, b)", x=tree, b=bounds[0])
    if bounds[1] is not None:
        tree = code("ops.minimum(x, b)", x=tree, b=bounds[1])
    return (
        code("x.to(d)", x=tree, d=call.dtype_name(dtype))
        if dtype in (*_WIDE, "int8", "uint8", "int16")
        else tree
    )


def _bound(call: Call, index: int) -> ast.expr:
    found = call.rep(index)
    if isinstance(found, Known) and found.array.size == 1:
        return literal(number(found.array))
    return call.tensor(index)


def _clamped(template: str, call: Call, low: object, high: object) -> ast.expr:
    if low is None and high is None:
        return call.tensor(0)
    if None not in (low, high) and [text_of(literal(n)) for n in (low, high)] == ["0.0", "6.0"]:
        return code("F.relu6(x)", x=call.tensor(0))
    return code(template, x=call.tensor(0), a=OMIT if low is None else low, b=OMIT if high is None else high)
