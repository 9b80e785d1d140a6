"""Where tensors and layers of a graph are held: under names that a Module can have."""

import ast

import numpy as np
import pytest

from triport.converters.onnx_import.state import State
from triport.converters.onnx_import.values import Known


@pytest.mark.parametrize(
    ("layer", "label", "path"),
    [
        ("norm.weight", "norm.scale", "norm_2.scale"),
        ("body.norm.weight", "body.norm.scale", "body.norm_2.scale"),
        ("body.norm.weight", "body.norm.inner.scale", "body.norm_2.inner.scale"),
        ("body.norm.weight", "body.norms.scale", "body.norms.scale"),
    ],
)
def test_a_tensor_with_a_name_within_a_layer_is_held_beside_it(layer, label, path):
    state = State()
    weight = Known(np.ones(3), layer, trained=True)
    state.add_layer("norm", ast.parse("nn.LayerNorm(3)", mode="eval").body, {"weight": weight}, "")
    assert state.add_tensor(label, np.zeros(2), Known(np.zeros(2), label)) == path
    other = Known(np.zeros(4), f"{label}:0")
    assert state.add_tensor(label, other.array, other) == f"{path}_2"
