"""Modules that keep a result of their parameters, or make tensors of their own: with other values anew."""

import numpy as np
import pytest
import torch
from torch import nn

import triport
from triport.converters.networks.foreign import parameters_in
from triport.converters.networks.input_specs import parse_input
from triport.converters.networks.module import of_module
from triport.converters.torch_export.kept import Kept
from triport.parity.runtimes.pytorch import PyTorchRunner

INPUT = "3x8"


class Keeps(nn.Module):
    """Adds turned biases, which it keeps: in a dict as LeViT, in an attribute, in one that is made then."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.bias = nn.Parameter(torch.randn(8))
        self.register_buffer("order", torch.arange(8).flip(0), persistent=False)
        self.in_dict, self.once = {}, None

    def kept(self):
        made = self.second(self.bias[self.order][None])
        if self.how == "in a dict":
            return self.in_dict.setdefault(str(made.device), made)
        if self.how == "in an attribute":
            if self.once is None:
                self.once = made
            return self.once
        if self.how == "in one that is made then":
            if not hasattr(self, "late"):
                self.late = made
            return self.late
        return made

    def forward(self, x):
        return torch.tanh(self.first(x)) + self.kept()


WAYS = ("in a dict", "in an attribute", "in one that is made then")


def other_values(module):
    random = np.random.default_rng(5)
    return {
        name: random.standard_normal(tensor.shape).astype(np.float32)
        for name, tensor in module.named_parameters()
    }


def network_of(module):
    return of_module(module, [parse_input(INPUT)], "keeps", parameters_in(module))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("how", WAYS)
def test_with_other_values_nothing_old_is_computed_with(how, dtype):
    modules = Keeps(""), Keeps(how)
    values = other_values(modules[0])
    x = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    networks = [network_of(module) for module in modules]
    fresh, kept = (
        next(iter(PyTorchRunner(one, values, dtype=dtype).run({one.inputs[0].name: x}).values()))
        for one in networks
    )
    assert np.array_equal(fresh, kept)


@pytest.mark.parametrize("how", WAYS)
def test_a_pair_is_proven_on_other_values(how):
    found = triport.pair(Keeps(how), Keeps(""), inputs=[INPUT])
    assert found.passed, found.to_dict()


@pytest.mark.parametrize("how", WAYS)
def test_what_a_module_had_is_put_back(how):
    module = Keeps(how)
    module.first.eval()
    kept, before = Kept(module), dict(vars(module))
    module(torch.zeros(3, 8))
    kept.forget()
    assert module.in_dict == {} and module.once is None and vars(module).keys() == before.keys()
    assert module.training and not module.first.training


class GivesWhatItKeeps(nn.Module):
    """Gives a module what it keeps, and makes a tensor of no type that it says, as ConViT."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.places = nn.Linear(8, 8), nn.Linear(1, 8), None

    def forward(self, x):
        if self.places is None:
            self.places = torch.zeros(1, 1) + 0.5
        return self.first(x) + self.second(self.places)


def test_what_was_kept_in_inference_mode_is_traced_and_float64_is_the_default(monkeypatch):
    module = GivesWhatItKeeps()
    network = network_of(module)
    feed = {network.inputs[0].name: np.ones((3, 8), np.float32)}
    for dtype in ("float32", "float64"):
        runner, called = PyTorchRunner(network, other_values(module), dtype=dtype), []
        once = next(iter(runner.run(feed).values()))
        again = next(iter(runner.trace(feed, called.append).values()))
        assert np.array_equal(once, again) and again.dtype == dtype and len(called) == 2
    assert torch.get_default_dtype() == torch.float32
