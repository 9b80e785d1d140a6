"""Both parts of complex outputs are compared; ONNX has them as real numbers on a last axis."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import triport
from triport.converters.networks.foreign import parameters_in
from triport.converters.networks.input_specs import InputSpec
from triport.converters.networks.module import of_module
from triport.converters.request import ConvertRequest
from triport.parity.judge.comparison import compare
from triport.parity.judge.difference import difference
from triport.parity.judge.noise import noises_of
from triport.parity.module_export.convert import convert_module
from triport.parity.runtimes.pytorch import PyTorchRunner

FEED = {"x": np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)}


class Spectrum(nn.Module):
    """The Fourier transform of a layer's outputs, its imaginary part times `factor`."""

    def __init__(self, factor=1.0, is_conjugated=False):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(8, 8)
        self.factor, self.is_conjugated = factor, is_conjugated

    def forward(self, x):
        found = torch.fft.fft(self.linear(x))
        found = torch.complex(found.real, self.factor * found.imag)
        return found.conj() if self.is_conjugated else found


@pytest.mark.parametrize("is_conjugated", [False, True])
def test_a_runner_gives_both_parts(is_conjugated):
    module = Spectrum(is_conjugated=is_conjugated).eval()
    network = of_module(module, [InputSpec((2, 8))], "spectrum", parameters_in(module))
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    (found,) = PyTorchRunner(network, state).run({network.inputs[0].name: FEED["x"]}).values()
    right = module(torch.from_numpy(FEED["x"])).detach().resolve_conj().numpy()
    assert found.shape == (2, 8, 2)
    np.testing.assert_array_equal(found[..., 0] + 1j * found[..., 1], right)


@pytest.mark.parametrize(("factor", "is_equal"), [(1.0, True), (1.001, False)])
def test_a_pair_is_not_proven_by_real_parts(factor, is_equal):
    assert triport.pair(Spectrum(), Spectrum(factor), inputs=["2x8"]).to_dict()["equal"] == is_equal


@pytest.mark.slow
def test_it_goes_to_onnx(tmp_path: Path):
    module, path = Spectrum().eval(), tmp_path / "x.onnx"
    convert_module(module, "spectrum", ConvertRequest("onnx", path, inputs=("2x8",)))
    session = onnxruntime.InferenceSession(path)
    (found,) = session.run(None, {session.get_inputs()[0].name: FEED["x"]})
    right = torch.view_as_real(module(torch.from_numpy(FEED["x"]))).detach().numpy()
    np.testing.assert_allclose(found, right, atol=1e-5)


def test_parity_compares_both_parts(run_cli):
    words = ("tests.parity.nets.modules:Complex", "--input", "2x4", "--runtimes", "pytorch")
    done = run_cli("parity", *words)
    assert done.exit_code == 0 and "Equal" in done.stdout and "Warning" not in done.stderr


@pytest.mark.parametrize("part", ["real", "imag"])
def test_the_judge_sees_both_parts(part):
    right = np.array([3 + 4j, 1 - 2j], np.complex64)
    moved = right.copy()
    setattr(moved, part, getattr(moved, part) * 1.01)
    assert difference(right, right) == 0 and difference(moved, right) > 5e-3
    assert not compare(right, moved, 1e-3).passed and compare(right, right, 1e-3).passed
    assert noises_of([[right], [moved]])[0].size > 5e-3
