"""The noise of a resize has the rounding of its scale, which each library finds the places by."""

import pytest
import torch
from torch.nn import functional

from triport.parity.kernels.resize_places import moved_places


@pytest.mark.parametrize("run", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_places_move_by_a_rounding_to_one_side_at_least(mode, run):
    x = torch.rand(1, 2, 240, 240, generator=torch.Generator().manual_seed(0))
    right = functional.interpolate(x, size=(224, 224), mode=mode)
    with run(), moved_places(torch, 1):
        up = functional.interpolate(x, size=(224, 224), mode=mode)
    with run(), moved_places(torch, -1):
        down = functional.interpolate(x, size=(224, 224), mode=mode)
    exact = functional.interpolate(x.double(), size=(224, 224), mode=mode)
    spread = max(float((moved - right).abs().max()) for moved in (up, down))
    # float32 is off by as much, give or take a factor of a few
    off = float((right - exact).abs().max())
    assert off > 5e-6 and off / 4 < spread < 4 * off


@pytest.mark.parametrize(
    "words",
    [
        {"mode": "bilinear", "scale_factor": 2},
        {"mode": "bicubic", "size": (60, 60)},
        {"mode": "bilinear", "scale_factor": (0.5, 4)},
        {"mode": "nearest", "size": (224, 224)},
        {"mode": "bilinear", "size": (224, 224), "align_corners": True},
    ],
)
def test_what_is_the_same_in_every_library_stays(words):
    x = torch.rand(1, 2, 240, 240, generator=torch.Generator().manual_seed(0))
    right = functional.interpolate(x, **words)
    with torch.inference_mode(), moved_places(torch, 1):
        assert torch.equal(functional.interpolate(x, **words), right)
