"""OpenVINO as a runtime: right networks are equal, wrong ones are named, and nothing is told to anyone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.few_are_quick import one_in
from triport.converters.networks.registered import of_model
from triport.parity.candidates import with_file
from triport.parity.device import DeviceError
from triport.parity.precision import PrecisionError
from triport.parity.runtimes import openvino, runtime_called
from triport.parity.runtimes.openvino import OpenVinoError, OpenVinoRunner
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.network import Input, Network, RowAxes
from triport.reference_models.spec import get_model

ROOT = Path(__file__).parents[3]
SPEC = get_model("res2net_digits")
NETWORK = of_model(SPEC, SPEC.num_classes)


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(SPEC, SPEC.num_classes)


@pytest.fixture(scope="module")
def feed():
    return {"input": np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)}


@pytest.fixture(scope="module")
def model(parameters, feed):
    """The network as ONNX."""
    return NETWORK.realisations["pytorch"].export(parameters, feed)


def test_it_is_found_by_its_name():
    found = runtime_called("openvino")
    assert found is openvino and not found.BY_DEFAULT


@pytest.mark.parametrize(
    "others",
    [
        ["pytorch"],
        pytest.param(["mindspore"], marks=pytest.mark.slow),
        pytest.param([], marks=pytest.mark.slow),
    ],
)
def test_the_command_compares_every_module(others, run_cli):
    """The file that is made from each other runtime that is named, or from both."""
    words = ("parity", "res2net_digits", "--runtimes", ",".join(["openvino", *others]))
    found = run_cli(*words, "--layers", "--isolate", "--json", "-")
    assert found.exit_code == 0, found.output
    pairs = json.loads(found.stdout)["models"][0]["pairs"]
    pairs = [pair for pair in pairs if pair["candidate"].startswith("openvino")]
    sources = others or ["mindspore", "pytorch"]
    assert [pair["candidate"] for pair in pairs] == [f"openvino (from {source})" for source in sources]
    for pair in pairs:
        assert pair["versions"]["inference precision hint"] == "f32"
        assert len(pair["layers"]["modules"]) > 120 and len(pair["isolated"]["modules"]) > 100
        assert [one["images"][0]["image"] for one in pair["further"]] == ["the first", "the first"]


def test_another_number_of_rows(model, parameters, feed):
    runner = OpenVinoRunner(model.SerializeToString(), NETWORK)
    expected = PyTorchRunner(NETWORK, parameters, dtype="float64").run(feed)["logits"]
    for rows in ([0], [0, 1], [0, 1, 0]):
        found = runner.run({"input": feed["input"][rows]})["logits"]
        assert np.abs(found - expected[rows]).max() / np.abs(expected).max() < 3e-6
    # a later run does not write over what was returned before
    first = runner.run(feed)["logits"]
    kept = first.copy()
    runner.run({"input": feed["input"] * 2})
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("module", one_in(3, ["layer2.0.bn1", "layer3.1.conv3", "fc"]))
def test_a_fault_is_caught_and_its_module_named(module, model, parameters, feed):
    """One weight of a thousandth part of its layer, in the file alone."""
    import onnx
    from onnx import numpy_helper

    from triport.parity.candidates import Candidate
    from triport.parity.check import check_model
    from triport.parity.inputs import Inputs
    from triport.parity.options import Options

    wrong = onnx.ModelProto()
    wrong.CopyFrom(model)
    (tensor,) = (one for one in wrong.graph.initializer if one.name == f"{module}.weight")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.001), tensor.name))
    network = with_file(NETWORK, wrong.SerializeToString())
    report = check_model(
        NETWORK,
        parameters,
        Inputs(feed, ()),
        Options((), layers=True),
        given=[Candidate("openvino", lambda: openvino.load(network, parameters, observed=True))],
    )
    (pair,) = report.pairs
    assert not pair.passed
    assert pair.layers.parting.step.name == module and pair.layers.parting.inside


def test_a_file_with_a_fixed_number_of_rows(feed):
    """Three rows through a file that takes two: in pieces, the last filled up."""
    network, data = small_network(2)
    runner = OpenVinoRunner(data, network)
    values = np.arange(9, dtype=np.float32).reshape(3, 3)
    np.testing.assert_array_equal(runner.run({"x": values})["y"], values * 2)
    assert runner.takes({"x": (3, 3)}) and not runner.takes({"x": (3, 4)})


def small_network(rows, outputs=("y",), dtype="float32"):
    """A network that doubles, as ONNX."""
    import onnx
    from onnx import helper

    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], [name]) for name in outputs],
        "double",
        [helper.make_tensor_value_info("x", element, [rows, 3])],
        [helper.make_tensor_value_info(name, element, [rows, 3]) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    given = Input("x", ("N", 3), dtype)
    return Network(
        "double", (given,), tuple(outputs), {}, {"N": 2}, RowAxes({"x": 0}, dict.fromkeys(outputs, 0))
    ), (model.SerializeToString())


def test_several_outputs_and_integers():
    network, data = small_network("N", ("y", "z"), "int64")
    found = OpenVinoRunner(data, network).run({"x": np.arange(6).reshape(2, 3)})
    assert list(found) == ["y", "z"] and found["z"].dtype == np.int64
    np.testing.assert_array_equal(found["z"], np.arange(6).reshape(2, 3) * 2)


def test_inputs_that_are_none_of_the_network():
    network, data = small_network("N")
    other = Network("other", (Input("x", ("N", 5)),), ("y",), {}, {"N": 2})
    with pytest.raises(OpenVinoError, match=r"expected x \(N, 5\) float32; found x tensor\(float\)"):
        OpenVinoRunner(data, other)
    with pytest.raises(OpenVinoError, match="the ONNX model: OpenVINO failed on input"):
        OpenVinoRunner(data, network).run({"x": np.zeros((2, 4), np.float32)})


@pytest.mark.parametrize("data", [b"", b"x" * 100])
def test_what_is_no_model(data, tmp_path):
    with pytest.raises(OpenVinoError, match="OpenVINO cannot load it"):
        OpenVinoRunner(data, NETWORK)
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(OpenVinoError, match=r"net.onnx: OpenVINO cannot load it"):
        OpenVinoRunner(path, NETWORK)


def test_an_operator_that_it_does_not_know():
    import onnx

    network, data = small_network("N")
    model = onnx.load_from_string(data)
    model.graph.node[0].op_type = "\x1b[31mNone"
    with pytest.raises(OpenVinoError, match="OpenVINO cannot load it") as caught:
        OpenVinoRunner(model.SerializeToString(), network)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("device", ["cuda", "npu:1"])
def test_other_devices_are_refused(device):
    with pytest.raises(DeviceError, match=f"not on {device}: use --device cpu"):
        OpenVinoRunner(b"", NETWORK, device)


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "int8"])
def test_other_precisions_are_refused(precision, run_cli):
    with pytest.raises(PrecisionError):
        OpenVinoRunner(b"", NETWORK, "cpu", precision)
    found = run_cli("parity", "res2net_digits", "--runtimes", "openvino", "--precision", precision)
    assert found.exit_code == 2


def test_without_openvino(run_cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    found = run_cli("parity", "res2net_digits", "--runtimes", "openvino,pytorch")
    assert found.exit_code == 2
    assert 'pip install "triport[openvino]"' in found.stderr


def test_nothing_is_told_to_anyone(tmp_path):
    """Importing OpenVINO by itself sends an event, and writes a client's number into the home folder."""
    script = (
        "import sys\n"
        "from triport.parity.runtimes.openvino import framework\n"
        "framework().Core()\n"
        "assert 'openvino_telemetry' not in sys.modules\n"
        "import openvino.tools.ovc.telemetry_utils as told\n"
        "assert told.tm.__name__ == 'openvino.tools.ovc.telemetry_stub', told.tm\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, cwd=tmp_path)
    assert not list(tmp_path.iterdir())
