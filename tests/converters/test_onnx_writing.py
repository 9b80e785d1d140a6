"""An ONNX file is written piece by piece: the same bytes as protobuf's, also with the weights beside it."""

import numpy as np
import onnx
import pytest

from triport.converters.formats import open_checkpoint
from triport.converters.formats.tensors import ArrayTensor
from triport.converters.onnx_export.from_torch import FROM_TORCH
from triport.converters.onnx_export.writing import OnnxWriteError, write_model
from triport.converters.onnx_export.written_model import INPUT, OnnxExportError, finished, with_parameters
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

SPEC = get_model("res2net_digits")
PARAMETERS = random_parameters(SPEC, 10, 0)
TENSORS = {name: ArrayTensor(np.ascontiguousarray(array, "<f4")) for name, array in PARAMETERS.items()}


@pytest.fixture
def graph():
    return FROM_TORCH.trace(SPEC, 10)


def test_the_same_bytes_as_protobuf(graph, tmp_path):
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    write_model(tmp_path / "x.onnx", graph, TENSORS)
    assert (tmp_path / "x.onnx").read_bytes() == with_parameters(copy, PARAMETERS).SerializeToString(
        deterministic=True
    )


def test_weights_beside_it(graph, tmp_path):
    path = tmp_path / "x.onnx"
    write_model(path, graph, TENSORS, limit=1000)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.onnx", "x.onnx.data"]
    assert path.stat().st_size < sum(tensor.nbytes for tensor in TENSORS.values())
    onnx.checker.check_model(str(path), full_check=True)
    found = open_checkpoint(path).tensors
    assert all(np.array_equal(found[name].numpy(), array) for name, array in PARAMETERS.items())
    stored = onnx.load(path, load_external_data=False).graph.initializer
    offsets = [int(one.external_data[1].value) for one in stored if one.external_data]
    assert len(offsets) == len(PARAMETERS) and all(offset % 4096 == 0 for offset in offsets)
    # written again, it replaces its own
    write_model(path, FROM_TORCH.trace(SPEC, 10), TENSORS, limit=1000)


@pytest.mark.parametrize("before", [None, b"no ONNX file", "whole"])
def test_a_data_file_of_another_model_is_kept(before, graph, tmp_path):
    """Also where the file itself is replaced, and has its weights in itself."""
    path = tmp_path / "x.onnx"
    if before == "whole":
        write_model(path, FROM_TORCH.trace(SPEC, 10), TENSORS)
    elif before is not None:
        path.write_bytes(before)
    (tmp_path / "x.onnx.data").write_bytes(b"weights of another file")
    files = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    with pytest.raises(OnnxWriteError, match="is there already"):
        write_model(path, graph, TENSORS, limit=1000)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == files


class Changing(ArrayTensor):
    """A tensor whose file changes between two readings."""

    def chunks(self):
        self.array[...] += 1
        return super().chunks()


@pytest.mark.parametrize("limit", [1000, 1 << 31])
def test_what_does_not_read_back_is_not_kept(graph, tmp_path, limit):
    changing = Changing(np.zeros((8, 3, 3, 3), np.float32))
    with pytest.raises(OnnxWriteError, match="1 tensor does not read back"):
        write_model(tmp_path / "x.onnx", graph, {**TENSORS, "conv1.0.weight": changing}, limit=limit)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("shapes", "problem"),
    [
        ({"conv1.0.weight": (8, 3, 3, 4)}, r"\(8, 3, 3, 3\) in the graph, parameter \(8, 3, 3, 4\)"),
        ({"another": (1,)}, "another: not in the graph"),
    ],
)
def test_parameters_that_are_not_the_graphs(graph, shapes, problem):
    right = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in graph.graph.input
        if value.name != INPUT
    }
    with pytest.raises(OnnxExportError, match=problem):
        finished(graph, SPEC, 10, 17, {**right, **shapes})
    del right["fc.bias"]
    with pytest.raises(OnnxExportError, match=r"fc.bias: in the graph, but no parameter"):
        finished(graph, SPEC, 10, 17, right)
