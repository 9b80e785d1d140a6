"""What an ONNX graph does to its images before its first layer: their mean taken off, their scale changed."""

from __future__ import annotations

from collections.abc import Collection

from triport.converters.formats import Checkpoint, short
from triport.converters.formats.source import SourceFile
from triport.converters.formats.wire import WireReader
from triport.converters.graphs.nodes import read_graph

_ARITHMETIC = ("Sub", "Div", "Mul", "Add")
_MOST_CHANNELS = 4


def preparation_of_images(checkpoint: Checkpoint, names: Collection[str]) -> str:
    """Return the steps in which tensors are used on the images alone, "" if these are not all of `names`.

    Raises:
        FormatError: the file is damaged.
    """
    nodes, inputs, _ = read_graph(WireReader(SourceFile(checkpoint.path)))
    tensors = checkpoint.tensors
    images = next((one.name for one in inputs if one.name not in tensors), None)
    steps: dict[str, str] = {}
    for node in nodes:
        if node.op not in _ARITHMETIC or images not in node.inputs or len(node.outputs) != 1:
            continue
        others = [name for name in node.inputs if name in tensors and tensors[name].count <= _MOST_CHANNELS]
        for name in others:
            values = ", ".join(f"{value:.4g}" for value in tensors[name].numpy().reshape(-1))
            steps[name] = f"{node.op} {short(name)} ({values})"
        images = node.outputs[0]
    return ", ".join(steps.values()) if steps and set(names) <= steps.keys() else ""
