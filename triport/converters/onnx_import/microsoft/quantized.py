"""Operators of eight bits, as onnxruntime.quantization writes them: made wide, computed, rounded again."""

from __future__ import annotations

from typing import Any

from .attention import Attending, give_packed, past_of
from .expansion import Expansion, NotExpandedError, rule

_FLOAT = 1
_WINDOW: dict[str, Any] = {
    "auto_pad": "NOTSET",
    "ceil_mode": 0,
    "count_include_pad": 0,
    "kernel_shape": None,
    "pads": None,
    "strides": None,
}


def _wide(made: Expansion, index: int, **axis: int) -> str:
    """Return an input in float32; its scale and zero point follow it."""
    zero = [made.of(index + 2)] if made.has(index + 2) else []
    return made.put("DequantizeLinear", made.of(index), made.of(index + 1), *zero, **axis)


def _give_rounded(made: Expansion, value: str, index: int) -> None:
    """Let the output be a value in eight bits; scale and zero point are the inputs from `index` on."""
    zero = [made.of(index + 1)] if made.has(index + 1) else []
    made.give(0, made.put("QuantizeLinear", value, made.of(index), *zero))


@rule("QuantizeLinear", "DequantizeLinear")
def _steps(made: Expansion) -> None:
    """The standard's, of other types and axes than it had in the file's opset."""
    axis = made.attribute("axis", None)
    made.check(3)
    given = [made.of(i) for i in range(3) if made.has(i)]
    made.give(0, made.put(made.node.op_type, *given, **({} if axis is None else {"axis": axis})))


@rule("QLinearAdd")
def _sum(made: Expansion) -> None:
    made.check(8)
    _give_rounded(made, made.put("Add", _wide(made, 0), _wide(made, 3)), 6)


@rule("QLinearMul")
def _product(made: Expansion) -> None:
    """The product of whole numbers, and one step for all three: halves are then rounded as they are."""
    made.check(8)
    whole = [made.put("Cast", made.of(i), to=_FLOAT) for i in (0, 3)]
    for i, zero in enumerate((2, 5)):
        if made.has(zero):
            whole[i] = made.put("Sub", whole[i], made.put("Cast", made.of(zero), to=_FLOAT))
    step = made.put("Div", made.put("Mul", made.of(1), made.of(4)), made.of(6))
    scaled = made.put("Mul", made.put("Mul", *whole), step)
    zeros = [made.of(7)] if made.has(7) else []
    made.give(0, made.put("QuantizeLinear", scaled, made.number(1), *zeros))


@rule("QLinearSigmoid", "QLinearLeakyRelu")
def _activation(made: Expansion) -> None:
    op_type = made.node.op_type.removeprefix("QLinear")
    given = {"alpha": made.attribute("alpha", 0.01)} if op_type == "LeakyRelu" else {}
    made.check(5)
    _give_rounded(made, made.put(op_type, _wide(made, 0), **given), 3)


@rule("QLinearSoftmax")
def _softmax(made: Expansion) -> None:
    axis, version = made.attribute("axis", -1), made.attribute("opset", 0)
    made.check(5)
    if (version < 13 or made.opset < 13) and axis != -1:
        raise NotExpandedError
    _give_rounded(made, made.put("Softmax", _wide(made, 0), axis=axis), 3)


@rule("QLinearGlobalAveragePool", "QLinearAveragePool")
def _average(made: Expansion) -> None:
    op_type = made.node.op_type.removeprefix("QLinear")
    is_global = op_type == "GlobalAveragePool"
    window = {} if is_global else {name: made.attribute(name, usual) for name, usual in _WINDOW.items()}
    last = made.attribute("channels_last", 0)
    made.check(5)
    given = {name: value for name, value in window.items() if value is not None}
    x = _wide(made, 0)
    if last and made.rank(made.of(0)) != 4:
        raise NotExpandedError
    if last:
        x = made.put("Transpose", x, perm=[0, 3, 1, 2])
    y = made.put(op_type, x, **given)
    _give_rounded(made, made.put("Transpose", y, perm=[0, 2, 3, 1]) if last else y, 3)


@rule("QLinearWhere")
def _choice(made: Expansion) -> None:
    made.check(9)
    _give_rounded(made, made.put("Where", made.of(0), _wide(made, 1), _wide(made, 4)), 7)


@rule("QLinearConcat")
def _concat(made: Expansion) -> None:
    axis = made.attribute("axis", 0)
    made.check(len(made.node.input))
    parts = [_wide(made, i) for i in range(2, len(made.node.input), 3)]
    _give_rounded(made, made.put("Concat", *parts, axis=axis), 0)


@rule("QGemm")
def _gemm(made: Expansion) -> None:
    """A product with a bias of 32 bits, whose step is that of the product."""
    alpha = made.attribute("alpha", 1.0)
    flags = {name: made.attribute(name, 0) for name in ("transA", "transB")}
    made.check(9)
    columns = made.shape(4)
    axis = {"axis": 0 if flags["transB"] else 1} if columns and columns != (1,) else {}
    y = made.put("Gemm", _wide(made, 0), _wide(made, 3, **axis), alpha=alpha, **flags)
    if made.has(6):
        step = made.put("Mul", made.put("Mul", made.of(1), made.of(4)), made.number(alpha))
        y = made.put("Add", y, made.put("Mul", made.put("Cast", made.of(6), to=_FLOAT), step))
    if made.has(7):
        _give_rounded(made, y, 7)
    else:
        made.give(0, y)


@rule("DynamicQuantizeMatMul")
def _dynamic_product(made: Expansion) -> None:
    made.check(5)
    a, scale, zero = made.several("DynamicQuantizeLinear", 3, made.of(0))
    zeros = [made.of(3)] if made.has(3) else []
    y = made.put("MatMulInteger", a, made.of(1), zero, *zeros)
    y = made.put("Mul", made.put("Cast", y, to=_FLOAT), made.put("Mul", scale, made.of(2)))
    made.give(0, made.put("Add", y, made.of(4)) if made.has(4) else y)


@rule("MatMulIntegerToFloat")
def _integer_product(made: Expansion) -> None:
    made.check(7)
    zeros = [made.of(i) if made.has(i) else "" for i in (4, 5)]
    y = made.put("MatMulInteger", made.of(0), made.of(1), *zeros)
    y = made.put("Mul", made.put("Cast", y, to=_FLOAT), made.put("Mul", made.of(2), made.of(3)))
    made.give(0, made.put("Add", y, made.of(6)) if made.has(6) else y)


@rule("QAttention")
def _attention(made: Expansion) -> None:
    """Self-attention whose packed product is of eight bits."""
    heads, masked = made.attribute("num_heads", 0), made.attribute("mask_filter_value", -10000.0)
    is_causal = bool(made.attribute("unidirectional", 0))
    made.check(9, 2)
    width = made.shape(1)[1] // 3
    if not heads or width % heads:
        raise NotExpandedError
    zeros = [made.of(i) if made.has(i) else "" for i in (6, 7)]
    packed = made.put("MatMulInteger", made.of(0), made.of(1), *zeros)
    packed = made.put("Mul", made.put("Cast", packed, to=_FLOAT), made.put("Mul", made.of(3), made.of(4)))
    packed = made.put("Add", packed, made.of(2))
    scale, mask = made.number((width // heads) ** -0.5), made.of(5) if made.has(5) else ""
    one = Attending(heads, scale, is_causal, (), mask, masked, past_of(made, 8))
    give_packed(made, packed, [width] * 3, one)
