"""Names that a reader recognises: nodes by the layers that they come from, values by the nodes."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult, PostconditionError, PreconditionError


class NameValues(InPlacePass):
    """Names nodes after their scopes, and the values after the nodes.

    Before: each node's name is the scope that it comes from, and every node is needed. After: no two nodes
    and no two values have the same name; inputs, parameters and outputs keep theirs.
    """

    def requires(self, model: ir.Model) -> None:
        """Refuse a graph with nodes that nothing needs: they would take names."""
        ends = set(model.graph.outputs)
        for node in model.graph:
            if not any(value.uses() or value in ends for value in node.outputs):
                raise PreconditionError(f"nothing needs {node.name}")

    def ensures(self, model: ir.Model) -> None:
        """Check that names are unique."""
        graph = model.graph
        values = [value for node in graph for value in node.outputs]
        names = [value.name for value in (*graph.inputs, *graph.initializers.values(), *values)]
        nodes = [node.name for node in graph]
        if len(set(names)) != len(names) or len(set(nodes)) != len(nodes):
            raise PostconditionError("two nodes or two values have the same name")

    def call(self, model: ir.Model) -> PassResult:
        """Name everything."""
        graph = model.graph
        kept = (*graph.inputs, *graph.initializers.values(), *graph.outputs)
        reserved = {value.name for value in kept}
        taken: set[str] = set()
        for node in graph:
            scope = node.name or ""
            wished = scope if node.op_type != "Constant" else f"{scope}/Constant"
            if wished in taken:
                wished = f"{scope}/{node.op_type}"
            name, number = wished, 1
            while taken.intersection(_names_of(name, node)) or name in reserved:
                name, number = f"{wished}_{number}", number + 1
            names = _names_of(name, node)
            taken.update(names)
            node.name = name
            for value, value_name in zip(node.outputs, names[1:] or names, strict=True):
                if not value.is_graph_output():
                    value.name = value_name
        return PassResult(model, modified=True)


def _names_of(name: str, node: ir.Node) -> list[str]:
    """Return the name of a node and, where it makes several values, theirs."""
    if len(node.outputs) == 1:
        return [name]
    return [name, *(f"{name}:{index}" for index in range(len(node.outputs)))]
