"""Matrix products and biases."""

from __future__ import annotations

import math

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue

from . import mindir_operator

NO_NORM = "p is {p}, expected above 0"

DEFAULT_AXIS = -65530  # of Cross


@mindir_operator("MatMul")
def matmul(call: MindirCall, builder: Builder) -> TypedValue:
    """Multiply two matrices; Gemm, so that a Dense weight stays (out, in)."""
    x, y = builder.guess_spread(call.tensor(0)), call.tensor(1)
    return builder.add("Gemm", [x, y], transA=int(call.constant(2)), transB=int(call.constant(3)))


@mindir_operator("BatchMatMul")
def batch_matmul(call: MindirCall, builder: Builder) -> TypedValue:
    """Multiply the last two axes of two tensors, each transposed if asked for."""
    x, y = call.tensor(0), call.tensor(1)
    x = _transpose(builder, x) if call.constant(2) else x
    y = _transpose(builder, y) if call.constant(3) else y
    return builder.add("MatMul", [x, y])


@mindir_operator("MatMulExt", "BatchMatMulExt", "Mm", "Mv")
def matmul_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Multiply with NumPy's broadcasting, which is ONNX's."""
    return builder.add("MatMul", [call.tensor(0), call.tensor(1)])


@mindir_operator("Addmm", "Baddbmm", "Addmv")
def add_matmul(call: MindirCall, builder: Builder) -> TypedValue:
    """Return beta * x + alpha * a @ b."""
    x, a, b, beta, alpha = call.tensor(0), call.tensor(1), call.tensor(2), call.constant(3), call.constant(4)
    if call.primitive == "Addmm":
        return builder.add("Gemm", [a, b, x], alpha=float(alpha), beta=float(beta))
    y = builder.add("MatMul", [a, b])
    if alpha != 1:
        y = builder.add("Mul", [y, builder.scalar(alpha, y)])
    if beta != 1:
        x = builder.unary_of("Mul", [x, builder.scalar(beta, x)])
    return builder.add("Add", [x, y])


@mindir_operator("Addbmm")
def add_batch_matmul(call: MindirCall, builder: Builder) -> TypedValue:
    """Return beta * x + alpha * the sum of a @ b over the batch."""
    x, a, b, beta, alpha = call.tensor(0), call.tensor(1), call.tensor(2), call.constant(3), call.constant(4)
    products = builder.add("MatMul", [a, b], TensorType(a.type.elem_type, (a.shape[0], *call.type.shape)))
    y = builder.reduce("ReduceSum", products, [0], keep_dims=False)
    if alpha != 1:
        y = builder.add("Mul", [y, builder.scalar(alpha, y)])
    if beta != 1:
        x = builder.unary_of("Mul", [x, builder.scalar(beta, x)])
    return builder.add("Add", [y, x])


@mindir_operator("MatrixDeterminant")
def determinant(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the determinants of the last two axes."""
    return builder.add("Det", [call.tensor(0)])


@mindir_operator("Cross")
def cross(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the cross product of vectors along an axis; by default the first of size 3."""
    x, y, axis = call.tensor(0), call.tensor(1), call.constant(2)
    axis = x.shape.index(3) if axis == DEFAULT_AXIS else axis % len(x.shape)
    turns = ([1, 2, 0], [2, 0, 1])
    (x1, x2), (y1, y2) = ([builder.pick(value, axis, turn) for turn in turns] for value in (x, y))
    return builder.add("Sub", [builder.binary("Mul", x1, y2), builder.binary("Mul", x2, y1)])


@mindir_operator("Cdist", refuses=(NO_NORM,))
def distances(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the p-norm distance of each row of x to each row of y."""
    x, y, p = call.tensor(0), call.tensor(1), float(call.constant(2))
    rank = len(x.shape)
    difference = builder.binary("Sub", builder.unsqueeze(x, [rank - 1]), builder.unsqueeze(y, [rank - 2]))
    if p == 1:
        return builder.reduce("ReduceL1", difference, [rank], keep_dims=False)
    if p == 2:
        return builder.reduce("ReduceL2", difference, [rank], keep_dims=False)
    size = builder.unary("Abs", difference)
    if math.isinf(p):
        return builder.reduce("ReduceMax", size, [rank], keep_dims=False)
    if p <= 0:
        raise call.unsupported(NO_NORM, p=p)
    powers = builder.binary("Pow", size, builder.scalar(p, x))
    total = builder.reduce("ReduceSum", powers, [rank], keep_dims=False)
    return builder.binary("Pow", total, builder.scalar(1 / p, x))


@mindir_operator("Outer")
def outer(call: MindirCall, builder: Builder) -> TypedValue:
    """Multiply each element of a vector by each of another."""
    return builder.add("Mul", [builder.unsqueeze(call.tensor(0), [1]), call.tensor(1)])


@mindir_operator("Dot")
def dot(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the sum of the products of two vectors."""
    return builder.add("MatMul", [call.tensor(0), call.tensor(1)])


@mindir_operator("Einsum", lowest_opset=12)
def einsum(call: MindirCall, builder: Builder) -> TypedValue:
    """Add up products by a rule in Einstein's notation."""
    return builder.add("Einsum", call.tensors(0), equation=call.attribute("equation"))


@mindir_operator("Dense")
def dense(call: MindirCall, builder: Builder) -> TypedValue:
    """Multiply by an (out, in) weight and add a bias, which may be None."""
    x, weight = call.tensor(0), call.tensor(1)
    bias = None if call.entry(2) is None else call.tensor(2)
    if len(x.shape) == 2:
        return builder.add("Gemm", [x, weight] + ([bias] if bias else []), transB=1)
    y = builder.add("MatMul", [x, _transpose(builder, weight)])
    return builder.add("Add", [y, bias]) if bias else y


def _transpose(builder: Builder, x: TypedValue) -> TypedValue:
    """Swap the last two axes."""
    rank = len(x.shape)
    return builder.transpose(x, [*range(rank - 2), rank - 1, rank - 2])


@mindir_operator("BiasAdd", takes={"format": (0, 14, "NCHW", "NCDHW")})
def bias_add(call: MindirCall, builder: Builder) -> TypedValue:
    """Add a bias to axis 1, inside the convolution or Gemm before it where there is one."""
    x, bias = call.tensor(0), call.tensor(1)
    call.require("format", call.constant(2))
    inside = builder.add_with_bias(x, bias)
    if inside is not None:
        return inside
    trailing = len(x.shape) - 2
    if trailing > 0:
        bias = builder.unsqueeze(bias, list(range(1, 1 + trailing)))
    return builder.add("Add", [x, bias])
