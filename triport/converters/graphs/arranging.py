"""What moves values and computes none: shapes, copies, pieces of the channels and their joining."""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np

from triport.converters.graphs.constants import MAX_CONSTANT, Constant, constant_from
from triport.converters.graphs.flow import IMAGES, FlowStep, Value
from triport.converters.graphs.values import Known, KnownInputs, Parameter, Pieces, Rule, Unread


def _same_values(node: KnownInputs) -> Known | None:
    """A node that changes nothing of what it is given."""
    value = node.given(0)
    if node.op == "Dropout" and isinstance(value, FlowStep):
        training = node.constant(2)
        return None if training is not None and training.any() else value
    if node.op == "Cast":  # float32 of float32; of what a Cast has rounded before it is not
        if node.told.get("to") != 1:
            return None
        if isinstance(value, Parameter):
            return value._replace(precision="")
        return value if isinstance(value, FlowStep) and not value.op.startswith("cast") else None
    if node.op == "CastLike" and isinstance(value, FlowStep | Constant):
        return value if isinstance(node.given(1), FlowStep | Parameter) else None
    return value if isinstance(value, FlowStep | Parameter) else None


def _other_shape(node: KnownInputs) -> Known | None:
    """Flatten, Reshape, Squeeze, Unsqueeze: nothing, of what has one value for each channel."""
    value = node.given(0)
    if isinstance(value, Parameter):
        return value if node.op != "Flatten" and not value.turned else None
    if not isinstance(value, FlowStep):
        return None
    shape = value.shape
    pooled = len(shape) == 2 or (len(shape) == 4 and shape[2:] == (1, 1))
    if not pooled:
        return None
    to = node.numbers(1)
    if node.op == "Reshape" and to is not None:
        wide = len(to) == 4 and to[2] in (1, -1) and to[3] in (1, -1)
        if not (len(to) == 2 or wide) or to[1] not in (shape[1], -1, 0):
            return None
        keep = wide
    elif node.op == "Flatten":
        if node.told.get("axis", 1) not in (1, -3 if len(shape) == 4 else -1):
            return None
        keep = False
    else:
        keep = node.op == "Unsqueeze"
    changed = (*shape[:2], 1, 1) if keep else shape[:2]
    if changed == shape:
        return value
    # a step of its own in memory, the same one in the normal form
    return FlowStep(
        value.op, value.attributes, value.inputs, value.layer, value.origin, changed, value.precision
    )


def _transpose(node: KnownInputs) -> Known | None:
    value, perm = node.given(0), tuple(node.told.get("perm", ()))
    if isinstance(value, Parameter):
        if len(value.shape) == 2 and perm in ((), (1, 0)):
            return value._replace(turned=not value.turned)
        return None
    if not isinstance(value, FlowStep):
        return None
    if value.op == IMAGES and perm == (0, 3, 1, 2):  # images laid out as TensorFlow has them
        n, h, w, c = value.shape
        return FlowStep(IMAGES, shape=(n, c, h, w))
    if perm and list(perm) == sorted(perm):
        return value
    return None


def _shape(node: KnownInputs) -> Known | None:
    value = node.given(0)
    if isinstance(value, Parameter):
        sizes: tuple[int | None, ...] = value.shape[::-1] if value.turned else value.shape
    elif isinstance(value, FlowStep) and value.shape:
        sizes = value.shape
    elif isinstance(value, Constant):
        sizes = value.values.shape
    else:
        return None
    known = [math.nan if size is None else float(size) for size in sizes]
    return Constant(np.array(known[node.told.get("start", 0) : node.told.get("end")]), True)


def _constant(node: KnownInputs) -> Known | None:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in node.told:
            value = node.told[name]
            return value if isinstance(value, Constant | Unread) else constant_from(value)
    return Unread(node.origin)


def _take(x: FlowStep, start: int, count: int, node: KnownInputs) -> FlowStep:
    if start == 0 and count == x.shape[1]:
        return x
    told: dict[str, Value] = {"start": float(start), "count": float(count)}
    return FlowStep("take", told, (x,), origin=node.origin, shape=(x.shape[0], count, *x.shape[2:]))


def _split(node: KnownInputs) -> Known | list[Known] | None:
    x = node.step()
    if x is None or len(x.shape) < 2 or x.shape[1] is None:
        return None
    axis = node.told.get("axis", 0)
    if axis not in (1, 1 - len(x.shape)):
        return None
    sizes = node.numbers(1, "split")
    channels = x.shape[1]
    scalar = node.op == "SplitToSequence" and (size := node.constant(1)) is not None and not size.ndim
    if sizes is None and (len(node.inputs) > 1 or node.op == "SplitToSequence"):
        return None
    if scalar or sizes is None:
        each = max(sizes[0] if sizes else -(-channels // max(node.outputs, 1)), 1)
        if channels > each * MAX_CONSTANT:
            return None
        sizes = [min(each, channels - start) for start in range(0, channels, each)]
    if len(sizes) > MAX_CONSTANT or min(sizes, default=0) < 0 or sum(sizes) != channels:
        return None
    starts = accumulate(sizes, initial=0)
    pieces = [_take(x, start, size, node) for start, size in zip(starts, sizes, strict=False)]
    return Pieces(tuple(pieces)) if node.op == "SplitToSequence" else [*pieces]


def _piece(node: KnownInputs) -> Known | None:
    pieces, index = node.given(0), node.numbers(1)
    if not isinstance(pieces, Pieces) or index is None or len(index) != 1:
        return None
    at = index[0]
    return pieces.steps[at] if -len(pieces.steps) <= at < len(pieces.steps) else None


def _slice(node: KnownInputs) -> Known | None:
    x = node.step()
    if x is None or len(x.shape) < 2 or x.shape[1] is None:
        return None
    starts, ends, axes = (
        node.numbers(index, name) for index, name in enumerate(("starts", "ends", "axes"), 1)
    )
    steps = node.constant(4)
    if starts is None or ends is None or len(starts) != 1 or len(ends) != 1 or axes != [1]:
        return None
    if steps is not None and (steps != 1).any():
        return None
    channels = x.shape[1]
    start, end = (one if one >= 0 else one + channels for one in (*starts, *ends))
    start, end = max(min(start, channels), 0), max(min(end, channels), 0)
    return _take(x, start, max(end - start, 0), node)


def _concat(node: KnownInputs) -> Known | None:
    steps = [one for one in node.inputs if isinstance(one, FlowStep)]
    if len(steps) != len(node.inputs) or not steps or len(steps[0].shape) < 2:
        return None
    if node.told.get("axis") not in (1, 1 - len(steps[0].shape)):
        return None
    channels = [step.shape[1] if len(step.shape) > 1 else None for step in steps]
    total = None if None in channels else sum(size for size in channels if size)
    shape = (None, total, *steps[0].shape[2:])
    return FlowStep("concat", {}, tuple(steps), origin=node.origin, shape=shape)


RULES: dict[str, Rule] = {
    "Identity": _same_values,
    "Dropout": _same_values,
    "Cast": _same_values,
    "CastLike": _same_values,
    "Flatten": _other_shape,
    "Reshape": _other_shape,
    "Squeeze": _other_shape,
    "Unsqueeze": _other_shape,
    "Transpose": _transpose,
    "Shape": _shape,
    "Constant": _constant,
    "Split": _split,
    "SplitToSequence": _split,
    "SequenceAt": _piece,
    "Slice": _slice,
    "Concat": _concat,
}
