"""Nodes in the normal form: by their operator's rule, or by name, attributes and inputs where it has none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from triport.converters.formats import short
from triport.converters.formats.source import FormatError
from triport.converters.graphs import arranging, layers, pooling
from triport.converters.graphs.constants import Constant, computed
from triport.converters.graphs.flow import FlowStep, Value
from triport.converters.graphs.nodes import Node
from triport.converters.graphs.values import Known, KnownInputs, Parameter, Pieces, Rule, Unread


class GraphError(FormatError):
    """A graph that cannot be followed."""


_LARGEST = 3e38  # what exporters write for no bound at all
_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(
        ("kernel_shape", "strides", "dilations", "pads", "axes", "perm", "split", "starts", "ends"), list
    ),
    **dict.fromkeys(("group", "axis", "ceil_mode", "count_include_pad", "keepdims", "start", "end"), int),
    "to": (int, str),  # a text up to opset 5
    **dict.fromkeys(("transA", "transB", "training_mode", "spatial"), int),
    **dict.fromkeys(("epsilon", "alpha", "beta", "min", "max"), float),
    **dict.fromkeys(("auto_pad", "mode"), str),
    "value": (Constant, Unread, float),
}


def read_node(values: dict[str, Known], read: Node) -> None:
    """Make a node's outputs known.

    Raises:
        GraphError: an attribute of one of ONNX's own operators is of another kind than its name's there.
    """
    own = read.domain in ("", "ai.onnx")
    for name, value in read.told.items() if own else ():
        if not isinstance(value, _KINDS.get(name, object)):
            raise GraphError(
                f"the attribute '{short(name)}' of the {short(read.op)} node '{short(read.name)}' "
                f"is of another kind than ONNX gives it, so that the node means nothing: export it again"
            )
    inputs = tuple(values.get(name) if name else None for name in read.inputs)
    origin = short(read.name or (read.outputs[0] if read.outputs else ""))
    node = KnownInputs(read.op, read.told, inputs, origin, len(read.outputs))
    # an attribute that the operator does not have may be a fused activation, or anything
    has_rule = own and node.op in _RULES and node.told.keys() <= _ATTRIBUTES.get(node.op, node.told.keys())
    found = _RULES[node.op](node) if has_rule else None
    if found is None and own and all(one is None or isinstance(one, Constant) for one in inputs):
        found = computed(node.op, node.told, [one if isinstance(one, Constant) else None for one in inputs])
    if found is None:
        found = _any_other(node if own else node._replace(op=f"{short(read.domain)}.{node.op}"))
    several = found if isinstance(found, list) else [found]
    for index, name in enumerate(read.outputs):
        if name:
            values[name] = several[index] if index < len(several) else Unread(short(name))


def _any_other(node: KnownInputs) -> list[Known]:
    """Return a step of which only the name, the attributes and the inputs are known."""
    steps = [step for one in node.inputs if (step := _as_step(one)) is not None]
    if not any(isinstance(one, FlowStep | Parameter) for one in node.inputs):
        return [Unread(node.origin)]
    attributes = {name: _plain(one) for name, one in node.told.items()}
    for index, one in enumerate(node.inputs):
        if isinstance(one, Constant):
            attributes[f"input{index}"] = _plain(one.values)
    shapes = [step.shape for step in steps if step.shape]
    shape = shapes[0] if len(shapes) == 1 else ()
    found = FlowStep(node.op.lower(), attributes, tuple(steps), origin=node.origin, shape=shape)
    if node.outputs == 1:
        return [found]
    return [
        FlowStep(f"output{index}", {}, (found,), origin=node.origin, shape=())
        for index in range(node.outputs)
    ]


def _as_step(value: Known | None) -> FlowStep | None:
    if isinstance(value, FlowStep):
        return value
    if isinstance(value, Parameter):
        return FlowStep(f"parameter {value.name}")
    if isinstance(value, Unread):
        return FlowStep(f"something called {value.name}")
    if isinstance(value, Pieces):
        return FlowStep("sequence", {}, value.steps)
    return None


def _plain(value: Any) -> Value:
    """Return an attribute as the normal form has it."""
    if isinstance(value, Constant):
        value = value.values
    if isinstance(value, str | Unread):
        return short(str(value))
    array = np.asarray(value)
    if array.dtype.kind not in "iufb":
        return short(str(value))
    flat = tuple(float(f"{one:.6g}") for one in array.reshape(-1)[:16])
    return flat[0] if len(flat) == 1 else flat


def _clip(node: KnownInputs) -> Known | None:
    x = node.step()
    bounds: dict[str, Value] = {}
    for index, name in ((1, "min"), (2, "max")):
        value = node.constant(index)
        if name in node.told:
            bounds[name] = node.told[name]
        elif value is not None and value.size == 1:
            bounds[name] = float(value.reshape(-1)[0])
        elif node.given(index) is not None:
            return None
    if x is None:
        return None
    if bounds.get("min") == 0 and float(str(bounds.get("max", math.inf))) > _LARGEST:
        return FlowStep("relu", {}, (x,), origin=node.origin, shape=x.shape)
    return FlowStep("clip", bounds, (x,), origin=node.origin, shape=x.shape)


def _one(op: str) -> Rule:
    def rule(node: KnownInputs) -> Known | None:
        x = node.step()
        return FlowStep(op, {}, (x,), origin=node.origin, shape=x.shape) if x is not None else None

    return rule


_WINDOW = frozenset(("auto_pad", "dilations", "kernel_shape", "pads", "strides"))
# of the operators that have a rule, in any opset
_ATTRIBUTES: dict[str, frozenset[str]] = {
    "Conv": _WINDOW | {"group"},
    "MaxPool": _WINDOW | {"ceil_mode", "storage_order"},
    "AveragePool": _WINDOW | {"ceil_mode", "count_include_pad"},
    "BatchNormalization": frozenset(
        ("epsilon", "momentum", "training_mode", "spatial", "is_test", "consumed_inputs")
    ),
    "Gemm": frozenset(("alpha", "beta", "transA", "transB", "broadcast")),
    "MatMul": frozenset(),
    **dict.fromkeys(("Add", "Mul"), frozenset(("axis", "broadcast", "consumed_inputs"))),
    **dict.fromkeys(("Relu", "Sum"), frozenset(("consumed_inputs",))),
    "Clip": frozenset(("min", "max", "consumed_inputs")),
}
_RULES: dict[str, Rule] = {
    **layers.RULES,
    **pooling.RULES,
    **arranging.RULES,
    "Clip": _clip,
    "Relu": _one("relu"),
}
