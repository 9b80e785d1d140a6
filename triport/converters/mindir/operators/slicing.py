"""Cutting tensors up and joining them."""

from __future__ import annotations

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue

from . import mindir_operator

OTHER_PARTS = "it asks for {asked} parts and has {found}"
BACKWARDS = "its step is {step}, expected above 0"


@mindir_operator("Concat")
def concat(call: MindirCall, builder: Builder) -> TypedValue:
    """Join tensors along an axis."""
    axis = call.constant(1)
    return builder.add("Concat", _match_batches(builder, call.tensors(0), axis), axis=axis)


def _match_batches(builder: Builder, values: list[TypedValue], axis: int) -> list[TypedValue]:
    """Give constants that are joined behind the batch axis the free batch size of the others."""
    if axis == 0 or all(builder.is_free_of_inputs(value) for value in values):
        return values
    return [builder.guess_spread(value) if builder.is_free_of_inputs(value) else value for value in values]


@mindir_operator("Stack")
def stack(call: MindirCall, builder: Builder) -> TypedValue:
    """Join tensors along a new axis."""
    call.ignore("num", "N", why="the number of tensors")
    axis = call.attribute("axis") % len(call.type.shape)
    values = _match_batches(builder, call.tensors(0), axis)
    return builder.add("Concat", [builder.unsqueeze(x, [axis]) for x in values], axis=axis)


@mindir_operator("StackExt")
def stack_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same, as `mint` does."""
    axis = call.constant(1) % len(call.type.shape)
    values = _match_batches(builder, call.tensors(0), axis)
    return builder.add("Concat", [builder.unsqueeze(x, [axis]) for x in values], axis=axis)


@mindir_operator("Unstack")
def unstack(call: MindirCall, builder: Builder) -> tuple[TypedValue, ...]:
    """Cut along an axis, and drop it: one Gather for each part, of which unread ones vanish."""
    call.ignore("num", why="the number of results")
    return _unstack(call, builder, call.attribute("axis"))


@mindir_operator("UnstackExtView", is_view=True)
def unstack_view(call: MindirCall, builder: Builder) -> tuple[TypedValue, ...]:
    """Do the same with the same storage."""
    return _unstack(call, builder, call.constant(1))


def _unstack(call: MindirCall, builder: Builder, axis: int) -> tuple[TypedValue, ...]:
    x = call.tensor(0)
    return tuple(
        builder.add("Gather", [x, builder.constant(index)], type_, axis=axis)
        for index, type_ in enumerate(call.types)
    )


@mindir_operator("Meshgrid", takes={"indexing": (0, 1, "ij", "xy")})
def mesh_grid(call: MindirCall, builder: Builder) -> tuple[TypedValue, ...]:
    """Spread vectors over a grid that has an axis for each."""
    indexing = call.constant(1)
    call.require("indexing", indexing)
    vectors = call.tensors(0)
    order = list(range(len(vectors)))
    if indexing in (1, "xy") and len(order) > 1:
        order[:2] = [1, 0]
    results = []
    for vector, axis, type_ in zip(vectors, order, call.types, strict=True):
        others = [other for other in range(len(order)) if other != axis]
        spread = builder.unsqueeze(vector, others)
        shape = [1 if index == axis else size for index, size in enumerate(type_.shape)]
        results.append(builder.add("Expand", [spread, builder.constant(shape)], type_))
    return tuple(results)


@mindir_operator("Slice")
def slice_by_size(call: MindirCall, builder: Builder) -> TypedValue:
    """Cut x[begin : begin + size]; a size of -1 means to the end."""
    x, begin, sizes = call.tensor(0), call.constant(1), call.constant(2)
    axes = [axis for axis, size in enumerate(call.type.shape) if size != x.shape[axis]]
    if not axes:
        return x
    ends = [x.shape[axis] if sizes[axis] == -1 else begin[axis] + sizes[axis] for axis in axes]
    starts = [begin[axis] for axis in axes]
    return builder.add("Slice", [x, *map(builder.constant, (starts, ends, axes))])


@mindir_operator("Split", refuses=(OTHER_PARTS,))
def split(call: MindirCall, builder: Builder) -> tuple[TypedValue, ...]:
    """Cut into equal parts."""
    if call.constant(2) != len(call.types):
        raise call.unsupported(OTHER_PARTS, asked=call.constant(2), found=len(call.types))
    return _split(call, builder, call.constant(1))


@mindir_operator("ChunkView", "SplitTensorView", is_view=True)
def chunk_view(call: MindirCall, builder: Builder) -> tuple[TypedValue, ...]:
    """Cut into a number of views, or views of one size, the last of which may be smaller."""
    call.constant(1)
    return _split(call, builder, call.constant(2))


@mindir_operator("SplitWithSizeView", is_view=True)
def split_with_size_view(call: MindirCall, builder: Builder) -> tuple[TypedValue, ...]:
    """Cut into views of the given sizes."""
    call.constant(1)
    return _split(call, builder, call.constant(2))


def _split(call: MindirCall, builder: Builder, axis: int) -> tuple[TypedValue, ...]:
    """Cut into what was traced; ONNX wants the number of equal parts from opset 18 on.

    Before, equal parts are named as well: ONNX Runtime 1.31's optimiser takes two Splits of one
    tensor for the same if only the number of their outputs differs.
    """
    x, types = call.tensor(0), call.types
    if len(types) == 1:
        return (x,)
    sizes = [type_.shape[axis] for type_ in types]
    is_equal = len(set(sizes)) == 1
    if is_equal and builder.opset >= 18:
        return tuple(builder.add_many("Split", [x], types, axis=axis, num_outputs=len(types)))
    if is_equal and axis % len(x.shape) == 0:  # of the free batch axis no sizes are known
        return tuple(builder.add_many("Split", [x], types, axis=axis))
    if builder.opset < 13:
        return tuple(builder.add_many("Split", [x], types, axis=axis, split=sizes))
    return tuple(builder.add_many("Split", [x, builder.constant(sizes)], types, axis=axis))


@mindir_operator("Narrow")
def narrow(call: MindirCall, builder: Builder) -> TypedValue:
    """Cut a number of elements out of one axis."""
    return _narrow(call, builder)


@mindir_operator("NarrowView", is_view=True)
def narrow_view(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same with the same storage."""
    return _narrow(call, builder)


def _narrow(call: MindirCall, builder: Builder) -> TypedValue:
    x, axis, start, length = call.tensor(0), call.constant(1), call.constant(2), call.constant(3)
    start %= x.shape[axis] or 1
    return builder.add("Slice", [x, *(builder.constant([n]) for n in (start, start + length, axis))])


@mindir_operator("SliceExt", refuses=(BACKWARDS,))
def slice_axis(call: MindirCall, builder: Builder) -> TypedValue:
    """Cut x[start:end:step] along an axis."""
    return _slice_axis(call, builder)


@mindir_operator("SliceExtView", is_view=True, refuses=(BACKWARDS,))
def slice_axis_view(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same with the same storage."""
    return _slice_axis(call, builder)


def _slice_axis(call: MindirCall, builder: Builder) -> TypedValue:
    x, axis, start, end, step = call.tensor(0), *(call.constant(index) for index in range(1, 5))
    if step <= 0:
        raise call.unsupported(BACKWARDS, step=step)
    return builder.add("Slice", [x, *(builder.constant([n]) for n in (start, end, axis, step))])


@mindir_operator("StridedSlice")
def strided_slice(call: MindirCall, builder: Builder) -> TypedValue:
    """Cut x[begin:end:strides]; a set bit of a mask says that the bound does not matter.

    Further masks name the entry that stands for all axes in between, those that make a new axis
    and those that take one element and drop the axis.
    """
    x, begin, end, strides = call.tensor(0), call.constant(1), call.constant(2), call.constant(3)
    begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_mask = (call.constant(i) for i in range(4, 9))
    new_axes = [entry for entry in range(len(begin)) if new_axis_mask >> entry & 1]
    places = _place_entries(len(begin), new_axes, ellipsis_mask, len(x.shape))
    starts, ends, axes, steps, dropped = [], [], [], [], []
    far = 2**63 - 1
    for entry, place in places:
        if place is None:
            continue
        first, last, step = begin[entry], end[entry], strides[entry]
        if shrink_mask >> entry & 1:
            first, last, step = first, (first + 1 if first != -1 else far), 1
            dropped.append(place)
        else:
            if begin_mask >> entry & 1:
                first = 0 if step > 0 else far
            if end_mask >> entry & 1 or (step > 0 and last >= x.shape[place]):
                last = far if step > 0 else -far
        if step < 0:
            taken = range(x.shape[place])[slice(first, None if last == -far else last, step)]
            x = builder.pick(x, place, taken)
        elif (first, last, step) != (0, far, 1):
            starts.append(first)
            ends.append(last)
            axes.append(place)
            steps.append(step)
    shape = [0] * len(x.shape)
    for place, size in enumerate(x.shape):
        shape[place] = size
    for first, last, place, step in zip(starts, ends, axes, steps, strict=True):
        shape[place] = len(range(*slice(first, max(last, -far), step).indices(x.shape[place])))
    if len(axes) == len(dropped) == 1:
        # one element of one axis
        kept = tuple(size for place, size in enumerate(x.shape) if place not in dropped)
        x = builder.add(
            "Gather",
            [x, builder.constant(starts[0])],  # a negative one stays: the last of any batch size
            TensorType(x.type.elem_type, kept),
            axis=axes[0],
        )
    else:
        if axes:
            inputs = [x, *map(builder.constant, (starts, ends, axes))]
            if set(steps) != {1}:
                inputs.append(builder.constant(steps))
            x = builder.add("Slice", inputs, TensorType(x.type.elem_type, tuple(shape)))
        x = builder.squeeze(x, dropped) if dropped else x
    if not new_axes:
        return x
    return builder.unsqueeze(x, _count_new_axes(places, new_axes, dropped, ellipsis_mask, len(x.shape)))


def _place_entries(
    count: int, new_axes: list[int], ellipsis_mask: int, rank: int
) -> list[tuple[int, int | None]]:
    """Return (entry's number, axis) for each entry of an index but an ellipsis, an axis of None being new."""
    places: list[tuple[int, int | None]] = []
    axis = 0
    for entry in range(count):
        if ellipsis_mask >> entry & 1:
            later = sum(other not in new_axes for other in range(entry + 1, count))
            axis = rank - later
        elif entry in new_axes:
            places.append((entry, None))
        else:
            places.append((entry, axis))
            axis += 1
    return places


def _count_new_axes(
    places: list[tuple[int, int | None]],
    new_axes: list[int],
    dropped: list[int],
    ellipsis_mask: int,
    rank: int,
) -> list[int]:
    """Return where in the result the new axes lie."""
    found = []
    for entry in new_axes:
        before_ellipsis = not ellipsis_mask or ellipsis_mask >> entry > 0
        if before_ellipsis:
            found.append(sum(other < entry and place not in dropped for other, place in places))
        else:
            after = sum(other > entry and place not in dropped for other, place in places)
            found.append(rank + len(new_axes) - 1 - after)
    return found
