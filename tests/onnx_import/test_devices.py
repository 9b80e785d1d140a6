"""What a written module makes lies where its input does: it runs wherever the module is put."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from tests.onnx_import.source_runs import written
from tests.onnx_import.test_hostile import model
from triport.converters.onnx_import.written import load, write


def constant(name, values):
    return numpy_helper.from_array(np.asarray(values), name)


CASES = {
    "a constant of whole numbers": (
        [
            helper.make_node("Cast", ["x"], ["whole"], to=onnx.TensorProto.INT64),
            helper.make_node("Add", ["whole", "few"], ["sum"]),
            helper.make_node("Cast", ["sum"], ["y"], to=onnx.TensorProto.FLOAT),
        ],
        [constant("few", [1, 2])],
    ),
    "a range and a fill of computed lengths": (
        [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("Gather", ["shape", "zero"], ["rows"]),
            helper.make_node("Range", ["zero", "rows", "one"], ["places"]),
            helper.make_node("Cast", ["places"], ["numbers"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["numbers", "last"], ["column"]),
            helper.make_node("ConstantOfShape", ["shape"], ["nothing"]),
            helper.make_node("Add", ["x", "column"], ["moved"]),
            helper.make_node("Add", ["moved", "nothing"], ["y"]),
        ],
        [constant("zero", 0), constant("one", 1), constant("last", [1])],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_new_tensors_lie_where_the_input_does(case, tmp_path):
    nodes, weights = CASES[case]
    source = written(model(nodes, weights, shape=("N", 2)))
    assert "device=" in source.text, source.text
    write(tmp_path, source)
    # this device computes nothing, and takes no tensor of another one
    found = load(tmp_path, "written", "pytorch").to("meta")(torch.zeros(3, 2, device="meta"))
    assert found.device.type == "meta" and tuple(found.shape) == (3, 2)
