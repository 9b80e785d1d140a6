"""Cuts steps out of an ONNX graph, each fed apart: the nodes between what it is given and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnx


def input_of(step: str) -> str:
    """Return the name of the input that feeds a step apart."""
    return f"{step}:input"


def output_of(step: str) -> str:
    """Return the name of the output of a step apart."""
    return f"{step}:output"


def nodes_between(
    graph: onnx.GraphProto, makers: Mapping[str, int], given: str, output: str
) -> list[int] | None:
    """Return the nodes that make `output` of `given`, in the graph's order; `makers` are by output.

    None where `output` does not come from `given`, or not from it and constants alone.
    """
    constants = {tensor.name for tensor in graph.initializer}
    found: set[int] = set()
    fed = False
    waiting = [] if output == given else [output]
    while waiting:
        name = waiting.pop()
        if name == given:
            fed = True
        elif name in makers and makers[name] not in found:
            found.add(makers[name])
            waiting += [needed for needed in graph.node[makers[name]].input if needed]
        elif name not in makers and name not in constants:
            return None
    return sorted(found) if fed else None


def apart(
    model: onnx.ModelProto, ends: Mapping[str, tuple[str, str]], dtypes: Mapping[str, np.dtype]
) -> bytes:
    """Return a model of steps that stand alone, each between `input_of` and `output_of` its name.

    `ends` are the tensors that each step is given and returns, `dtypes` of what it is fed; what is between
    the ends is asked of `nodes_between` first.
    """
    import onnx
    from onnx import TensorProto, helper

    alone = onnx.ModelProto()
    alone.CopyFrom(model)
    graph = alone.graph
    makers = {name: index for index, node in enumerate(model.graph.node) for name in node.output}
    del graph.node[:], graph.input[:], graph.output[:]
    for step, (given, output) in ends.items():
        between = nodes_between(model.graph, makers, given, output)
        assert between is not None
        made = {name for index in between for name in model.graph.node[index].output if name}
        names = {name: f"{step}:{name}" for name in made} | {given: input_of(step), output: output_of(step)}
        for index in between:
            node = graph.node.add()
            node.CopyFrom(model.graph.node[index])
            node.name = f"{step}:{node.name}"
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
        dtype = helper.np_dtype_to_tensor_dtype(dtypes[step])
        graph.input.append(helper.make_tensor_value_info(input_of(step), dtype, None))
        graph.output.append(helper.make_tensor_value_info(output_of(step), TensorProto.FLOAT, None))
    used = {name for node in graph.node for name in node.input}
    initializers = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(initializers)
    return alone.SerializeToString()
