"""Which axes of a Module may be free."""

from __future__ import annotations

import torch

from triport.converters.networks.input_specs import parse_input
from triport.converters.torch_export.network import TorchNet
from triport.parity.module_export.axes import plan_axes


class Added(torch.nn.Module):
    """Adds a buffer to its input."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(rows, 4))

    def forward(self, x):
        return x + self.rows


def fixed(rows: int) -> str:
    net = TorchNet(Added(rows), [parse_input("2x4")], "Added")
    return plan_axes(net, 0).fixed.get("N", "")


def test_a_batch_that_only_one_stretches_to_is_fixed() -> None:
    assert fixed(2).startswith("Added itself runs with N=1 and N=2 alone: ")


def test_a_batch_that_runs_with_other_sizes_is_free() -> None:
    assert fixed(1) == ""
