"""Every function that takes a NET takes the same: a text, a path, an object, and what the API returns."""

import re

import numpy as np
import pytest
import torch

import triport
from tests.parity.nets.modules import Two, sequence

INPUTS = [(2, 3, 6, 6)]


@pytest.fixture(scope="module")
def module():
    """A Module with weights of its own."""
    torch.manual_seed(0)
    return sequence().eval()


@pytest.fixture(scope="module")
def onnx(module, tmp_path_factory):
    """The same as an ONNX file."""
    path = tmp_path_factory.mktemp("nets") / "net.onnx"
    assert triport.to_onnx(module, path, inputs=INPUTS).passed
    return path


def values_of(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize(
    "kind",
    [
        lambda module, onnx: (module,),
        lambda module, onnx: ("tests.parity.nets.modules:sequence",),
        lambda module, onnx: (onnx,),
        lambda module, onnx: (str(onnx),),
        lambda module, onnx: (triport.from_onnx(onnx, check=False),),
        lambda module, onnx: (module, triport.from_onnx(onnx, check=False)),
        lambda module, onnx: (onnx, module),
        lambda module, onnx: (module, triport.open(onnx)),
        lambda module, onnx: (module, sequence()),
    ],
    ids=["module", "text", "path", "path text", "network", "with network", "file first", "open", "two"],
)
def test_parity_takes_every_kind_of_net(kind, module, onnx):
    before = values_of(module)
    done = triport.parity(*kind(module, onnx), inputs=INPUTS, runtimes="pytorch,onnx")
    assert done.passed
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_parity_of_objects_names_them_and_takes_their_own_weights(module):
    [report] = triport.parity(module, inputs=INPUTS, runtimes="pytorch", weights="own").to_dict()["models"]
    assert report["model"] == "Sequential" and report["weights"] == "its own weights"


def test_inputs_are_saved_and_what_came_back_is_judged(module, tmp_path):
    x, y = tmp_path / "x.npz", tmp_path / "y.npz"
    assert triport.parity(module, inputs=INPUTS, weights="own", save_inputs=x).path == x
    saved = np.load(x)
    outputs = {"made_for": saved["made_for"]}
    for batch in saved["batches"]:
        [name] = [one for one in saved.files if one.startswith(f"{batch}/")]
        outputs[f"{batch}/output"] = module(torch.from_numpy(saved[name])).detach().numpy()
    np.savez(y, **outputs)
    asked = {"inputs": INPUTS, "weights": "own", "recorded_inputs": x}
    assert triport.parity(module, recorded_outputs=y, **asked).passed
    np.savez(y, **{name: array * 1.01 if "/" in name else array for name, array in outputs.items()})
    assert not triport.parity(module, recorded_outputs=y, **asked).passed


def test_a_model_of_triports_beside_an_own_network():
    model = triport.model("res2net_digits")
    done = triport.parity(model, model.torch(), inputs=[(2, 3, 32, 32)], runtimes="pytorch")
    assert done.passed
    names = [pair["candidate"] for pair in done.to_dict()["models"][0]["pairs"]]
    assert names == ["pytorch", "pytorch (Res2Net)"]


def test_a_changed_network_beside_a_model_is_found():
    model = triport.model("res2net_digits")
    other = model.torch()
    other.layer1[0].relu = torch.nn.Identity()
    assert not triport.parity(model, other, inputs=[(2, 3, 32, 32)], runtimes="pytorch").passed


def test_a_cell_gets_its_own_values_back_and_is_not_changed_for_good():
    from tests.parity.nets import cells

    cell = cells.sequence()
    before = {one.name: one.asnumpy().copy() for one in cell.get_parameters()}
    assert triport.parity(cell, inputs=INPUTS, runtimes="mindspore,onnx").passed
    assert all(np.array_equal(one.asnumpy(), before[one.name]) for one in cell.get_parameters())
    with pytest.raises(triport.Error, match="cannot be copied"):
        triport.parity(cell, inputs=INPUTS, precision="float16")


def test_pair_and_convert_take_what_the_api_returns(module, onnx, tmp_path):
    network = triport.from_onnx(onnx, check=False)
    assert triport.pair(module, network, inputs=INPUTS).passed
    assert triport.convert(network, tmp_path / "source", to="pytorch").passed
    assert triport.diff(network, triport.open(onnx)).passed


def test_publish_takes_objects(module, onnx, tmp_path):
    done = triport.publish(
        onnx, tmp_path / "out", license="mit", nets=[module], inputs=INPUTS, preprocessing="none"
    )
    assert done.passed and done.published.manifest["nets"][0]["net"] == "Sequential"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: triport.parity(3), "a int: expected a path, a torch.nn.Module"),
        (lambda: triport.parity(Two), "the class Two: expected a path, a torch.nn.Module"),
        (lambda: triport.parity(Two()), "Two: say what goes into it, one --input"),
        (lambda: triport.pair(Two(), 3, inputs=["2x3"]), "a int: expected a path"),
        (lambda: triport.evaluate(3, data="."), "a int: expected a path"),
        (lambda: triport.convert(3, to="onnx"), "a int: expected a path"),
        (lambda: triport.inspect("net.py:build"), "net.py:build: is a network in code, and a file is read"),
        (
            lambda: triport.diff("res2net_digits", triport.SHIPPED),
            "is a model's name, and a file is read here",
        ),
        (
            lambda: triport.inspect(triport.open(triport.SHIPPED, prefix="layer1")),
            "was opened with prefix; give its path",
        ),
    ],
)
def test_what_is_no_net_or_no_file_is_one_sentence(call, said):
    with pytest.raises(triport.Error, match=re.escape(said)):
        call()


def test_an_onnx_file_of_no_known_model_says_what_it_can_become(onnx):
    with pytest.raises(triport.Error, match=r"It is an ONNX file already: `convert \S+ --to pytorch -o DIR`"):
        triport.to_onnx(onnx, onnx.with_name("again.onnx"))
