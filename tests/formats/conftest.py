"""Checkpoints to write and read, for every format."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.formats.checkpoint_samples import WRITTEN, array
from triport.converters.formats import ArrayTensor, Tensor


@pytest.fixture
def small() -> dict[str, Tensor]:
    """A few parameters of a network, MindSpore's leaves."""
    shapes = {
        "conv.weight": (4, 3, 3, 3),
        "bn.gamma": (4,),
        "bn.moving_mean": (4,),
        "fc.bias": (10,),
        "scale": (),
    }
    return {name: ArrayTensor(array("float32", shape, i)) for i, (name, shape) in enumerate(shapes.items())}


@pytest.fixture(params=WRITTEN, ids=["-".join(case) for case in WRITTEN])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str, Path]:
    """A format, its runtime, and a path to write."""
    name, runtime, suffix = request.param
    return name, runtime, tmp_path / f"model{suffix}"
