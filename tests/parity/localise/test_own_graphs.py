"""ONNX files of a user's own network: what differs is named, weights apart from the graph."""

import json

import onnx
import pytest
from onnx import numpy_helper

NET = "tests.parity.nets.modules:Tokens"
SPEC = ("--input", "tokens=2x7@length:int32:0..50")


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """A file that is made of the network."""
    from click.testing import CliRunner

    from triport.cli import main

    path = tmp_path_factory.mktemp("net") / "right.onnx"
    done = CliRunner().invoke(main, ["convert", NET, *SPEC, "--to", "onnx", "-o", str(path)])
    assert done.exit_code == 0, done.output
    return path


def changed(path, target, *, weight=False, graph=False, folded=False):
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if weight and tensor.name == "first.bias":
            array = numpy_helper.to_array(tensor).copy()
            array[3] += 0.1
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for node in model.graph.node:
        if graph and node.op_type == "Erf":
            node.op_type = "Tanh"
        for index, name in enumerate(node.input):
            if folded and name == "first.bias":
                node.input[index] = "renamed"
    for tensor in model.graph.initializer:
        if folded and tensor.name == "first.bias":
            tensor.name = "renamed"
    onnx.save(model, target)
    return target


@pytest.fixture
def located(right, run_cli, tmp_path):
    """The network with the right file and a changed one: the exit code and what is said of each."""

    def run(**faults):
        other = changed(right, tmp_path / "other.onnx", **faults)
        done = run_cli("parity", NET, right, other, *SPEC, "--runtimes", "pytorch,onnx", "--json", "-")
        found = json.loads(done.stdout)["localisations"]
        assert [one["second"] for one in found] == [str(right), str(other)]
        assert found[0]["passed"] and found[0]["cause"] == "neither"
        return done.exit_code, found[1]

    return run


def test_files_that_are_the_network(located):
    code, found = located()
    assert code == 0 and found["passed"] and found["compared"] == 5


def test_weights_that_differ_are_named_and_the_graph_is_right(located):
    code, found = located(weight=True)
    assert code == 1 and found["cause"] == "weights"
    (one,) = found["weights"]
    assert (one["name"], one["values"]) == ("first.bias", 1) and one["max_abs"] == pytest.approx(0.1)


def test_a_graph_that_is_wrong_names_the_module(located):
    code, found = located(graph=True)
    assert code == 1 and found["cause"] == "graph"
    (line,) = found["graph"]
    assert "the first difference is in act (GELU): its input is right, its output is not" in line


def test_both_are_told_apart(located):
    code, found = located(weight=True, graph=True)
    assert code == 1 and found["cause"] == "weights and graph"
    assert "the first difference is in act (GELU)" in found["graph"][0]


def test_a_tensor_without_its_name_is_said(located):
    code, found = located(folded=True)
    assert code == 0 and found["compared"] == 4
    assert "1 of 5 tensors have no name there" in found["not_judged"] and "first.bias" in found["not_judged"]


def test_the_terminal_names_it(right, run_cli, tmp_path):
    other = changed(right, tmp_path / "other.onnx", graph=True)
    done = run_cli("parity", NET, right, other, *SPEC, "--runtimes", "pytorch,onnx")
    assert done.exit_code == 1 and "the first difference is in act (GELU)" in " ".join(done.output.split())
