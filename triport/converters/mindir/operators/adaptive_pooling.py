"""Pooling to a given size."""

from __future__ import annotations

import numpy as np

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue, check_size

from . import mindir_operator


@mindir_operator("AdaptiveAvgPool2D", "AdaptiveAvgPool3D")
def adaptive_avg_pool(call: MindirCall, builder: Builder) -> TypedValue:
    """Average down to a given size; -1 keeps the size."""
    call.ignore("output_size", why="the result has it")
    return _adaptive_avg_pool(call, builder)


@mindir_operator("AdaptiveAvgPool1D", "AdaptiveAvgPool2DExt", "AdaptiveAvgPool3DExt")
def adaptive_avg_pool_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Average down to a given size, as `mint` does."""
    call.constant(1)  # the size, which the result has
    return _adaptive_avg_pool(call, builder)


def _adaptive_avg_pool(call: MindirCall, builder: Builder) -> TypedValue:
    x = call.tensor(0)
    spatial = _spatial_axes(call)
    before, after = ([shape[axis] for axis in spatial] for shape in (x.shape, call.type.shape))
    if before == after:
        return x
    whole = all(old % new == 0 for old, new in zip(before, after, strict=True))
    batched = len(x.shape) == len(spatial) + 2
    if set(after) == {1} and batched:
        return builder.add("GlobalAveragePool", [x])
    if whole and batched:
        kernel = [old // new for old, new in zip(before, after, strict=True)]
        return builder.add("AveragePool", [x], kernel_shape=kernel, strides=kernel)
    # windows of unequal size: a matrix for each axis holds their weights
    rank = len(x.shape)
    for axis, old, new in zip(spatial, before, after, strict=True):
        if old == new:
            continue
        matrix = _averaging_matrix(old, new)
        if axis == rank - 2:
            type_ = TensorType(x.type.elem_type, (*x.shape[:-2], new, x.shape[-1]))
            x = builder.add("MatMul", [builder.constant(matrix, x.type.elem_type), x], type_)
            continue
        order = list(range(rank))
        order[axis], order[-1] = order[-1], order[axis]
        turned = builder.transpose(x, order)
        type_ = TensorType(x.type.elem_type, (*turned.shape[:-1], new))
        weights = builder.constant(matrix.T, x.type.elem_type)
        x = builder.transpose(builder.add("MatMul", [turned, weights], type_), order)
    return x


def _spatial_axes(call: MindirCall) -> list[int]:
    """Return the axes that a pool runs over; the primitive's name says how many."""
    (count,) = (int(letter) for letter in call.primitive if letter.isdigit())
    rank = len(call.tensor(0).shape)
    return list(range(rank - count, rank))


def _averaging_matrix(before: int, after: int) -> np.ndarray:
    """Return the (after, before) matrix whose row i averages its window."""
    check_size(after, before)
    matrix = np.zeros((after, before))
    for index, (start, end) in enumerate(_adaptive_windows(before, after)):
        matrix[index, start:end] = 1 / (end - start)
    return matrix


def _adaptive_windows(before: int, after: int) -> list[tuple[int, int]]:
    """Return the window of each result: floor(i b / a) .. ceil((i + 1) b / a)."""
    return [(index * before // after, -(-(index + 1) * before // after)) for index in range(after)]


@mindir_operator("AdaptiveMaxPool1D", "AdaptiveMaxPool2D", "AdaptiveMaxPool3D")
def adaptive_max_pool(call: MindirCall, builder: Builder) -> TypedValue | tuple[TypedValue | None, ...]:
    """Take maxima, as many as are asked for; where they were found is not converted."""
    if call.num_inputs > 1:
        call.constant(1)  # the size, which the result has
    call.ignore("output_size", why="the result has it")
    x = call.tensor(0)
    type_ = call.types[0] if isinstance(call.node.type, tuple) else call.type
    spatial = _spatial_axes(call)
    before, after = ([shape[axis] for axis in spatial] for shape in (x.shape, type_.shape))
    if set(after) == {1} and len(x.shape) == len(spatial) + 2:
        x = builder.add("GlobalMaxPool", [x], type_)
    elif all(old % new == 0 for old, new in zip(before, after, strict=True)) and before != after:
        kernel = [old // new for old, new in zip(before, after, strict=True)]
        x = builder.add("MaxPool", [x], type_, kernel_shape=kernel, strides=kernel)
    else:
        for axis, old, new in zip(spatial, before, after, strict=True):
            x = _adaptive_max(builder, x, axis, old, new)
    return (x, None) if isinstance(call.node.type, tuple) else x


def _adaptive_max(builder: Builder, x: TypedValue, axis: int, before: int, after: int) -> TypedValue:
    """Gather windows of unequal size along a new axis, their last element repeated, and reduce it."""
    if before == after:
        return x
    check_size(before, after)
    windows = _adaptive_windows(before, after)
    width = max(end - start for start, end in windows)
    index = [[min(start + step, end - 1) for step in range(width)] for start, end in windows]
    type_ = TensorType(x.type.elem_type, (*x.shape[:axis], after, width, *x.shape[axis + 1 :]))
    gathered = builder.add("Gather", [x, builder.constant(index)], type_, axis=axis)
    return builder.reduce("ReduceMax", gathered, [axis + 1], keep_dims=False)
