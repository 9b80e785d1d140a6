"""Ranks that onnx's inference leaves open: of what a list of known length shapes, and of what is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .shapes import Facts

# of each operator, the input whose length is the rank of its output
_SHAPED_BY = {"Reshape": 1, "Expand": 1, "ConstantOfShape": 0}
# what returns the sizes of its first input, of which some versions of onnx infer nothing
_LIKE_ITS_INPUT = frozenset(("GroupNormalization",))
# of each operator, the ranks that its inputs must have
_NEEDED = {"LSTM": {0: 3, 5: 3, 6: 3}, "GRU": {0: 3, 5: 3}, "RNN": {0: 3, 5: 3}}
# what keeps the rank of its first input
_KEEPING = frozenset(("Identity", "Cast", "Relu", "Sigmoid", "Tanh", "Dropout", "Transpose", "Neg", "Clip"))


def add_ranks(proto: Any, found: Any, facts: Facts) -> bool:
    """State the rank of what is reshaped to a shape of known length, and sizes that are an input's.

    Returns whether there was any.

    Args:
        proto: the model, which is added to.
        found: the same with what onnx infers.
        facts: of `found`.
    """
    import onnx

    graph = found.graph
    infos = [*graph.input, *graph.value_info, *graph.output]
    kinds = {each.name: each.type.tensor_type.elem_type for each in infos}
    added = False
    for node in proto.graph.node:
        like = node.input[0] if node.op_type in _LIKE_ITS_INPUT and node.input else None
        sizes = _sizes_of(node, facts) if like is None else facts.shape(like)
        kind = kinds.get(like or node.output[0], 0)
        if sizes is None or not kind or (like is not None and facts.shape(node.output[0]) is not None):
            continue
        info = onnx.helper.make_tensor_value_info(node.output[0], kind, sizes)
        old = [each for each in proto.graph.value_info if each.name == node.output[0]]
        for each in old:
            proto.graph.value_info.remove(each)
        proto.graph.value_info.append(info)
        added = not old or added
    return added


def _sizes_of(node: Any, facts: Facts) -> list[int | None] | None:
    """Return the sizes of what a node shapes, all open; None: the rank is known already, or cannot be."""
    rank = _rank_of(node, facts)
    return None if rank is None else [None] * rank


def _rank_of(node: Any, facts: Facts) -> int | None:
    """Return the rank of what a node shapes, None where it is known already, or not to be known."""
    place = _SHAPED_BY.get(node.op_type)
    if place is None or node.domain not in ("", "ai.onnx") or len(node.input) <= place:
        return None
    length = facts.shape(node.input[place])
    if facts.shape(node.output[0]) is not None or length is None or len(length) != 1 or length[0] is None:
        return None
    if node.op_type != "Expand":
        return length[0]
    least = facts.shape(node.input[0])
    return None if least is None else max(length[0], len(least))


def needed_ranks(graph: Any, facts: Facts) -> Mapping[str, int]:
    """Return the ranks that values must have, because what reads them takes no other.

    An exporter leaves it to the run whether an axis is squeezed; a recurrent layer that reads the result
    says it.
    """
    needed: dict[str, int] = {}
    for node in reversed(graph.node):
        if node.domain not in ("", "ai.onnx"):
            continue
        for place, rank in _NEEDED.get(node.op_type, {}).items():
            if place < len(node.input) and node.input[place]:
                needed[node.input[place]] = rank
        made = needed.get(node.output[0]) if node.output else None
        if made is None or not node.input:
            continue
        if node.op_type in _KEEPING:
            needed[node.input[0]] = made
        elif node.op_type in ("Squeeze", "Unsqueeze"):
            count = _count_of_axes(node, facts)
            if count is not None:
                needed[node.input[0]] = made + (count if node.op_type == "Squeeze" else -count)
    return needed


def _count_of_axes(node: Any, facts: Facts) -> int | None:
    stated = next((a.ints for a in node.attribute if a.name == "axes"), None)
    if stated is not None:
        return len(stated)
    axes = facts.value(node.input[1]) if len(node.input) > 1 and node.input[1] else None
    return None if axes is None else axes.size
