"""Kernels that approximate are told from faults: by name, by how much, and never by what is allowed."""

import json
import os

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")  # read when MindSpore loads

import numpy as np
import pytest
import torch
from onnx import numpy_helper

from triport.parity import candidates
from triport.parity.kernels.approximations import approximated
from triport.parity.kernels.mindspore import KERNELS, TANH


def ops():
    """MindSpore's functions; it loads when they are first asked for."""
    import mindspore

    return mindspore.ops


def normal(scale, *shape):
    """Return what draws normal numbers of a scale; 35 elements are no whole vectors."""
    return lambda random: (scale * random.normal(size=shape)).astype(np.float32)


F = torch.nn.functional
# what is given, the function in PyTorch, and MindSpore's
FUNCTIONS = {
    "tanh": (normal(5, 40, 33), torch.tanh, lambda x: ops().tanh(x)),
    "exp": (normal(1, 5, 7), torch.exp, lambda x: ops().exp(x)),
    "sigmoid": (normal(1, 5, 7), torch.sigmoid, lambda x: ops().sigmoid(x)),
    "SiLU": (normal(0.3, 5, 7), F.silu, lambda x: ops().silu(x)),
    "GLU": (normal(1, 16, 16), F.glu, lambda x: ops().glu(x)),
    "Mish": (normal(0.3, 5, 7), F.mish, lambda x: ops().mish(x)),
    "ELU": (normal(0.3, 5, 7), F.elu, lambda x: ops().elu(x)),
    "softmax": (normal(0.3, 5, 7), lambda x: x.softmax(-1), lambda x: ops().softmax(x, -1)),
    "softplus": (normal(0.3, 5, 7), F.softplus, lambda x: ops().softplus(x)),
    "log-sigmoid": (normal(0.3, 5, 7), F.logsigmoid, lambda x: ops().logsigmoid(x)),
    "logsumexp": (
        normal(0.3, 64, 2),
        lambda x: x.logsumexp(-1),
        lambda x: ops().logsumexp(x, -1),
    ),
    "log-softmax": (normal(0.3, 5, 7), lambda x: x.log_softmax(-1), lambda x: ops().log_softmax(x, -1)),
    "log": (
        lambda random: random.uniform(0.7, 1, (5, 8)).astype(np.float32),
        torch.log,
        lambda x: ops().log(x),
    ),
}

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
    gates = ["sigmoid"] if how == "'GRU'" else []
    assert pair["passed"] and pair["but_for_kernels_of"] == [*gates, "tanh"]
    (note,) = pair["notes"]
    assert "its kernels compute tanh by a quotient of polynomials, up to 1.0e-04 off" in note
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


@pytest.mark.parametrize("fault", [False, True])
def test_a_cell_alone_is_equal_to_its_graph_but_for_mindspores_kernel(fault, run_cli, monkeypatch):
    """There MindSpore is the reference, and a copy of the graph computes tanh as it does."""
    make = candidates._made_into_onnx

    def planted(*arguments):
        *given, export = arguments

        def exported(*values):
            model = export(*values)
            weight = model.graph.initializer[0]
            array = numpy_helper.to_array(weight)
            weight.CopyFrom(numpy_helper.from_array(array * np.float32(1 + fault * 1e-4), weight.name))
            return model

        return make(*given, exported)

    monkeypatch.setattr(candidates, "_made_into_onnx", planted)
    done = run_cli("parity", f"{CELLS}:Bounded", "--input", "7x2@Nx6", "--layers", "--json", "-")
    assert done.exit_code == fault, done.output
    (pair,) = json.loads(done.stdout)["models"][0]["pairs"]
    assert pair.get("but_for_kernels_of") == (None if fault else ["tanh"])
    if not fault:
        said = "equal but for MindSpore's kernels: these compute tanh by a quotient"
        assert any(note.startswith(said) for note in pair["notes"])


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


@pytest.mark.parametrize("inference", [True, False])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.function)
def test_every_kernel_is_what_mindspore_computes(kernel, inference):
    """The formula is nearer to MindSpore than the function is, by far."""
    import mindspore

    given, function, theirs = FUNCTIONS[kernel.function]
    x = torch.from_numpy(given(np.random.default_rng(0))).double()
    right = theirs(mindspore.Tensor(x.float().numpy())).asnumpy()
    met = set()
    with torch.inference_mode(inference), torch.no_grad():
        exact = function(x).numpy()
        with approximated(torch, (kernel,), met):
            found = function(x).numpy()
    assert met == {kernel.function}
    off, left = (np.sqrt(np.mean((array - right) ** 2)) for array in (exact, found))
    assert off > 3 * left and left < 2.0**-23 * np.abs(exact).max()


@pytest.mark.parametrize("inference", [True, False])
@pytest.mark.parametrize(
    ("function", "met"),
    [
        (lambda x: torch.nn.functional.scaled_dot_product_attention(x, x, x), {"softmax"}),
        (lambda x: x.softmax(0), set()),
        (torch.nn.functional.selu, set()),
        (torch.nn.functional.celu, set()),
        (lambda x: torch.nn.functional.gelu(x, approximate="tanh"), set()),
        (torch.expm1, set()),
    ],
)
def test_what_is_met_inside_and_what_has_an_exact_kernel(function, met, inference):
    x = torch.randn(1, 2, 5, 8, dtype=torch.float64)
    found = set()
    with torch.inference_mode(inference), torch.no_grad():
        exact = function(x)
        with approximated(torch, KERNELS, found):
            imitated = function(x)
    assert found == met
    assert torch.allclose(exact, imitated, rtol=1e-4) and torch.equal(exact, imitated) == (not met)


def test_whole_numbers_and_other_functions_are_left_alone():
    met = set()
    with torch.inference_mode(), approximated(torch, (TANH,), met):
        torch.sigmoid(torch.ones(3))
        torch.arange(3).tanh()
    assert not met
