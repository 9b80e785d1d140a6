"""Padding."""

from __future__ import annotations

from converters.mindir.emit import Builder, Call, Value
from . import mindir_operator


@mindir_operator("Pad")
def pad(call: Call, builder: Builder) -> Value:
    """Pad with zeros; `paddings` holds (before, after) of each axis."""
    paddings = call.attribute("paddings")
    pads = [before for before, _ in paddings] + [after for _, after in paddings]
    x = call.tensor(0)
    return builder.add("Pad", [x, builder.constant(pads)]) if any(pads) else x
