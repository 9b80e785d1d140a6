"""Large tensors of an ONNX file are read by position: what protobuf would have read, and refused alike."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from triport.converters.onnx_import.large_tensors import put_back, read_parts
from triport.converters.onnx_import.reading import ImportRefusedError, read_model

LARGE = np.random.default_rng(0).standard_normal((100, 200)).astype(np.float32)


def product(path, *tensors):
    """Write a graph that multiplies by the first tensor, and return its path."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 100])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    node = helper.make_node("MatMul", ["x", tensors[0].name], ["y"])
    graph = helper.make_graph([node], "g", inputs, outputs, tensors)
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    )
    return path


def test_a_model_without_its_large_tensors_is_whole_with_them(tmp_path):
    small = numpy_helper.from_array(np.arange(4.0, dtype=np.float32), "small")
    path = product(tmp_path / "net.onnx", numpy_helper.from_array(LARGE, "w"), small)
    proto, large = read_parts(path)
    assert list(large) == ["w"] and not proto.graph.initializer[0].raw_data
    assert np.array_equal(large["w"].numpy(), LARGE)
    put_back(proto, large)
    assert proto == onnx.load(path) and not large
    assert np.array_equal(read_model(path).graph.initializers["w"].const_value.numpy(), LARGE)


@pytest.mark.parametrize("kind", ["twice", "four bits", "of another size", "as floats"])
def test_what_is_odd_is_left_to_protobuf(kind, tmp_path):
    tensor = numpy_helper.from_array(LARGE, "w")
    tensors = [tensor, tensor] if kind == "twice" else [tensor]
    if kind == "four bits":
        tensor.data_type = TensorProto.INT4
    if kind == "of another size":
        tensor.dims[0] = 101
    if kind == "as floats":
        tensors = [helper.make_tensor("w", TensorProto.FLOAT, LARGE.shape, LARGE.reshape(-1).tolist())]
    path = product(tmp_path / "net.onnx", *tensors)
    proto, large = read_parts(path)
    assert not large and proto == onnx.load(path)


@pytest.mark.parametrize(("rows", "why"), [(101, "no data for them"), (99, "more data than its")])
def test_large_tensors_have_the_bytes_of_their_shapes(rows, why, tmp_path):
    tensor = numpy_helper.from_array(LARGE, "w")
    tensor.dims[0] = rows
    with pytest.raises(ImportRefusedError, match=why):
        read_model(product(tmp_path / "net.onnx", tensor))


def test_a_file_that_is_cut_off_within_a_large_tensor_is_damaged(tmp_path):
    path = product(tmp_path / "net.onnx", numpy_helper.from_array(LARGE, "w"))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ImportRefusedError, match="damaged"):
        read_model(path)
