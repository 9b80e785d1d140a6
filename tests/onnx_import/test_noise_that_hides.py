"""Inputs on which noise hides a fault: others are drawn, and what stays unsure is not called different."""

import numpy as np
import onnx
import pytest

from triport.parity.imported import convert as proof
from triport.parity.imported.judge import settled
from triport.parity.imported.result import UNPROVEN, SourceTrial
from triport.parity.judge.tolerance import FLOAT32

FLOAT = onnx.TensorProto.FLOAT


class Noisy:
    """A network of one number whose float64 is 1, and further off by `noise` with each rounding."""

    arithmetic = FLOAT32

    def __init__(self, noise):
        self.noise = noise

    def __call__(self, feed, seed=None):
        return [np.array([1.0 if seed is None else 1 + self.noise * (-1) ** seed])]


@pytest.mark.parametrize(
    ("noise", "mine", "its", "judged_by"),
    [
        (1e-3, 1.1, 1.2, UNPROVEN),  # both are further off than a noise that hides faults
        (1e-3, 1.1, 1.0, "float64"),  # ONNX Runtime is near, so that the fault is the source's
        (1e-3, 1.0, 1.2, "float64"),
        (1e-3, 1.001, 1.002, UNPROVEN),  # within the noise
        (1e-8, 1.1, 1.2, "float64"),  # there is no noise to speak of
    ],
)
def test_two_runs_far_from_float64_are_not_called_different_where_noise_is_wide(noise, mine, its, judged_by):
    found, wanted = ([np.array([each], np.float32)] for each in (mine, its))
    verdict = settled(("x [1]",), found, wanted, {}, Noisy(noise), ())
    assert verdict.judged_by == judged_by
    assert not verdict.passed


@pytest.fixture
def doubled(tmp_path):
    """Return the path of x + x, with a free batch."""
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "x"], ["y"])],
        "doubled",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["N", 4])],
        [onnx.helper.make_tensor_value_info("y", FLOAT, ["N", 4])],
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, tmp_path / "doubled.onnx")
    return tmp_path / "doubled.onnx"


@pytest.mark.parametrize(("told_at", "passed"), [(1, True), (3, True), (9, False)])
def test_other_values_are_drawn_where_some_say_nothing(told_at, passed, doubled, tmp_path, monkeypatch):
    seen = []

    def tried(path, network, target, runtime, feed, exact):
        seen.append(feed["x"])
        told = sum(each.shape == feed["x"].shape for each in seen) > told_at
        return SourceTrial((), 0.0, "runtime" if told else UNPROVEN, told)

    monkeypatch.setattr(proof, "_tried", tried)
    done = proof.convert_to_source(doubled, tmp_path / "out", "pytorch")
    assert done.passed == passed
    assert not done.is_different
    for shape in {each.shape for each in seen}:
        same = [each for each in seen if each.shape == shape]
        assert len(same) == min(told_at, 3) + 1
        assert len({each.tobytes() for each in same}) == len(same)
