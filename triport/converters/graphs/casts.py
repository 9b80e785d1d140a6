"""A graph without its casts between floating-point types: what it computes but for rounding."""

from __future__ import annotations

from typing import NamedTuple

from triport.converters.graphs.flow import Flow, FlowStep, in_order
from triport.converters.graphs.values import LOWER

# ONNX's numbers of its floating-point types, and how the lower ones are called
_FLOAT, _DOUBLE = 1.0, 11.0
_LOWER = {float(number): name for name, number in LOWER.items()}


class WithoutCasts(NamedTuple):
    """A graph without casts, its number of layers, and those that compute in lower precision, by path."""

    flow: Flow
    layers: int
    lower: dict[str, str]


def without_casts(flow: Flow) -> WithoutCasts:
    """Return a graph whose steps read what a cast reads, and which layers compute in float16 or bfloat16.

    Such a layer is told by the dtype of its own weights, or by the cast that it reads: where values become
    float32 again is no step of a graph.
    """
    kept: dict[int, FlowStep] = {}
    layers: set[str] = set()
    lower: dict[str, str] = {}
    for step in in_order(flow):
        to = step.attributes.get("to") if step.op == "cast" and len(step.inputs) == 1 else None
        if to in (_FLOAT, _DOUBLE) or to in _LOWER:
            kept[id(step)] = kept[id(step.inputs[0])]
            continue
        inputs = tuple(kept[id(one)] for one in step.inputs)
        kept[id(step)] = FlowStep(step.op, step.attributes, inputs, step.layer, step.origin, step.shape)
        read = [one.attributes.get("to") for one in step.inputs if one.op == "cast"]
        cast = next((_LOWER[to] for to in read if isinstance(to, float) and to in _LOWER), "")
        if step.layer is not None:
            layers.add(step.layer)
            if precision := step.precision or cast:
                lower[step.layer] = precision
    return WithoutCasts(Flow(tuple(kept[id(one)] for one in flow.outputs), flow.size_px), len(layers), lower)
