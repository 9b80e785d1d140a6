"""Images whose channels are last between transposes, as tf2onnx writes them: with fewer of these.

A transpose moves behind functions of single elements, sums and products of two that are turned alike, and
means of images; where the next one turns back, both go.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .moves import ints_of
from .rewriting import DOMAIN, remove

_ORDERS = ([0, 2, 3, 1], [0, 3, 1, 2])
_UNARY = frozenset(("Relu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "LeakyRelu", "Elu"))
_UNARY |= {"Softplus", "Silu", "Gelu"}
_BINARY = frozenset(("Add", "Mul", "Sub"))
_PASSES = 4


def turn_less(graph: Any) -> None:
    """Move transposes on and take out those that turn back, in place."""
    for _ in range(_PASSES):
        changes = [_moved(graph, node) for node in list(graph) if node.graph is graph]
        if not any(changes):
            return


def _moved(graph: Any, node: Any) -> bool:
    """Change one node; return whether there was something to change."""
    if node.domain not in ("", "ai.onnx", DOMAIN) or not node.inputs or len(node.outputs) != 1:
        return False
    order = _order_of(node.inputs[0])
    if order is None:
        return False
    if node.op_type == "Transpose":
        return _turned_back(graph, node, order)
    if node.op_type == "ReduceMean":
        return _mean(graph, node, order)
    if node.op_type in _BINARY and len(node.inputs) == 2 and _order_of(node.inputs[1]) == order:
        return _put_before(graph, node, order, 2)
    is_alone = len(node.inputs[0].uses()) == 1 and all(_is_scalar(value) for value in node.inputs[1:])
    return node.op_type in _UNARY and is_alone and _put_before(graph, node, order, 1)


def _order_of(value: Any) -> list[int] | None:
    """Return how a value's axes were turned, None where they were not."""
    node = value.producer() if value is not None else None
    if node is None or node.op_type != "Transpose" or "perm" not in node.attributes or node.graph is None:
        return None
    order = ints_of(node, "perm")
    return order if order in _ORDERS and value.shape is not None else None


def _is_scalar(value: Any) -> bool:
    return value is None or (value.const_value is not None and value.const_value.size == 1)


def _put_before(graph: Any, node: Any, order: list[int], count: int) -> bool:
    """Let a node read what was not turned yet, and turn what it makes."""
    import onnx_ir as ir

    old = node.outputs[0]
    if old.shape is None or len(old.shape) != len(order):
        return False
    turned = [node.inputs[i] for i in range(count)]
    for i, value in enumerate(turned):
        node.replace_input_with(i, value.producer().inputs[0])
    after = ir.Node("", "Transpose", [old], [ir.AttrInt64s("perm", order)], num_outputs=1, name=node.name)
    after.metadata_props.update(node.metadata_props)
    new = after.outputs[0]
    new.name, new.type, new.shape = old.name, old.type, old.shape
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    after.replace_input_with(0, old)
    old.name = f"{new.name}.before"
    old.shape = ir.Shape([new.shape[order.index(i)] for i in range(len(order))])
    graph.insert_after(node, after)
    for value in turned:
        _drop_unread(graph, value)
    return True


def _turned_back(graph: Any, node: Any, order: list[int]) -> bool:
    """Take out a transpose that undoes the one before."""
    own = ints_of(node, "perm")
    first = node.inputs[0]
    if own not in _ORDERS or [order[i] for i in own] != [0, 1, 2, 3] or node.outputs[0].is_graph_output():
        return False
    node.outputs[0].replace_all_uses_with(first.producer().inputs[0])
    remove(graph, [node])
    _drop_unread(graph, first)
    return True


def _mean(graph: Any, node: Any, order: list[int]) -> bool:
    """A mean over the places of an image."""
    import onnx_ir as ir

    if order != _ORDERS[0] or len(node.inputs) > 2 or "noop_with_empty_axes" in node.attributes:
        return False
    stated = node.attributes.get("axes")
    axes = ints_of(node, "axes") if stated is not None else _numbers(node.inputs[1:])
    if axes is None or sorted(n % 4 for n in axes) != [1, 2]:
        return False
    turned, keeps = node.inputs[0], "keepdims" not in node.attributes or node.attributes["keepdims"].value
    if stated is not None:
        node.attributes["axes"] = ir.AttrInt64s("axes", [2, 3])
    else:
        value = ir.Value(name=f"{node.outputs[0].name}.axes", const_value=ir.tensor(np.array([2, 3])))
        value.type, value.shape = ir.TensorType(ir.DataType.INT64), ir.Shape([2])
        value.meta["constant"] = True
        node.replace_input_with(1, value)
    if keeps:
        return _put_before(graph, node, order, 1)
    node.replace_input_with(0, turned.producer().inputs[0])
    _drop_unread(graph, turned)
    return True


def _numbers(values: Any) -> list[int] | None:
    if not values or values[0] is None or values[0].const_value is None:
        return None
    return [int(n) for n in np.asarray(values[0].const_value.numpy()).reshape(-1)]


def _drop_unread(graph: Any, value: Any) -> None:
    """Take out a transpose that nobody reads."""
    node = value.producer()
    if node is not None and not value.uses() and not value.is_graph_output():
        remove(graph, [node])
