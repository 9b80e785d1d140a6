"""Branches that become one convolution: the row leads one way only, and the other order is named."""

import pytest
from torch import nn
from torch.nn.utils import parametrizations

import triport
from triport.converters.naming.step import StepError

from .of_branches import IMAGE, block, one_convolution
from .torch_nets import chain


def test_what_is_added_up_cannot_be_taken_apart():
    found = triport.pair(block((3, 1), True), one_convolution()(), inputs=list(IMAGE))
    (row,) = found.names.rows
    assert row.computes
    with pytest.raises(StepError, match="cannot be undone"):
        row.steps[-1].inverse  # noqa: B018


def test_the_other_order_of_networks_is_named_where_branches_stand_second():
    found = triport.pair(one_convolution()(), block((3, 1), True), inputs=list(IMAGE))
    assert not found.complete
    assert "b's BatchNorms, or branches with one each" in found.notes[-1]
    assert found.notes[-1].endswith("Give the networks in the other order")


def test_the_other_order_of_networks_is_named_where_weight_norm_stands_second():
    plain = chain(one=nn.Linear(6, 5), act=nn.Tanh(), two=nn.Linear(5, 3))
    normed = chain(one=parametrizations.weight_norm(nn.Linear(6, 5)), act=nn.Tanh(), two=nn.Linear(5, 3))
    found = triport.pair(plain, normed, inputs=["4x6"])
    assert not found.complete
    assert "b keeps weights as magnitude and direction" in found.notes[-1]
