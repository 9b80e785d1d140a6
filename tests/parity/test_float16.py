"""float16 within a file is rounded as the ONNX standard says."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from triport.converters.networks.registered import of_model
from triport.parity.onnx_graphs import in_order
from triport.parity.onnx_graphs.float16 import has_float16, rounded_as_said
from triport.parity.runtimes.onnx import OnnxRunner
from triport.reference_models.spec import get_model

NETWORK = of_model(get_model("res2net_digits"), 8)
BATCH = np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32)


def classifier(*, ordered=True, halves=True):
    """A convolution, a sum with itself and a pool, in float16 between casts."""
    dtype = np.float16 if halves else np.float32
    weight = np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype(dtype)
    to = 10 if halves else 1
    nodes = [
        helper.make_node("Cast", ["input"], ["x"], to=to),
        helper.make_node("Conv", ["x", "weight"], ["c"]),
        helper.make_node("Add", ["c", "c"], ["a"]),
        helper.make_node("GlobalAveragePool", ["a"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Cast", ["f"], ["logits"], to=1),
    ]
    graph = helper.make_graph(
        nodes if ordered else nodes[::-1],
        "net",
        [helper.make_tensor_value_info("input", 1, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", 1, ["N", 8])],
        [numpy_helper.from_array(weight, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("ordered", [True, False])
def test_every_result_is_rounded(ordered, tmp_path):
    path = tmp_path / "half.onnx"
    path.write_bytes(classifier(ordered=ordered).SerializeToString())
    expected = ReferenceEvaluator(classifier()).run(None, {"input": BATCH})[0]
    runner = OnnxRunner(path, NETWORK)
    found = runner.run({"input": BATCH})["logits"]
    assert (found.astype(np.float16) == found).all()
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-3)
    assert "5 of its 6 nodes are float16" in runner.notes[0]


def test_what_has_no_float16_is_left_alone(tmp_path):
    model = classifier(halves=False)
    assert not has_float16(model)
    assert rounded_as_said(model)[1] == 0
    path = tmp_path / "full.onnx"
    path.write_bytes(model.SerializeToString())
    assert (
        OnnxRunner(path, NETWORK).notes == ()
        and OnnxRunner(path, NETWORK).versions()["graph optimisation"] == "all"
    )


def test_nodes_are_put_in_order():
    model, mixed = classifier(), classifier(ordered=False)
    assert in_order(model) is model
    assert [node.op_type for node in in_order(mixed).graph.node] == [n.op_type for n in model.graph.node]
    onnx.checker.check_model(in_order(mixed), full_check=True)


def test_a_circle_is_left_to_the_runtime():
    """Two nodes that read each other have no order."""
    model = classifier()
    model.graph.node[1].input[0] = "a"
    assert in_order(model) is model


def test_the_names_of_tensors_stay():
    """Each float16 tensor has its name after it was rounded, an output too."""
    model = classifier()
    apart, count = rounded_as_said(model)
    onnx.checker.check_model(apart, full_check=True)
    made = {name: node.op_type for node in apart.graph.node for name in node.output}
    assert count == 5
    assert [made[name] for name in ("x", "c", "a", "p", "f")] == ["Identity"] * 5
    assert [made[f"{name}:unrounded"] for name in ("x", "c")] == ["Cast", "Conv"]
    assert made["logits"] == "Cast" and [value.name for value in apart.graph.output] == ["logits"]


def _branch(*nodes):
    return helper.make_graph(nodes, "branch", [], [helper.make_tensor_value_info("y", 1, [1])])


HALF = helper.make_tensor("h", 10, [1], [1.0])
PLACES = {
    "an initializer": lambda graph: graph.initializer.append(HALF),
    "an input": lambda graph: graph.input.append(helper.make_tensor_value_info("h", 10, [1])),
    "a value": lambda graph: graph.value_info.append(helper.make_tensor_value_info("f", 10, [1])),
    "a constant": lambda graph: graph.node.append(helper.make_node("Constant", [], ["h"], value=HALF)),
    "a cast": lambda graph: graph.node.append(helper.make_node("Cast", ["f"], ["h"], to=10)),
    "a branch": lambda graph: graph.node.append(
        helper.make_node(
            "If", ["b"], ["h"], then_branch=_branch(helper.make_node("Cast", ["f"], ["y"], to=10))
        )
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_float16_is_seen_wherever_it_stands(place):
    model = classifier(halves=False)
    PLACES[place](model.graph)

    assert has_float16(model)


@pytest.mark.parametrize(
    ("order", "known"),
    [((0, 1), True), ((1, 0), False)],
    ids=["before what reads it", "after what reads it"],
)
def test_what_a_branch_reads_of_the_graph_around_it_counts(order, known):
    """A model that is in order is returned as it is, without a library of graphs."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("If", ["b"], ["y"], then_branch=_branch(helper.make_node("Neg", ["r"], ["y"]))),
    ]
    given = [helper.make_tensor_value_info("x", 1, [1]), helper.make_tensor_value_info("b", 9, [])]
    made = [helper.make_tensor_value_info("y", 1, [1])]
    model = helper.make_model(helper.make_graph([nodes[place] for place in order], "net", given, made))

    assert (in_order(model) is model) is known
    assert [node.op_type for node in in_order(model).graph.node] == ["Relu", "If"]
