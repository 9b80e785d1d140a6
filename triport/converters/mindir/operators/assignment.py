"""Assignment to a part of a tensor, x[..., 2:4] = y, for any batch size.

MindSpore writes out the index of every element that it replaces, for the batch size that it traces
with. Where these indices span a box, it is enough to say which places of each axis are replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.index_box import find_box, keeps_batch
from triport.converters.mindir.values import TypedValue, check_size

from . import mindir_operator

SOME_IMAGES = "it writes into some images of the batch; write into all, or use ops.where"


@mindir_operator("TensorScatterUpdate")
def tensor_scatter_update(call: MindirCall, builder: Builder) -> TypedValue:
    """Replace slices; those at known places, for any batch size."""
    x, index, updates = call.tensor(0), call.tensor(1), call.tensor(2)
    known = builder.get_array(index)
    box = find_box(known, x.shape) if known is not None else None
    if box is not None and keeps_batch(builder, x, box[0]):
        picks, order = box
        updates = _arrange(builder, _unexpanded(builder, updates), order, len(index.shape) - 1, len(x.shape))
        return overwrite(builder, x, picks, updates)
    return builder.add("ScatterND", [x, builder.cast(index, onnx.TensorProto.INT64), updates])


@mindir_operator("TensorCopySlices", refuses=(SOME_IMAGES,))
def tensor_copy_slices(call: MindirCall, builder: Builder) -> TypedValue:
    """Replace x[begin:end:strides] of the first axes."""
    x, updates = call.tensor(0), call.tensor(1)
    begin, end, strides = (call.constant(index) for index in range(2, 5))
    picks = {
        axis: range(*slice(first, last, step).indices(x.shape[axis]))
        for axis, (first, last, step) in enumerate(zip(begin, end, strides, strict=True))
    }
    if not keeps_batch(builder, x, picks):
        raise call.unsupported(SOME_IMAGES)
    return overwrite(builder, x, picks, updates)


def overwrite(
    builder: Builder, x: TypedValue, picks: Mapping[int, Sequence[int]], updates: TypedValue
) -> TypedValue:
    """Return x with the updates at the places picked along some axes, and everywhere along the others.

    The updates are as large as what they replace, or 1 along an axis; they may lack the first axes.
    """
    partial = {axis: list(pick) for axis, pick in picks.items() if list(pick) != list(range(x.shape[axis]))}
    check_size(*(x.shape[axis] for axis in partial))
    if not all(partial.values()):
        return x
    updates = builder.cast(_shrink(builder, updates), x.type.elem_type)
    missing = len(x.shape) - len(updates.shape)
    updates = builder.unsqueeze(updates, range(missing)) if missing else updates
    if builder.is_free_of_inputs(x) and not builder.is_free_of_inputs(updates):
        x = builder.guess_spread(x)
    mask = np.ones([1] * len(x.shape), bool)
    for axis, pick in partial.items():
        size = x.shape[axis]
        marks, source = np.zeros(size, bool), np.zeros(size, np.int64)
        marks[pick], source[pick] = True, np.arange(len(pick))
        mask = mask & marks.reshape([-1 if other == axis else 1 for other in range(len(x.shape))])
        if updates.shape[axis] > 1:
            updates = builder.pick(updates, axis, source.tolist())
    return builder.add("Where", [builder.constant(mask, onnx.TensorProto.BOOL), updates, x], x.type)


def _shrink(builder: Builder, updates: TypedValue) -> TypedValue:
    """Return what was repeated to make the updates: their own size along such axes holds the traced batch."""
    updates = _unexpanded(builder, updates)
    array = builder.get_array(updates)
    if array is None:
        return updates
    for axis in range(array.ndim):
        first = array.take([0], axis) if array.shape[axis] else array
        if bool(np.all(array == first)):
            array = first
    return builder.constant(array, updates.type.elem_type)


def _unexpanded(builder: Builder, updates: TypedValue) -> TypedValue:
    return builder.get_operand(updates, "Expand") or updates


def _arrange(
    builder: Builder, updates: TypedValue, order: Sequence[int | None], spans: int, rank: int
) -> TypedValue:
    """Return the updates with their first axes, those of the indices, in the order of the axes of x.

    The indices have `spans` axes, x has `rank`; an axis of x along which none of them runs gets size 1.
    """
    missing = spans + rank - len(order) - len(updates.shape)
    updates = builder.unsqueeze(updates, range(missing)) if missing else updates
    taken = [axis for axis in order if axis is not None]
    unused = [axis for axis in range(spans) if axis not in taken]
    updates = builder.transpose(updates, [*unused, *taken, *range(spans, len(updates.shape))])
    updates = builder.squeeze(updates, range(len(unused))) if unused else updates
    new = [place for place, axis in enumerate(order) if axis is None]
    return builder.unsqueeze(updates, new) if new else updates
