"""What a graph leaves open, and so cannot be compared: the order of a TopK that need not be sorted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NOTE = "the graph leaves the order of a TopK open; it is compared sorted, as the source has it"


def with_order(path: Path) -> bytes | None:
    """Return a model's bytes with every TopK sorted, None where all are."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    graphs: list[Any] = [model.graph]
    is_open = False
    for graph in graphs:
        for node in graph.node:
            graphs += [attribute.g for attribute in node.attribute if attribute.HasField("g")]
            for attribute in node.attribute if node.op_type == "TopK" else ():
                if attribute.name == "sorted" and attribute.i == 0:
                    attribute.i, is_open = 1, True
    if not is_open:
        return None
    onnx.load_external_data_for_model(model, str(path.parent))
    return bytes(model.SerializeToString())
