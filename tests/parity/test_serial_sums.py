"""Sums of many equal numbers: the noise has the order in which others take them, and hides no fault."""

import json
import sys

import numpy as np
import pytest
import torch

from tests.few_are_quick import one_in
from triport.converters.torch_export.dispatch_mode import dispatch_mode
from triport.parity.kernels.serial_sums import MANY, serial_sums

ROUNDING = 2.0**-24
POOLS = {
    "mean": lambda x: x.mean((2, 3)),
    "mean, kept": lambda x: x.mean((-1, -2), keepdim=True),
    "sum": lambda x: x.sum((2, 3)) / (x.shape[2] * x.shape[3]),
    "global pool": torch.nn.AdaptiveAvgPool2d(1),
    "one axis": lambda x: x.flatten(2).mean(-1),
    "every axis": lambda x: x.mean((0, 1, 2, 3)),
    "in one dimension": lambda x: torch.nn.functional.adaptive_avg_pool1d(x.flatten(2), 1),
}


@pytest.mark.parametrize("inference", [True, False])
@pytest.mark.parametrize("name", POOLS)
def test_equal_numbers_are_summed_one_after_another(name, inference):
    x = torch.full((2, 3, 64, 64), 0.7)
    with torch.inference_mode(inference), torch.no_grad():
        plain = POOLS[name](x)
        with serial_sums(torch):
            serial = POOLS[name](x)
    assert serial.shape == plain.shape and serial.dtype == plain.dtype
    off = float((serial.double() / x.double()[0, 0, 0, 0] - 1).abs().max()) / ROUNDING
    assert 100 < off < 10_000
    assert float((plain.double() / x.double()[0, 0, 0, 0] - 1).abs().max()) / ROUNDING < 5


@pytest.mark.parametrize(
    "given",
    [
        torch.full((2, 3, 15, MANY // 15), 0.7),
        torch.full((2, 3, 64, 64), 0.7, dtype=torch.float64),
    ],
    ids=["few", "float64"],
)
def test_few_numbers_and_float64_are_left_alone(given):
    with torch.inference_mode():
        plain = given.mean((2, 3))
        with serial_sums(torch):
            assert torch.equal(given.mean((2, 3)), plain)


def test_a_serial_sum_is_the_sum():
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 40, 50)))
    with torch.inference_mode(), serial_sums(torch):
        found = x.float().mean((1, 3), keepdim=True)
    torch.testing.assert_close(found.double(), x.mean((1, 3), keepdim=True), rtol=0, atol=1e-6)


SOURCE = """
from torch import nn


class Pooled(nn.Module):
    def __init__(self, share=1.0, pool=False):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8, 5)
        self.share = share
        self.pooled = nn.AdaptiveAvgPool2d(1) if pool else (lambda x: x.mean((2, 3), keepdim=True))

    def forward(self, x):
        return self.head(self.share * self.pooled(self.conv(x).relu()).flatten(1))
"""


@pytest.fixture
def parity(run_cli, tmp_path):
    """The command on networks that pool 64 x 64 values."""
    path = tmp_path / "pooled.py"
    path.write_text(SOURCE)

    def run(*calls):
        nets = [f"{path}:Pooled({call})" for call in calls]
        return run_cli(
            "parity", *nets, "--input", "2x3x64x64", "--runtimes", "pytorch,onnx", "--json", "-", "--layers"
        )

    return run


@pytest.mark.parametrize("pool", one_in(2, [False, True]))
def test_an_image_of_one_colour_is_no_false_alarm(pool, parity):
    done = parity(f"pool={pool}")
    assert done.exit_code == 0, done.output


# 4,095 numbers for 4,096, and a twelfth of that
@pytest.mark.parametrize("share", [1 + 1 / 4096, 1 + 2e-5])
def test_a_mean_of_one_number_too_few_is_found(share, parity):
    done = parity("", f"share={share}")
    assert done.exit_code == 1
    (report,) = json.loads(done.stdout)["models"]
    (wrong,) = [pair for pair in report["pairs"] if not pair["passed"]]
    assert "share=" in wrong["candidate"] and wrong["needed_tolerance"] > wrong["tolerance"]


@pytest.mark.parametrize("compiler_is_loaded", [False, True])
def test_a_mode_does_not_load_the_compiler_to_be_kept_from_it(monkeypatch, compiler_is_loaded):
    if compiler_is_loaded:
        monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    else:
        monkeypatch.delitem(sys.modules, "torch._dynamo", raising=False)

    class Mode(dispatch_mode(torch)):
        def __torch_dispatch__(self, function, types, arguments=(), words=None):
            return function(*arguments, **(words or {}))

    # what torch has wrapped imports the compiler when it is called
    assert hasattr(Mode.__torch_dispatch__, "__wrapped__") is compiler_is_loaded
