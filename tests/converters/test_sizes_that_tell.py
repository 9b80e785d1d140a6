"""Code that decides by a size is seen as it runs, and the sizes at which it turns are tried."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest
import torch

from tests.few_are_quick import one_in
from tests.networks_that_ask import ALL, DECIDED_BY_VALUES, NOT_FOLLOWED, Channels, Net, OfSettings, factor_of
from triport.converters.networks.input_specs import spec_of
from triport.converters.torch_export.network import TorchNet
from triport.converters.torch_export.observed import asked_by_module
from triport.converters.torch_export.values_read import Reads, watched
from triport.parity.module_export import axes
from triport.parity.module_export.axes import plan_axes


def net_of(kind: Any) -> TorchNet:
    return TorchNet(kind().eval(), [spec_of("2x3")], kind.__name__)


def factor_at(net: TorchNet, size: int) -> float:
    x = torch.ones(size, 3)
    return float(net.module(x)[0, 0])


@pytest.mark.parametrize("kind", one_in(5, ALL))
def test_a_size_is_tried_at_which_the_code_goes_another_way(kind: type[Net]) -> None:
    net = net_of(kind)
    tried = [sizes["N"] for sizes in plan_axes(net, 0).proofs]
    assert len({factor_at(net, size) for size in tried}) > 1


def test_settings_that_look_up_their_own_names_are_followed() -> None:
    asked = asked_by_module(net_of(OfSettings), "N", {"N": 2}, (2, 1, 3))
    assert 77 in asked.sizes
    assert asked.unseen == ""


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


@pytest.mark.parametrize("kind", one_in(3, NOT_FOLLOWED))
def test_what_is_not_followed_is_said(kind: type[Net]) -> None:
    assert plan_axes(net_of(kind), 0).unseen["N"]


@pytest.mark.parametrize("kind", DECIDED_BY_VALUES)
def test_a_value_that_code_reads_is_noted_and_one_that_is_read_of_an_output_is_not(kind: type[Net]) -> None:
    reads: Reads = {}
    net = net_of(kind)
    with watched(reads):
        net.run([np.ones((2, 3), np.float32)])
    (place,) = reads
    assert place.startswith("networks_that_ask.py, line ")


def test_values_that_nobody_reads_are_not_noted() -> None:
    reads: Reads = {}
    with watched(reads):
        net_of(Channels).run([np.ones((2, 3), np.float32)])
    assert reads == {}


def test_code_is_what_it_was_afterwards() -> None:
    kind = next(kind for kind in ALL if kind.__name__ == "RowMade")
    before = kind.forward.__code__
    asked_by_module(net_of(kind), "N", {"N": 2}, (2,))
    assert kind.forward.__code__ is before
    assert not [name for name in vars(builtins) if "triport" in name]


def test_code_without_a_source_is_said() -> None:
    names: dict[str, Any] = {"__name__": "made", "Net": Net}
    exec("class Made(Net):\n    def forward(self, x):\n        return x * ([1.0] * 2000)[len(x)]\n", names)
    assert "the source of forward is not there" in plan_axes(net_of(names["Made"]), 0).unseen["N"]
