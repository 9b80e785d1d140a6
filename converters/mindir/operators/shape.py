"""Other shapes and element types for the same numbers.

The traced batch size must not stay in the graph: the first axis of a target shape becomes 0 (as
the input's) or -1 (whatever is left) wherever that says the same.
"""

from __future__ import annotations

import math

from converters.mindir.builder import Builder, Call, Value

from . import mindir_operator


@mindir_operator("Identity")
def identity(call: Call, builder: Builder) -> Value:
    """Return the input."""
    del builder
    return call.tensor(0)


@mindir_operator("Reshape")
def reshape(call: Call, builder: Builder) -> Value:
    """Reshape to the shape that was traced, but for the batch size."""
    call.constant(1)
    return _reshape(call, builder)


@mindir_operator("Flatten")
def flatten(call: Call, builder: Builder) -> Value:
    """Make (N, ...) into (N, the rest)."""
    return builder.add("Flatten", [call.tensor(0)], axis=1)


@mindir_operator("FlattenExt")
def flatten_axes(call: Call, builder: Builder) -> Value:
    """Join the axes from the first to the last one named."""
    call.constant(1), call.constant(2)
    return _reshape(call, builder)


def _reshape(call: Call, builder: Builder) -> Value:
    x, after = call.tensor(0), call.type.shape
    before = x.shape
    if before == after:
        return x
    target = list(after)
    if before and after:
        same_rest = math.prod(before[1:]) == math.prod(after[1:])
        if before[0] == after[0] and same_rest:
            if len(before) > 1 and len(after) == 2:
                return builder.add("Flatten", [x], axis=1)
            target[0] = 0
        elif after[0] % before[0] == 0 or before[0] % after[0] == 0:
            target[0] = -1
    return builder.add("Reshape", [x, builder.constant(target)])


@mindir_operator("Transpose")
def transpose(call: Call, builder: Builder) -> Value:
    """Reorder the axes."""
    return _transpose(call, builder)


@mindir_operator("TransposeView", is_view=True)
def transpose_view(call: Call, builder: Builder) -> Value:
    """Reorder the axes of the same storage."""
    return _transpose(call, builder)


def _transpose(call: Call, builder: Builder) -> Value:
    x = call.tensor(0)
    order = call.axes(1, len(x.shape))
    return x if order == sorted(order) else builder.add("Transpose", [x], perm=order)


@mindir_operator("ExpandDims")
def expand_dims(call: Call, builder: Builder) -> Value:
    """Add an axis of size 1."""
    return _expand_dims(call, builder)


@mindir_operator("ExpandDimsView", is_view=True)
def expand_dims_view(call: Call, builder: Builder) -> Value:
    """Add an axis of size 1 to the same storage."""
    return _expand_dims(call, builder)


def _expand_dims(call: Call, builder: Builder) -> Value:
    x = call.tensor(0)
    return builder.add("Unsqueeze", [x, builder.constant(call.axes(1, len(call.type.shape)))])


@mindir_operator("Squeeze")
def squeeze(call: Call, builder: Builder) -> Value:
    """Drop axes of size 1; what only undoes an ExpandDims vanishes with it."""
    x = call.tensor(0)
    axes = call.axes(1, len(x.shape)) or [axis for axis, size in enumerate(x.shape) if size == 1]
    unsqueezed = builder.get_unsqueezed(x)
    if unsqueezed is not None and unsqueezed[1] == axes:
        return Value(unsqueezed[0], call.type)
    return builder.add("Squeeze", [x, builder.constant(axes)])


@mindir_operator("Cast")
def cast(call: Call, builder: Builder) -> Value:
    """Change the element type; the result's type says to which."""
    call.constant(1)
    x, elem_type = call.tensor(0), call.type.elem_type
    return x if x.type.elem_type == elem_type else builder.add("Cast", [x], to=elem_type)
