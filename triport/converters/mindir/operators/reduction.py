"""Reductions over axes."""

from __future__ import annotations

import math

import onnx

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue

from . import mindir_operator

NAN_LEFT_OUT = "NaN: left out in some places of a row, and in others in ONNX Runtime"
OF_NOTHING = "no elements: whatever lay in memory"


@mindir_operator(
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    differs={
        **dict.fromkeys(("ReduceMean", "ReduceMax", "ReduceProd"), OF_NOTHING),
        "ReduceMin": f"{NAN_LEFT_OUT}; {OF_NOTHING}",
    },
)
def reduce(call: MindirCall, builder: Builder) -> TypedValue:
    """Reduce over the axes; none means all."""
    return _reduce(call, builder, call.primitive)


@mindir_operator("ReduceSum")
def reduce_sum(call: MindirCall, builder: Builder) -> TypedValue:
    """Add up over the axes; with skip_mode, none means none."""
    if call.constant(3) and not call.constant(1):
        call.constant(2)
        return call.tensor(0)
    return _reduce(call, builder, "ReduceSum")


@mindir_operator("MeanExt", "SumExt", "ProdExt", differs={"ProdExt": OF_NOTHING})
def reduce_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Average, add up or multiply in the element type of the result."""
    call.constant(3)  # the result's type is known
    return _reduce(call, builder, f"Reduce{call.primitive.removesuffix('Ext')}")


@mindir_operator("ReduceAll", "ReduceAny")
def reduce_truth(call: MindirCall, builder: Builder) -> TypedValue:
    """Return whether all, or any, of the elements hold."""
    x = builder.cast(builder.cast(call.tensor(0), onnx.TensorProto.BOOL), onnx.TensorProto.INT32)
    rank = len(x.shape)
    axes = (call.axes(1, rank) if call.num_inputs > 1 else []) or list(range(rank))
    keep_dims = bool(call.constant(2)) if call.num_inputs > 2 else False
    op_type = "ReduceMin" if call.primitive == "ReduceAll" else "ReduceMax"
    y = builder.reduce(op_type, x, axes, keep_dims)
    return builder.compare("Greater", y, builder.scalar(0, y))  # of no elements, all hold and none does


@mindir_operator("Max", "Min")
def reduce_all(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the largest or smallest element of all."""
    x = call.tensor(0)
    return builder.reduce(f"Reduce{call.primitive}", x, range(len(x.shape)), keep_dims=False)


def _reduce(call: MindirCall, builder: Builder, op_type: str) -> TypedValue:
    x = builder.cast(call.tensor(0), call.type.elem_type)
    axes = call.axes(1, len(x.shape)) or list(range(len(x.shape)))
    return builder.reduce(op_type, x, axes, bool(call.constant(2)))


@mindir_operator("LogSumExp")
def log_sum_exp(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the logarithm of the sum of exponentials."""
    return _reduce(call, builder, "ReduceLogSumExp")


@mindir_operator("ReduceStd")
def reduce_std(call: MindirCall, builder: Builder) -> tuple[TypedValue, TypedValue]:
    """Return standard deviation and mean."""
    x, axes = call.tensor(0), call.axes(1, len(call.tensor(0).shape))
    unbiased, keep_dims = int(call.constant(2)), bool(call.constant(3))
    variance, mean = _variance(builder, x, axes, unbiased, keep_dims)
    return builder.unary("Sqrt", variance), mean


@mindir_operator("Std", "Var")
def standard_deviation(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the standard deviation, or its square."""
    return _deviation(call, builder)[0]


@mindir_operator("StdMean", "VarMean")
def standard_deviation_and_mean(call: MindirCall, builder: Builder) -> tuple[TypedValue, TypedValue]:
    """Return the standard deviation, or its square, and the mean."""
    return _deviation(call, builder)


def _deviation(call: MindirCall, builder: Builder) -> tuple[TypedValue, TypedValue]:
    x, axes = call.tensor(0), call.axes(1, len(call.tensor(0).shape))
    correction, keep_dims = int(call.constant(2)), bool(call.constant(3))
    variance, mean = _variance(builder, x, axes, correction, keep_dims)
    return (builder.unary("Sqrt", variance) if call.primitive.startswith("Std") else variance), mean


def _variance(
    builder: Builder, x: TypedValue, axes: list[int], correction: int, keep_dims: bool
) -> tuple[TypedValue, TypedValue]:
    """Return the variance, divided by the number of elements less `correction`, and the mean."""
    axes = axes or list(range(len(x.shape)))
    mean = builder.reduce("ReduceMean", x, axes, keep_dims=True)
    centred = builder.binary("Sub", x, mean)
    square = builder.binary("Mul", centred, centred)
    if correction:
        count = math.prod(x.shape[axis] for axis in axes)
        total = builder.reduce("ReduceSum", square, axes, keep_dims)
        variance = builder.binary("Div", total, builder.scalar(count - correction, x))
    else:
        variance = builder.reduce("ReduceMean", square, axes, keep_dims)
    return variance, mean if keep_dims else builder.squeeze(mean, axes)


@mindir_operator("Nansum")
def sum_of_numbers(call: MindirCall, builder: Builder) -> TypedValue:
    """Add up over the axes, leaving out what is not a number."""
    call.constant(3)  # the result's type is known
    x = call.tensor(0)
    is_nan = builder.add("IsNaN", [x], TensorType(onnx.TensorProto.BOOL, x.shape))
    x = builder.cast(builder.add("Where", [is_nan, builder.scalar(0, x), x], x.type), call.type.elem_type)
    axes = call.axes(1, len(x.shape)) or list(range(len(x.shape)))
    return builder.reduce("ReduceSum", x, axes, bool(call.constant(2)))


@mindir_operator("CountNonZero")
def count_nonzero(call: MindirCall, builder: Builder) -> TypedValue:
    """Count over the axes what is not zero; none means all."""
    x = call.tensor(0)
    axes = call.axes(1, len(x.shape)) or list(range(len(x.shape)))
    marks = builder.cast(builder.cast(x, onnx.TensorProto.BOOL), call.type.elem_type)
    return builder.reduce("ReduceSum", marks, axes, keep_dims=False)


@mindir_operator("MedianExt")
def median(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the middle element of all; of two, the lower."""
    x = call.tensor(0)
    count = math.prod(x.shape)
    type_ = TensorType(x.type.elem_type, (count,))
    flat = builder.add("Reshape", [x, builder.constant([count])], type_)
    half = (count + 1) // 2
    types = [TensorType(elem_type, (half,)) for elem_type in (x.type.elem_type, onnx.TensorProto.INT64)]
    lower = builder.add_many("TopK", [flat, builder.constant([half])], types, largest=0)[0]
    return builder.add("Gather", [lower, builder.constant(half - 1)])


@mindir_operator("Argmax", "Argmin")
def argument(call: MindirCall, builder: Builder) -> TypedValue:
    """Return where the largest or smallest element along an axis is."""
    call.constant(2)  # the result's type is known
    x = call.tensor(0)
    (axis,) = call.axes(1, len(x.shape))
    return _argument(builder, _op_type(call), x, axis, False, call.type.elem_type)


@mindir_operator("ArgMaxExt", "ArgMinExt")
def argument_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same, as `mint` does; without an axis, in the flattened tensor."""
    x, keep_dims = call.tensor(0), bool(call.constant(2))
    axes = call.axes(1, len(x.shape))
    if axes:
        return _argument(builder, _op_type(call), x, axes[0], keep_dims, call.type.elem_type)
    flat = builder.add(
        "Reshape", [x, builder.constant([-1])], TensorType(x.type.elem_type, (math.prod(x.shape),))
    )
    return _argument(builder, _op_type(call), flat, 0, False, call.type.elem_type)


@mindir_operator("ArgMaxWithValue", "ArgMinWithValue", differs={"ArgMinWithValue": NAN_LEFT_OUT})
def argument_with_value(call: MindirCall, builder: Builder) -> tuple[TypedValue, TypedValue]:
    """Return where the largest or smallest element along an axis is, and that element."""
    index, value = _argument_and_value(call, builder, call.types[0].elem_type)
    return index, value


@mindir_operator("MaxDim", "MinDim", differs={"MinDim": NAN_LEFT_OUT})
def value_with_argument(call: MindirCall, builder: Builder) -> tuple[TypedValue, TypedValue]:
    """Return the largest or smallest element along an axis, and where it is."""
    index, value = _argument_and_value(call, builder, call.types[1].elem_type)
    return value, index


def _argument_and_value(call: MindirCall, builder: Builder, elem_type: int) -> tuple[TypedValue, TypedValue]:
    x, keep_dims = call.tensor(0), bool(call.constant(2))
    (axis,) = call.axes(1, len(x.shape))
    op_type = _op_type(call)
    index = _argument(builder, op_type, x, axis, keep_dims, elem_type)
    return index, builder.reduce(op_type.replace("Arg", "Reduce"), x, [axis], keep_dims)


def _op_type(call: MindirCall) -> str:
    return "ArgMin" if "min" in call.primitive.lower() else "ArgMax"


def _argument(
    builder: Builder, op_type: str, x: TypedValue, axis: int, keep_dims: bool, elem_type: int
) -> TypedValue:
    shape = [*x.shape[:axis], *([1] if keep_dims else []), *x.shape[axis + 1 :]]
    type_ = TensorType(onnx.TensorProto.INT64, tuple(shape))
    y = builder.add(op_type, [x], type_, axis=axis, keepdims=int(keep_dims))
    return builder.cast(y, elem_type)
