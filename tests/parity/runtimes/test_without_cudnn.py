"""Recurrent layers are kept from cuDNN, and nothing else is."""

import pytest
import torch
from torch import nn

from triport.parity.kernels.cudnn import recurrent_layers, without_cudnn


class Asks(nn.LSTM):
    seen = None

    def forward(self, *arguments):
        Asks.seen = torch.backends.cudnn.enabled
        return super().forward(*arguments)


class Fails(nn.GRU):
    def forward(self, *arguments):
        raise RuntimeError("no such input")


def test_cudnn_is_off_in_the_layer_alone():
    net = nn.Sequential(nn.Linear(4, 4), Asks(4, 4))
    with without_cudnn(torch, recurrent_layers(torch, net)):
        net(torch.zeros(2, 3, 4))
        assert Asks.seen is False and torch.backends.cudnn.enabled
    net(torch.zeros(2, 3, 4))
    assert Asks.seen is True


def test_cudnn_is_on_again_after_a_failure():
    net = nn.Sequential(Fails(4, 4))
    with pytest.raises(RuntimeError), without_cudnn(torch, recurrent_layers(torch, net)):
        net(torch.zeros(2, 3, 4))
    assert torch.backends.cudnn.enabled
