"""What a graph leaves open, and so cannot be compared: the order of a TopK that need not be sorted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from triport.converters.onnx_import.large_tensors import read_parts
from triport.converters.onnx_import.subgraphs import graphs_in

NOTE = "the graph leaves the order of a TopK open; it is compared sorted, as the source has it"


def with_order(path: Path) -> bytes | None:
    """Return a model's bytes with every TopK sorted, None where all are."""
    import onnx

    if not any(_open_orders(read_parts(path)[0])):
        return None
    model = onnx.load(path)
    for attribute in _open_orders(model):
        attribute.i = 1
    return bytes(model.SerializeToString())


def _open_orders(model: Any) -> Iterator[Any]:
    """Give the attributes of a model's TopKs that say so."""
    for graph in graphs_in(model.graph):
        for node in graph.node:
            for attribute in node.attribute if node.op_type == "TopK" else ():
                if attribute.name == "sorted" and attribute.i == 0:
                    yield attribute
