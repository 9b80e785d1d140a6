"""What MindSpore's kernel of tanh is off by is said, and hides nothing else."""

import pytest
import torch
from torch import nn

import triport
from triport.parity.pairing.report import lines_of

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
