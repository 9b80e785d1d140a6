"""Cutting tensors up and joining them."""

from __future__ import annotations

from converters.mindir.builder import Builder, Call, Value
from converters.mindir.reader import TensorType

from . import mindir_operator


@mindir_operator("Concat")
def concat(call: Call, builder: Builder) -> Value:
    """Join tensors along an axis."""
    return builder.add("Concat", call.tensors(0), axis=call.constant(1))


@mindir_operator("Stack")
def stack(call: Call, builder: Builder) -> Value:
    """Join tensors along a new axis."""
    call.ignore("num", "N", why="the number of tensors")
    axis = call.attribute("axis") % len(call.type.shape)
    shape = list(call.type.shape)
    shape[axis] = 1
    type_ = TensorType(call.type.elem_type, tuple(shape))
    axes = builder.constant([axis])
    return builder.add(
        "Concat", [builder.add("Unsqueeze", [x, axes], type_) for x in call.tensors(0)], axis=axis
    )


@mindir_operator("Split")
def split(call: Call, builder: Builder) -> tuple[Value, ...]:
    """Cut into equal parts."""
    call.require("the number of parts", call.constant(2), len(call.types))
    return _split(call, builder, call.constant(1))


@mindir_operator("ChunkView", is_view=True)
def chunk_view(call: Call, builder: Builder) -> tuple[Value, ...]:
    """Cut into a number of views, the last of which may be smaller."""
    call.constant(1)
    return _split(call, builder, call.constant(2))


@mindir_operator("SplitWithSizeView", is_view=True)
def split_with_size_view(call: Call, builder: Builder) -> tuple[Value, ...]:
    """Cut into views of the given sizes."""
    call.constant(1)
    return _split(call, builder, call.constant(2))


def _split(call: Call, builder: Builder, axis: int) -> tuple[Value, ...]:
    """Cut into what was traced; ONNX wants the number of equal parts from opset 18 on."""
    x, types = call.tensor(0), call.types
    if len(types) == 1:
        return (x,)
    sizes = [type_.shape[axis] for type_ in types]
    if len(set(sizes)) > 1:
        return tuple(builder.add_many("Split", [x, builder.constant(sizes)], types, axis=axis))
    attributes = {"num_outputs": len(types)} if builder.opset >= 18 else {}
    return tuple(builder.add_many("Split", [x], types, axis=axis, **attributes))


@mindir_operator("NarrowView", is_view=True)
def narrow_view(call: Call, builder: Builder) -> Value:
    """Cut a number of elements out of one axis."""
    x, axis, start, length = call.tensor(0), call.constant(1), call.constant(2), call.constant(3)
    start %= x.shape[axis] or 1
    return builder.add("Slice", [x, *(builder.constant([n]) for n in (start, start + length, axis))])


@mindir_operator("StridedSlice")
def strided_slice(call: Call, builder: Builder) -> Value:
    """Cut x[begin:end:strides]; a set bit of a mask says that the bound does not matter."""
    x, begin, end, strides = call.tensor(0), call.constant(1), call.constant(2), call.constant(3)
    begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_mask = (call.constant(i) for i in range(4, 9))
    call.require("ellipsis_mask", ellipsis_mask, 0)
    call.require("new_axis_mask", new_axis_mask, 0)
    starts, ends, axes, steps, dropped = [], [], [], [], []
    far = 2**63 - 1
    for axis, (first, last, step) in enumerate(zip(begin, end, strides, strict=True)):
        if shrink_mask >> axis & 1:
            first, last, step = first, (first + 1 if first != -1 else far), 1
            dropped.append(axis)
        else:
            if begin_mask >> axis & 1:
                first = 0 if step > 0 else far
            if end_mask >> axis & 1 or (step > 0 and last >= x.shape[axis]):
                last = far if step > 0 else -far
        if (first, last, step) != (0, far, 1):
            starts.append(first)
            ends.append(last)
            axes.append(axis)
            steps.append(step)
    if axes:
        inputs = [x, *map(builder.constant, (starts, ends, axes))]
        if set(steps) != {1}:
            inputs.append(builder.constant(steps))
        x = builder.add("Slice", inputs, call.type if not dropped else TensorType(x.type.elem_type, x.shape))
    return builder.add("Squeeze", [x, builder.constant(dropped)]) if dropped else x
