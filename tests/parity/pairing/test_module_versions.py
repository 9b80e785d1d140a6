"""A Module that asks which version of it wrote a state dict, as torchvision's MNASNet does."""

import pytest
from torch import nn

import triport


class Versioned(nn.Linear):
    _version = 2

    def _load_from_state_dict(self, state, prefix, metadata, *rest):
        if metadata.get("version") != 2:
            raise ValueError(f"version should be 2 instead of {metadata.get('version')}")
        super()._load_from_state_dict(state, prefix, metadata, *rest)


@pytest.mark.parametrize("kind", [nn.Linear, Versioned])
def test_the_versions_of_modules_are_kept(kind):
    done = triport.pair(nn.Sequential(kind(3, 4), nn.Tanh(), nn.Linear(4, 2)), kind_of(kind), inputs=["2x3"])
    assert done.passed


def kind_of(kind):
    return nn.Sequential(nn.Sequential(kind(3, 4), nn.Tanh()), nn.Linear(4, 2))
