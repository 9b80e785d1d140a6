"""A norm that holds its activation, as timm's BatchNormAct2d does, beside a norm and an activation."""

import pytest
from torch import nn

import triport


class NormAct(nn.BatchNorm2d):
    def __init__(self, channels, eps):
        super().__init__(channels, eps)
        self.drop = nn.Identity()
        self.act = nn.SiLU()

    def forward(self, x):
        return self.act(self.drop(super().forward(x)))


def apart():
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.SiLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.SiLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
    )


def fused(eps):
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3), NormAct(8, eps)),
        nn.Sequential(nn.Conv2d(8, 8, 3), NormAct(8, eps)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
    )


def test_equal_ones_are_equal():
    assert triport.pair(apart(), fused(1e-5), inputs=["2x3x12x12"]).passed


@pytest.mark.parametrize("turned", [False, True])
def test_another_epsilon_is_named_and_all_else_proven(turned):
    nets = (fused(1e-3), apart()) if turned else (apart(), fused(1e-3))
    done = triport.pair(*nets, inputs=["2x3x12x12"])
    assert done.complete and done.proven and not done.equal
    assert {done.first_parting.a, done.first_parting.b} == {"1", "0.1"}
    assert "epsilon" in done.first_parting.why
    assert not done.unproven
