"""An ONNX graph that computes in float64 where it says float32."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from .meant import meant

# what they make depends on the sizes of what they are given, and on no number of it
_OF_SIZES = frozenset(("Shape", "Size"))


def widen(model: Any, numbers: Mapping[str, np.ndarray] | None = None) -> None:
    """Let a model compute in float64 where it says float32, in place.

    A single number of it becomes the one that it stands for.

    Args:
        model: an onnx.ModelProto.
        numbers: values that are taken as they are given here, and not computed.
    """
    import onnx

    taken = dict(numbers or {})
    graph = model.graph
    own = {name for tensor in graph.initializer for name in [tensor.name]}
    made = {name for node in graph.node for name in node.output}
    for node in graph.node:
        if set(node.output) & set(taken):
            # what else it makes is not read
            renamed = [f"{name}.computed" if name in taken else name for name in node.output]
            del node.output[:]
            node.output.extend(renamed)
    _widen_graph(graph)
    for name, array in taken.items():
        if name in made and name not in own:
            graph.initializer.append(onnx.numpy_helper.from_array(_wide(array), name))


def of_numbers(model: Any) -> list[str]:
    """Return the names of what is computed in float32 from a model's own numbers and from sizes alone."""
    import onnx

    typed = onnx.shape_inference.infer_shapes(model).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*typed.value_info, *typed.output)}
    given = {value.name for value in typed.input}
    known = {"", *(tensor.name for tensor in typed.initializer)} - given
    found = []
    for node in model.graph.node:
        is_one = node.op_type in _OF_SIZES or all(name in known for name in node.input)
        if is_one and not any(True for _ in _graphs_in(node)):
            known |= set(node.output)
            if node.op_type != "Constant":
                found += [name for name in node.output if kinds.get(name) == onnx.TensorProto.FLOAT]
    return found


def _graphs_in(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g


def _widen_graph(graph: Any) -> None:
    import onnx

    narrow, wide = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == narrow:
            value.type.tensor_type.elem_type = wide
    for node in graph.node:
        _widen_attributes(node.attribute)
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name.startswith("value_float"):
            number = onnx.helper.get_attribute_value(node.attribute[0])
            tensor = onnx.numpy_helper.from_array(_wide(np.asarray(number, np.float32)))
            del node.attribute[:]
            node.attribute.append(onnx.helper.make_attribute("value", tensor))


def _widen_attributes(attributes: Iterable[Any]) -> None:
    import onnx

    for attribute in attributes:
        if attribute.HasField("g"):
            _widen_graph(attribute.g)
        elif attribute.HasField("t"):
            _widen_tensor(attribute.t)
        elif attribute.name in ("to", "dtype") and attribute.i == onnx.TensorProto.FLOAT:
            attribute.i = onnx.TensorProto.DOUBLE


def _widen_tensor(tensor: Any) -> None:
    import onnx

    if tensor.data_type == onnx.TensorProto.FLOAT:
        array = _wide(onnx.numpy_helper.to_array(tensor))
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


def _wide(array: np.ndarray) -> np.ndarray:
    wide = array.astype(np.float64)
    return wide if wide.size != 1 else np.full_like(wide, meant(float(wide.reshape(-1)[0])))
