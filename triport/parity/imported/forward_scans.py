"""Scans that run backwards, written forwards: onnx's reference implementation has no others."""

from __future__ import annotations

from typing import Any

import numpy as np

_STEPPED_SINCE = 10  # the opset from which Slice has steps


def run_scans_forwards(model: Any) -> None:
    """Turn what a Scan reads or gives backwards round, outside of it, in place; inner graphs stay."""
    import onnx

    opset = max([each.version for each in model.opset_import if each.domain in ("", "ai.onnx")], default=1)
    if opset < _STEPPED_SINCE:
        return
    nodes: list[Any] = []
    for node in model.graph.node:
        turned = _turned(node) if node.op_type == "Scan" and node.domain in ("", "ai.onnx") else [node]
        nodes += [type(node).FromString(each.SerializeToString()) for each in turned]
    if len(nodes) == len(model.graph.node):
        return
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    numbers = {_LAST: [-1], _BEFORE_FIRST: [np.iinfo(np.int64).min], _AXIS: [0], _STEP: [-1]}
    for name, value in numbers.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, np.int64), name))


_LAST, _BEFORE_FIRST, _AXIS, _STEP = (f"triport.scan.{name}" for name in ("last", "end", "axis", "step"))


def _turned(node: Any) -> list[Any]:
    """Return the nodes that do the same with a Scan forwards, all along the first axis."""
    import onnx

    given = {each.name: list(each.ints) for each in node.attribute if each.ints}
    if any(given.get("scan_input_axes", [])) or any(given.get("scan_output_axes", [])):
        return [node]
    inputs, outputs = given.get("scan_input_directions", []), given.get("scan_output_directions", [])
    if not any(inputs + outputs):
        return [node]
    scan = onnx.NodeProto()
    scan.CopyFrom(node)
    del scan.attribute[:]
    scan.attribute.extend(each for each in node.attribute if not each.name.endswith("_directions"))
    before: list[Any] = []
    after: list[Any] = []
    for names, directions, slices, back in (
        (scan.input, inputs, before, 0),
        (scan.output, outputs, after, 1),
    ):
        read = next(each.i for each in node.attribute if each.name == "num_scan_inputs")
        states = len(node.input) - read
        for place, direction in enumerate(directions):
            name = names[states + place]
            if direction and name:
                other = f"{node.output[0]}.turned.{back}.{place}"
                names[states + place] = other
                ends = (other, name) if back else (name, other)
                slices.append(
                    onnx.helper.make_node("Slice", [ends[0], _LAST, _BEFORE_FIRST, _AXIS, _STEP], [ends[1]])
                )
    return [*before, scan, *after]
