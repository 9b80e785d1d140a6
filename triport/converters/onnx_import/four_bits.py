"""Weights of four bits and less, which are the same numbers in eight: neither framework has such a type."""

from __future__ import annotations

from typing import Any

import numpy as np

from .subgraphs import graphs_in


def widen_four_bits(proto: Any) -> None:
    """Let stored tensors of less than eight bits that are dequantised alone be of eight, in place.

    A node's numbers and zero point are of one type, so that both are stored, or both stay.
    """
    import onnx

    wide = {
        getattr(onnx.TensorProto, narrow): kind
        for narrow, kind in (("INT4", np.int8), ("UINT4", np.uint8), ("INT2", np.int8), ("UINT2", np.uint8))
        if hasattr(onnx.TensorProto, narrow)
    }
    tensors = {
        tensor.name: (tensor, wide[tensor.data_type])
        for tensor in proto.graph.initializer
        if tensor.data_type in wide
    }
    if not tensors:
        return
    kept = {value.name for value in (*proto.graph.input, *proto.graph.output)}
    for graph in graphs_in(proto.graph):
        for node in graph.node:
            given = {name for name in node.input if name}
            ends = {*node.input[:1], *node.input[2:3]} - {""}
            if node.op_type != "DequantizeLinear" or not ends <= tensors.keys():
                kept |= given
    for name, (tensor, kind) in tensors.items():
        if name not in kept:
            array = onnx.numpy_helper.to_array(tensor).astype(kind)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, name))
