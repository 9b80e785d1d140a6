"""Values that do not grow from layer to layer: statistics of norms that fit what the norms are given."""

import numpy as np
import torch
from torch import nn

from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.networks.input_specs import parse_input
from triport.parity.pairing.calm import calm_statistics
from triport.parity.pairing.comparing import apart
from triport.parity.pairing.proof import Draw
from triport.parity.pairing.sides.reading import side_of

from .torch_nets import conv, net

DEPTH = 16


def growing():
    """Blocks that each add as much as they are given, and at their end what sees how large it has become."""

    def forward(self, x):
        for conv_, norm in zip(self.convs, self.norms, strict=True):
            x = x + norm(conv_(x))
        return torch.cos(x)

    convs = nn.ModuleList(conv(4, 4, 1) for _ in range(DEPTH))
    return net(forward, convs=convs, norms=nn.ModuleList(nn.BatchNorm2d(4) for _ in range(DEPTH)))


def side(module, inputs="2x4x4x4"):
    return side_of(module, [parse_input(inputs)])


def drawn(is_calm):
    a, b = side(growing()), side(growing())
    draw = Draw(
        a, PairNames(tuple(PairRow((name,), (name,)) for name in a.parameters)), {}, {}, 0, is_calm=is_calm
    )
    draw.give(b)
    return a, b, draw.feed()


def change(one, feed, step=1e-6):
    """Return by how much outputs change with their inputs."""
    random = np.random.default_rng(0)
    moved = [array * (1 + step * random.standard_normal(array.shape)) for array in feed]
    return apart(one.outputs([array.astype(np.float64) for array in feed]), one.outputs(moved)) / step


def test_calm_values_make_less_of_a_rounding():
    (wild, _, feed), (calm, _, _) = drawn(is_calm=False), drawn(is_calm=True)
    assert change(calm, feed) * 10 < change(wild, feed)


def test_both_sides_have_the_same_calm_values():
    a, b, feed = drawn(is_calm=True)
    assert all(np.array_equal(a.values()[name], b.values()[name]) for name in a.parameters)
    assert apart(a.outputs(feed), b.outputs(feed)) == 0


def test_norms_that_are_given_the_same_have_statistics_of_their_own():
    module = net(lambda self, x: self.one(x) + self.two(x), one=nn.BatchNorm2d(3), two=nn.BatchNorm2d(3))
    one = side(module, "2x3x4x4")
    values = {
        name: np.full(p.shape, 0.5 + place / 10, np.float32)
        for place, (name, p) in enumerate(one.parameters.items())
    }
    one.set_values(values)
    found = calm_statistics(one, [np.random.default_rng(0).standard_normal((2, 3, 4, 4))])
    assert set(found) == {f"{path}.running_{what}" for path in ("one", "two") for what in ("mean", "var")}
    for what in ("mean", "var"):
        assert not np.allclose(found[f"one.running_{what}"], found[f"two.running_{what}"])
    assert all(np.array_equal(one.values()[name], value) for name, value in found.items())
