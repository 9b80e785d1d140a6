"""What one draw of usual values does not show: large values, float64, what is random, what nothing proves."""

import pytest
import torch
from torch import nn

import triport
from triport.parity.pairing.derive import PairError
from triport.parity.pairing.report import lines_of

from .torch_nets import buffers, chain, conv, net


def perceptron(act):
    return chain(one=nn.Linear(6, 8), act=act, two=nn.Linear(8, 3))


def clamped(most):
    return net(
        lambda self, x: self.two(torch.tanh(self.one(x.clamp(-most, most)))),
        one=nn.Linear(6, 8),
        two=nn.Linear(8, 3),
    )


def tokens(act):
    """Nothing that is given to it makes what stands behind its norm larger."""
    return chain(words=nn.Embedding(9, 6), norm=nn.LayerNorm(6), one=nn.Linear(6, 8), act=act)


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        (nn.ReLU(), nn.ReLU6(), "ReLU and ReLU6"),
        (nn.Softplus(), nn.Softplus(threshold=5), "threshold 20 and 5"),
        (nn.Hardtanh(-10, 10), nn.Hardtanh(-9, 9), "max val 10 and 9"),
    ],
    ids=str,
)
def test_what_only_large_values_show_is_found(a, b, why):
    found = triport.pair(perceptron(a), perceptron(b), inputs=["4x6"])
    assert not found.equal
    assert found.proven
    assert found.first_parting.a == "act"
    assert why in found.first_parting.why


def test_a_clamp_in_code_is_found():
    found = triport.pair(clamped(1e9), clamped(5), inputs=["4x6"])
    assert not found.equal
    assert not found.proven


def test_large_values_come_behind_a_norm_too():
    found = triport.pair(tokens(nn.ReLU()), tokens(nn.ReLU6()), inputs=["2x5:int64:0..9"])
    assert not found.equal


@pytest.mark.parametrize("epsilon", [1e-12, 1.1e-6])
def test_what_float32_hides_is_said(epsilon):
    def build(eps):
        return chain(conv=conv(3, 4), norm=nn.BatchNorm2d(4, eps=eps), act=nn.ReLU())

    found = triport.pair(build(1e-6), build(epsilon), inputs=["2x3x5x5"])
    assert found.equal
    assert any(f"epsilon 1e-06 and {epsilon:g}" in note for note in found.notes)


def test_a_temperature_that_float32_hides_is_said():
    def build(temperature):
        return net(
            lambda self, x: torch.softmax(self.one(x) / temperature, -1) @ self.two.weight,
            one=nn.Linear(6, 8),
            two=nn.Linear(5, 8),
        )

    found = triport.pair(build(1.0), build(1.0000001), inputs=["4x6"])
    assert any("in float64 the outputs are" in note for note in found.notes)
    assert not triport.pair(build(1.0), build(1.0), inputs=["4x6"]).notes


def test_outputs_that_no_parameter_changes_prove_nothing():
    def build():
        return net(lambda self, x: self.two(torch.tanh(self.one(x))).argmax(-1), **layers())

    def layers():
        return {"one": nn.Linear(6, 8), "two": nn.Linear(8, 3)}

    found = triport.pair(build(), build(), inputs=["4x6"])
    assert not found.proven
    assert not found.passed
    assert "NOT PROVEN" in lines_of(found)[0]


def test_a_parameter_that_one_draw_leaves_silent_is_proven_by_others():
    """A ReLU of two channels lets nothing through with a fourth of all weights."""

    def gated():
        def forward(self, x):
            x = torch.relu(self.conv(x))
            gate = torch.sigmoid(self.up(torch.relu(self.down(x.mean((2, 3))))))
            return self.head(x * gate[:, :, None, None])

        parts = {"conv": conv(3, 8), "down": nn.Linear(8, 1), "up": nn.Linear(1, 8), "head": conv(8, 2)}
        return net(forward, **parts)

    assert triport.pair(gated(), gated(), inputs=["2x3x5x5"]).unproven == ()


def test_outputs_with_their_axes_in_another_order_are_said():
    def build(turned):
        return net(lambda self, x: self.one(x).T if turned else self.one(x), one=nn.Linear(5, 5))

    found = triport.pair(build(False), build(True), inputs=["5x5"])
    assert not found.equal
    assert "axes in another order: (1, 0)" in found.first_parting.why


def test_outputs_of_other_shapes_are_said():
    def build(shape):
        return net(lambda self, x: self.one(x).reshape(shape), one=nn.Linear(5, 3))

    found = triport.pair(build((4, 3)), build((3, 4)), inputs=["4x5"])
    assert any("(4, 3) and (3, 4)" in note for note in found.notes)


def test_a_network_that_is_random_is_refused():
    def build():
        return net(lambda self, x: self.one(x) + torch.rand_like(x), one=nn.Linear(6, 6))

    with pytest.raises(PairError, match="other values each time"):
        triport.pair(build(), build(), inputs=["4x6"])


def test_complex_parameters_are_refused():
    def build():
        weight = nn.Parameter(torch.randn(6, 4, dtype=torch.complex64))
        return net(lambda self, x: (x.to(self.w.dtype) @ self.w).abs(), w=weight)

    with pytest.raises(triport.Error, match="complex"):
        triport.pair(build(), build(), inputs=["4x6"])


def test_an_object_that_cannot_be_copied_is_refused():
    import threading

    network = perceptron(nn.ReLU())
    network.lock = threading.Lock()
    with pytest.raises(triport.Error, match="cannot be copied"):
        triport.pair(network, perceptron(nn.ReLU()), inputs=["4x6"])


def test_buffers_that_no_map_moves_are_said():
    def build():
        scaled = net(lambda self, x: x * self.factor + self.offset)
        return chain(one=buffers(scaled, factor=torch.randn(6), offset=torch.randn(6)), two=nn.Linear(6, 3))

    found = triport.pair(build(), build(), inputs=["4x6"])
    assert not found.equal
    assert "factor, offset" in found.first_parting.why
