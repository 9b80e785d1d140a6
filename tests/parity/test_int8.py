"""int8: what ONNX Runtime's quantiser makes of a model is told from what a fault makes of it."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.parser import parse_model
from onnxruntime import quantization

from tests.parity.checking import checked as check_model
from tests.parity.onnx_files import copied, saved
from triport.converters.convert import SHIPPED
from triport.converters.networks.registered import of_model
from triport.converters.onnx_export import exporter_for
from triport.converters.onnx_export.optimize import optimized
from triport.converters.onnx_export.written_model import INPUT, LOGITS
from triport.parity.batches import random_batch
from triport.parity.imagenet.subject import default_profile
from triport.parity.images import image_batch
from triport.parity.localise.folded import compare_folded
from triport.parity.localise.units import units_of
from triport.parity.noise import rounded_runner
from triport.parity.onnx_graphs.quantised import (
    has_one_step_for_a_layer,
    is_quantised,
    is_quantised_file,
    quantised,
    without_rounding,
)
from triport.parity.runtimes.onnx import OnnxRunner
from triport.reference_models.spec import get_model

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "val"

NETWORK = of_model(get_model("res2net_digits"))


@pytest.fixture(scope="module")
def batch(subject):
    return random_batch(subject[0])


@pytest.fixture(scope="module", params=["mindspore", "pytorch"])
def model(request, subject):
    return exporter_for(request.param).export(*subject)


@pytest.fixture(scope="module")
def folded_int8(subject, batch):
    """As users do it: BatchNorm folded, then quantised."""
    return quantised(optimized(exporter_for("pytorch").export(*subject)), {INPUT: batch})


def logits_of(model, batch):
    return OnnxRunner(model.SerializeToString(), NETWORK).run({INPUT: batch})[LOGITS]


def test_every_convolution_and_dense_layer_is_quantised_and_nothing_else_changes(model, batch):
    before = model.SerializeToString()
    made = quantised(model, {INPUT: batch})
    assert model.SerializeToString() == before
    assert is_quantised(made) and not is_quantised(model)
    weights = [tensor for tensor in made.graph.initializer if tensor.name.endswith(".weight_quantized")]
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    assert len(weights) == len(layers) > 30
    assert {tensor.data_type for tensor in weights} == {onnx.TensorProto.INT8}
    exact = logits_of(model, batch)
    off = np.abs(logits_of(made, batch) - exact).max() / np.abs(exact).max()
    assert 1e-3 < off < 5e-2


def test_seen_without_rounding_it_is_the_model_again(model, batch):
    plain = without_rounding(quantised(model, {INPUT: batch}))
    assert not is_quantised(plain)
    ours = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    theirs = {tensor.name: numpy_helper.to_array(tensor) for tensor in plain.graph.initializer}
    convolutions = [node.input[1] for node in model.graph.node if node.op_type == "Conv"]
    for name in convolutions:
        largest = np.abs(ours[name]).max((1, 2, 3), keepdims=True)
        assert (np.abs(ours[name] - theirs[name]) <= largest / 254 * (1 + 1e-5)).all()
    assert Counter(node.op_type for node in plain.graph.node) == Counter(
        node.op_type for node in model.graph.node
    )


@pytest.mark.parametrize("domain", ["", "com.microsoft"])
def test_roundings_may_follow_each_other_and_be_of_onnx_runtimes_own_domain(domain):
    model = parse_model(
        """<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
        f (float[1,1,2,2] x) => (float[1,1,2,2] y)
        <int8[1,1,1,1] w = {-3}, float[1] steps = {0.5}, int8[1] zeros = {0},
         float step = {0.25}, int8 zero = {0}> {
            a = QuantizeLinear(x, step, zero)
            b = DequantizeLinear(a, step, zero)
            c = QuantizeLinear(b, step, zero)
            d = DequantizeLinear(c, step, zero)
            v = DequantizeLinear<axis = 0>(w, steps, zeros)
            y = Conv(d, v)
        }"""
    )
    for node in model.graph.node:
        node.domain = domain if "Linear" in node.op_type else ""
    plain = without_rounding(model)
    (node,) = plain.graph.node
    assert list(node.input) == ["x", "v"]
    assert numpy_helper.to_array(plain.graph.initializer[0]).tolist() == [[[[-1.5]]]]


@pytest.mark.parametrize(
    ("channels", "steps", "coarse"),
    [
        (2, "float step = {1}", True),
        (2, "float[2] step = {1, 2}", False),
        (1, "float[1] step = {1}", False),
    ],
)
def test_one_step_for_a_layer(channels, steps, coarse):
    values = ", ".join("3" * channels)
    model = parse_model(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        f (float[1,1,2,2] x) => (float[1,{channels},2,2] y)
        <int8[{channels},1,1,1] w = {{{values}}}, {steps}> {{
            v = DequantizeLinear<axis = 0>(w, step)
            y = Conv(x, v)
        }}"""
    )
    assert has_one_step_for_a_layer(model) is coarse


def test_draws_are_as_far_apart_as_int8_and_leave_batchnorm_alone(subject, batch):
    runner = rounded_runner(of_model(*subject[:2]), subject[2], "int8", seed=0)
    weights = runner._net.state_dict()
    seen = {}

    def note(module, arguments):
        seen.update({name: value.clone() for name, value in runner._net.state_dict().items()})

    handle = runner._net.register_forward_pre_hook(note)
    first, second = (runner.run({INPUT: batch})[LOGITS] for _ in range(2))
    handle.remove()
    assert 1e-3 < np.abs(first - second).max() / np.abs(first).max() < 1e-1
    for name, value in weights.items():
        moved = (seen[name] - value).abs()
        if value.ndim < 2:
            assert not moved.any(), name
            continue
        step = value.abs().amax(tuple(range(1, value.ndim)), keepdim=True) / 127
        assert (moved <= step / 2 * 1.001).all() and moved.max() > 0.8 * step.max() / 2, name


@pytest.fixture(scope="module")
def right(subject, batch):
    spec, num_classes, parameters = subject
    return check_model(
        spec, parameters, batch, num_classes=num_classes, runtimes=("onnx",), precision="int8",
        layers=True, isolate=True,
    )  # fmt: skip


def test_right_models_pass_and_use_what_they_are_allowed(right):
    assert right.passed and [pair.candidate for pair in right.pairs] == [
        "onnxruntime (from mindspore)",
        "onnxruntime (from pytorch)",
    ]
    for pair in right.pairs:
        assert pair.versions["precision"] == "int8"
        assert 0.1 < pair.comparison.needed_tolerance / pair.comparison.tolerance < 0.8
        assert len(pair.layers.steps) > 130 and len(pair.isolated.steps) > 110
        convolutions = [step for step in pair.isolated.steps if step.kind == "Conv2d"]
        # each was really fed through its own rounding
        assert all(1e-4 < step.error < step.tolerance for step in convolutions)


def rolled(weight):
    return np.roll(weight, 1, axis=0)


def larger(weight):
    return np.float32(2) * weight


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "fault"), [("layer2.0.bn1", larger), ("layer3.1.convs.0", rolled), ("fc", rolled)]
)
def test_a_fault_is_named_beside_int8(layer, fault, subject, batch):
    spec, num_classes, parameters = subject
    wrong = {**parameters, f"{layer}.weight": fault(parameters[f"{layer}.weight"])}

    def mistaken(_, feed):
        return exporter_for("mindspore").export(spec, num_classes, wrong)

    report = check_model(
        spec, parameters, batch, num_classes=num_classes, runtimes=("onnx",), precision="int8",
        layers=True, isolate=True, exporters={"mindspore": mistaken},
    )  # fmt: skip
    faulty, right = report.pairs
    assert right.passed and not faulty.passed
    for found in (faulty.layers, faulty.isolated):
        assert (found.parting.step.name, found.parting.inside) == (layer, True)


def run(run_cli, *words):
    return run_cli("parity", *words, "--precision", "int8")


@pytest.mark.slow
def test_a_quantised_file_beside_the_one_that_it_was_made_of(folded_int8, tmp_path, run_cli):
    path = saved(tmp_path / "int8.onnx", folded_int8)
    found = run(run_cli, SHIPPED, path, "--json", tmp_path / "report.json")
    assert found.exit_code == 0, found.output
    assert "neither weights nor graph differ: 38 layers" in found.stdout
    assert "not in int8: mindspore, pytorch" in found.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert [model["precision"] for model in report["models"]] == ["int8", "int8"]
    assert str(path) in report["models"][1]["files"]


def change(model, name, by):
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(by(numpy_helper.to_array(tensor)), name))
    return model


def test_a_wrong_weight_in_it_is_named(folded_int8, tmp_path, run_cli):
    def turned(array):
        array = array.copy()
        array[3] = array[3][..., ::-1]
        return array

    wrong = change(copied(folded_int8), "layer2.0.convs.1.weight_quantized", turned)
    found = run(run_cli, SHIPPED, saved(tmp_path / "int8.onnx", wrong))
    assert found.exit_code == 1
    lines = [line for line in found.stdout.splitlines() if "folded weight differs" in line]
    assert len(lines) == 1 and "layer2.0.convs.1 + layer2.0.bns.1" in lines[0]
    assert "in 1 of 13 channels: 3 (" in lines[0]


@pytest.mark.slow
@pytest.mark.parametrize(("tolerance", "code"), [(None, 0), ("1e-4", 1)])
def test_one_step_for_a_layer_is_said_and_wrong_only_where_it_is_seen(
    tolerance, code, subject, batch, tmp_path, run_cli
):
    model = optimized(exporter_for("pytorch").export(*subject))
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "layer2.0.convs.1.weight")
    largest = np.abs(numpy_helper.to_array(weight)).max((1, 2, 3))
    path = saved(tmp_path / "int8.onnx", quantised(model, {INPUT: batch}, per_channel=False))
    found = run(run_cli, SHIPPED, path, *(("--tolerance", tolerance) if tolerance else ()))
    assert found.exit_code == code, found.output
    assert "have one step together" in found.stdout
    named = [line for line in found.stdout.splitlines() if "of a channel's largest value" in line]
    assert len(named) == (10 if code else 0)
    relative = [float(line.split("differs by ")[1].split()[0]) for line in named]
    assert relative == sorted(relative, reverse=True)
    if named:
        report = compare_folded(
            units_of(exporter_for("pytorch").export(*subject)),
            units_of(without_rounding(onnx.load(path))),
            quantised="channel",
        )
        (one,) = (
            d for d in report.differences if d.layer.startswith("layer2.0.convs.1 ") and d.what == "weight"
        )
        # half a step of the layer's range beside the smallest channel
        assert 0.3 < one.relative / (largest.max() / 254 / largest.min()) <= 1.01


@pytest.mark.slow
def test_a_range_that_is_too_narrow_is_named(folded_int8, tmp_path, run_cli):
    """Activations that are clipped: the weights are right, the layer that makes them too, the next is not."""
    wrong = copied(folded_int8)
    node = next(
        node for node in wrong.graph.node if "layer3.0.conv3.weight_DequantizeLinear" in str(node.input)
    )
    scale = next(other.input[1] for other in wrong.graph.node if other.output[0] == node.input[0])
    found = run(
        run_cli,
        SHIPPED,
        saved(tmp_path / "int8.onnx", change(wrong, scale, lambda value: value / np.float32(8))),
    )
    assert found.exit_code == 1, found.output
    assert "the same folded weights, another function" in found.stdout
    assert "the first difference is in layer3.0.bn3" in found.stdout


@pytest.mark.slow
def test_of_layers_on_integers_only_logits_are_compared(subject, batch, tmp_path, run_cli, monkeypatch):
    model = optimized(exporter_for("pytorch").export(*subject))
    quantise = quantization.quantize_static

    def with_integers(*arguments, **options):
        options |= {"quant_format": quantization.QuantFormat.QOperator, "op_types_to_quantize": None}
        quantise(*arguments, **{**options, "extra_options": None})

    monkeypatch.setattr(quantization, "quantize_static", with_integers)
    made = quantised(model, {INPUT: batch})
    monkeypatch.undo()
    path = saved(tmp_path / "int8.onnx", made)
    assert any(node.op_type == "QLinearConv" for node in made.graph.node)
    found = run(run_cli, SHIPPED, path)
    assert found.exit_code == 0, found.output
    assert "only its logits were compared" in found.stdout
    assert "weights and layers were not compared" in found.stdout
    assert "neither weights nor graph" not in found.stdout
    found = run(run_cli, SHIPPED, path, "--tolerance", "1e-4")
    assert found.exit_code == 1 and "another function (logits off by" in found.stdout


@pytest.mark.slow
def test_what_is_refused(folded_int8, tmp_path, run_cli):
    path = saved(tmp_path / "int8.onnx", folded_int8)
    assert is_quantised_file(path)
    float32 = tmp_path / "float32.onnx"
    assert run_cli("convert", "--to", "onnx", "--optimize", "-o", float32).exit_code == 0
    named = tmp_path / "named.onnx"
    assert run_cli("convert", "--to", "onnx", "-o", named).exit_code == 0
    for words, message in [
        ((SHIPPED, path), f"{path} computes in int8: add --precision int8"),
        ((SHIPPED, path, "--precision", "float16"), f"{path} computes in int8: add --precision int8"),
        ((SHIPPED, path, "--precision", "bfloat16"), "files are compared in float32"),
        ((SHIPPED, named, "--precision", "int8"), "a quantised ONNX file and the file that it was made of"),
        ((SHIPPED, float32, "--precision", "int8"), "float32.onnx computes nothing in int8: quantise it"),
        ((SHIPPED, "--runtimes", "pytorch", "--precision", "int8"), "models are quantised in ONNX"),
        ((SHIPPED, "--steps", "1", "--precision", "int8"), "training is compared in float32"),
    ]:
        found = run_cli("parity", *words)
        assert (found.exit_code, message in found.stderr) == (2, True), found.stderr


def test_accuracy_of_a_quantised_file(subject, tmp_path, run_cli):
    """On the ranges of real images; the metadata that `convert --optimize` writes survives the quantiser."""
    float32 = tmp_path / "float32.onnx"
    assert run_cli("convert", "--to", "onnx", "--optimize", "-o", float32).exit_code == 0
    images = image_batch(sorted(DIGITS.rglob("*.png"))[::20], default_profile(subject[0]))
    path = saved(tmp_path / "int8.onnx", quantised(onnx.load(float32), {INPUT: images}))
    words = ("--data", DIGITS, "--limit", 50)
    found = run_cli("evaluate", path, *words, "--precision", "int8")
    assert found.exit_code == 0, found.output
    assert "with precision int8: 50 images" in found.stdout
    accuracy = float(found.stdout.split("top-1 ")[1].split()[0])
    assert 90 <= accuracy <= 100
    refused = run_cli("evaluate", float32, *words, "--precision", "int8")
    assert refused.exit_code == 2 and "computes nothing in int8" in refused.stderr
