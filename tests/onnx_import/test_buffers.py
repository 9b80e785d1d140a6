"""Buffers of a network in code: its ONNX file states them, and the source does not train them."""

import json

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.networks.input_specs import parse_input
from triport.converters.provenance import BUFFERS_KEY
from triport.converters.torch_export.network import TorchNet


class Rotated(torch.nn.Module):
    """A parameter, a buffer of the state dict and one beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.rand(4))
        self.register_buffer("table", torch.rand(4))
        self.register_buffer("turns", torch.rand(4), persistent=False)

    def forward(self, x):
        return x * self.scale * self.table + torch.cos(self.turns)


def test_which_tensors_of_a_graph_are_buffers():
    net = TorchNet(Rotated(), [parse_input("1x4")], "Rotated")
    assert net.buffers_among(["scale", "table", "net.turns", "val_3"]) == ["table", "net.turns"]


def model(said):
    """Return x * scale * table + cos(turns), with what the file says of its buffers."""
    make = helper.make_node
    nodes = [
        make("Mul", ["x", "scale"], ["a"]),
        make("Mul", ["a", "table"], ["b"]),
        make("Cos", ["turns"], ["c"]),
        make("Add", ["b", "c"], ["y"]),
    ]
    arrays = {
        name: np.linspace(0.5, 1, 40, dtype="f") + place
        for place, name in enumerate(("scale", "table", "turns"))
    }
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 40])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if said is not None:
        helper.set_model_props(proto, {BUFFERS_KEY: said})
    x = np.ones((2, 40), "f")
    return proto, x, x * arrays["scale"] * arrays["table"] + np.cos(arrays["turns"])


@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
def test_a_buffer_is_not_trained_and_what_is_computed_of_it_alone_is_a_constant(target, tmp_path):
    pytest.importorskip("torch" if target == "pytorch" else "mindspore")
    proto, x, wanted = model(json.dumps(["table", "turns"]))
    source = written(proto, target)
    trained = (
        "self.{} = nn.Parameter(torch.empty(40))"
        if target == "pytorch"
        else "self.{} = Parameter(mindspore.ops.zeros((40,), mindspore.float32))"
    )
    assert trained.format("scale") in source.text
    assert trained.format("table") not in source.text
    assert "cos(" not in source.text
    np.testing.assert_allclose(outputs_of(source, [x], tmp_path)[0], wanted, rtol=1e-6)


@pytest.mark.parametrize("said", [None, "[]", "no JSON", "{}", "[1]", '["other"]', "[" * 9999])
def test_a_file_that_states_no_buffers_has_parameters_alone(said):
    proto, _, _ = model(said)
    text = written(proto, "pytorch").text
    assert text.count("nn.Parameter(") == 3
