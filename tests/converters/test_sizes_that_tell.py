"""Code that decides by a size is seen as it runs, and the sizes at which it turns are tried."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.networks_that_ask import ALL, Channels, Net, factor_of
from triport.converters.networks.input_specs import spec_of
from triport.converters.torch_export.network import TorchNet
from triport.converters.torch_export.observed import asked_by_module
from triport.parity.module_export import axes
from triport.parity.module_export.axes import plan_axes


def net_of(kind: Any) -> TorchNet:
    return TorchNet(kind().eval(), [spec_of("2x3")], kind.__name__)


def factor_at(net: TorchNet, size: int) -> float:
    x = torch.ones(size, 3)
    return float(net.module(x)[0, 0])


@pytest.mark.parametrize("kind", ALL)
def test_a_size_is_tried_at_which_the_code_goes_another_way(kind: type[Net]) -> None:
    net = net_of(kind)
    tried = [sizes["N"] for sizes in plan_axes(net, 0).proofs]
    assert len({factor_at(net, size) for size in tried}) > 1


def test_nothing_is_asked_of_code_that_decides_by_other_sizes() -> None:
    asked = asked_by_module(net_of(Channels), "N", {"N": 2}, (2, 1, 3))
    assert (asked.sizes, asked.unseen) == ((), "")


def test_what_a_module_keeps_of_a_run_is_put_back() -> None:
    net = net_of(next(kind for kind in ALL if kind.__name__ == "BetweenMethods"))
    asked_by_module(net, "N", net.sizes, (2,))
    assert net.module.size is None
    assert type(factor_of(80)) is int


class Hashed(Net):
    """Asks for more numbers than are tried."""

    def forward(self, x):
        return x * {3 * one: 2 for one in range(20, 60)}.get(x.shape[0], 3)


class Converted(Net):
    """Makes a size what no number of ours follows."""

    def forward(self, x):
        return x * 2 if complex(x.shape[0]).real == 80 else x * 3


@pytest.mark.parametrize(
    ("kind", "why"),
    [(Hashed, "a key in forward"), (Converted, "not followed everywhere: complex() in forward")],
)
def test_what_cannot_be_decided_is_said(kind: type[Net], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(axes, "MOST_ASKED", 4)
    assert why in plan_axes(net_of(kind), 0).unseen["N"]
