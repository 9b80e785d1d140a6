"""The graph's outputs: each made by a node of its own, and called as it shall be."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult, PostconditionError, PreconditionError


class EndInOutputs(InPlacePass):
    """Lets the graph end in the given values, renamed to the outputs' names.

    An output that is an input, a parameter or another output gets an Identity of its own.

    Before: the graph has no outputs. After: it has those, each made by a node, no two the same value.
    """

    def __init__(self, outputs: Sequence[ir.Value], names: Sequence[str]) -> None:
        super().__init__()
        self.outputs, self.names = outputs, names

    def requires(self, model: ir.Model) -> None:
        """Refuse a graph that ends somewhere already."""
        if model.graph.outputs:
            raise PreconditionError("the graph has outputs already")

    def ensures(self, model: ir.Model) -> None:
        """Check that each output is made by a node and has its name."""
        found = [value.name for value in model.graph.outputs if value.producer() is not None]
        if found != list(self.names) or len(set(map(id, model.graph.outputs))) != len(found):
            raise PostconditionError(f"the graph ends in {found}, not in {self.names}")

    def call(self, model: ir.Model) -> PassResult:
        """Name the outputs and declare them."""
        ends: list[ir.Value] = []
        for value, name in zip(self.outputs, self.names, strict=True):
            end = value
            if value.producer() is None or value in ends:
                end = ir.Value(name=name, shape=value.shape, type=value.type)
                node = ir.Node("", "Identity", [value], outputs=[end], name=f"{name}/Identity")
                model.graph.append(node)
            ends.append(end)
        for end, name in zip(ends, self.names, strict=True):
            end.name = name
        model.graph.outputs.extend(ends)
        return PassResult(model, modified=True)
