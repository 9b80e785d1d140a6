"""Padding."""

from __future__ import annotations

from collections.abc import Sequence

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue

from . import mindir_operator

MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge", "circular": "wrap"}


@mindir_operator("Pad")
def pad(call: MindirCall, builder: Builder) -> TypedValue:
    """Pad with zeros; `paddings` holds (before, after) of each axis."""
    return _pad(builder, call.tensor(0), call.attribute("paddings"))


@mindir_operator("MirrorPad", takes={"mode": ("REFLECT",)})
def mirror_pad(call: MindirCall, builder: Builder) -> TypedValue:
    """Pad with a mirror image that leaves the border out."""
    call.require("mode", call.attribute("mode"))
    return _pad(builder, call.tensor(0), call.constant(1), mode="reflect")


@mindir_operator("PadV3", takes={"mode": tuple(MODES), "paddings_contiguous": (True,)})
def pad_last_axes_first(call: MindirCall, builder: Builder) -> TypedValue:
    """Pad by (before, after) pairs that begin with the last axis."""
    mode = call.attribute("mode")
    call.require("mode", mode)
    call.require("paddings_contiguous", call.attribute("paddings_contiguous", True))
    x = call.tensor(0)
    number = call.tensor(2, like=x) if call.entry(2) is not None else None
    paddings = _pair_up(call.constant(1), len(x.shape))
    if mode == "circular":
        return _wrap(builder, x, paddings)
    return _pad(builder, x, paddings, number if mode == "constant" else None, MODES[mode])


@mindir_operator("ConstantPadND")
def constant_pad(call: MindirCall, builder: Builder) -> TypedValue:
    """Pad with a number, by pairs that begin with the last axis."""
    x = call.tensor(0)
    return _pad(builder, x, _pair_up(call.constant(1), len(x.shape)), call.tensor(2, like=x))


@mindir_operator("ReflectionPad1D", "ReflectionPad2D", "ReflectionPad3D")
def reflection_pad(call: MindirCall, builder: Builder) -> TypedValue:
    """Pad with a mirror image, by pairs that begin with the last axis, as `mint` does."""
    x = call.tensor(0)
    return _pad(builder, x, _pair_up(call.constant(1), len(x.shape)), mode="reflect")


@mindir_operator("ReplicationPad1D", "ReplicationPad2D", "ReplicationPad3D")
def replication_pad(call: MindirCall, builder: Builder) -> TypedValue:
    """Pad with the border, by pairs that begin with the last axis, as `mint` does."""
    x = call.tensor(0)
    return _pad(builder, x, _pair_up(call.constant(1), len(x.shape)), mode="edge")


def _wrap(builder: Builder, x: TypedValue, paddings: Sequence[Sequence[int]]) -> TypedValue:
    """Put what is at the end of each axis before its beginning, and the beginning behind its end.

    ONNX's Pad does so from opset 19 on.
    """
    for axis, (before, after) in enumerate(paddings):
        size = x.shape[axis]
        bounds = [(size - before, size)] * (before > 0)
        bounds += [(max(0, -before), size - max(0, -after))]
        bounds += [(0, after)] * (after > 0)
        if bounds == [(0, size)]:
            continue
        parts = [
            builder.add(
                "Slice", [x, *map(builder.constant, ([start], [end], [axis]))], _sized(x, axis, end - start)
            )
            for start, end in bounds
        ]
        total = sum(end - start for start, end in bounds)
        x = builder.add("Concat", parts, _sized(x, axis, total), axis=axis) if len(parts) > 1 else parts[0]
    return x


def _sized(x: TypedValue, axis: int, size: int) -> TensorType:
    return TensorType(x.type.elem_type, (*x.shape[:axis], size, *x.shape[axis + 1 :]))


def _pair_up(flat: Sequence[int], rank: int) -> list[Sequence[int]]:
    pairs = [flat[index : index + 2] for index in range(0, len(flat), 2)]
    return [(0, 0)] * (rank - len(pairs)) + pairs[::-1]


def _pad(
    builder: Builder,
    x: TypedValue,
    paddings: Sequence[Sequence[int]],
    number: TypedValue | None = None,
    mode: str = "constant",
) -> TypedValue:
    pads = [before for before, _ in paddings] + [after for _, after in paddings]
    if not any(pads):
        return x
    inputs = [x, builder.constant(pads)] + ([number] if number else [])
    return builder.add("Pad", inputs, mode=mode)
