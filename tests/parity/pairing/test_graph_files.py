"""Networks in files: an ONNX graph goes by its initializers' own names, a MindIR by its parameters'."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import triport
from triport.converters.formats import open_checkpoint

from .of_onnx import image, module, product
from .torch_nets import chain, net


def dense():
    return chain(one=nn.Linear(6, 6), act=nn.ReLU(), two=nn.Linear(6, 6))


def dense_backwards():
    """Two dense layers that are defined the other way round."""
    return net(lambda self, x: self.two(torch.relu(self.one(x))), two=nn.Linear(5, 6), one=nn.Linear(6, 5))


def with_values(path, target, seed):
    """Write a graph again with other values, and return what it computes of an input, and that."""
    model = onnx.load(path)
    random = np.random.default_rng(seed)
    for tensor in model.graph.initializer:
        array = random.uniform(0.2, 1, tuple(tensor.dims)).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(model, target)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    x = random.standard_normal(shape).astype(np.float32)
    return x, session.run(None, {"x": x})[0]


@pytest.mark.parametrize(
    ("build", "graph", "shape"),
    [(dense, product, "4x6"), (module, image, "2x3x5x5")],
    ids=["products from the right", "an image's network"],
)
@pytest.mark.parametrize("graph_is_first", [False, True])
def test_weights_of_another_file_of_the_graph_move_by_the_map(
    build, graph, shape, graph_is_first, tmp_path, run_cli
):
    path, network = graph(), build()
    sides = (path, network) if graph_is_first else (network, path)
    names = tmp_path / "NAMES.toml"
    assert triport.pair(*sides, inputs=[shape], output=names).passed
    x, wanted = with_values(path, tmp_path / "other.onnx", 3)
    moved = tmp_path / "moved.pth"
    run_cli(
        "convert", str(tmp_path / "other.onnx"), "--names", str(names), "--to", "pytorch", "-o", str(moved)
    )
    network.load_state_dict(torch.load(moved, weights_only=True), strict=False)
    got = network.eval()(torch.from_numpy(x)).detach().numpy()
    assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max()


def equal_values(shape):
    return np.zeros(shape)


def symmetric_values(shape):
    if len(shape) < 2:
        return np.zeros(shape)
    drawn = np.random.default_rng(1).random(shape)
    return drawn + drawn.T


@pytest.mark.parametrize("draw", [equal_values, symmetric_values])
def test_values_that_do_not_show_how_a_matrix_lies_do_not_deceive(draw):
    found = triport.pair(dense(), product(draw), inputs=["4x6"])
    steps = {row.b[0]: [str(step) for step in row.steps] for row in found.names.rows}
    assert found.passed
    assert steps == {"w_in": ["transpose 1 0"], "b_in": [], "w_out": ["transpose 1 0"], "b_out": []}


def test_a_graph_is_its_own_counterpart_without_steps():
    found = triport.pair(product(), product(), inputs=["4x6"])
    assert found.passed
    assert found.runtimes == ("onnx", "onnx")
    assert {(row.a, row.b, row.steps) for row in found.names.rows} == {
        ((name,), (name,), ()) for name in ("w_in", "b_in", "w_out", "b_out")
    }


def test_what_is_left_has_the_files_names(run_cli, tmp_path):
    other = chain(one=nn.Linear(6, 6), act=nn.ReLU(), two=nn.Linear(6, 6, bias=False), act2=nn.Tanh())
    found = triport.pair(other, product(), inputs=["4x6"])
    used = {name for row in found.names.rows for name in row.b}
    assert used | set(found.names.left_b) == {"w_in", "b_in", "w_out", "b_out"}


def test_what_no_initializer_is_alone_is_said(tmp_path):
    network = chain(rnn=nn.LSTM(3, 4, batch_first=False))
    path = tmp_path / "lstm.onnx"
    torch.onnx.export(network, (torch.zeros(2, 3, 3),), str(path), dynamo=False)
    found = triport.pair(str(path), str(path), inputs=["2x3x3"])
    assert set(open_checkpoint(path).tensors).isdisjoint(name for row in found.names.rows for name in row.a)
    assert any("is no tensor of the file" in note for note in found.notes)


def test_a_mindir_is_a_side(tmp_path, run_cli):
    mindspore = pytest.importorskip("mindspore")
    from mindspore import nn as cells

    cell = cells.SequentialCell(cells.Dense(6, 5), cells.ReLU(), cells.Dense(5, 6))
    path = tmp_path / "net.mindir"
    mindspore.export(
        cell, mindspore.Tensor(np.zeros((4, 6), np.float32)), file_name=str(path), file_format="MINDIR"
    )
    names = tmp_path / "NAMES.toml"
    network = dense_backwards()
    found = triport.pair(str(path), network, inputs=["4x6"], output=names)
    assert found.passed
    assert found.runtimes == ("mindspore", "pytorch")
    said = {row.a[0]: row.b[0] for row in found.names.rows}
    parameters = [one.name for one in cell.get_parameters()]
    assert said == dict(zip(parameters, ["one.weight", "one.bias", "two.weight", "two.bias"], strict=True))
    mindspore.save_checkpoint(cell, str(tmp_path / "net.ckpt"))
    moved = tmp_path / "moved.pth"
    run_cli("convert", str(tmp_path / "net.ckpt"), "--names", str(names), "--to", "pytorch", "-o", str(moved))
    network.load_state_dict(torch.load(moved, weights_only=True))
    x = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    wanted = cell(mindspore.Tensor(x)).asnumpy()
    assert np.abs(network(torch.from_numpy(x)).detach().numpy() - wanted).max() <= 1e-5
