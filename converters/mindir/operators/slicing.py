"""Cutting tensors up and joining them."""

from __future__ import annotations

from converters.mindir.emit import Builder, Call, Value
from . import mindir_operator


@mindir_operator("Concat")
def concat(call: Call, builder: Builder) -> Value:
    """Join tensors along an axis."""
    return builder.add("Concat", call.tensors(0), axis=call.constant(1))


@mindir_operator("Split")
def split(call: Call, builder: Builder) -> tuple[Value, ...]:
    """Cut into equal parts; ONNX wants their number from opset 18 on."""
    x, axis, count = call.tensor(0), call.constant(1), call.constant(2)
    types = call.types
    call.require("the number of parts", count, len(types))
    attributes = {"num_outputs": count} if builder.opset >= 18 else {}
    return tuple(builder.add_many("Split", [x], types, axis=axis, **attributes))


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
        x = builder.add("Slice", inputs)
    return builder.add("Squeeze", [x, builder.constant(dropped)]) if dropped else x
