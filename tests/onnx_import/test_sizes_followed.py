"""Sizes that a graph computes are followed: through lists, sequences, and what onnx does not infer."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from tests.onnx_import.test_exporters import constant, is_near, make, model, tensor, value, wanted
from triport.converters.onnx_import import operators
from triport.converters.onnx_import.facts import Facts
from triport.converters.onnx_import.node_by_node import follow
from triport.converters.onnx_import.shapes import inferred


def facts_of(nodes, *constants, shape=("N", 6, 8)):
    graph = onnx.helper.make_graph(nodes, "net", [value("x", *shape)], [], list(constants))
    return Facts(graph, 17)


def test_a_list_of_sizes_is_known_but_for_the_free_one():
    facts = facts_of(
        [
            make("Shape", ["x"], ["shape"]),
            make("Slice", ["shape", "zero", "two"], ["first"]),
            make("Concat", ["first", "four", "four"], ["wanted"], axis=0),
        ],
        constant("zero", 0),
        constant("two", 2),
        constant("four", 4),
    )
    assert list(facts.value("wanted")) == ["N", 6, 4, 4]


@pytest.mark.parametrize(
    ("op_type", "expected"), [("Add", [None, 8, 10]), ("Mul", [None, 12, 16]), ("Mod", [None, 0, 0])]
)
def test_arithmetic_with_a_free_size_leaves_that_one_open(op_type, expected):
    nodes = [make("Shape", ["x"], ["shape"]), make(op_type, ["shape", "two"], ["made"])]
    assert list(facts_of(nodes, constant("two", 2)).value("made")) == expected


def test_what_would_grow_without_bounds_is_not_computed():
    nodes = [make("ConstantOfShape", ["sizes"], ["zeros"]), make("Range", ["a", "b", "c"], ["range"])]
    zero, one = (
        onnx.numpy_helper.from_array(np.array(n, np.int64), name) for n, name in ((0, "a"), (1, "c"))
    )
    far = onnx.numpy_helper.from_array(np.array(1 << 40, np.int64), "b")
    facts = facts_of(nodes, constant("sizes", 1 << 20, 1 << 20), zero, one, far)
    assert facts.value("zeros") is None and facts.value("range") is None


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((0, -1), ("N", 48)), ((-1, 8), (None, 8)), ((0, 2, -1), ("N", 2, 24)), ((-1, 6, 2, 4), ("N", 6, 2, 4))],
)
def test_the_counted_axis_of_a_reshape_is_what_is_left(sizes, expected):
    reshaped = make("Reshape", ["x", "sizes"], ["y"])
    proto = model([reshaped], [value("x", "N", 6, 8)], [value("y", *expected)], [constant("sizes", *sizes)])
    del proto.graph.output[0].type.tensor_type.shape.dim[:]
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    follow(proto, proto, Facts(proto.graph, 17), {})
    found = {one.name: one.type.tensor_type.shape.dim for one in proto.graph.value_info}["y"]
    assert tuple(dim.dim_value or dim.dim_param or None for dim in found) == expected


def test_a_type_that_onnx_does_not_infer_is_known():
    norm = make("GroupNormalization", ["x", "scale", "bias"], ["y"], num_groups=2)
    mean = make("ReduceMean", ["y", "axes"], ["z"], keepdims=0)
    weights = [tensor("scale", 4), tensor("bias", 4, seed=1), constant("axes", 2, 3)]
    proto = model([norm, mean], [value("x", "N", 4, 5, 5)], [value("z", "N", 4)], weights)
    proto.opset_import[0].version = 21
    found = {one.name: one.type.tensor_type for one in inferred(proto, is_sorted=True).graph.value_info}
    assert [dim.dim_param or dim.dim_value for dim in found["y"].shape.dim] == ["N", 4, 5, 5]


@pytest.mark.parametrize("target", operators.TARGETS)
@pytest.mark.parametrize("places", [(0, 1), (1, 0), (-1, -2)])
def test_members_of_a_split_sequence_are_parts(places, target, tmp_path):
    nodes = [
        make("SplitToSequence", ["x", "sizes"], ["parts"], axis=1),
        make("SequenceAt", ["parts", "a"], ["first"]),
        make("SequenceAt", ["parts", "b"], ["second"]),
        make("Concat", ["second", "first"], ["y"], axis=1),
    ]
    at = [onnx.numpy_helper.from_array(np.array(n, np.int64), c) for n, c in zip(places, "ab", strict=True)]
    proto = model(nodes, [value("x", "N", 5)], [value("y", "N", 5)], [constant("sizes", 2, 3), *at])
    x = np.random.default_rng(2).normal(size=(2, 5)).astype("f")
    assert is_near(outputs_of(written(proto, target), [x], tmp_path), wanted(proto, x))


@pytest.mark.parametrize("keeps", [0, 1])
def test_members_of_one_place_each_lose_their_axis_where_that_is_asked_for(keeps, tmp_path):
    nodes = [
        make("SplitToSequence", ["x"], ["parts"], axis=1, keepdims=keeps),
        make("SequenceAt", ["parts", "a"], ["y"]),
    ]
    at = onnx.numpy_helper.from_array(np.array(2, np.int64), "a")
    shape = ("N", 1) if keeps else ("N",)
    proto = model(nodes, [value("x", "N", 3)], [value("y", *shape)], [at])
    x = np.random.default_rng(2).normal(size=(2, 3)).astype("f")
    assert is_near(outputs_of(written(proto), [x], tmp_path), wanted(proto, x))


def test_a_list_that_is_joined_is_a_concatenation(tmp_path):
    nodes = [
        make("SequenceConstruct", ["x", "x"], ["parts"]),
        make("ConcatFromSequence", ["parts"], ["y"], axis=1),
    ]
    proto = model(nodes, [value("x", "N", 3)], [value("y", "N", 6)], [])
    x = np.random.default_rng(2).normal(size=(2, 3)).astype("f")
    assert is_near(outputs_of(written(proto), [x], tmp_path), wanted(proto, x))


@pytest.mark.parametrize("axes", [(0,), (0, 1)])
def test_a_size_that_becomes_a_list_has_the_axes_that_are_put_in(axes):
    nodes = [
        make("Shape", ["x"], ["shape"]),
        make("Gather", ["shape", "place"], ["size"], axis=0),
        make("Unsqueeze", ["size", "axes"], ["made"]),
    ]
    place = onnx.numpy_helper.from_array(np.array(0, np.int64), "place")
    made = facts_of(nodes, place, constant("axes", *axes)).value("made")
    assert made.shape == (1,) * len(axes) and made.reshape(-1)[0] == "N"


def test_free_axes_on_both_sides_of_a_flatten(tmp_path):
    sizes = ["A", 3, "B", "C", 2]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Flatten", ["x"], ["y"], axis=3)],
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, sizes)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
    )
    source = written(onnx.helper.make_model(graph, ir_version=8))
    x = np.arange(240, dtype="f4").reshape(2, 3, 5, 4, 2)
    np.testing.assert_array_equal(outputs_of(source, [x], tmp_path)[0], x.reshape(30, 8))
    assert outputs_of(source, [np.ones((2, 3, 0, 4, 2), "f4")], tmp_path)[0].shape == (0, 8)
