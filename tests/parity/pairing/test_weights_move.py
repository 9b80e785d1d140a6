"""Weights move by the file of a pair in both directions, each tensor to what the known map says."""

import numpy as np
import pytest
import torch

import triport
from triport.parity.subjects.random_weights import seeded_parameters

from . import of_adversaries, of_language, of_packings, of_stacks, of_stored

CASES = [
    case
    for module in (of_packings, of_stacks, of_stored, of_adversaries, of_language)
    for case in module.CASES
    if case.verdict == "equal" and not case.mindspore and isinstance(case.a(), torch.nn.Module)
]


def saved(net, values, path):
    """Save a network's state with these values, and return the state."""
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state |= {
        name: torch.from_numpy(np.array(values[name])).to(tensor.dtype)
        for name, tensor in state.items()
        if name in values and tensor.is_floating_point()
    }
    torch.save(state, path)
    return state


@pytest.mark.parametrize("case", CASES, ids=str)
def test_weights_move_there_and_back(case, tmp_path):
    names = tmp_path / "NAMES.toml"
    a, b = case.a(), case.b()
    found = triport.pair(a, b, inputs=list(case.inputs), output=names)
    values = case.given(seeded_parameters(a, 0))
    state = saved(a, values, tmp_path / "a.pth")
    triport.convert(tmp_path / "a.pth", tmp_path / "b.pth", to="pytorch", names=names, into="b")
    moved = torch.load(tmp_path / "b.pth", weights_only=True)
    b.load_state_dict(moved, strict=not found.names.kept_b)
    if not case.symmetric:
        right = case.truth(values)
        for name in moved.keys() & right.keys():
            np.testing.assert_allclose(moved[name], right[name], rtol=1e-6, atol=1e-7)
    if any(row.computes for row in found.names.rows):
        return
    triport.convert(tmp_path / "b.pth", tmp_path / "back.pth", to="pytorch", names=names, into="a")
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    assert back.keys() >= {name for row in found.names.rows for name in row.a}
    assert all(torch.equal(back[name], state[name]) for name in back)
