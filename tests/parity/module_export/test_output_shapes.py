"""The shapes that the file of a Module declares for its outputs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from triport.converters.torch_export.network import ModuleError
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


def test_an_output_with_the_batch_axis_is_declared() -> None:
    assert shapes_of(np.zeros(1), np.zeros(3)) == [("N",)]
