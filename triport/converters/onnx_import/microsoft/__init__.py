"""ONNX Runtime's own operators as those of the standard, by their definition.

Optimisers write nodes of the domain com.microsoft, and layer norms of the standard domain in opsets that
have none. Each becomes standard nodes before shapes are inferred, so that all that follows knows standard
operators alone; `fusing.py` finds the layers in them. What is not listed here, or has an attribute or input
that is not read, stays as it is and is refused where it is translated.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from triport.converters.onnx_import.subgraphs import graphs_in

from .expansion import RULES, Expansion, NotExpandedError, Rule

DOMAIN = "com.microsoft"
_FOREIGN = ("SimplifiedLayerNormalization", "LayerNormalization", "SkipLayerNormalization")
_LAYER_NORM_SINCE = 17


@cache
def _rules() -> dict[str, Rule]:
    """Import every file of this folder and return what it registers."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return RULES


def has_foreign(proto: Any, graphs: list[Any]) -> bool:
    """Return whether there are nodes of ONNX Runtime's in a model, of which these are all graphs."""
    opset = _opset(proto)
    return any(_is_foreign(node, opset) for graph in graphs for node in graph.node)


def expanded(proto: Any) -> None:
    """Write nodes of ONNX Runtime's as standard ones, in place, in inner graphs too."""
    opset = _opset(proto)
    names = {name for graph in graphs_in(proto.graph) for node in graph.node for name in node.output}
    prefix = "expanded"
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    count = 0
    tensors = {each.name: each for each in proto.graph.initializer}
    dims = _dims(proto.graph)
    for graph in graphs_in(proto.graph):
        nodes, added = [], []
        for node in graph.node:
            rule = _rules().get(node.op_type) if _is_foreign(node, opset) else None
            if rule is None:
                nodes.append(node)
                continue
            made = Expansion(node, opset, tensors, f"{prefix}{count}", dims)
            count += 1
            try:
                rule(made)
            except NotExpandedError:
                nodes.append(node)
                continue
            for each in made.nodes:
                each.name = node.name
            nodes += made.nodes
            added += made.initializers
        nodes = [type(node).FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(nodes)
        graph.initializer.extend(added)


def _opset(proto: Any) -> int:
    return max([each.version for each in proto.opset_import if each.domain in ("", "ai.onnx")], default=1)


def _dims(graph: Any) -> dict[str, tuple[int | None, ...]]:
    """Return the sizes that the file states, and those of what only casts inputs; None where one is free.

    They say what kind of mask one is, and whether heads are apart. A wrong one makes source that is not kept.
    """
    stated = (*graph.value_info, *graph.input)
    given = (value for value in stated if value.type.tensor_type.HasField("shape"))
    dims = {
        value.name: tuple(d.dim_value or None for d in value.type.tensor_type.shape.dim) for value in given
    }
    dims |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in dims:
            dims[node.output[0]] = dims[node.input[0]]
    return dims


def _is_foreign(node: Any, opset: int) -> bool:
    if node.op_type not in _FOREIGN or node.domain not in ("", "ai.onnx"):
        return bool(node.domain == DOMAIN)
    return opset < _LAYER_NORM_SINCE or node.op_type != "LayerNormalization"
