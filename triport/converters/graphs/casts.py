"""A graph without its casts between floating-point types: what it computes but for rounding."""

from __future__ import annotations

from typing import NamedTuple

from triport.converters.graphs.flow import Flow, Step, in_order

# ONNX's numbers of its floating-point types, and how the lower ones are called
_FLOAT, _DOUBLE = 1.0, 11.0
_LOWER = {10.0: "float16", 16.0: "bfloat16"}


class WithoutCasts(NamedTuple):
    """A graph without casts, and the lower precision that each layer reads which follows one."""

    flow: Flow
    lower: dict[str, str]


def without_casts(flow: Flow) -> WithoutCasts:
    """Return a graph whose steps read what a cast reads, and which layers read float16 or bfloat16.

    A layer that follows another in lower precision is told by the dtype of its own weights alone: where
    values become float32 again is no step of a graph.
    """
    kept: dict[int, Step] = {}
    lower: dict[str, str] = {}
    for step in in_order(flow):
        to = step.attributes.get("to") if step.op == "cast" and len(step.inputs) == 1 else None
        if to in (_FLOAT, _DOUBLE) or to in _LOWER:
            kept[id(step)] = kept[id(step.inputs[0])]
            continue
        inputs = tuple(kept[id(one)] for one in step.inputs)
        kept[id(step)] = Step(step.op, step.attributes, inputs, step.layer, step.origin, step.shape)
        read = [one.attributes.get("to") for one in step.inputs if one.op == "cast"]
        precision = next((_LOWER[to] for to in read if isinstance(to, float) and to in _LOWER), "")
        if step.layer is not None and precision:
            lower[step.layer] = precision
    return WithoutCasts(Flow(tuple(kept[id(one)] for one in flow.outputs), flow.size_px), lower)
