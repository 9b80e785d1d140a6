import builtins
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from triport.converters.names import name_map, reference_dialect
from triport.converters.networks.registered import of_model
from triport.converters.onnx_export.written_model import INPUT, LOGITS
from triport.parity.batches import logits_of, random_batch
from triport.parity.device import DeviceError, parse_device
from triport.parity.judge.comparison import compare
from triport.parity.judge.tolerance import FLOAT32
from triport.parity.noise import noise_of
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.parity.runtimes.onnx import OnnxFileError, OnnxRunner
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.parity.subjects.parameters import ParameterError
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import get_model

ROOT = Path(__file__).parents[2]
SPEC = get_model("resnet18")
CLASSES = 10
NETWORK = of_model(SPEC, CLASSES)
RUNNERS = {"pytorch": PyTorchRunner, "mindspore": MindSporeRunner}


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(SPEC, CLASSES)


@pytest.fixture(scope="module")
def batch():
    return random_batch(SPEC, size_px=64)


@pytest.fixture(scope="module")
def reference(parameters, batch):
    return logits_of(PyTorchRunner(of_model(SPEC, CLASSES), parameters, dtype="float64"), batch)


@pytest.fixture(scope="module")
def tolerance(parameters, batch, reference):
    rounded = PyTorchRunner(of_model(SPEC, CLASSES), parameters)
    return FLOAT32.tolerance_of(noise_of(rounded, {INPUT: batch}, 0, {LOGITS: reference})[LOGITS].size)


@pytest.fixture(scope="module")
def onnx_bytes():
    """A linear classifier of the channel means with a free batch axis."""
    return _classifier("N")


def _classifier(batch_size, channels=3, outputs=("logits",)):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = np.arange(channels * 5, dtype=np.float32).reshape(channels, 5)
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["input"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], [outputs[0]]),
            *(helper.make_node("Neg", [outputs[0]], [name]) for name in outputs[1:]),
        ],
        "classifier",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch_size, channels, 8, 8])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch_size, 5]) for name in outputs],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.mark.parametrize("runtime", RUNNERS)
def test_runtime_agrees_with_float64(runtime, parameters, batch, reference, tolerance):
    logits = logits_of(RUNNERS[runtime](of_model(SPEC, CLASSES), parameters), batch)
    assert logits.dtype == np.float32
    assert compare(reference, logits, tolerance).passed


def test_mindspore_graph_mode_pads_the_last_batch(parameters, batch, reference, tolerance):
    runner = MindSporeRunner(of_model(SPEC, CLASSES), parameters, mode="graph")
    assert compare(reference, logits_of(runner, batch), tolerance).passed
    assert compare(reference[:1], logits_of(runner, batch[:1]), tolerance).passed
    assert len(runner._net.compile_cache) == 1


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize(
    ("name", "leaf"), [("layer1.0.bn1", "running_mean"), ("layer1.0.bn1", "weight"), ("fc", "bias")]
)
def test_every_parameter_counts(runtime, name, leaf, parameters, batch, reference, tolerance):
    key = f"{name}.{leaf}"
    changed = {**parameters, key: np.roll(parameters[key], 1)}
    logits = logits_of(RUNNERS[runtime](of_model(SPEC, CLASSES), changed), batch)
    assert not compare(reference, logits, tolerance).passed


@pytest.mark.parametrize("runtime", RUNNERS)
def test_missing_unknown_and_reshaped_parameters_are_one_error(runtime, parameters):
    broken = {name: array for name, array in parameters.items() if name != "bn1.running_var"}
    broken["bn1.scale"] = np.ones(64, np.float32)
    broken["fc.bias"] = np.ones(11, np.float32)
    with pytest.raises(ParameterError) as caught:
        RUNNERS[runtime](of_model(SPEC, CLASSES), broken)
    dialect = reference_dialect(SPEC, runtime)
    names = name_map(SPEC, dialect)
    message = str(caught.value)
    assert f"1 of 102 parameters is missing:\n  {names['bn1.running_var']} (64,)" in message
    assert "1 parameter is not the network's:\n  bn1.scale (64,)" in message
    assert f"{names['fc.bias']}: expected (10,), found (11,)" in message


@pytest.mark.parametrize("runtime", RUNNERS)
def test_integers_are_no_parameters(runtime, parameters):
    with pytest.raises(ParameterError, match="not floating point"):
        RUNNERS[runtime](
            of_model(SPEC, CLASSES), {**parameters, "conv1.weight": np.ones((64, 3, 7, 7), np.int8)}
        )


def test_num_batches_tracked_may_be_given(parameters, batch, reference, tolerance):
    given = {**parameters, "bn1.num_batches_tracked": np.array(3)}
    for runner in RUNNERS.values():
        assert compare(reference, logits_of(runner(of_model(SPEC, CLASSES), given), batch), tolerance).passed


@pytest.mark.parametrize(
    ("runtime", "device", "message"),
    [
        ("pytorch", "cuda", "finds no CUDA device for cuda:0.*Install a CUDA build"),
        ("pytorch", "npu:1", "torch_npu does not load.*Install Ascend's CANN"),
        ("mindspore", "cuda:0", "no GPU backend for cuda:0.*Install"),
        ("mindspore", "npu", "no Ascend backend for npu:0.*Install Ascend's CANN"),
        ("onnx", "cuda", "no CUDAExecutionProvider for cuda:0.*Install onnxruntime-gpu"),
        ("onnx", "npu", "no CANNExecutionProvider for npu:0.*Install an onnxruntime built with CANN"),
        ("pytorch", "tpu", "device 'tpu' is not known: use cpu, cuda"),
        ("mindspore", "cpu:0", "device 'cpu:0' is not known"),
    ],
)
def test_device_that_is_not_there(runtime, device, message, parameters, onnx_bytes):
    if _present(runtime, device):
        pytest.xfail("the device is there")
    with pytest.raises(DeviceError, match=message):
        if runtime == "onnx":
            OnnxRunner(onnx_bytes, NETWORK, device)
        else:
            RUNNERS[runtime](of_model(SPEC, CLASSES), parameters, device)


def _present(runtime, device):
    try:
        kind = parse_device(device).kind
    except DeviceError:
        return False
    if runtime == "pytorch":
        import torch

        return kind == "cuda" and torch.cuda.is_available()
    if runtime == "onnx":
        import onnxruntime

        return any(kind in name.lower() for name in onnxruntime.get_available_providers())
    return False


@pytest.mark.parametrize(
    ("runtime", "module", "extra"),
    [
        ("pytorch", "torch", r"triport\[pytorch\]"),
        ("mindspore", "mindspore", r"triport\[mindspore\]"),
        ("onnx", "onnxruntime", r"triport\[onnx\]"),
    ],
)
def test_runtime_that_is_not_installed(runtime, module, extra, parameters, onnx_bytes, monkeypatch):
    original = builtins.__import__

    def without(name, *arguments, **keywords):
        if name == module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(TriportError, match=rf'No module named.*pip install "{extra}"'):
        if runtime == "onnx":
            OnnxRunner(onnx_bytes, NETWORK)
        else:
            RUNNERS[runtime](of_model(SPEC, CLASSES), parameters)


def test_versions_record_what_computed(parameters, onnx_bytes):
    import mindspore
    import torch

    assert PyTorchRunner(of_model(SPEC, CLASSES), parameters).versions()["torch"] == torch.__version__
    versions = MindSporeRunner(of_model(SPEC, CLASSES), parameters).versions()
    assert versions["mindspore"] == mindspore.__version__
    assert "ONEDNN_MAX_CPU_ISA" in versions
    assert OnnxRunner(onnx_bytes, NETWORK).versions()["graph optimisation"] == "all"


def test_onnx_with_a_free_batch(onnx_bytes):
    batch = np.random.default_rng(0).standard_normal((5, 3, 8, 8)).astype(np.float32)
    expected = batch.mean((2, 3)) @ np.arange(15, dtype=np.float32).reshape(3, 5)
    np.testing.assert_allclose(
        logits_of(OnnxRunner(onnx_bytes, NETWORK), batch), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("size", [1, 2, 4, 5, 8])
def test_onnx_with_a_fixed_batch_is_looked_into_in_pieces(size, onnx_bytes):
    batch = np.random.default_rng(0).standard_normal((5, 3, 8, 8)).astype(np.float32)
    wanted = ["input", "mean", "logits"]
    expected = OnnxRunner(_tapped(onnx_bytes), NETWORK).run_tensors(
        {"input": batch}, _tapped(onnx_bytes), {}, wanted
    )
    fixed = _tapped(_classifier(size))
    found = OnnxRunner(fixed, NETWORK).run_tensors({"input": batch}, fixed, {}, wanted)
    assert found["mean"].shape == (5, 3, 1, 1)
    for name in wanted:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)


def _tapped(model):
    """Return the model with its mean as an output too."""
    import onnx

    tapped = onnx.load_from_string(model)
    tapped.graph.output.add().name = "mean"
    return tapped.SerializeToString()


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_onnx_with_a_fixed_batch_is_fed_in_pieces(size, onnx_bytes):
    batch = np.random.default_rng(0).standard_normal((5, 3, 8, 8)).astype(np.float32)
    expected = logits_of(OnnxRunner(onnx_bytes, NETWORK), batch)
    np.testing.assert_allclose(logits_of(OnnxRunner(_classifier(size), NETWORK), batch), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"no onnx", "cannot load it"),
        (_classifier(1, channels=4), r"expected input \(N, 3, size, size\) float32; found input"),
        (_classifier(1, outputs=("a", "b")), "expected one output, or one called logits"),
    ],
)
def test_onnx_that_is_no_classifier(model, message):
    with pytest.raises(OnnxFileError, match=message):
        OnnxRunner(model, NETWORK)


def test_onnx_logits_among_several_outputs():
    batch = np.ones((1, 3, 8, 8), np.float32)
    logits = logits_of(OnnxRunner(_classifier(1, outputs=("other", "logits")), NETWORK), batch)
    np.testing.assert_allclose(logits, -logits_of(OnnxRunner(_classifier(1), NETWORK), batch))


def test_onnx_of_another_size_than_the_batch(onnx_bytes):
    takes = r"it takes \w+ \(\w+, 3, 8, 8\), and was given \(1, 3, 9, 9\)\. .* images of 8 px: add --size 8"
    with pytest.raises(OnnxFileError, match=takes):
        logits_of(OnnxRunner(onnx_bytes, NETWORK), np.ones((1, 3, 9, 9), np.float32))


@pytest.mark.slow
def test_mindspore_runs_after_it_has_computed_already():
    """Naming its device is an error from MindSpore's first result on: users of the library meet this."""
    program = (
        "from triport.converters import environment\n"
        "mindspore = environment.import_mindspore(); import numpy\n"
        "assert (mindspore.Tensor(numpy.ones(2, numpy.float32)) + 1).asnumpy().sum() == 4\n"
        "from triport.parity.subjects.random_weights import random_parameters\n"
        "from triport.reference_models.spec import get_model\n"
        "from triport.converters.networks.registered import of_model\n"
        "from triport.parity.runtimes.mindspore import MindSporeRunner\n"
        "spec = get_model('res2net_digits')\n"
        "runner = MindSporeRunner(of_model(spec, 10), random_parameters(spec, 10, 0))\n"
        "print(runner.run({'input': numpy.ones((1, 3, 32, 32), numpy.float32)})['logits'].shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert "(1, 10)" in done.stdout, done.stderr
