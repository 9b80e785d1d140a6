"""Spectral norms are named: their vectors are kept as each network is built, so that no map moves them."""

import pytest
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm

import triport

from .torch_nets import chain

NORMS = {"older": spectral_norm, "newer": parametrizations.spectral_norm, "none": lambda module: module}


def built(norm):
    return chain(one=NORMS[norm](nn.Linear(6, 5)), act=nn.Tanh(), two=nn.Linear(5, 3))


@pytest.mark.parametrize(
    ("a", "b", "with_norm"),
    [("older", "newer", "ab"), ("older", "none", "a"), ("none", "newer", "b"), ("newer", "newer", "ab")],
)
def test_a_side_with_a_spectral_norm_is_named_and_nothing_is_called_equal(a, b, with_norm):
    found = triport.pair(built(a), built(b), inputs=["4x6"])
    assert not found.equal
    # the newer norm is a module, whose output is taken from the other side: all the rest is proven then
    assert found.proven == (a == b == "newer")
    said = [note for note in found.notes if "spectral norm" in note]
    assert [note[0] for note in said] == list(with_norm)
    assert all("divides one.weight by a spectral norm" in note for note in said)
