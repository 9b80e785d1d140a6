"""Sequences of tensors that an exporter makes only to take their members out again: written as tensors.

`torch.split` with computed sizes becomes SplitToSequence and SequenceAt, a list that is stacked becomes
SequenceConstruct and ConcatFromSequence. Where lengths and places are known these are Split and Concat.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .facts import Facts

_SPLIT_BY_INPUT = 13  # the opset from which on a Split's sizes are an input
_MOST_PARTS = 1024


def write_out_sequences(proto: Any, facts: Facts) -> bool:
    """Replace sequences whose members are known by the members; return whether there was any.

    Args:
        proto: the model, which is changed.
        facts: of the model with what onnx infers.
    """
    rules: dict[str, Callable[..., list[Any] | None]] = {
        "SplitToSequence": _split,
        "SequenceConstruct": _constructed,
    }
    if not any(node.op_type in rules for node in proto.graph.node):
        return False
    readers: dict[str, list[Any]] = {}
    for node in proto.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    nodes: list[Any] = []
    changed = False
    outputs = {each.name for each in proto.graph.output}
    gone: set[int] = set()
    for node in proto.graph.node:
        rule = rules.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        made = None
        if rule is not None and node.output[0] not in outputs:
            made = rule(node, readers.get(node.output[0], []), facts)
        if made is None:
            nodes.append(node)
            continue
        gone |= {id(each) for each in readers[node.output[0]]}
        nodes += made
        changed = True
    if changed:
        kept = [type(node).FromString(node.SerializeToString()) for node in nodes if id(node) not in gone]
        del proto.graph.node[:]
        proto.graph.node.extend(kept)
    return changed


def _split(node: Any, readers: list[Any], facts: Facts) -> list[Any] | None:
    """Return a Split whose parts are what the readers take out of the sequence."""
    sizes = _part_sizes(node, facts)
    if sizes is None or not readers:
        return None
    places = _places(readers, len(sizes), facts)
    if places is None:
        return None
    parts = [f"{node.output[0]}.{place}" for place in range(len(sizes))]
    made = _split_nodes(node, sizes, parts, facts.opset)
    for reader, place in zip(readers, places, strict=True):
        made += _taken_out(node, reader, parts[place])
    return made


def _part_sizes(node: Any, facts: Facts) -> list[int] | None:
    """Return the sizes of the parts; what is left over is the last."""
    shape = facts.shape(node.input[0])
    axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
    if len(node.input) > 1 and node.input[1]:
        value = facts.value(node.input[1])
        if value is None or not all(type(n) is int and n > 0 for n in value.reshape(-1)):
            return None
        if value.ndim == 1:
            return [int(n) for n in value] if value.size <= _MOST_PARTS else None
        step = int(value.reshape(-1)[0])
    else:
        step = 1
    if shape is None or not -len(shape) <= axis < len(shape) or not isinstance(shape[axis], int):
        return None
    size = int(shape[axis] or 0)
    if not 0 < -(-size // step) <= _MOST_PARTS:
        return None
    return [min(step, size - first) for first in range(0, size, step)]


def _places(readers: list[Any], count: int, facts: Facts) -> list[int] | None:
    """Return which member each reader takes out; None if one of them does something else."""
    found = []
    for reader in readers:
        value = facts.value(reader.input[1]) if reader.op_type == "SequenceAt" else None
        place = value.reshape(-1)[0] if value is not None and value.size == 1 else None
        if type(place) is not int or not -count <= place < count:
            return None
        found.append(place % count)
    return found


def _split_nodes(node: Any, sizes: list[int], parts: list[str], opset: int) -> list[Any]:
    import onnx

    axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
    make = onnx.helper.make_node
    if opset < _SPLIT_BY_INPUT:
        return [make("Split", [node.input[0]], parts, name=node.name, axis=axis, split=sizes)]
    listed = f"{node.output[0]}.sizes"
    value = onnx.numpy_helper.from_array(np.array(sizes, np.int64))
    return [
        make("Constant", [], [listed], value=value),
        make("Split", [node.input[0], listed], parts, name=node.name, axis=axis),
    ]


def _taken_out(node: Any, reader: Any, part: str) -> list[Any]:
    """Return what gives a part the name of the member that a reader took; its axis may go."""
    import onnx

    make = onnx.helper.make_node
    axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
    keeps = next((a.i for a in node.attribute if a.name == "keepdims"), 1)
    if keeps or (len(node.input) > 1 and node.input[1]):
        return [make("Identity", [part], [reader.output[0]])]
    # the one place of the axis is chosen: Squeeze would be written otherwise in each version
    place = f"{reader.output[0]}.place"
    value = onnx.numpy_helper.from_array(np.array(0, np.int64))
    return [
        make("Constant", [], [place], value=value),
        make("Gather", [part, place], [reader.output[0]], axis=axis),
    ]


def _constructed(node: Any, readers: list[Any], facts: Facts) -> list[Any] | None:
    """Return what the readers of a list make of its members: one of them, or all of them joined."""
    import onnx

    made = []
    members = list(node.input)
    for reader in readers:
        if reader.op_type == "ConcatFromSequence":
            axis = next(a.i for a in reader.attribute if a.name == "axis")
            if any(a.name == "new_axis" and a.i for a in reader.attribute):
                return None
            made.append(onnx.helper.make_node("Concat", members, list(reader.output), axis=axis))
            continue
        places = _places([reader], len(members), facts)
        if places is None:
            return None
        made.append(onnx.helper.make_node("Identity", [members[places[0]]], list(reader.output)))
    return made or None
