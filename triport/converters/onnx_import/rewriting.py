"""Replacing nodes of a graph by others that compute the same: what all rules of it need."""

from __future__ import annotations

from typing import Any

import numpy as np

# of nodes that a rule made of several; operators/fused.py and operators/quantized_layers.py translate them
DOMAIN = "triport.fused"
_STANDARD = ("", "ai.onnx")


def alone(value: Any, op_type: str, domain: str = "") -> Any:
    """Return the node of that kind that makes a value, if one node reads the value."""
    node = value.producer() if value is not None else None
    if node is None or node.op_type != op_type:
        return None
    is_of_domain = node.domain == domain or (not domain and node.domain in _STANDARD)
    return node if is_of_domain and is_read_once(value) else None


def only_reader(value: Any, op_type: str) -> Any:
    """Return the one node that reads a value, if it is of that kind and in the graph that makes the value."""
    node = next(iter(value.uses())).node if is_read_once(value) else None
    if node is None or node.op_type != op_type or node.domain not in _STANDARD:
        return None
    producer = value.producer()
    return node if node.graph is not None and (producer is None or node.graph is producer.graph) else None


def is_read_once(value: Any) -> bool:
    """Return whether one node reads a value, and nothing else."""
    return len(value.uses()) == 1 and not value.is_graph_output()


def array_of(value: Any) -> Any:
    """Return a constant as an array; None where it is none, or of less than eight bits."""
    if value is None or value.const_value is None or value.dtype is None or value.dtype.bitwidth < 8:
        return None
    try:
        return np.asarray(value.const_value.numpy())
    except (TypeError, ValueError):
        return None


def fused(op_type: str, inputs: list[Any], named: Any, attributes: Any = ()) -> Any:
    """Return a node of DOMAIN with one output, with the name and the scopes of another node."""
    import onnx_ir as ir

    node = ir.Node(DOMAIN, op_type, inputs, list(attributes), num_outputs=1, name=named.name)
    node.metadata_props.update(named.metadata_props)
    return node


def take_place(graph: Any, node: Any, last: Any, taken: list[Any], after: Any = None) -> None:
    """Put a node in the place of others.

    Args:
        graph: which holds them.
        node: with one output.
        last: whose output becomes the node's.
        taken: the others.
        after: behind which the node is put; `last` if not given.
    """
    new, old = node.outputs[0], last.outputs[0]
    new.name, new.type, new.shape = old.name, old.type, old.shape
    graph.insert_after(after or last, node)
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    remove(graph, [last, *taken])


def remove(graph: Any, nodes: list[Any]) -> None:
    """Take nodes out of a graph; their inputs have them as readers no more."""
    graph.remove(nodes, safe=False)
    for each in nodes:
        for i in range(len(each.inputs)):
            each.replace_input_with(i, None)
