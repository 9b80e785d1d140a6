"""Vectors of which nothing says that they are positive: negative values tell networks apart."""

import pytest
import torch
from torch import nn

import triport

from .torch_nets import chain, net, p


def scaled(scale, size=7):
    """What is computed with a vector of no known layer."""
    parts = {"one": nn.Linear(6, size), "two": nn.Linear(size, 3), "g": p(size)}
    return net(lambda self, x: self.two(self.one(x) * scale(self.g)), **parts)


def written(scale, root=torch.sqrt):
    """A BatchNorm that is written out: its variance must stay positive."""

    def forward(self, x):
        x = (self.one(x) - self.mean) / root(self.var + 1e-5) * scale(self.factor) + self.shift
        return self.two(torch.relu(x))

    vectors = {name: p(7) for name in ("mean", "var", "factor", "shift")}
    return net(forward, one=nn.Linear(6, 7), two=nn.Linear(7, 3), **vectors)


def known():
    """The same with the layer itself."""
    return chain(one=nn.Linear(6, 7), norm=nn.BatchNorm1d(7), act=nn.ReLU(), two=nn.Linear(7, 3))


def plain(values):
    return values


def pair(a, b):
    return triport.pair(a, b, inputs=["4x6"])


OTHERWISE = {
    "abs": torch.abs,
    "clamp": lambda g: g.clamp(min=0),
    "relu": torch.relu,
    "root of square": lambda g: (g * g).sqrt(),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_scale_without_its_sign_is_another_graph(name):
    found = pair(scaled(plain), scaled(OTHERWISE[name]))
    assert found.complete and not found.equal
    assert any("some values of g are negative" in note for note in found.notes)


def test_a_single_number_is_drawn_negative():
    assert not pair(scaled(plain, 1), scaled(torch.abs, 1)).equal


@pytest.mark.parametrize("scale", [plain, *OTHERWISE.values()])
def test_the_same_function_of_a_scale_is_equal(scale):
    found = pair(scaled(scale), scaled(scale))
    assert found.passed
    assert not found.notes


def test_outputs_that_signs_make_zero_say_nothing():
    found = pair(scaled(torch.relu, 1), scaled(lambda g: g.clamp(min=0), 1))
    assert found.equal


def test_a_root_keeps_its_values_positive_and_that_is_said():
    found = pair(scaled(torch.sqrt), scaled(torch.sqrt))
    assert found.passed
    assert found.notes == ("compared with positive values alone, as negative ones say nothing: g",)


def test_no_numbers_beside_numbers_are_another_graph():
    def rooted(g):
        return g.abs().sqrt()

    for a, b in ((rooted, torch.sqrt), (torch.sqrt, rooted)):
        assert not pair(scaled(a), scaled(b)).equal


@pytest.mark.parametrize(
    ("a", "b"), [(written(plain), written(plain)), (known(), written(plain)), (written(plain), known())]
)
def test_a_norm_that_is_written_out_is_equal(a, b):
    assert pair(a, b).passed


@pytest.mark.parametrize("a", [written(plain), known()])
def test_a_scale_beside_a_variance_is_drawn_with_signs(a):
    """The variance has none; the layer beside it says what it is, or the numbers do."""
    assert not pair(a, written(torch.abs)).equal


def test_of_many_variances_the_scales_are_found():
    def deep(scale):
        layers = nn.Sequential(*(written(scale) for _ in range(5)))
        for layer in layers:
            layer.two = nn.Linear(7, 6)
        return layers

    same = pair(deep(plain), deep(plain))
    assert same.equal
    assert not any("factor" in note for note in same.notes)
    assert not pair(deep(plain), deep(torch.abs)).equal


def test_a_cell_that_turns_no_number_into_zero_proves_no_difference():
    """MindSpore's ReLU does so on the CPU; what is not negative is the variance of a norm written out."""
    import mindspore
    from mindspore import ops

    class Written(mindspore.nn.Cell):
        def __init__(self):
            super().__init__()
            self.one, self.two = mindspore.nn.Dense(6, 7), mindspore.nn.Dense(7, 3)
            for name in ("mean", "var", "factor", "shift"):
                setattr(self, name, mindspore.Parameter(ops.ones(7)))

        def construct(self, x):
            x = (self.one(x) - self.mean) / ops.sqrt(self.var + 1e-5) * self.factor + self.shift
            return self.two(ops.relu(x))

    assert pair(written(plain), Written()).equal
    assert pair(Written(), written(plain)).equal
    assert not pair(written(torch.abs), Written()).equal
