"""Layers of numbers that no input reaches: all runs round them alike, and so no two runs tell their noise."""

import json

import pytest
import torch
from torch import nn


class Table(nn.Module):
    """Weighs its input by a table of positions, whose large numbers a softmax tells apart."""

    def __init__(self, wrong=0.0):
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.register_buffer("places", torch.randn((64, 64), generator=random))
        self.act = nn.Softsign()
        self.softmax = nn.Softmax(dim=-1)
        self.last = nn.Linear(64, 8)
        self.wrong = wrong

    def forward(self, x):
        places = 100 * self.act(self.places)
        return self.last(x + 0.05 * self.softmax(places * (1 + self.wrong * torch.arange(64))).mean(0))


class Tokens(nn.Module):
    """All that follows whole numbers is rounded alike too; two modules return what they are given."""

    def __init__(self):
        super().__init__()
        self.same = nn.Identity()
        self.embedding = nn.Embedding(50, 16)
        self.drop = nn.Dropout(0.1)
        self.act = nn.Softsign()
        self.last = nn.Linear(16, 4)

    def forward(self, tokens):
        return self.last(self.same(self.act(self.drop(self.embedding(self.same(tokens))))))


@pytest.mark.parametrize("wrong", [0, 1e-4])
def test_they_have_a_noise_of_their_own(wrong, run_cli):
    nets = [f"{__file__}:{name}" for name in ("Table", f"Table(wrong={wrong})")]
    done = run_cli("parity", *nets, "--input", "2x64", "--layers", "--runtimes", "pytorch", "--json", "-")
    assert done.exit_code == bool(wrong), done.output
    pairs = json.loads(done.stdout)["models"][0]["pairs"]
    layers = {one["module"]: one for one in pairs[-1]["layers"]["modules"]}
    assert layers["softmax"]["passed"] == (not wrong)
    assert layers["softmax"]["noise"] > 1e-6


def test_modules_that_return_what_they_are_given_are_passed_over(run_cli):
    words = ("--input", "tokens=2x7:int64:0..50", "--layers", "--runtimes", "pytorch", "--json", "-")
    done = run_cli("parity", f"{__file__}:Tokens", *words)
    assert done.exit_code == 0, done.output
    (pair,) = json.loads(done.stdout)["models"][0]["pairs"]
    layers = {one["module"]: one for one in pair["layers"]["modules"]}
    assert layers["embedding"]["noise"] == 0 < layers["act"]["noise"]
