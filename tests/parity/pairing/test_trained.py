"""Momentum of both frameworks by one count: what is said to be equal moves statistics equally."""

import mindspore
import numpy as np
import pytest
import torch
from mindspore import mint
from mindspore import nn as ms_nn
from torch import nn

import triport
from triport.parity.pairing.settings import momentum_of

from .torch_nets import chain, net

BATCH = np.random.default_rng(0).standard_normal((4, 3, 5, 5)).astype(np.float32) + 2
CELLS = {
    "mindspore.nn": lambda kept: ms_nn.BatchNorm2d(3, momentum=kept),
    "mindspore.mint.nn": lambda kept: mint.nn.BatchNorm2d(3, momentum=1 - kept),
}


@pytest.mark.parametrize("kept", [0.9, 0.75])
@pytest.mark.parametrize("library", CELLS)
def test_momentum_is_counted_alike(library, kept):
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    cell, module = CELLS[library](kept).set_train(True), nn.BatchNorm2d(3, momentum=1 - kept).train()
    assert momentum_of(cell) == momentum_of(module)
    if library == "mindspore.nn":  # mint's runs on an NPU alone
        cell(mindspore.Tensor(BATCH))
        module(torch.from_numpy(BATCH))
        assert np.allclose(cell.moving_mean.asnumpy(), module.running_mean.numpy(), atol=1e-6)


def dropping(**rates):
    """Two branches that are twins but for their dropout, summed in this order."""

    def forward(self, x):
        return self.last(sum(getattr(self, name)(x) for name in rates))

    branches = {
        name: chain(fc=nn.Linear(6, 6), act=nn.ReLU(), drop=nn.Dropout(rate)) for name, rate in rates.items()
    }
    return net(forward, **branches, last=nn.Linear(6, 3))


@pytest.mark.parametrize("rates", [(0.1, 0.5), (0.5, 0.1)])
def test_twins_that_get_the_rate_of_each_other_are_said(rates):
    """Nothing in evaluation mode tells which is which: the map has either."""
    b = dropping(**dict(zip(("x", "y"), rates, strict=True)))
    found = triport.pair(dropping(left=0.1, right=0.5), b, inputs=["4x6"])
    assert found.passed
    ((to,),) = [row.b for row in found.names.rows if row.a == ("left.fc.weight",)]
    is_right = rates["xy".index(to[0])] == 0.1
    said = [note for note in found.notes if "in training they part" in note]
    assert bool(said) != is_right


def test_dropout_at_the_same_places_is_not_said():
    found = triport.pair(dropping(left=0.1, right=0.1), dropping(x=0.1, y=0.1), inputs=["4x6"])
    assert found.passed
    assert not found.notes
