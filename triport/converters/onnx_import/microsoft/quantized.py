"""Operators of eight bits, as onnxruntime.quantization writes them: made wide, computed, rounded again."""

from __future__ import annotations

from typing import Any

import numpy as np

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
    if last:
        raise NotExpandedError
    given = {name: value for name, value in window.items() if value is not None}
    _give_rounded(made, made.put(op_type, _wide(made, 0), **given), 3)


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


@rule("MatMulNBits")
def _packed_product(made: Expansion) -> None:
    """A product with weights of four or eight bits in blocks, which become numbers of float32."""
    rows, columns = made.attribute("K", 0), made.attribute("N", 0)
    bits, block = made.attribute("bits", 4), made.attribute("block_size", 0)
    made.attribute("accuracy_level", 0)
    if bits not in (4, 8) or made.has(4) or block < 16:
        raise NotExpandedError
    made.check(6)
    blocks = -(-rows // block)
    weight = _unpacked(made.array(1).reshape(columns, blocks, -1), bits)[..., :block]
    zero: Any = 2 ** (bits - 1)
    if made.has(3):
        stored = made.array(3)
        if stored.dtype != np.uint8:
            raise NotExpandedError
        zero = _unpacked(stored.reshape(columns, -1), bits)[:, :blocks, None]
    scale = made.array(2).astype(np.float32).reshape(columns, blocks, 1)
    numbers = ((weight - zero) * scale).reshape(columns, -1)[:, :rows].T
    y = made.put("MatMul", made.of(0), made.constant(np.ascontiguousarray(numbers, np.float32)))
    made.give(0, made.put("Add", y, made.of(5)) if made.has(5) else y)


def _unpacked(stored: np.ndarray, bits: int) -> np.ndarray:
    """Return numbers of four bits, the lower half of each byte first, as whole numbers."""
    if bits == 8:
        return stored.astype(np.int64)
    halves = np.stack([stored & 15, stored >> 4], axis=-1)
    return halves.reshape(*stored.shape[:-1], -1).astype(np.int64)
