"""`inspect A B` of ONNX files of no known model: equal weights are not all that counts."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

WEIGHT = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")


def node(op, *names, **attributes):
    *inputs, output = names
    return helper.make_node(op, inputs, [output], name=f"the {op}", **attributes)


PADDED = [
    node("Conv", "x", "w", "c", pads=[1, 1, 1, 1]),
    node("AveragePool", "c", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
]
OTHERS = {
    "pads_counted": [
        PADDED[0],
        node("AveragePool", "c", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    ],
    "dilations": [node("Conv", "x", "w", "c", pads=[2, 2, 2, 2], dilations=[2, 2]), PADDED[1]],
    "relu": [*PADDED[:1], node("Relu", "c", "r"), node("AveragePool", "r", "y", kernel_shape=[3, 3])],
}


def branch(weight):
    value = numpy_helper.from_array(np.full((1,), weight, np.float32), "inside")
    made = helper.make_graph([node("Identity", "inside", "b")], "body", [], [tensor("b")], [value])
    return node("If", "is", "s", then_branch=made, else_branch=made)


def tensor(name, shape=None):
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def write(path, nodes, outputs=("y",), weights=(WEIGHT,), opset=17):
    graph = helper.make_graph(
        nodes, "net", [tensor("x", ("N", 3, 8, 8))], [tensor(name) for name in outputs], weights
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), path)
    return path


@pytest.fixture
def compare(run_cli, tmp_path):
    return lambda a, b: run_cli("inspect", write(tmp_path / "a.onnx", *a), write(tmp_path / "b.onnx", *b))


def test_one_graph(compare):
    done = compare([PADDED], [PADDED])
    assert done.exit_code == 0 and "Equal, bit for bit.\n" in done.stdout
    assert "the graphs that the files hold or state are the same" in done.stdout


@pytest.mark.parametrize("what", OTHERS)
def test_another_graph(compare, what):
    done = compare([PADDED], [OTHERS[what]])
    assert done.exit_code == 1 and "Weights equal; graphs differ" in done.stdout
    assert what in done.stdout.lower()


def test_a_softmax_of_another_opset_is_not_called_one(compare):
    """Without an axis it is along the second one before opset 13, and along the last one from there."""
    nodes = [PADDED[0], node("Softmax", "c", "y")]
    done = compare([nodes, ("y",), (WEIGHT,), 11], [nodes, ("y",), (WEIGHT,), 13])
    assert done.exit_code == 0 and "the graphs are not compared" in done.stdout
    assert done.stdout.endswith("Equal, bit for bit, in what was compared.\n")


def test_another_output_differs(compare):
    a, b = ([*PADDED, node("ReduceMean", "c", "z", axes=axes)] for axes in ([1], [2]))
    done = compare([a, ("y", "z")], [b, ("y", "z")])
    assert done.exit_code == 1 and "at the output z" in done.stdout
    assert compare([a, ("y", "z")], [a, ("y",)]).exit_code == 1


def test_what_lies_in_branches_is_not_called_equal(compare):
    """Their weights are not read, and here they differ."""
    a, b = ([*PADDED, node("Cast", "x", "is", to=9), branch(weight)] for weight in (1, 2))
    done = compare([a, ("y", "s")], [b, ("y", "s")])
    assert done.exit_code == 0 and done.stdout.endswith("Equal, bit for bit, in what was compared.\n")
    assert "no branches, loops or functions" in done.stdout


def test_nothing_to_compare_is_not_equal(compare):
    a = [node("Cast", "x", "is", to=9), branch(1)]
    done = compare([a, ("s",), ()], [a, ("s",), ()])
    assert done.exit_code == 2 and "Compare what they compute: parity" in done.stderr
