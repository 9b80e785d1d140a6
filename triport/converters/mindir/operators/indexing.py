"""Taking elements by index, and ordering them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.index_box import find_box, keeps_batch
from triport.converters.mindir.values import TypedValue

from . import mindir_operator

BEHIND = "batch_dims is {batch_dims}, behind the axis {axis}"
IN_BATCHES = "with batch_dims it needs opset 12 or later"
BOUNDS_BY_ROW = "it has bounds for each row; give one row of bounds"
UNORDERED = (
    "its bounds do not ascend, for all that the graph says; sort them, with ops.sort if they are computed"
)
NAN_SORTED = "NaN: lies elsewhere in the order than in the file"
FLATTENED = "it rolls the flattened tensor; give the axes"


@mindir_operator("Gather", refuses=(BEHIND, IN_BATCHES))
def gather(call: MindirCall, builder: Builder) -> TypedValue:
    """Take slices along an axis; with `batch_dims`, each place of the first axes has indices of its own."""
    x, index, batch_dims = call.tensor(0), call.tensor(1), call.constant(3)
    axis = call.constant(2)
    if batch_dims == 0:
        return builder.add("Gather", [x, index], axis=axis)
    axis %= len(x.shape)
    batch_dims %= len(index.shape) or 1
    if not batch_dims <= axis:
        raise call.unsupported(BEHIND, batch_dims=batch_dims, axis=axis)
    if builder.opset < 12:
        raise call.unsupported(IN_BATCHES)
    return _gather_in_batches(builder, x, index, axis, batch_dims)


def _gather_in_batches(
    builder: Builder, x: TypedValue, index: TypedValue, axis: int, batch_dims: int
) -> TypedValue:
    """Take slices along an axis, the first axes of x and of the index running together."""
    between = range(batch_dims, axis)
    x = builder.transpose(x, [*range(batch_dims), axis, *between, *range(axis + 1, len(x.shape))])
    # ONNX Runtime has no kernel for indices of other types
    index = builder.unsqueeze(builder.cast(index, onnx.TensorProto.INT64), [len(index.shape)])
    shape = (*index.shape[:-1], *x.shape[batch_dims + 1 :])
    y = builder.add("GatherND", [x, index], TensorType(x.type.elem_type, shape), batch_dims=batch_dims)
    taken, moved = range(batch_dims, len(index.shape) - 1), len(between)
    first = len(index.shape) - 1
    order = [*range(batch_dims), *range(first, first + moved), *taken, *range(first + moved, len(shape))]
    return builder.transpose(y, order)


@mindir_operator("IndexSelect")
def index_select(call: MindirCall, builder: Builder) -> TypedValue:
    """Take slices along an axis, as `mint` does."""
    x, axis, index = call.tensor(0), call.constant(1), call.tensor(2)
    return builder.add("Gather", [x, index], axis=axis)


@mindir_operator("ReverseSequence")
def reverse_sequence(call: MindirCall, builder: Builder) -> TypedValue:
    """Turn the first elements of each sequence around, as many as its length says."""
    x, lengths = call.tensor(0), builder.cast(call.tensor(1), onnx.TensorProto.INT64)
    time, batch = (call.attribute(name) % len(x.shape) for name in ("seq_dim", "batch_dim"))
    # ONNX has the two as the first axes
    first = [time, batch] if {time, batch} != {0, 1} else [0, 1]
    order = [*first, *(axis for axis in range(len(x.shape)) if axis not in first)]
    x = builder.transpose(x, order)
    y = builder.unary_of(
        "ReverseSequence", [x, lengths], time_axis=order.index(time), batch_axis=order.index(batch)
    )
    return builder.transpose(y, [order.index(axis) for axis in range(len(order))])


@mindir_operator("Embedding", takes={"max_norm": (None,)})
def embedding(call: MindirCall, builder: Builder) -> TypedValue:
    """Look rows up in a table."""
    call.require("max_norm", call.constant(3))
    for index in (2, 4, 5):
        call.constant(index)  # of training: which row has no gradient, and how gradients are scaled
    return builder.add("Gather", [call.tensor(1), call.tensor(0)], axis=0)


@mindir_operator("Take")
def take(call: MindirCall, builder: Builder) -> TypedValue:
    """Take elements of the flattened tensor."""
    return builder.add("Gather", [_flat(builder, call.tensor(0)), call.tensor(1)], axis=0)


def _flat(builder: Builder, x: TypedValue) -> TypedValue:
    type_ = TensorType(x.type.elem_type, (math.prod(x.shape),))
    return builder.add("Reshape", [x, builder.constant([-1])], type_)


@mindir_operator("GatherD")
def gather_elements(call: MindirCall, builder: Builder) -> TypedValue:
    """Take elements along an axis, by an index for each."""
    x, axis, index = call.tensor(0), call.constant(1), call.tensor(2)
    return builder.add("GatherElements", [x, index], axis=axis)


@mindir_operator("GatherNd")
def gather_nd(call: MindirCall, builder: Builder) -> TypedValue:
    """Take slices by tuples of indices."""
    x, index = call.tensor(0), call.tensor(1)
    known = builder.get_array(index)
    box = find_box(known, x.shape) if known is not None else None
    if box is not None and keeps_batch(builder, x, box[0]):
        return _take_box(builder, x, *box, spans=len(index.shape) - 1)
    return builder.add("GatherND", [x, builder.cast(index, onnx.TensorProto.INT64)])


def _take_box(
    builder: Builder,
    x: TypedValue,
    picks: Mapping[int, Sequence[int]],
    order: Sequence[int | None],
    spans: int,
) -> TypedValue:
    """Take places along each axis; `order` says which axis of the result each then becomes, if any."""
    for axis, pick in picks.items():
        if list(pick) != list(range(x.shape[axis])):
            x = builder.pick(x, axis, pick)
    dropped = [axis for axis, place in enumerate(order) if place is None]
    x = builder.squeeze(x, dropped) if dropped else x
    kept = [place for place in order if place is not None]
    ranked = sorted(range(len(kept)), key=lambda index: kept[index])
    x = builder.transpose(x, [*ranked, *range(len(kept), len(x.shape))])
    missing = [place for place in range(spans) if place not in kept]
    return builder.unsqueeze(x, missing) if missing else x


@mindir_operator(
    "SearchSorted",
    takes={"sorter": (None,)},
    refuses=(BOUNDS_BY_ROW, UNORDERED),
    differs="NaN: after the last bound, and before the first in the file",
)
def search_sorted(call: MindirCall, builder: Builder) -> TypedValue:
    """Return how many of the ascending bounds are below each element, or below and equal."""
    bounds, x, is_right = call.tensor(0), call.tensor(1), bool(call.constant(4))
    call.require("sorter", call.constant(2))
    call.constant(3)  # the result's type, which is known
    if len(bounds.shape) != 1:
        raise call.unsupported(BOUNDS_BY_ROW)
    if not _ascends(builder, bounds):  # a search by halves then finds what a count does not
        raise call.unsupported(UNORDERED)
    compared = builder.compare(
        "LessOrEqual" if is_right else "Less", bounds, builder.unsqueeze(x, [len(x.shape)])
    )
    counted = builder.cast(compared, call.type.elem_type)
    return builder.reduce("ReduceSum", counted, [len(x.shape)], keep_dims=False)


def _ascends(builder: Builder, bounds: TypedValue) -> bool:
    """Return whether bounds are known to be in order; a parameter is compared as it is."""
    array = builder.get_array(bounds)
    if array is not None:
        return bool(np.all(array[1:] >= array[:-1]))
    made = bounds.ir.producer()
    is_sorted = made is not None and made.op_type == "TopK" and not made.attributes.get_int("largest", 1)
    return is_sorted or builder.is_free_of_inputs(bounds)


@mindir_operator("SelectExtView", is_view=True)
def select_ext_view(call: MindirCall, builder: Builder) -> TypedValue:
    """Take one slice along an axis."""
    x, axis, index = call.tensor(0), call.constant(1), call.constant(2)
    return builder.add("Gather", [x, builder.constant(index)], axis=axis)


@mindir_operator("OneHot")
def one_hot(call: MindirCall, builder: Builder) -> TypedValue:
    """Mark each index along a new axis."""
    return _one_hot(call, builder, call.constant(1))


@mindir_operator("OneHotExt")
def one_hot_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Mark each index along a new axis with 1, as `mint` does."""
    depth = call.constant(1)
    return _one_hot(call, builder, call.type.shape[-1] if depth == -1 else depth)


def _one_hot(call: MindirCall, builder: Builder, depth: int) -> TypedValue:
    """Mark what is in the range; ONNX counts a negative index from the end, MindSpore marks nothing."""
    # ONNX Runtime has no kernel for indices of other types
    index, on = builder.cast(call.tensor(0), onnx.TensorProto.INT64), call.tensor(2)
    is_whole = call.type.elem_type == onnx.TensorProto.INT32
    on = builder.cast(on, onnx.TensorProto.INT64) if is_whole else on
    off = builder.cast(call.tensor(3), on.type.elem_type)
    is_negative = builder.compare("Less", index, builder.scalar(0, index))
    index = builder.add("Where", [is_negative, builder.scalar(depth, index), index], index.type)
    values = [builder.unsqueeze(value, [0]) if not value.shape else value for value in (off, on)]
    choice = builder.add("Concat", values, TensorType(on.type.elem_type, (2,)), axis=0)
    type_ = TensorType(on.type.elem_type, call.type.shape)
    marked = builder.add("OneHot", [index, builder.constant([depth]), choice], type_, axis=call.constant(4))
    return builder.cast(marked, call.type.elem_type)


@mindir_operator("TopK", differs=f"{NAN_SORTED}; equals: others may come first")
def top_k(call: MindirCall, builder: Builder) -> tuple[TypedValue, ...]:
    """Return the k largest elements of the last axis, and where they are."""
    is_sorted = int(call.attribute("sorted"))
    return _top_k(call, builder, call.constant(1), -1, largest=1, is_sorted=is_sorted)


@mindir_operator("TopkExt")
def top_k_ext(call: MindirCall, builder: Builder) -> tuple[TypedValue, ...]:
    """Return the k largest or smallest elements of an axis, and where they are."""
    k, axis, largest, is_sorted = (call.constant(index) for index in range(1, 5))
    return _top_k(call, builder, k, axis, int(largest), int(is_sorted))


@mindir_operator("Sort", differs=NAN_SORTED)
def sort(call: MindirCall, builder: Builder) -> tuple[TypedValue, ...]:
    """Sort along an axis."""
    axis, descending = call.attribute("axis"), int(call.attribute("descending"))
    return _top_k(call, builder, call.tensor(0).shape[axis], axis, largest=descending)


@mindir_operator("ArgSort", differs=NAN_SORTED)
def arg_sort(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the order that sorts along an axis."""
    x, axis, descending = call.tensor(0), call.constant(1), int(call.constant(2))
    call.constant(3)  # stable: ONNX does not promise it; ONNX Runtime keeps the order of equals
    types = [TensorType(elem_type, x.shape) for elem_type in (x.type.elem_type, onnx.TensorProto.INT64)]
    size = builder.constant([x.shape[axis]])
    index = builder.add_many("TopK", [x, size], types, axis=axis, largest=descending)[1]
    return builder.cast(index, call.type.elem_type)


@mindir_operator("Kthvalue", "MedianDim")
def kth_value(call: MindirCall, builder: Builder) -> tuple[TypedValue, ...]:
    """Return the k-th smallest element along an axis, or the middle one, and where it is."""
    x, first = call.tensor(0), 1
    k = 0
    if call.primitive == "Kthvalue":
        k, first = call.constant(1), 2
    axis, keep_dims = call.constant(first) % len(x.shape), bool(call.constant(first + 1))
    k = k or (x.shape[axis] + 1) // 2
    shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
    types = [TensorType(elem_type, shape) for elem_type in (x.type.elem_type, onnx.TensorProto.INT64)]
    found = builder.add_many("TopK", [x, builder.constant([k])], types, axis=axis, largest=0)
    place = builder.constant([k - 1] if keep_dims else k - 1)
    return tuple(
        builder.cast(
            builder.add("Gather", [value, place], TensorType(value.type.elem_type, type_.shape), axis=axis),
            type_.elem_type,
        )
        for value, type_ in zip(found, call.types, strict=True)
    )


@mindir_operator("SortExt")
def sort_ext(call: MindirCall, builder: Builder) -> tuple[TypedValue, ...]:
    """Sort along an axis, as `mint` does."""
    axis, descending = call.constant(1), int(call.constant(2))
    call.constant(3)  # stable: ONNX does not promise it; ONNX Runtime keeps the order of equals
    return _top_k(call, builder, call.tensor(0).shape[axis], axis, largest=descending)


def _top_k(
    call: MindirCall, builder: Builder, k: int, axis: int, largest: int, is_sorted: int = 1
) -> tuple[TypedValue, ...]:
    values_type, index_type = call.types
    types = [values_type, TensorType(onnx.TensorProto.INT64, index_type.shape)]
    values, index = builder.add_many(
        "TopK", [call.tensor(0), builder.constant([k])], types, axis=axis, largest=largest, sorted=is_sorted
    )
    return values, builder.cast(index, index_type.elem_type)


@mindir_operator("ReverseV2")
def reverse(call: MindirCall, builder: Builder) -> TypedValue:
    """Turn axes around."""
    x = call.tensor(0)
    for axis in call.axes(1, len(x.shape)):
        x = builder.pick(x, axis, range(x.shape[axis])[::-1])
    return x


@mindir_operator("Roll", refuses=(FLATTENED,))
def roll(call: MindirCall, builder: Builder) -> TypedValue:
    """Move elements along axes; what leaves at the end enters at the beginning."""
    x = call.tensor(0)
    if "shift" in call.node.attributes:
        shifts, given = call.attribute("shift"), call.attribute("axis")
    else:
        shifts, given = call.constant(1), call.constant(2)
    shifts = [shifts] if isinstance(shifts, int) else shifts
    axes = [given] if isinstance(given, int) else list(given or ())
    if not axes:
        raise call.unsupported(FLATTENED)
    for shift, axis in zip(shifts, (axis % len(x.shape) for axis in axes), strict=True):
        x = _roll(builder, x, shift, axis)
    return x


def _roll(builder: Builder, x: TypedValue, shift: int, axis: int) -> TypedValue:
    size, far = x.shape[axis], 2**63 - 1
    batch = builder.get_batch_size() if builder.get_batch_axis(x) == axis else None
    if batch is None:
        # counted from the end, the place of the cut holds for any size above the shift
        shift = int(math.copysign(abs(shift) % size, shift))
        cut, place = -shift, builder.constant([-shift])
    else:
        # of a batch smaller than the shift only the remainder counts
        one = TensorType(onnx.TensorProto.INT64, (1,))
        place = builder.add("Mod", [builder.constant([-shift]), batch[0]], one)
        cut = -shift % size
    if not shift:
        return x

    def piece(start: TypedValue, end: TypedValue, length: int) -> TypedValue:
        type_ = TensorType(x.type.elem_type, (*x.shape[:axis], length, *x.shape[axis + 1 :]))
        return builder.add("Slice", [x, start, end, builder.constant([axis])], type_)

    behind = len(range(size)[cut:])
    pieces = [
        piece(place, builder.constant([far]), behind),
        piece(builder.constant([0]), place, size - behind),
    ]
    return builder.add("Concat", pieces, x.type, axis=axis)
