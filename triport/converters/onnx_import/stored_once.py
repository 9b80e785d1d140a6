"""Equal tensors that torch's TorchScript exporter has stored once, under the names that they had.

It writes `norm2.bias` as the Identity of `norm1.bias` where both hold the same numbers. Tensors of one number
over and over, zeros of biases and ones of norms, are no shared parameters: each gets its own again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .state import is_uniform, path_of

_STORED = "stored as"
_LARGE = 1 << 16  # elements; a bias has fewer


def part_equal(graph: Any) -> None:
    """Put an initializer of its own in the place of each such Identity."""
    for node in list(graph):
        if node.op_type != "Identity" or node.domain not in ("", "ai.onnx"):
            continue
        first, made = node.inputs[0], node.outputs[0]
        if first is not None and first.is_initializer() and _is_named(made) and _is_one_number(first):
            _put(graph, node, first, made)


def _is_named(value: Any) -> bool:
    """Return whether a name is that of a module's parameter, and no output of the graph."""
    name = value.name or ""
    return "." in name and path_of(name) is not None and not value.is_graph_output()


def _is_one_number(value: Any) -> bool:
    tensor = value.const_value
    is_small = (
        tensor is not None and value.dtype is not None and value.dtype.bitwidth >= 8 and tensor.size <= _LARGE
    )
    return bool(is_small and value.dtype.is_floating_point() and is_uniform(np.asarray(tensor.numpy())))


def _put(graph: Any, node: Any, first: Any, made: Any) -> None:
    import onnx_ir as ir

    own = ir.Value(name=made.name, type=first.type, shape=first.shape, const_value=first.const_value)
    own.meta[_STORED] = first.name
    made.replace_all_uses_with(own)
    graph.remove([node], safe=True)
    graph.register_initializer(own)


def stored_names(graph: Any) -> dict[str, str]:
    """Return, of the initializers that were made so, the names of those that the file has."""
    return {name: value.meta[_STORED] for name, value in graph.initializers.items() if _STORED in value.meta}
