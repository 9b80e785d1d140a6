"""Momentum of both frameworks by one count: what is said to be equal moves statistics equally."""

import mindspore
import numpy as np
import pytest
import torch
from mindspore import mint
from mindspore import nn as ms_nn
from torch import nn

from triport.parity.pairing.settings import momentum_of

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
