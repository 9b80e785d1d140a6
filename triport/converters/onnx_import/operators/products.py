"""Attention that a graph has as two products and a softmax, as PyTorch's exporters write its function."""

from __future__ import annotations

import ast
import math
from typing import Any

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code
from triport.converters.onnx_import.values import Known

from .elementwise import f32

_RANK = 4  # batch, heads, places, features


def attention_of(call: Call) -> ast.expr | None:
    """Return PyTorch's attention in the place of a product whose weights are the softmax of one; or None.

    What leads to the weights must be read by nothing else, and lie in the same block. A mask is none of it:
    a row that is masked everywhere is not the same in PyTorch's own function.
    """
    softmax = _alone(call, call.node.inputs[0], "Softmax")
    if softmax is None or not _is_last_axis(softmax) or call.dtype(1) != "float32" or call.rank(1) != _RANK:
        return None
    scores, scale = _scaled(call, softmax.inputs[0], ("Mul", "Div"))
    product = _alone(call, scores, "MatMul")
    if product is None or any(value.dtype != call.node.inputs[1].dtype for value in product.inputs):
        return None
    query, of_query = _scaled(call, product.inputs[0], ("Mul",))
    turned, of_keys = _scaled(call, product.inputs[1], ("Mul",))
    transpose = _alone(call, turned, "Transpose")
    if transpose is None or list(transpose.attributes["perm"].value) != [0, 1, 3, 2]:
        return None
    keys, values = transpose.inputs[0], call.node.inputs[1]
    sizes = [value.shape for value in (query, keys, values)]
    if any(shape is None or len(shape) != _RANK for shape in sizes):
        return None
    features, heads = query.shape[-1], {shape[1] for shape in sizes}
    whole = scale * of_query * of_keys
    if not isinstance(features, int) or len(heads) > 1 or not math.isfinite(whole):
        return None
    is_default = abs(whole * math.sqrt(features) - 1) < 4e-7
    return code(
        "F.scaled_dot_product_attention(q, k, v, scale=s)",
        q=call.body.tensor(call.body.rep(query), query),
        k=call.body.tensor(call.body.rep(keys), keys),
        v=call.tensor(1),
        s=OMIT if is_default else f32(whole),
    )


def _alone(call: Call, value: Any, op_type: str) -> Any:
    """Return the node of that kind that makes a value for one reader, in this block; or None."""
    node = value.producer()
    if node is None or node.op_type != op_type or node.domain not in ("", "ai.onnx"):
        return None
    is_read_once = len(value.uses()) == 1 and not value.is_graph_output()
    return node if is_read_once and node in call.body.nodes else None


def _scaled(call: Call, value: Any, kinds: tuple[str, ...]) -> tuple[Any, float]:
    """Return what a value is without the number that it is multiplied with, and that number."""
    for kind in kinds:
        node = _alone(call, value, kind)
        for first, factor in ((0, 1), (1, 0)) if node is not None else ():
            rep = call.body.reps.get(node.inputs[factor])
            if isinstance(rep, Known) and rep.array.size == 1 and not rep.trained and rep.array.ndim <= 1:
                number = float(rep.array.reshape(-1)[0])
                if kind == "Mul":
                    return node.inputs[first], number
                if factor == 1 and number:
                    return node.inputs[first], 1 / number
    return value, 1.0


def _is_last_axis(softmax: Any) -> bool:
    found = softmax.attributes.get("axis")
    return found is not None and found.value in (-1, _RANK - 1)
