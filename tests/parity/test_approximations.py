"""Kernels that approximate are told from faults: by name, by how much, and never by what is allowed."""

import json

import numpy as np
import pytest
import torch

from triport.parity.approximations import approximated
from triport.parity.runtimes.mindspore import TANH

MODULES, CELLS = "tests.parity.nets.modules", "tests.parity.nets.cells"


@pytest.fixture
def parity(run_cli):
    """The command on a Module and a Cell with tanh: what it says of the Cell."""

    def run(module, cell, expect=0):
        nets = (f"{MODULES}:Bounded({module})", f"{CELLS}:Bounded({cell})")
        options = ("--input", "7x2@Nx6", "--runtimes", "pytorch,mindspore", "--layers", "--json", "-")
        done = run_cli("parity", *nets, *options)
        assert done.exit_code == expect, done.output
        pytorch, mindspore = json.loads(done.stdout)["models"][0]["pairs"]
        assert pytorch["passed"] and not pytorch["notes"]
        return mindspore

    return run


@pytest.mark.parametrize(
    "how", ["'module'", "'function'", "'RNN'", pytest.param("'GRU'", marks=pytest.mark.slow)]
)
def test_a_network_with_tanh_is_equal_but_for_mindspores_kernel(how, parity):
    pair = parity(how, how)
    assert pair["passed"] and pair["but_for_kernels_of"] == ["tanh"]
    (note,) = pair["notes"]
    assert "its kernels compute tanh by a quotient of polynomials, up to 1.0e-04 off: it is off by" in note
    # what is allowed is as narrow as elsewhere
    assert pair["tolerance"] < 1e-5 and all(step["tolerance"] < 3e-5 for step in pair["layers"]["modules"])


def test_mindspores_lstm_is_exact(parity):
    pair = parity("'LSTM'", "'LSTM'")
    assert pair["passed"] and not pair["notes"] and "but_for_kernels_of" not in pair


@pytest.mark.parametrize(
    ("how", "cell"),
    [
        ("'module'", "'module', share=1.0001"),
        ("'function'", "'function', share=1.00005"),
        # another function altogether
        ("'module'", "'module', share=0.99"),
    ],
)
def test_a_fault_beside_an_approximate_kernel_is_still_one(how, cell, parity):
    pair = parity(how, cell, 1)
    assert not pair["passed"] and not pair["notes"] and "but_for_kernels_of" not in pair


def test_a_fault_in_what_has_no_such_kernel_is_not_excused(run_cli):
    nets = (f"{MODULES}:Tokens", f"{CELLS}:Tokens(approximate=True)")
    options = ("--input", "tokens=2x7@length:int32:0..50", "--runtimes", "mindspore", "--json", "-")
    done = run_cli("parity", *nets, *options)
    assert done.exit_code == 1
    (pair,) = json.loads(done.stdout)["models"][0]["pairs"]
    assert not pair["notes"]


def test_the_terminal_says_it_in_the_verdict(run_cli):
    nets = (f"{MODULES}:Bounded", f"{CELLS}:Bounded")
    done = run_cli("parity", *nets, "--input", "7x2@Nx6", "--runtimes", "mindspore")
    assert done.exit_code == 0
    assert "Bounded in mindspore but for its kernels of tanh" in " ".join(done.output.split())


def test_it_is_what_mindspore_computes_and_what_it_is_said_to_be_off_by():
    import mindspore

    x = np.linspace(-8, 8, 20_001).astype(np.float32)
    x = x[np.abs(np.abs(x) - 5) > 1e-3]  # where it jumps, a rounding decides
    with torch.inference_mode():
        given = torch.from_numpy(x).double()
        exact = given.tanh()
        met = set()
        with approximated(torch, (TANH,), met):
            found = given.tanh()
            in_place = given.clone().tanh_()
    assert met == {"tanh"} and torch.equal(found, in_place)
    theirs = mindspore.ops.tanh(mindspore.Tensor(x)).asnumpy()
    assert np.abs(found.numpy() - theirs).max() < 1e-6
    assert 9e-5 < float((found - exact).abs().max()) < 1.1e-4


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("inference", [True, False])
def test_layers_that_have_the_kernel_in_them(layer, inference):
    torch.manual_seed(0)
    net, x = getattr(torch.nn, layer)(6, 8).double(), 3 * torch.randn(5, 2, 6).double()
    met = set()
    with torch.inference_mode(inference), torch.no_grad():
        exact = net(x)[0]
        with approximated(torch, (TANH,), met):
            found = net(x)[0]
    assert (met == {"tanh"}) == (layer != "LSTM") and torch.equal(exact, found) == (layer == "LSTM")


def test_whole_numbers_and_other_functions_are_left_alone():
    met = set()
    with torch.inference_mode(), approximated(torch, (TANH,), met):
        torch.sigmoid(torch.ones(3))
        torch.arange(3).tanh()
    assert not met
