"""Norms as exporters write them: of groups, of smaller steps; of instances, with weights and without."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from tests.onnx_import.test_exporters import constant, is_near, make, model, tensor, value, wanted
from triport.converters.onnx_import import operators

RANKS = {3: (7,), 4: (5, 6), 5: (2, 3, 4)}


def steps(rank=4, *, rows=(0, 4, -1), ones=None, by_shape=True, swapped=False):
    """Return group normalization of 8 channels as torch.onnx.export writes it at opset 17."""
    space = RANKS[rank]
    weights = [tensor("norm.weight", 8, seed=1), tensor("norm.bias", 8, seed=2)]
    weights += [constant("rows", *rows), constant("axes", *range(1, rank - 1))]
    count = rows[1]
    for name, numbers in (("ones", ones or [1] * count), ("zeros", [0] * count)):
        weights.append(onnx.numpy_helper.from_array(np.array(numbers, "f"), name))
    shape = make("Shape", ["x"], ["back"])
    if not by_shape:
        weights.append(constant("back", -1, 8, *space))
    nodes = [
        make("Reshape", ["x", "rows"], ["grouped"]),
        make("InstanceNormalization", ["grouped", "ones", "zeros"], ["normal"], epsilon=1e-3),
        *([shape] if by_shape else []),
        make("Reshape", ["normal", "back"], ["image"]),
        make("Unsqueeze", ["norm.weight", "axes"], ["scale"]),
        make("Mul", ["image", "scale"][:: -1 if swapped else 1], ["scaled"]),
        make("Unsqueeze", ["norm.bias", "axes"], ["shift"]),
        make("Add", ["scaled", "shift"][:: -1 if swapped else 1], ["y"]),
    ]
    return model(nodes, [value("x", "N", 8, *space)], [value("y", "N", 8, *space)], weights)


def check(proto, target, folder, rank=4):
    source = written(proto, target)
    x = np.random.default_rng(3).normal(1, 2, (2, 8, *RANKS[rank])).astype("f")
    assert is_near(outputs_of(source, [x], folder), wanted(proto, x))
    return source


@pytest.mark.parametrize("options", [{}, {"by_shape": False}, {"swapped": True}])
@pytest.mark.parametrize("target", operators.TARGETS)
def test_it_is_a_layer_of_its_name(options, target, tmp_path):
    source = check(steps(**options), target, tmp_path)
    assert "nn.GroupNorm(4, 8, eps=0.001)" in source.text and "x.reshape" not in source.text
    assert set(source.weights) == {"norm.weight", "norm.bias"}


@pytest.mark.parametrize("rank", [3, 5])
@pytest.mark.parametrize("target", operators.TARGETS)
def test_of_other_ranks(rank, target, tmp_path):
    source = check(steps(rank), target, tmp_path, rank)
    assert ("nn.GroupNorm(4, 8, eps=0.001)" in source.text) == (target == "pytorch")


@pytest.mark.parametrize(
    "options",
    [{"rows": (0, 4, 60), "ones": [1, 1, 2, 1]}, {"rows": (-1, 8, 30)}, {"rows": (0, 4, 60)}],
    ids=["another scale of a group", "rows across images", "rows of a stated length"],
)
@pytest.mark.parametrize("target", operators.TARGETS)
def test_other_steps_stay_steps(options, target, tmp_path):
    assert "GroupNorm" not in check(steps(**options), target, tmp_path).text


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("target", operators.TARGETS)
def test_norms_of_instances(named, target, tmp_path):
    """Without weights an exporter writes ones and zeros, in nodes without names."""
    arrays = {"ones": np.ones(8, "f"), "zeros": np.zeros(8, "f")}
    nodes, weights = [make("InstanceNormalization", ["x", "ones", "zeros"], ["y"], epsilon=1e-3)], []
    if named:
        nodes[0].input[1:] = ["norm.weight", "norm.bias"]
        weights = [tensor("norm.weight", 8, seed=1), tensor("norm.bias", 8, seed=2)]
    else:
        held = [(onnx.numpy_helper.from_array(array), name) for name, array in arrays.items()]
        nodes = [make("Constant", [], [name], value=one) for one, name in held] + nodes
    space = RANKS[4]
    source = check(
        model(nodes, [value("x", "N", 8, *space)], [value("y", "N", 8, *space)], weights), target, tmp_path
    )
    assert set(source.weights) == ({"norm.weight", "norm.bias"} if named else set())
    layer = "nn.InstanceNorm2d(8, eps=0.001, affine=True)" if named else "F.instance_norm(x, eps=0.001)"
    assert layer in source.text or target == "mindspore"
