"""A weight that a spectral norm divides: beside another such norm, and beside the weight itself."""

import numpy as np
import pytest
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm

import triport

from .torch_nets import chain

NORMS = {"older": spectral_norm, "newer": parametrizations.spectral_norm, "none": lambda module: module}


def built(norm, **words):
    put = NORMS[norm]
    return chain(
        one=put(nn.Conv2d(3, 5, 3), **words),
        act=nn.Tanh(),
        two=put(nn.ConvTranspose2d(5, 3, 3), **words),
        three=nn.Conv2d(3, 2, 1),
    )


@pytest.mark.parametrize(
    ("a", "b", "step"),
    [
        ("older", "newer", []),
        ("newer", "newer", []),
        ("older", "none", ["spectral_norm 0"]),
        ("newer", "none", ["spectral_norm 0"]),
    ],
)
def test_spectral_norms_are_moved(a, b, step):
    found = triport.pair(built(a), built(b), inputs=["2x3x6x6"])
    assert found.passed
    assert not found.unproven
    steps = {row.b[0]: [str(one) for one in row.steps] for row in found.names.rows}
    weight = "one.parametrizations.weight.original" if b == "newer" else "one.weight"
    assert steps[weight] == step


def test_the_axis_of_a_norm_is_that_of_the_step():
    found = triport.pair(built("newer", dim=1), built("none"), inputs=["2x3x6x6"])
    assert found.passed
    steps = {row.b[0]: [str(one) for one in row.steps] for row in found.names.rows}
    assert steps["two.weight"] == ["spectral_norm 1"]


def test_a_norm_of_the_second_network_is_not_made_up():
    found = triport.pair(built("none"), built("newer"), inputs=["2x3x6x6"])
    assert not found.complete
    assert any("Give the networks in the other order" in note for note in found.notes)


def test_the_step_computes_what_pytorch_does():
    module = parametrizations.spectral_norm(nn.Conv2d(3, 4, 2), dim=1).eval()
    found = triport.pair(chain(one=module), chain(one=nn.Conv2d(3, 4, 2)), inputs=["1x3x4x4"])
    row = next(row for row in found.names.rows if row.b == ("one.weight",))
    state = {f"one.{name}": tensor.numpy() for name, tensor in module.state_dict().items()}
    (made,) = row.forward([state[name] for name in row.a])
    assert np.allclose(made, module.weight.detach().numpy(), rtol=1e-6)
