"""Reductions over axes."""

from __future__ import annotations

from converters.mindir.emit import Builder, Call, Value
from . import mindir_operator


@mindir_operator("ReduceMean")
def reduce_mean(call: Call, builder: Builder) -> Value:
    """Average over the axes; the axes became an input of ONNX's in opset 18."""
    x, axes, keep_dims = call.tensor(0), call.constant(1), call.constant(2)
    axes = [axes] if isinstance(axes, int) else list(axes)
    if not axes:
        axes = list(range(len(x.shape)))
    if builder.opset >= 18:
        return builder.add("ReduceMean", [x, builder.constant(axes)], keepdims=int(keep_dims))
    return builder.add("ReduceMean", [x], axes=axes, keepdims=int(keep_dims))
