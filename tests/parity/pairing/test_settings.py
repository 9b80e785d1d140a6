"""What layers compute with, read alike of both frameworks, and enough to compute them anew."""

import mindspore
import numpy as np
import pytest
import torch
from mindspore import mint
from mindspore import nn as ms_nn
from torch import nn

from triport.parity.pairing.recomputed import recomputed
from triport.parity.pairing.settings import differences, settings_of
from triport.reference_models.kinds import kind_of
from triport.reference_models.modules import Part

IMAGE = np.random.default_rng(0).standard_normal((2, 4, 7, 8)).astype(np.float32)
LINE = np.random.default_rng(0).standard_normal((2, 4, 9)).astype(np.float32)
ROWS = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)

# a layer of PyTorch, the same of MindSpore, and what both are given
ALIKE = {
    "conv": (nn.Conv2d(4, 6, 3, padding=1), ms_nn.Conv2d(4, 6, 3, pad_mode="pad", padding=1), IMAGE),
    "valid": (nn.Conv2d(4, 6, 3), ms_nn.Conv2d(4, 6, 3, pad_mode="valid"), IMAGE),
    "same": (nn.Conv2d(4, 6, 3, padding="same"), ms_nn.Conv2d(4, 6, 3), IMAGE),
    "groups": (
        nn.Conv2d(4, 8, 3, 2, (1, 0), groups=2),
        ms_nn.Conv2d(4, 8, 3, 2, pad_mode="pad", padding=(1, 1, 0, 0), group=2),
        IMAGE,
    ),
    "dilation": (
        nn.Conv2d(4, 8, 3, padding=2, dilation=2),
        ms_nn.Conv2d(4, 8, 3, pad_mode="pad", padding=2, dilation=2),
        IMAGE,
    ),
    "line": (nn.Conv1d(4, 6, 3, padding=1), ms_nn.Conv1d(4, 6, 3, pad_mode="pad", padding=1), LINE),
    "mint": (nn.Conv2d(4, 6, 3, padding=1), mint.nn.Conv2d(4, 6, 3, padding=1), IMAGE),
    "norm": (nn.BatchNorm2d(4, eps=1e-3), ms_nn.BatchNorm2d(4, eps=1e-3), IMAGE),
    "layer norm": (nn.LayerNorm(8, eps=1e-6), ms_nn.LayerNorm((8,), epsilon=1e-6), IMAGE),
    "group norm": (nn.GroupNorm(2, 4, eps=1e-4), ms_nn.GroupNorm(2, 4, eps=1e-4), IMAGE),
    "max-pool": (nn.MaxPool2d(3, 2, 1), ms_nn.MaxPool2d(3, 2, pad_mode="pad", padding=1), IMAGE),
    "max-pool, rounded up": (
        nn.MaxPool2d(2, 2, ceil_mode=True),
        ms_nn.MaxPool2d(2, 2, pad_mode="pad", padding=0, ceil_mode=True),
        IMAGE,
    ),
    "average pool": (
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        ms_nn.AvgPool2d(3, 2, pad_mode="pad", padding=1, count_include_pad=False),
        IMAGE,
    ),
    "average pool of zeros": (nn.AvgPool2d(3, 2, 1), ms_nn.AvgPool2d(3, 2, pad_mode="pad", padding=1), IMAGE),
    "GELU": (nn.GELU("tanh"), ms_nn.GELU(), ROWS),
    "exact GELU": (nn.GELU(), ms_nn.GELU(approximate=False), ROWS),
    "leaky ReLU": (nn.LeakyReLU(0.2), ms_nn.LeakyReLU(), ROWS),
    "softmax": (nn.Softmax(1), ms_nn.Softmax(), ROWS),
}
# these pad on one side more than on the other, which no layer of PyTorch does
SAME = {
    f"{name}, {image.shape[2]} x {image.shape[3]}": (cell, image)
    for image in (IMAGE, IMAGE[:, :, :6, :5])
    for name, cell in {
        "stride 2": ms_nn.Conv2d(4, 6, 3, 2),
        "kernel 4": ms_nn.Conv2d(4, 6, 4, 3),
        "dilation 2": ms_nn.Conv2d(4, 6, 3, dilation=2),
    }.items()
}


def read(layer, given):
    return settings_of(layer, kind_of(layer), [given.shape])


def run(layer, given):
    if isinstance(layer, nn.Module):
        with torch.no_grad():
            return layer.eval().double()(torch.from_numpy(given).double()).numpy()
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    return layer.set_train(False)(mindspore.Tensor(given)).asnumpy()


@pytest.mark.parametrize("name", ALIKE)
def test_equal_layers_have_equal_settings(name):
    module, cell, given = ALIKE[name]
    first, second = read(module, given), read(cell, given)
    assert first
    assert first.keys() == second.keys()
    assert list(differences(first, second)) == []


# mindspore.mint's run on an NPU alone
RUN_HERE = [
    pytest.param(name, side, id=f"{name}-{side}")
    for name in ALIKE
    for side in (0, 1)
    if list(ALIKE[name][0].parameters())
    and not type(ALIKE[name][side]).__module__.startswith("mindspore.mint")
]


@pytest.mark.parametrize(("name", "side"), RUN_HERE)
def test_a_layer_computed_anew_with_its_own_settings_is_itself(name, side):
    layer, given = ALIKE[name][side], ALIKE[name][2]
    made = recomputed(Part("", layer, kind_of(layer), True), read(layer, given), [given])
    assert np.allclose(made, run(layer, given), atol=2e-6)


@pytest.mark.parametrize("name", SAME)
def test_padding_that_is_called_same_is_computed_of_the_sizes(name):
    cell, given = SAME[name]
    made = recomputed(Part("", cell, kind_of(cell), True), read(cell, given), [given])
    assert np.allclose(made, run(cell, given), atol=2e-6)


@pytest.mark.parametrize("side", [0, 1])
def test_a_layer_computed_with_other_settings_is_another(side):
    layer, given = ALIKE["conv"][side], IMAGE
    settings = {**read(layer, given), "padding": ((0, 2), (0, 2))}
    made = recomputed(Part("", layer, kind_of(layer), True), settings, [given])
    assert not np.allclose(made, run(layer, given), atol=1e-3)
