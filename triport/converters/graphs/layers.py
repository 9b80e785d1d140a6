"""Layers in the normal form, and the sums and products around them."""

from __future__ import annotations

import math
from dataclasses import replace

from triport.converters.graphs.constants import Constant
from triport.converters.graphs.flow import FlowStep, Value
from triport.converters.graphs.values import Known, KnownInputs, Parameter, Rule
from triport.converters.graphs.windows import ImageWindow, size_after, with_pads_inside
from triport.reference_models.kinds import KINDS


def _conv(node: KnownInputs) -> Known | None:
    x, weight = node.step(), node.parameter(1)
    if x is None or weight is None or weight.leaf != "weight" or len(weight.shape) != 4:
        return None
    if tuple(node.told.get("kernel_shape", weight.shape[2:])) != weight.shape[2:]:
        return None
    window, bias = ImageWindow.of(node.told, weight.shape[2:], x), _bias_of(node, 2, weight)
    if window is None or bias is None:
        return None
    x, window = with_pads_inside(x, window, (0.0,))
    attributes = window.attributes(with_kernel=False) | bias
    if (group := node.told.get("group", 1)) != 1:
        attributes["group"] = float(group)
    shape = (None, weight.shape[0], *size_after(x, window))
    return FlowStep("conv", attributes, (x,), weight.path, node.origin, shape, weight.precision)


def _bias_of(node: KnownInputs, index: int, weight: Parameter) -> dict[str, Value] | None:
    """Return what a layer is told of its bias: that it has its own, or none, or (None) that it is another's.

    Zeros all over are none: exporters make them up.
    """
    bias = node.inputs[index] if index < len(node.inputs) else None
    if bias is None or (isinstance(bias, Constant) and not bias.values.any()):
        return {}
    return {"bias": 1.0} if isinstance(bias, Parameter) and bias.name == f"{weight.path}.bias" else None


def _norm(node: KnownInputs) -> Known | list[Known] | None:
    x, weight = node.step(), node.parameter(1)
    leaves = [leaf.name for leaf in KINDS["norm"].values]
    read = [node.parameter(index) for index in range(1, 5)]
    if (
        x is None
        or weight is None
        or [one and one.name for one in read] != [f"{weight.path}.{leaf}" for leaf in leaves]
    ):
        return None
    if node.told.get("spatial", 1) != 1:
        return None
    attributes: dict[str, Value] = {"epsilon": float(f"{node.told.get('epsilon', 1e-5):.6g}")}
    if node.told.get("training_mode", 0) or node.told.get("is_test") == 0:
        attributes["training mode"] = 1.0
    return [FlowStep("norm", attributes, (x,), weight.path, node.origin, x.shape, weight.precision)]


def _dense(node: KnownInputs) -> Known | None:
    x, weight = node.step(), node.parameter(1)
    if x is None or weight is None or len(weight.shape) != 2 or weight.leaf != "weight":
        return None
    told = node.told
    bias: dict[str, Value] | None = {}
    if node.op == "Gemm":
        turned = weight.turned != bool(told.get("transB", 0))
        plain = not told.get("transA", 0) and told.get("alpha", 1.0) == told.get("beta", 1.0) == 1.0
        bias = _bias_of(node, 2, weight)
        if not turned or not plain or bias is None:
            return None
    elif not weight.turned:
        return None
    shape = (None, weight.shape[0])
    return FlowStep("dense", bias or {}, (x,), weight.path, node.origin, shape, weight.precision)


def _sum(node: KnownInputs) -> Known | None:
    """An addition: a layer's own bias belongs to the layer, and adding nothing is nothing."""
    if len(node.inputs) != 2:
        return None
    for index in (0, 1):
        x, other = node.step(index), node.inputs[1 - index]
        if x is None:
            continue
        own = isinstance(other, Parameter) and x.layer is not None and other.name == f"{x.layer}.bias"
        if own and x.op in ("conv", "dense") and "bias" not in x.attributes:
            return replace(x, attributes={**x.attributes, "bias": 1.0})
        if isinstance(other, Constant) and not other.values.any():
            return x
    return _two(node, "add")


def _product(node: KnownInputs) -> Known | None:
    for index in (0, 1):
        x, other = node.step(index), node.constant(1 - index)
        if x is not None and other is not None and (other == 1).all():
            return x
    return _two(node, "mul")


def _two(node: KnownInputs, op: str) -> Known | None:
    a, b = node.step(0), node.step(1)
    if a is None or b is None or len(node.inputs) != 2:
        return None
    shape = (
        a.shape
        if math.prod(one or 0 for one in a.shape[2:]) >= math.prod(one or 0 for one in b.shape[2:])
        else b.shape
    )
    return FlowStep(op, {}, (a, b), origin=node.origin, shape=shape)


RULES: dict[str, Rule] = {
    **{
        op_type: rule
        for name, rule in {"conv": _conv, "norm": _norm, "dense": _dense}.items()
        for op_type in KINDS[name].onnx
    },
    "Add": _sum,
    "Sum": _sum,
    "Mul": _product,
}
