"""Outputs that are the same for all inputs prove nothing: other weights take the place of zeros."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from triport.converters.onnx_import.expressions import code
from triport.converters.onnx_import.operators import TARGETS, find_operator
from triport.parity.imported.convert import _again, convert_to_source, imported
from triport.parity.imported.zeros import NOTE, are_constant, proven_behind_zeros, proven_with_numbers


def saved(folder, last):
    """Write two layers, of which the last has these weights, and return the path."""
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]> net (float[N, 8] x) => (float[N, 5] y) {
        a = Gemm <transB = 1> (x, first_weight, first_bias) b = Relu (a)
        y = Gemm <transB = 1> (b, head_weight, head_bias) }"""
    )
    random = np.random.default_rng(0)
    weights = {
        "first_weight": random.standard_normal((6, 8)),
        "first_bias": np.zeros(6),
        "head_weight": last,
        "head_bias": np.full(5, 0.5),
    }
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(array.astype("f4"), name) for name, array in weights.items()
    )
    onnx.save(proto, folder / "net.onnx")
    return folder / "net.onnx"


@pytest.mark.parametrize("target", TARGETS)
def test_a_last_layer_of_zeros_is_proven_with_other_numbers(target, tmp_path):
    done = convert_to_source(saved(tmp_path, np.zeros((5, 6))), tmp_path / "net", target)
    assert done.passed
    assert any("1 stored tensor of zeros: the same source was proven with other" in n for n in done.notes)


def test_outputs_that_depend_on_inputs_need_nothing(tmp_path):
    _, done = imported(saved(tmp_path, np.ones((5, 6))), "pytorch", "net")
    assert done.is_equal
    assert not done.notes


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda source, done: (replace(source, text=source.text + "\n"), done), "would be another"),
        (
            lambda source, done: (source, replace(done, notes=(NOTE,))),
            "with other numbers in their place too",
        ),
        (
            lambda source, done: (
                source,
                replace(done, trials=(replace(done.trials[0], passed=False, why="it is off"),)),
            ),
            "it is off",
        ),
    ],
    ids=["another source", "still the same", "different"],
)
def test_what_is_not_seen_is_not_proven(change, why, tmp_path):
    path = saved(tmp_path, np.zeros((5, 6)))
    source, done = _again(path, "pytorch", "net")
    assert done.is_equal
    found = proven_with_numbers(path, source, done, lambda other: change(*_again(other, "pytorch", "net")))
    assert not found.is_equal
    assert not found.is_different
    assert why in found.trials[0].why


@pytest.mark.parametrize(
    ("runs", "same"),
    [
        ([np.zeros((2, 3)), np.zeros((3, 3))], True),
        ([np.array([[1.0, 2], [1, 2]]), np.array([[1.0, 2]] * 3)], True),
        ([np.array([[1.0, 2], [1, 3]]), np.array([[1.0, 2]] * 3)], False),
        ([np.array([1.0, 2]), np.array([1.0, 2])], True),
        ([np.array([1, 2]), np.array([1, 2])], False),
        ([np.zeros(3)], False),
    ],
)
def test_which_outputs_are_the_same(runs, same):
    assert are_constant([[run] for run in runs]) is same


def branched(folder, scale):
    """Write a branch that is added to its input, scaled by stored numbers, and return the path."""
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]> net (float[N, 8] x) => (float[N, 8] y) {
        a = Gemm <transB = 1> (x, weight, bias) b = Relu (a) moved = Identity (scale)
        c = Mul (moved, b) y = Add (x, c) }"""
    )
    weights = {
        "weight": np.random.default_rng(0).standard_normal((8, 8)),
        "bias": np.zeros(8),
        "scale": scale,
    }
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(array.astype("f4"), name) for name, array in weights.items()
    )
    onnx.save(proto, folder / "net.onnx")
    return folder / "net.onnx"


@pytest.mark.parametrize("target", TARGETS)
def test_what_zeros_multiply_is_proven_with_other_numbers(target, tmp_path):
    _, done = imported(branched(tmp_path, np.zeros(8)), target, "net")
    assert done.is_equal
    start = "something is multiplied by 1 stored tensor of zeros: the same source was proven"
    assert any(note.startswith(start) for note in done.notes)
    _, done = imported(branched(tmp_path, np.ones(8)), target, "net")
    assert done.is_equal and not any(note.startswith(start) for note in done.notes)


def test_a_fault_behind_zeros_is_seen(tmp_path, monkeypatch):
    def wrong(domain, op_type, version, target):
        found = find_operator(domain, op_type, version, target)
        return (
            replace(found, translate=lambda call: code("-x", x=call.tensor(0)))
            if op_type == "Relu"
            else found
        )

    monkeypatch.setattr("triport.converters.onnx_import.translate.find_operator", wrong)
    path = branched(tmp_path, np.zeros(8))
    assert _again(path, "pytorch", "net")[1].is_equal
    _, done = imported(path, "pytorch", "net")
    assert not done.is_equal
    assert "with other numbers in their place it is not" in done.trials[0].why


def test_a_source_that_other_numbers_change_is_said_to_be_open(tmp_path):
    path = branched(tmp_path, np.zeros(8))
    source, done = _again(path, "pytorch", "net")
    other = replace(source, text=source.text + "\n")
    found = proven_behind_zeros(path, source, done, lambda file: (other, done))
    assert found.is_equal and "a fault before that would not have been seen" in found.notes[-1]


@pytest.mark.parametrize(("function", "is_said"), [("Log", True), ("Exp", False)])
def test_an_output_without_any_number_is_said_to_prove_nothing(function, is_said, tmp_path):
    """Log of what is below zero: whatever the source had before it would be NaN too."""
    proto = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 17]> net (float[N, 8] x) => (float[N, 8] y, float[N, 8] z) {{
        y = Tanh (x) a = Mul (x, x) b = Neg (a) c = Sub (b, one) z = {function} (c) }}"""
    )
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array(1, "f4"), "one"))
    onnx.save(proto, tmp_path / "net.onnx")
    _, done = imported(tmp_path / "net.onnx", "pytorch", "net")
    assert done.is_equal
    assert any("output 'z' is NaN or infinite throughout" in note for note in done.notes) == is_said
