"""What MindSpore's kernel of tanh is off by is said, and hides nothing else."""

import pytest
import torch
from torch import nn

import triport
from triport.parity.pairing.report import lines_of

from .cells import conv
from .torch_nets import net

mindspore = pytest.importorskip("mindspore")


class Saturated(mindspore.nn.Cell):
    """tanh of values near 5, where MindSpore's kernel on the CPU is off by 1e-4."""

    def __init__(self):
        super().__init__()
        self.norm = mindspore.nn.LayerNorm((64,), epsilon=1e-5)
        self.dense = mindspore.nn.Dense(64, 5)

    def construct(self, x):
        return self.dense(mindspore.ops.tanh(5 + 0.02 * self.norm(x)))


def saturated(epsilon, shift):
    def forward(self, x):
        return self.dense(torch.tanh(5 + shift + 0.02 * self.norm(x)))

    return net(forward, norm=nn.LayerNorm(64, eps=epsilon), dense=nn.Linear(64, 5))


@pytest.fixture
def pair():
    return lambda shift: triport.pair(Saturated(), saturated(1e-5, shift), inputs=["3x64"])


def test_the_kernel_alone_is_said_and_the_map_is_proven(pair):
    found = pair(0.0)
    assert found.passed
    assert any("MindSpore's kernels compute tanh" in note for note in found.notes)
    assert lines_of(found)[0].startswith("EQUAL, but for a kernel of MindSpore's: 4 rows")
    assert {row.a[0]: row.b[0] for row in found.names.rows} == {
        **{"norm.gamma": "norm.weight", "norm.beta": "norm.bias"},
        **{"dense.weight": "dense.weight", "dense.bias": "dense.bias"},
    }


def test_a_fault_beside_it_is_one(pair):
    found = pair(-0.5)
    assert not found.equal
    assert not any("MindSpore's kernel" in note for note in found.notes)


class Pooled(mindspore.nn.Cell):
    """A pool behind a tanh, which is code and no module."""

    def __init__(self):
        super().__init__()
        self.conv = conv(3, 4)
        self.pool = mindspore.nn.AvgPool2d(3, 2, "pad", 1, count_include_pad=False)
        self.last = conv(4, 2)

    def construct(self, x):
        return self.last(self.pool(mindspore.ops.tanh(self.conv(x))))


def test_what_parts_behind_it_is_found_and_the_rest_proven():
    module = net(
        lambda self, x: self.last(self.pool(torch.tanh(self.conv(x)))),
        last=nn.Conv2d(4, 2, 3, padding=1),
        pool=nn.AvgPool2d(3, 2, 1),
        conv=nn.Conv2d(3, 4, 3, padding=1),
    )
    found = triport.pair(module, Pooled(), inputs=["2x3x8x8"])
    assert found.proven
    assert not found.equal
    assert found.first_parting.a == found.first_parting.b == "pool"
    assert "count_include_pad True and False" in found.first_parting.why
    assert any("all else was compared with that in PyTorch too" in note for note in found.notes)
