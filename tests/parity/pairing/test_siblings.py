"""Experts that can be exchanged with the rows of their router are said to be, and others are not."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import triport

from .of_adversaries import Gated, routed
from .of_packings import experts
from .torch_nets import net

SAID = "interchangeable, as exchanging them shows: experts.0 to experts.2"


def said(a, b, inputs):
    found = triport.pair(a, b, inputs=inputs)
    assert found.passed
    assert not found.symmetric
    return [note for note in found.notes if "place along" in note]


def mixture(bend, bias):
    """Three experts that a router weighs, whose results are bent each in its way."""

    def forward(self, x):
        weights = torch.softmax(self.router(x), -1)
        found = [bend(place, one(x)) for place, one in enumerate(self.experts)]
        return (weights[..., None] * torch.stack(found, 1)).sum(1)

    return net(
        forward,
        router=nn.Linear(6, 3, bias=bias),
        experts=nn.ModuleList(Gated(6) for _ in range(3)),
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_square_experts_with_their_router(order):
    notes = said(routed(6, (0, 1, 2))(), routed(6, order)(), ["3x6"])
    assert notes == [f"{SAID}, each with its place along the first axis of router.weight"]


def test_a_router_with_a_bias():
    alike = [mixture(lambda place, x: x, True) for _ in range(2)]
    notes = said(*alike, ["3x6"])
    assert notes == [f"{SAID}, each with its place along the first axis of router.weight and router.bias"]


def test_experts_beside_stacks_of_them():
    case = experts(3, 6, 5)
    assert said(case.a(), case.b(), list(case.inputs))[0].startswith(SAID)


@pytest.mark.parametrize(
    "bend",
    [
        lambda place, x: x * (1 + 1e-4 * place),
        lambda place, x: F.relu(x) if place else x,
        lambda place, x: x + 1e-4 * (place == 2),
    ],
    ids=["a factor", "an activation", "a shift of the last"],
)
def test_experts_that_differ_a_little_are_not(bend):
    assert not said(mixture(bend, False), mixture(bend, False), ["3x6"])
