"""Other shapes and element types for the same numbers.

The traced batch size must not stay in the graph: the first axis of a target shape becomes 0 (as
the input's) or -1 (whatever is left) wherever that says the same.
"""

from __future__ import annotations

import math

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.values import TypedValue

from . import mindir_operator


@mindir_operator("Identity", "Contiguous", "Clone")
def identity(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the input."""
    del builder
    return call.tensor(0)


@mindir_operator("Reshape")
def reshape(call: MindirCall, builder: Builder) -> TypedValue:
    """Reshape to the shape that was traced, but for the batch size."""
    given = call.constant(1)
    x, after = call.tensor(0), call.type.shape
    # a -1 that the Cell itself has behind a first axis that stays as it is
    keeps_first = x.shape[:1] == after[:1] and builder.has_batch_first(x)
    if -1 in given[1:] and keeps_first and x.shape != after and 0 not in x.shape:
        return builder.add("Reshape", [x, builder.constant([0, *given[1:]])])
    return _reshape(call, builder)


@mindir_operator("ViewAs", is_view=True)
def view_as(call: MindirCall, builder: Builder) -> TypedValue:
    """Reshape the same storage to another tensor's shape."""
    call.tensor(1)
    return _reshape(call, builder)


@mindir_operator("Flatten")
def flatten(call: MindirCall, builder: Builder) -> TypedValue:
    """Make (N, ...) into (N, the rest)."""
    return builder.add("Flatten", [call.tensor(0)], axis=1)


@mindir_operator("FlattenExt")
def flatten_axes(call: MindirCall, builder: Builder) -> TypedValue:
    """Join the axes from the first to the last one named."""
    call.constant(1), call.constant(2)
    return _reshape(call, builder)


def _reshape(call: MindirCall, builder: Builder) -> TypedValue:
    x, after = call.tensor(0), call.type.shape
    before = x.shape
    same_batch = len(before) > 1 and len(after) == 2 and before[0] == after[0]
    if before != after and same_batch and math.prod(before[1:]) == after[1]:
        return builder.add("Flatten", [x], axis=1)
    return builder.reshape(x, after)


@mindir_operator("Transpose")
def transpose(call: MindirCall, builder: Builder) -> TypedValue:
    """Reorder the axes."""
    return _transpose(call, builder)


@mindir_operator("TransposeView", is_view=True)
def transpose_view(call: MindirCall, builder: Builder) -> TypedValue:
    """Reorder the axes of the same storage."""
    return _transpose(call, builder)


@mindir_operator("TExt")
def transpose_matrix(call: MindirCall, builder: Builder) -> TypedValue:
    """Exchange the axes of a matrix; a vector stays."""
    x = call.tensor(0)
    return builder.transpose(x, range(len(x.shape))[::-1])


@mindir_operator("TransposeExtView", is_view=True)
def transpose_two_axes(call: MindirCall, builder: Builder) -> TypedValue:
    """Exchange two axes of the same storage."""
    x = call.tensor(0)
    order = list(range(len(x.shape)))
    first, second = call.constant(1), call.constant(2)
    order[first], order[second] = order[second], order[first]
    return builder.transpose(x, order)


def _transpose(call: MindirCall, builder: Builder) -> TypedValue:
    x = call.tensor(0)
    return builder.transpose(x, call.axes(1, len(x.shape)))


@mindir_operator("ExpandDims")
def expand_dims(call: MindirCall, builder: Builder) -> TypedValue:
    """Add an axis of size 1."""
    return _expand_dims(call, builder)


@mindir_operator("ExpandDimsView", is_view=True)
def expand_dims_view(call: MindirCall, builder: Builder) -> TypedValue:
    """Add an axis of size 1 to the same storage."""
    return _expand_dims(call, builder)


def _expand_dims(call: MindirCall, builder: Builder) -> TypedValue:
    x = call.tensor(0)
    return builder.unsqueeze(x, call.axes(1, len(call.type.shape)), call.type)


@mindir_operator("Squeeze")
def squeeze(call: MindirCall, builder: Builder) -> TypedValue:
    """Drop axes of size 1; what only undoes an ExpandDims vanishes with it."""
    x = call.tensor(0)
    axes = call.axes(1, len(x.shape)) or [axis for axis, size in enumerate(x.shape) if size == 1]
    unsqueezed = builder.get_unsqueezed(x)
    if unsqueezed is not None and unsqueezed[1] == axes:
        return TypedValue(unsqueezed[0].ir, call.type)
    if not axes:  # an empty list would tell ONNX Runtime to drop every axis of size 1, the batch's too
        return x
    return builder.squeeze(x, axes, call.type)


@mindir_operator("Cast")
def cast(call: MindirCall, builder: Builder) -> TypedValue:
    """Change the element type; the result's type says to which."""
    for index in range(1, call.num_inputs):
        call.constant(index)
    return builder.cast(call.tensor(0), call.type.elem_type)
