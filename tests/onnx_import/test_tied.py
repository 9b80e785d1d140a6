"""Parameters that two layers share: one in the source, or said to be two."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.operators import TARGETS
from triport.parity.imported.judge import UnoptimisedRuntime
from triport.parity.imported.twice import notes_on_weights_held_twice

FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
RANDOM = np.random.default_rng(0)


def drawn(*shape):
    return RANDOM.normal(size=shape).astype("f4")


def model(nodes, weights, inputs, output):
    """Return a model of nodes (operator, inputs, outputs, attributes)."""
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op, given, made, **attributes) for op, given, made, attributes in nodes],
        "graph",
        [onnx.helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [onnx.helper.make_tensor_value_info(*output)],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def tied_head(turned):
    """Return a language model whose head multiplies by `turned`, which an exporter has numbered."""
    nodes = [
        ("Gather", ["emb.weight", "ids"], ["x"], {}),
        ("MatMul", ["x", "onnx::MatMul_7"], ["xw"], {}),
        ("Add", ["out.bias", "xw"], ["y"], {}),
    ]
    weights = {"emb.weight": EMBEDDING, "onnx::MatMul_7": turned, "out.bias": drawn(30)}
    return model(nodes, weights, [("ids", INT64, ["N", 4])], ("y", FLOAT, ["Add9_dim_0", 4, 30]))


EMBEDDING = drawn(30, 8)


def same(proto, feed, target, folder):
    """Return the source of a model, which computes what ONNX Runtime does."""
    if target == "mindspore":
        pytest.importorskip("mindspore")
    source = written(proto, target)
    (wanted,) = UnoptimisedRuntime.of(proto.SerializeToString()).run(feed)
    (found,) = outputs_of(source, list(feed.values()), folder)
    np.testing.assert_allclose(found, wanted, atol=2e-6 * abs(wanted).max())
    return source


@pytest.mark.parametrize("target", TARGETS)
def test_a_head_that_is_tied_to_the_embedding_reads_its_parameter(target, tmp_path):
    feed = {"ids": np.array([[0, 29, 3, 7], [1, 2, 28, -1]])}
    source = same(tied_head(np.ascontiguousarray(EMBEDDING.T)), feed, target, tmp_path)
    assert sorted(source.weights) == ["emb.weight", "out.bias"]


def test_a_head_of_nearly_the_same_numbers_has_a_parameter_of_its_own(tmp_path):
    turned = np.ascontiguousarray(EMBEDDING.T)
    turned[-1, -1] += 1e-3
    source = same(tied_head(turned), {"ids": np.array([[0, 29, 3, 7]])}, "pytorch", tmp_path)
    assert len(source.weights) == 3


def test_an_axis_that_an_exporter_only_numbers_has_the_name_of_the_inputs():
    text = written(tied_head(np.ascontiguousarray(EMBEDDING.T))).text
    assert "Return (N, 4, 30) for ids (N, 4)." in text


@pytest.mark.parametrize("target", TARGETS)
def test_a_recurrent_layer_that_is_called_twice_is_one(target, tmp_path):
    nodes = [
        ("GRU", ["x", "w", "r"], ["all"], {"hidden_size": 4, "linear_before_reset": 1}),
        ("Squeeze", ["all", "axes"], ["h"], {}),
        ("GRU", ["h", "w", "r"], ["y"], {"hidden_size": 4, "linear_before_reset": 1}),
    ]
    weights = {"w": drawn(1, 12, 4), "r": drawn(1, 12, 4), "axes": np.array([1])}
    proto = model(nodes, weights, [("x", FLOAT, [5, 2, 4])], ("y", FLOAT, None))
    source = same(proto, {"x": drawn(5, 2, 4)}, target, tmp_path)
    assert sum(array.size for array in source.weights.values()) == 96


@pytest.mark.parametrize("target", TARGETS)
def test_slopes_are_weights_of_a_layer(target, tmp_path):
    nodes = [("PRelu", ["x", "act.weight"], ["y"], {})]
    weights = {"act.weight": drawn(3, 1, 1)}
    proto = model(nodes, weights, [("x", FLOAT, ["N", 3, 4, 4])], ("y", FLOAT, ["N", 3, 4, 4]))
    source = same(proto, {"x": drawn(2, 3, 4, 4)}, target, tmp_path)
    assert "nn.PReLU(3)" in source.text and "where" not in source.text


@pytest.mark.parametrize(("op", "neutral"), [("Add", 0), ("Sub", 0), ("Mul", 1)])
def test_whole_numbers_are_not_added_to_nothing(op, neutral, tmp_path):
    nodes = [(op, ["x", "n"], ["same"], {}), ("Add", ["same", "x"], ["y"], {})]
    proto = model(nodes, {"n": np.array(neutral)}, [("x", INT64, ["N"])], ("y", INT64, ["N"]))
    source = same(proto, {"x": np.array([-3, 5])}, "pytorch", tmp_path)
    assert "return x + x" in source.text


def test_zero_minus_a_number_is_its_negative(tmp_path):
    nodes = [("Sub", ["n", "x"], ["y"], {})]
    proto = model(nodes, {"n": np.array(0)}, [("x", INT64, ["N"])], ("y", INT64, ["N"]))
    same(proto, {"x": np.array([-3, 5])}, "pytorch", tmp_path)


def test_weights_with_the_same_numbers_are_said():
    (note,) = notes_on_weights_held_twice(
        {"a": EMBEDDING, "b": EMBEDDING.T.copy(), "c": EMBEDDING + 1, "d": EMBEDDING.reshape(30, 1, 8)}
    )
    assert note.startswith("weights with the same numbers: b those of a; d those of a. ")


def test_zeros_short_rows_and_whole_numbers_are_nothing_to_say():
    zeros, row = np.zeros((9, 9), "f4"), drawn(64)
    whole = np.arange(64).reshape(8, 8)
    assert (
        notes_on_weights_held_twice({"a": zeros, "b": zeros, "c": row, "d": row, "e": whole, "f": whole})
        == []
    )


@pytest.mark.parametrize("where", ["input", "output"])
def test_a_matrix_that_is_an_input_or_an_output_too_stays_what_it_is(where):
    proto = tied_head(np.ascontiguousarray(EMBEDDING.T))
    stated = onnx.helper.make_tensor_value_info("onnx::MatMul_7", FLOAT, [8, 30])
    getattr(proto.graph, where).append(stated)
    source = written(proto)
    assert [name for name, _, _ in source.inputs] == ["ids"]
    assert len(source.outputs) == 1 + (where == "output")
    assert len(source.weights) == 3
