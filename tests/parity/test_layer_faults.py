"""A fault of each kind of layer is caught in a small network, also of kinds that no model here has."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.layer_faults import put_into
from tests.kind_samples import SAMPLES
from triport.parity.judge.comparison import compare
from triport.parity.judge.tolerance import FLOAT32
from triport.parity.kernels.inexact import inexact, reversed_sums
from triport.parity.subjects.random_weights import seeded_parameters
from triport.reference_models.kinds import KINDS

# of these there is nothing to get wrong but to leave them out or in
WITHOUT_FAULTS = {"identity", "flatten", "patches", "sequence", "collection", "pixel_unshuffle"}
CASES = [
    pytest.param(name, fault, id=f"{name}: {fault.name}")
    for name, sample in SAMPLES.items()
    for fault in KINDS[sample.kind].faults
    if fault.fits(sample.torch(nn))
]


class Around(nn.Module):
    """A layer between what spreads its faults and what mixes them, as layers are in networks."""

    def __init__(self, sample):
        super().__init__()
        self.layer, self.of = sample.torch(nn), sample.of

    def forward(self, *given):
        y = self.of(self.layer(*given)).flatten(1)
        return torch.tanh(y) + y


def rows(net, given, dtype):
    """Return the outputs (N, values) in a type, without its random state."""
    torch.manual_seed(0)
    with torch.inference_mode():
        arguments = [torch.from_numpy(one) for one in given]
        arguments = [one.to(dtype) if one.is_floating_point() else one.long() for one in arguments]
        return copy.deepcopy(net).to(dtype)(*arguments).numpy()


def judged(name, fault=None):
    """Return the verdict on a sample in float32, with a fault or right, by the noise of the right one."""
    sample = SAMPLES[name]
    net = Around(sample).eval()
    state = {key: torch.from_numpy(array.copy()) for key, array in seeded_parameters(net).items()}
    net.load_state_dict(state, strict=False)
    given = [draw() for draw in sample.given]
    reference = rows(net, given, torch.float64)
    plain = rows(net, given, torch.float32)
    with inexact(net, 1), reversed_sums(net), torch.inference_mode():
        arguments = [torch.from_numpy(one) for one in given]
        arguments = [one if one.is_floating_point() else one.long() for one in arguments]
        moved = net(*arguments).numpy()
    noise = float(np.abs(moved - plain).max() / np.abs(reference).max())
    if fault is not None:
        put_into(fault, net.layer)
        plain = rows(net, given, torch.float32)
    if plain.shape != reference.shape:
        return None
    return compare(reference, plain, FLOAT32.tolerance_of(noise))


@pytest.mark.parametrize(("name", "fault"), CASES)
def test_a_fault_of_a_kind_is_caught(name, fault):
    found = judged(name, fault)
    assert found is None or not found.passed, found


@pytest.mark.parametrize("name", SAMPLES)
def test_a_right_layer_raises_no_alarm(name):
    assert judged(name).passed


def test_every_kind_has_faults_and_every_fault_a_case():
    put = {(SAMPLES[case.values[0]].kind, case.values[1].name) for case in CASES}
    assert put == {(kind.name, fault.name) for kind in KINDS.values() for fault in kind.faults}
    assert {kind.name for kind in KINDS.values() if not kind.faults} == WITHOUT_FAULTS
