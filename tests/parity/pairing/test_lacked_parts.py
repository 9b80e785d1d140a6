"""What is put in for a part that the other side lacks is said, and only zeros are dropped for it."""

import numpy as np
import pytest
import torch

import triport

from .of_packings import WIDTH, beit

SAID = "the other side lacks a part of it: zeros: qkv.bias"


@pytest.mark.parametrize(
    ("first", "second"), [("apart", "packed"), ("packed", "apart"), ("layers", "packed")]
)
def test_it_is_said(first, second):
    found = triport.pair(beit(first)(), beit(second)(), inputs=["2x5x8"])
    assert found.passed
    assert found.notes.count(SAID) == 1


def test_a_key_bias_that_is_not_zero_is_not_dropped(tmp_path):
    packed, apart = beit("packed")(), beit("apart")()
    names = tmp_path / "NAMES.toml"
    assert triport.pair(packed, apart, inputs=["2x5x8"], output=names).passed
    state = {name: torch.full_like(tensor, 0.5) for name, tensor in packed.state_dict().items()}
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(triport.Error, match="leaves out a tensor because it is zeros, and 8 of its 8 values"):
        triport.convert(tmp_path / "a.pth", tmp_path / "b.pth", to="pytorch", names=names)
    assert not (tmp_path / "b.pth").exists()
    state["qkv.bias"][WIDTH : 2 * WIDTH] = 0
    torch.save(state, tmp_path / "a.pth")
    triport.convert(tmp_path / "a.pth", tmp_path / "b.pth", to="pytorch", names=names)
    moved = torch.load(tmp_path / "b.pth", weights_only=True)
    assert np.array_equal(moved["q_bias"], np.full(WIDTH, 0.5))
