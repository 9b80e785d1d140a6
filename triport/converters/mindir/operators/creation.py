"""New tensors, and tensors made larger by repetition."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue, check_size

from . import mindir_operator

FLATTENED = "it repeats the flattened tensor; give the axis"


@mindir_operator("BroadcastTo")
def broadcast_to(call: MindirCall, builder: Builder) -> TypedValue:
    """Repeat along axes of size 1."""
    call.constant(1)
    return _expand(call, builder)


@mindir_operator("BroadcastToView", is_view=True)
def broadcast_to_view(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same with the same storage."""
    call.constant(1)
    return _expand(call, builder)


def _expand(call: MindirCall, builder: Builder) -> TypedValue:
    """Expand; what is the batch size of the inputs is taken from an input, what is kept is not named."""
    x, after = call.tensor(0), call.type.shape
    leading = len(after) - len(x.shape)
    before = (1,) * leading + x.shape
    target = [1 if old == new else new for old, new in zip(before, after, strict=True)]
    if builder.result_batch is not None and before[builder.result_batch[0]] == 1:
        return builder.add("Expand", [x, builder.batch_shape(target, builder.result_batch[0])])
    batch = builder.guess_batch_size()
    if batch is not None and target and before[0] == 1 and builder.is_free_of_inputs(x):
        batch_size, size = batch
        if after[0] == size:
            rest = builder.constant(target[1:])
            type_ = TensorType(onnx.TensorProto.INT64, (len(after),))
            shape = builder.add("Concat", [batch_size, rest], type_, axis=0) if target[1:] else batch_size
            return builder.add("Expand", [x, shape])
    if before == after and not leading:
        return x
    if before == after:
        return builder.unsqueeze(x, range(leading), call.type)
    return builder.add("Expand", [x, builder.constant(target)])


@mindir_operator("Tile", "Repeat")
def tile(call: MindirCall, builder: Builder) -> TypedValue:
    """Repeat the whole tensor along axes; new axes come first."""
    x, repeats = call.tensor(0), call.constant(1)
    repeats = (repeats,) if isinstance(repeats, int) else tuple(repeats)
    if all(count == 1 for count in repeats) and len(repeats) <= len(x.shape):
        return x
    missing = len(repeats) - len(x.shape)
    if missing > 0:
        x = builder.unsqueeze(x, range(missing))
    repeats = (1,) * -missing + repeats
    if builder.result_batch is not None:
        axis, inner = builder.result_batch
        if inner == x.shape[axis] and not builder.holds_batch(x, axis):
            return builder.add("Tile", [x, builder.batch_shape(repeats, axis)])
    batch = builder.guess_batch_size()
    if batch is not None and x.shape[0] == 1 and repeats[0] == batch[1] and builder.is_free_of_inputs(x):
        type_ = TensorType(onnx.TensorProto.INT64, (len(repeats),))
        counts = batch[0]
        if repeats[1:]:
            counts = builder.add("Concat", [counts, builder.constant(repeats[1:])], type_, axis=0)
        return builder.add("Tile", [x, counts])
    return builder.add("Tile", [x, builder.constant(repeats)])


@mindir_operator("RepeatInterleaveInt", refuses=(FLATTENED,))
def repeat_interleave(call: MindirCall, builder: Builder) -> TypedValue:
    """Repeat each element along an axis."""
    x, count, given = call.tensor(0), call.constant(1), call.constant(2)
    call.constant(3)  # output_size, which the result has
    if given is None:
        raise call.unsupported(FLATTENED)
    axis = given % len(x.shape)
    check_size(x.shape[axis], count)
    index = [element for element in range(x.shape[axis]) for _ in range(count)]
    return builder.add("Gather", [x, builder.constant(index)], axis=axis)


@mindir_operator("RepeatInterleaveTensor", refuses=(FLATTENED,))
def repeat_each(call: MindirCall, builder: Builder) -> TypedValue:
    """Repeat each element along an axis, by a count for each."""
    x, counts, given = call.tensor(0), call.constant(1), call.constant(2)
    call.constant(3)  # output_size, which the result has
    if given is None:
        raise call.unsupported(FLATTENED)
    axis = given % len(x.shape)
    check_size(sum(counts))
    if len(counts) == 1:
        counts *= x.shape[axis]
    index = [element for element, count in enumerate(counts) for _ in range(count)]
    return builder.add("Gather", [x, builder.constant(index)], axis=axis)


@mindir_operator("ZerosLikeExt", "OnesLikeExt")
def full_like(call: MindirCall, builder: Builder) -> TypedValue:
    """Return zeros or ones, as many as another tensor has elements."""
    for index in range(1, call.num_inputs):
        call.constant(index)  # the result's type is known
    return _full_like(call, builder, 0 if call.primitive.startswith("Zeros") else 1)


@mindir_operator("FullLike")
def fill_like(call: MindirCall, builder: Builder) -> TypedValue:
    """Return a number, as often as another tensor has elements."""
    number = call.constant(1)
    for index in range(2, call.num_inputs):
        call.constant(index)
    return _full_like(call, builder, number)


@mindir_operator("InplaceFillScalar", "InplaceZero", in_place=0)
def fill_in_place(call: MindirCall, builder: Builder) -> TypedValue:
    """Overwrite a tensor with a number."""
    return _full_like(call, builder, call.constant(1) if call.primitive == "InplaceFillScalar" else 0)


def _full_like(call: MindirCall, builder: Builder, number: float) -> TypedValue:
    x, elem_type = call.tensor(0), call.type.elem_type
    if builder.is_free_of_inputs(x):
        return builder.full(x.shape, number, elem_type)
    shape = builder.add("Shape", [x], TensorType(onnx.TensorProto.INT64, (len(x.shape),)))
    fill = helper.make_tensor("", elem_type, [1], [number])
    return builder.add("ConstantOfShape", [shape], value=fill)


@mindir_operator("Zeros", "Ones", "FillScalar")
def fill_shape(call: MindirCall, builder: Builder) -> TypedValue:
    """Return zeros, ones or a number, of a given shape."""
    call.constant(0)
    for index in range(1, call.num_inputs):
        call.constant(index)  # the number, and the result's type, which is known
    number = call.constant(1) if call.primitive == "FillScalar" else int(call.primitive == "Ones")
    return builder.full(call.type.shape, number, call.type.elem_type)


@mindir_operator("NewZeros", "NewOnes", "NewFull")
def fill_new(call: MindirCall, builder: Builder) -> TypedValue:
    """Return zeros, ones or a number, of a given shape and another tensor's element type."""
    call.tensor(0)
    for index in range(1, call.num_inputs):
        call.constant(index)
    number = call.constant(2) if call.primitive == "NewFull" else int(call.primitive == "NewOnes")
    return builder.full(call.type.shape, number, call.type.elem_type)


@mindir_operator("FillV2")
def fill(call: MindirCall, builder: Builder) -> TypedValue:
    """Return a tensor of one element, repeated."""
    call.constant(0)
    number, shape = builder.cast(call.tensor(1), call.type.elem_type), call.type.shape
    known = builder.get_array(number)
    if known is not None:
        return builder.full(shape, known.item(), call.type.elem_type)
    return builder.add("Expand", [number, builder.constant(shape)])


@mindir_operator("LinSpace", "LinSpaceExt")
def linear_space(call: MindirCall, builder: Builder) -> TypedValue:
    """Return evenly spaced numbers from the first to the last, both included."""
    start, stop, count = (call.constant(index) for index in range(3))
    for index in range(3, call.num_inputs):
        call.constant(index)  # the result's type is known
    check_size(count)
    return builder.constant(np.linspace(start, stop, count), call.type.elem_type)


@mindir_operator("Eye")
def eye(call: MindirCall, builder: Builder) -> TypedValue:
    """Return ones on the diagonal."""
    rows, columns = call.constant(0), call.constant(1)
    call.constant(2)
    check_size(rows, columns)
    return builder.constant(np.eye(rows, columns), call.type.elem_type)


@mindir_operator("TensorShape")
def shape(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the shape as a tensor."""
    return builder.add("Shape", [call.tensor(0)])
