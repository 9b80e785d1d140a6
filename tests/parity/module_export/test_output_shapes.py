"""The shapes that the file of a Module declares for its outputs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from triport.converters.networks.input_specs import parse_input
from triport.converters.torch_export.network import ModuleError, TorchNet
from triport.parity.module_export.axes import plan_axes
from triport.parity.module_export.feeds import ordinary
from triport.parity.module_export.keep import output_shapes


def shapes_of(*results: np.ndarray) -> Any:
    """Return what is declared for an output that is another array at each size of N."""
    feeds = [SimpleNamespace(arrays=array, sizes={"N": array.size}) for array in results]
    net = SimpleNamespace(name="Net", inputs=(), output_names=["y"], run=lambda array: [np.array(array)])
    prover: Any = SimpleNamespace(net=net, ordinary=lambda sizes: feeds)
    found: Any = SimpleNamespace(sizes=[], exported=SimpleNamespace(free=("N",)))
    return output_shapes(prover, found)


def test_an_output_without_a_batch_axis_for_one_image_is_refused() -> None:
    with pytest.raises(ModuleError, match=r"the output y has the shapes \(\) and \(3,\)"):
        shapes_of(np.zeros(()), np.zeros(3))


class Rows(torch.nn.Module):
    """Computes what `function` does."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def declared(function: Any) -> Any:
    """Return what is declared for a function of rows of four numbers, proven with one row and three."""
    net = TorchNet(Rows(function), [parse_input("1x4")], "Rows")
    sizes = [{"N": 1}, {"N": 3}]
    feeds = [ordinary(net.inputs, one, 0) for one in sizes]
    net.output_names = ("y",)
    prover: Any = SimpleNamespace(net=net, ordinary=lambda sizes: feeds)
    found: Any = SimpleNamespace(sizes=sizes, exported=SimpleNamespace(free=("N",)))
    return output_shapes(prover, found)[0]


@pytest.mark.parametrize(
    ("function", "first"),
    [
        (lambda x: x * 2, "N"),
        (lambda x: x.tril(), "N"),
        (lambda x: x[:10], "y_0"),
        (lambda x: x[-3:], "y_0"),
        (lambda x: x[-10:] * 2, "y_0"),
        (lambda x: x[:200], "y_0"),
        (lambda x: x[::2], "y_0"),
        (lambda x: x[1:] if x.shape[0] > 1 else x, "y_0"),
        (lambda x: torch.cat([x, x]), "y_0"),
        (lambda x: torch.cat([x, x[:10]]), "y_0"),
        (lambda x: x.repeat_interleave(2, 0), "y_0"),
        (lambda x: torch.chunk(x, 2)[0], "y_0"),
        (lambda x: x.unfold(0, 1, 2)[..., 0], "y_0"),
        (lambda x: x[: min(x.shape[0], 4)], "y_0"),
        (lambda x: x[:1], 1),
        (lambda x: x.narrow(0, 0, 1), 1),
    ],
)
def test_rows_are_the_batch_only_where_they_always_are(function: Any, first: int | str) -> None:
    assert declared(function) == (first, 4)


def test_a_batch_at_which_there_are_more_tensors_is_fixed() -> None:
    net = TorchNet(Rows(lambda x: torch.chunk(x, 2)), [parse_input("1x4")], "Rows")
    assert plan_axes(net, 0).fixed == {"N": "with N=2 Rows itself returns 2 tensors, not 1"}
