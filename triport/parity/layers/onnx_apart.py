"""Cuts steps out of an ONNX graph, each fed apart: the nodes between what it is given and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir


def input_of(step: str) -> str:
    """Return the name of the input that feeds a step apart."""
    return f"{step}:input"


def output_of(step: str) -> str:
    """Return the name of the output of a step apart."""
    return f"{step}:output"


def part_between(graph: ir.Graph, given: str, output: str) -> ir.Graph | None:
    """Return a copy of the nodes that make `output` of `given`, with the constants that they read.

    None where `output` does not come from `given`, or not from it and constants alone.
    """
    import onnx_ir as ir

    if output == given:
        return None
    try:
        part = ir.convenience.extract(graph, [given], [output])
    except ValueError:  # it comes from another input as well
        return None
    return part if part.inputs[0].uses() else None


def apart(model: ir.Model, ends: Mapping[str, tuple[str, str]], fed: Mapping[str, np.ndarray]) -> bytes:
    """Return a model of steps that stand alone, each between `input_of` and `output_of` its name.

    `ends` are the tensors that each step is given and returns, `fed` what it is fed, whose sizes stay free;
    what is between the ends is asked of `part_between` first.
    """
    import onnx_ir as ir

    alone = ir.Graph([], [], nodes=[], opset_imports=model.opset_imports, name=model.graph.name)
    for step, (given, output) in ends.items():
        part = part_between(model.graph, given, output)
        assert part is not None
        constants = dict(part.initializers)
        part.initializers.clear()
        for name, constant in constants.items():
            # the steps share their constants
            shared = alone.initializers.setdefault(name, constant)
            if shared is not constant:
                constant.replace_all_uses_with(shared)
        nodes = list(part)
        (end,) = part.outputs
        part.outputs.clear()
        part.remove(nodes)
        for node in nodes:
            node.name = f"{step}:{node.name}"
            for value in node.outputs:
                value.name = f"{step}:{value.name}" if value.name else ""
        (start,) = part.inputs
        part.inputs.clear()
        start.name, end.name = input_of(step), output_of(step)
        # without a rank some runtimes cannot read what follows
        start.shape = ir.Shape([None] * fed[step].ndim)
        start.type = ir.TensorType(ir.DataType.from_numpy(fed[step].dtype))
        end.shape, end.type = None, ir.TensorType(ir.DataType.FLOAT)
        alone.inputs.append(start)
        alone.extend(nodes)
        alone.outputs.append(end)
    cut = ir.Model(alone, ir_version=model.ir_version, functions=list(model.functions.values()))
    return ir.to_proto(cut).SerializeToString()
