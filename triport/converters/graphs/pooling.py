"""Pools, means and pads in the normal form: a mean over the image is one step, whichever operator it is."""

from __future__ import annotations

import math

from triport.converters.graphs.flow import PADDING, FlowStep, Value
from triport.converters.graphs.values import Known, KnownInputs, Rule
from triport.converters.graphs.windows import ImageWindow, all_of_it, size_after, with_pads_inside


def _pool(node: KnownInputs) -> Known | list[Known] | None:
    x = node.step()
    if x is None or len(x.shape) != 4:
        return None
    op = "maxpool" if node.op == "MaxPool" else "avgpool"
    window = ImageWindow.of(node.told, tuple(node.told.get("kernel_shape", ())), x)
    if window is None:
        return None
    if op == "avgpool" and all_of_it(x, window):
        return [_mean_of(x, node, keep=True)]
    if op == "maxpool":
        # zeros around what is never below zero change no maximum
        before = x.inputs[0] if x.op == PADDING else x
        positive = before.op == "relu" or (before.op == "clip" and before.attributes.get("min") == 0)
        x, window = with_pads_inside(x, window, (-math.inf, 0.0) if positive else (-math.inf,))
        counted = True
    else:
        given = window
        x, window = with_pads_inside(x, window, (0.0,))
        counted = window != given or bool(node.told.get("count_include_pad", 0))
    attributes = window.attributes(with_kernel=True)
    if op == "avgpool" and not counted and any(window.pads):
        attributes["pads_counted"] = 0.0
    shape = (None, x.shape[1], *size_after(x, window))
    found: list[Known] = [FlowStep(op, attributes, (x,), origin=node.origin, shape=shape)]
    return found


def _mean_of(x: FlowStep, node: KnownInputs, keep: bool) -> FlowStep:
    shape = (*x.shape[:2], 1, 1) if keep else x.shape[:2]
    return FlowStep("mean", {}, (x,), origin=node.origin, shape=shape)


def _mean(node: KnownInputs) -> Known | None:
    x = node.step()
    if x is None or len(x.shape) != 4:
        return None
    if node.op == "GlobalAveragePool":
        return _mean_of(x, node, keep=True)
    axes = node.numbers(1, "axes")
    if axes is None or {axis % 4 for axis in axes} != {2, 3}:
        return None
    return _mean_of(x, node, keep=bool(node.told.get("keepdims", 1)))


def _pad(node: KnownInputs) -> Known | None:
    x = node.step()
    pads = node.numbers(1, "pads")
    if x is None or pads is None or len(pads) != 8 or node.told.get("mode", "constant") != "constant":
        return None
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        return None
    value = node.constant(2)
    filled = float(value.reshape(-1)[0]) if value is not None and value.size else node.told.get("value", 0.0)
    if any(pads[index] for index in (0, 1, 4, 5)):
        return None
    if not any(pads):
        return x
    around = tuple(float(pads[index]) for index in (2, 3, 6, 7))
    height, width = x.shape[2:] if len(x.shape) == 4 else (None, None)
    shape = (
        *x.shape[:2],
        None if height is None else int(height + around[0] + around[2]),
        None if width is None else int(width + around[1] + around[3]),
    )
    attributes: dict[str, Value] = {"pads": around}
    if filled:
        attributes["value"] = "-inf" if filled < -3e38 else filled
    return FlowStep(PADDING, attributes, (x,), origin=node.origin, shape=shape)


RULES: dict[str, Rule] = {
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": _mean,
    "ReduceMean": _mean,
    "Pad": _pad,
}
