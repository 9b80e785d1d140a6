"""Quantised nodes as layers: a rounding to eight bits and back, convolutions and products of such weights.

onnxruntime.quantization writes each as several nodes. What a rule takes out has no other reader.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .rewriting import alone, array_of, fused, is_read_once, only_reader, remove, take_place

_BYTES = ("INT8", "UINT8")


def fuse_quantized(graph: Any) -> None:
    """Replace what the rules know, in place."""
    _merge_equal(graph)
    for node in list(graph):
        if node.graph is not graph or node.domain not in ("", "ai.onnx"):
            continue
        if node.op_type == "DequantizeLinear":
            _fake(graph, node)
        elif node.op_type in ("Conv", "Gemm", "MatMul"):
            _of_bytes(graph, node)
        elif node.op_type in ("ConvInteger", "MatMulInteger"):
            _dynamic(graph, node)


def _merge_equal(graph: Any) -> None:
    """One DequantizeLinear for all that dequantise a value in the same way."""
    made: dict[Any, Any] = {}
    for node in list(graph):
        if node.op_type != "DequantizeLinear" or node.domain not in ("", "ai.onnx") or node.attributes:
            continue
        first = made.setdefault(tuple(node.inputs), node)
        if (
            first is not node
            and not node.outputs[0].is_graph_output()
            and node.inputs[0].producer() is not None
        ):
            node.outputs[0].replace_all_uses_with(first.outputs[0])
            remove(graph, [node])


def _fake(graph: Any, last: Any) -> None:
    """QuantizeLinear and DequantizeLinear by the same numbers."""
    first = alone(last.inputs[0], "QuantizeLinear")
    if (
        first is None
        or len(first.inputs) != 3
        or len(last.inputs) != 3
        or first.attributes
        or last.attributes
    ):
        return
    x, scale, zero = first.inputs
    given = [array_of(value) for value in (scale, zero, *last.inputs[1:])]
    if any(array is None or array.size != 1 for array in given) or zero.dtype.name not in _BYTES:
        return
    same = all(a.dtype == b.dtype and (a == b).all() for a, b in zip(given[:2], given[2:], strict=True))
    if same and x.dtype is not None and x.dtype.name == "FLOAT" and scale.dtype.name == "FLOAT":
        take_place(graph, fused("FakeQuantize", [x, scale, zero], first), last, [first])


def _of_bytes(graph: Any, node: Any) -> None:
    """A convolution or product whose weights, and bias, are dequantised constants."""
    weight = _dequantized(node.inputs[1]) if len(node.inputs) > 1 else None
    x: Any = node.inputs[0] if node.inputs else None
    if (
        weight is None
        or weight.inputs[0].dtype.name != "INT8"
        or x.dtype is None
        or x.dtype.name != "FLOAT"
        or x.const_value is not None
    ):
        return
    rank, is_conv = len(weight.inputs[0].const_value.shape), node.op_type == "Conv"
    if any(value.is_ref() for value in node.attributes.values()):
        return
    attributes = {key: value.value for key, value in node.attributes.items()}
    is_plain = {
        "Conv": rank == 4 and _is_plain(attributes),
        "Gemm": rank == 2
        and attributes.pop("transB", 0) == 1
        and all(v in (0, 1.0) for v in attributes.values()),
        "MatMul": rank == 2 and x.shape is not None and len(x.shape) > 1,
    }
    if not is_plain[node.op_type] or attributes.get("transA", 0):
        return
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    held = _dequantized(bias) if bias is not None else None
    if held is not None and held.inputs[0].dtype.name != "INT32":
        return
    if bias is not None and (held is None or _scales(held, 0) is None or attributes.get("beta", 1.0) != 1.0):
        return
    scales = _scales(weight, 1 if node.op_type == "MatMul" else 0)
    if scales is None or attributes.get("alpha", 1.0) != 1.0:
        return
    inputs = [x, *weight.inputs[:2], *(held.inputs[:2] if held is not None else [])]
    kept = list(node.attributes.values()) if is_conv else []
    taken = [weight, *([held] if held is not None else [])]
    op_type = "QuantizedConv2d" if is_conv else "QuantizedLinear"
    _layer(graph, node, fused(op_type, inputs, node, kept), taken)


def _dynamic(graph: Any, node: Any) -> None:
    """A convolution or product of what is quantised by its own range, times both scales, and a bias."""
    if len(node.inputs) < 3:
        return
    x, weight, zero, *more = node.inputs
    given = x.producer() if x is not None else None
    array, zero_point = array_of(weight), array_of(more[0]) if more else np.zeros(1, np.int8)
    if given is None or given.op_type != "DynamicQuantizeLinear" or zero is not given.outputs[2]:
        return
    is_conv = node.op_type == "ConvInteger"
    if array is None or zero_point is None or array.ndim != (4 if is_conv else 2):
        return
    attributes = {key: value.value for key, value in node.attributes.items() if not value.is_ref()}
    rank = given.inputs[0].shape
    if len(attributes) != len(node.attributes) or rank is None or len(rank) < 2:
        return
    if is_conv and not _is_plain(attributes):
        return
    cast: Any = only_reader(node.outputs[0], "Cast")
    scaled = only_reader(cast.outputs[0], "Mul") if cast is not None else None
    if scaled is None:
        return
    scales = next((v.producer() for v in scaled.inputs if v is not cast.outputs[0]), None)
    if scales is None or scales.op_type != "Mul" or not is_read_once(scales.outputs[0]):
        return
    scale = next((v for v in scales.inputs if v is not given.outputs[1]), None)
    count = array.shape[0 if is_conv else 1]
    sizes = {1, count}
    if (
        given.outputs[1] not in scales.inputs
        or array_of(scale) is None
        or cast.outputs[0].dtype.name != "FLOAT"
    ):
        return
    if array_of(scale).size not in sizes or array_of(scale).ndim > 1 or zero_point.size not in sizes:
        return
    last, bias, taken = _with_bias(scaled, count, is_conv)
    inputs = [given.inputs[0], weight, scale, more[0] if more else None, bias]
    while inputs[-1] is None:
        inputs.pop()
    kept = list(node.attributes.values()) if is_conv else []
    op_type = "DynamicQuantizedConv2d" if is_conv else "DynamicQuantizedLinear"
    _layer(graph, last, fused(op_type, inputs, node, kept), [node, cast, scales, *taken])
    if not any(value.uses() or value.is_graph_output() for value in given.outputs):
        remove(graph, [given])


def _with_bias(scaled: Any, count: int, is_conv: bool) -> tuple[Any, Any, list[Any]]:
    """Return the last node of a layer, its bias if it has one, and the nodes before the last."""
    add = only_reader(scaled.outputs[0], "Add")
    if add is None:
        return scaled, None, []
    bias = next(v for v in add.inputs if v is not scaled.outputs[0])
    shaped, taken = bias.producer(), [scaled]
    if is_conv:
        if shaped is None or shaped.op_type != "Reshape" or not is_read_once(bias):
            return scaled, None, []
        bias, shape = shaped.inputs[0], array_of(shaped.inputs[1])
        taken.append(shaped)
        if shape is None or shape.tolist() not in ([1, -1, 1, 1], [1, count, 1, 1]):
            return scaled, None, []
    if array_of(bias) is None or array_of(bias).shape != (count,):
        return scaled, None, []
    return add, bias, taken


def _is_plain(attributes: dict[str, Any]) -> bool:
    """Return whether a convolution pads alike on both sides, and leaves nothing out between."""
    pads = list(attributes.get("pads", [0] * 4))
    is_stated = attributes.get("auto_pad", "NOTSET") == "NOTSET"
    return (
        is_stated and set(attributes.get("dilations", [1])) == {1} and pads[:2] == pads[2:] and min(pads) >= 0
    )


def _dequantized(value: Any) -> Any:
    """Return the node that dequantises a constant for one reader, without a zero point."""
    node = alone(value, "DequantizeLinear")
    if node is None or node.inputs[0].const_value is None or not set(node.attributes) <= {"axis"}:
        return None
    zero = array_of(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(1)
    return node if zero is not None and not zero.any() and array_of(node.inputs[1]) is not None else None


def _scales(node: Any, axis: int) -> Any:
    """Return the scales, one or one for each place of an axis; None where they are something else."""
    scale, of = array_of(node.inputs[1]), node.inputs[0].const_value.shape
    if scale.dtype != np.float32 or node.inputs[0].dtype.name not in ("INT8", "UINT8", "INT32"):
        return None
    if scale.size == 1:
        return scale
    stated = int(node.attributes["axis"].value) if "axis" in node.attributes else 1
    along = stated % len(of) if len(of) > 1 else 0
    return scale if scale.ndim == 1 and along == axis and scale.size == of[axis] else None


def _layer(graph: Any, last: Any, node: Any, taken: list[Any]) -> None:
    """Put a layer in the place of what it is made of."""
    if last.op_type == "MatMul":
        node.meta["transposed"] = True
    take_place(graph, node, last, taken)
