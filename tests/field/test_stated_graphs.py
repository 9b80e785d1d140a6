"""What the graph of an ONNX file says: another model's, and attributes that contradict each other."""

import json

import numpy as np
import onnx
import pytest

from tests.converters.checkpoints import dialect_of, write_random
from triport.converters.onnx_export.from_torch import FROM_TORCH
from triport.parity.imagenet.subject import SubjectError, open_subject
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

DIGITS = get_model("res2net_digits")
TIMM = dialect_of(DIGITS, "timm")


@pytest.fixture(scope="module")
def exported():
    return FROM_TORCH.export(DIGITS, 10, random_parameters(DIGITS, 10, 0))


def with_epsilon(model):
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "epsilon":
                attribute.f = 1e-3


def with_dilation(model):
    node = next(node for node in model.graph.node if "layer2.1.convs.0.weight" in node.input)
    for attribute in node.attribute:
        if attribute.name in ("dilations", "pads"):
            attribute.ints[:] = [2] * len(attribute.ints)


def with_softmax(model):
    next(node for node in model.graph.node if "logits" in node.output).output[0] = "before"
    model.graph.node.append(onnx.helper.make_node("Softmax", ["before"], ["logits"], name="probabilities"))


@pytest.mark.field(
    case="an ONNX file with a model's names and shapes and another graph",
    source="qqwweee/keras-yolo3#451 (epsilon), pytorch/vision#866 (dilated), a Softmax at the end",
    outcome="Exit 2 with the first node that is not the model's, whatever the target; inspect lists it.",
)
@pytest.mark.parametrize("to", ["pytorch", "mindspore", "onnx"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_epsilon, "epsilon 0.001 at conv1.1, res2net_digits has 1e-05"),
        (with_dilation, "dilations [2, 2] at layer2.1.convs.0, res2net_digits has [1, 1]"),
        (with_softmax, "softmax of fc (node 'probabilities') at the output, res2net_digits has fc"),
    ],
    ids=["epsilon", "dilation", "softmax"],
)
def test_another_graph_in_an_onnx_file(tmp_path, run_cli, exported, change, words, to):
    model = onnx.ModelProto()
    model.CopyFrom(exported)
    change(model)
    path, output = tmp_path / "a.onnx", tmp_path / f"out{'.onnx' if to == 'onnx' else '.safetensors'}"
    path.write_bytes(model.SerializeToString())
    refused = run_cli("convert", path, "--to", to, "-o", output)
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert not output.exists()
    assert words in json.loads(run_cli("inspect", path, "--json", "-").stdout)["problems"][0]


@pytest.mark.field(
    case="an ONNX file with a model's own graph",
    source="the same reports: the file that is right",
    outcome="Converted without a word about its graph; the graph tells torchvision's ResNet from MindCV's.",
)
@pytest.mark.parametrize("model", ["resnet18", "resnet18_mindcv"])
def test_the_graph_tells_which_model(tmp_path, run_cli, model):
    spec = get_model(model)
    path = tmp_path / "a.onnx"
    path.write_bytes(FROM_TORCH.export(spec, 10, random_parameters(spec, 10, 0)).SerializeToString())
    done = run_cli("convert", path, "--to", "pytorch", "-o", tmp_path / "a.pth", "--json", "-")
    report = json.loads(done.stdout)
    assert (done.exit_code, report["model"], report["round_trip"]) == (0, model, "bit-equal")
    assert not any("weights are of" in one for one in report["assumed"])


def layer_of(model, weight):
    return next(node for node in model.graph.node if weight in node.input)


def add_attribute(node, name, value):
    node.attribute.append(onnx.helper.make_attribute(name, value))


def with_auto_pad(model):
    add_attribute(layer_of(model, "layer2.1.convs.0.weight"), "auto_pad", "VALID")


def with_other_kernel(model):
    node = layer_of(model, "layer2.1.convs.0.weight")
    next(one for one in node.attribute if one.name == "kernel_shape").ints[:] = [1, 1]


def with_fused_activation(model):
    add_attribute(layer_of(model, "layer2.1.convs.0.weight"), "activation", "LeakyRelu")


def with_own_relu(model):
    nodes = [onnx.helper.make_node("Neg", ["x"], ["y"])]
    opsets = [onnx.helper.make_opsetid("", 17)]
    model.functions.append(onnx.helper.make_function("", "Relu", ["x"], ["y"], nodes, opsets))


@pytest.mark.field(
    case="an ONNX file whose attributes contradict each other, or that redefines an operator",
    source="found by trying: auto_pad beside pads, a kernel_shape that is not the weight's, an unknown "
    "attribute, a function of the model's own that is called Relu",
    outcome="Exit 2 with the node: it is not taken for the model's, whatever a runtime makes of it.",
)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_auto_pad, "conv auto_pad VALID"),
        (with_other_kernel, "kernel_shape [1, 1]"),
        (with_fused_activation, "conv activation LeakyRelu"),
        (with_own_relu, "function.relu of conv1.1"),
    ],
)
def test_contradicting_attributes(tmp_path, run_cli, exported, change, words):
    model = onnx.ModelProto()
    model.CopyFrom(exported)
    change(model)
    path = tmp_path / "a.onnx"
    path.write_bytes(model.SerializeToString())
    refused = run_cli("convert", path, "--to", "pytorch", "-o", tmp_path / "a.pth")
    assert refused.exit_code == 2
    assert words in refused.stderr


def with_second_output(model):
    before = next(node for node in model.graph.node if "logits" in node.output).input[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(before, onnx.TensorProto.FLOAT, None))


@pytest.mark.field(
    case="an ONNX file with a model's graph and a second output",
    source="found by trying: torch.onnx.export of a network that returns its features too",
    outcome="The weights are converted, and the output names what was not compared and is not written.",
)
def test_a_second_output(tmp_path, run_cli, exported):
    model = onnx.ModelProto()
    model.CopyFrom(exported)
    with_second_output(model)
    path = tmp_path / "a.onnx"
    path.write_bytes(model.SerializeToString())
    done = run_cli("convert", path, "--to", "pytorch", "-o", tmp_path / "a.pth")
    words = "the graph has 2 outputs: logits was compared with the model's, and"
    assert done.exit_code == 0, done.stderr
    assert words in " ".join(done.stdout.split())
    assert words in json.loads(run_cli("inspect", path, "--json", "-").stdout)["notes"][0]


def with_prepared_images(model):
    images = model.graph.input[0].name
    first = next(node for node in model.graph.node if images in node.input)
    steps = []
    for op, name, values in (("Sub", "mean", [0.5, 0.4, 0.25]), ("Div", "std", [0.25] * 3)):
        array = np.array(values, np.float32).reshape(1, 3, 1, 1)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        steps.append(onnx.helper.make_node(op, [steps[-1].output[0] if steps else images, name], [f"{op}:0"]))
    first.input[list(first.input).index(images)] = steps[-1].output[0]
    nodes = [*steps, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@pytest.mark.field(
    case="an ONNX file whose graph takes the mean off its images and divides them, channel by channel",
    source="found by trying: exporters' wrappers keep the mean and the deviation as tensors (1, 3, 1, 1)",
    outcome="Refused, with each step and its numbers: weights alone would leave them out without a word.",
)
def test_a_graph_that_prepares_its_images(tmp_path, run_cli, exported):
    model = onnx.ModelProto()
    model.CopyFrom(exported)
    with_prepared_images(model)
    onnx.save(model, tmp_path / "a.onnx")
    refused = run_cli("convert", tmp_path / "a.onnx", "--to", "pytorch", "-o", tmp_path / "out.pth")
    assert refused.exit_code == 2 and not (tmp_path / "out.pth").exists()
    assert "Sub mean (0.5, 0.4, 0.25), Div std (0.25, 0.25, 0.25)" in refused.stderr


@pytest.mark.field(
    case="an ONNX file of weights alone",
    source="scripts that keep initializers in a model without a node or an output",
    outcome="Converted, and the output says that no graph was compared.",
)
def test_an_onnx_file_without_a_graph(tmp_path, run_cli):
    whole = tmp_path / "whole.onnx"
    path = write_random(tmp_path / "a.pth", DIGITS, TIMM)
    assert run_cli("convert", path, "--to", "onnx", "-o", whole).exit_code == 0
    initializers = onnx.load(whole).graph.initializer
    graph = onnx.helper.make_graph([], "weights", [], [], initializers)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "weights.onnx")
    done = run_cli("convert", tmp_path / "weights.onnx", "--to", "pytorch", "-o", tmp_path / "out.pth")
    assert done.exit_code == 0, done.stderr
    assert "bit-equal; the graph was not compared" in done.stdout


@pytest.mark.field(
    case="an ONNX file with a model's parameters and another graph, scored",
    source="found by an adversary: the file gives 0 %, and evaluate --runtime pytorch gave the model's 100 %",
    outcome="Refused where the model would run in its place, and said where the graphs cannot be compared.",
)
def test_another_graph_is_not_scored_as_the_model(tmp_path, exported):
    model = onnx.ModelProto()
    model.CopyFrom(exported)
    with_softmax(model)
    onnx.save(model, tmp_path / "a.onnx")
    options = {"profile": "res2net_digits.triport", "model": "res2net_digits.triport"}
    with pytest.raises(SubjectError, match=r"its graph is not res2net_digits's.*give --runtime onnx"):
        open_subject(tmp_path / "a.onnx", runtime="pytorch", **options)
    subject = open_subject(tmp_path / "a.onnx", **options)
    assert subject.published is None and "its graph is not res2net_digits's, in 1 place" in subject.no_figure
    model.CopyFrom(exported)
    model.ir_version = 15  # of which nothing is known here
    onnx.save(model, tmp_path / "new.onnx")
    subject = open_subject(tmp_path / "new.onnx", runtime="pytorch", **options)
    assert subject.published is None and "was not compared with that of res2net_digits" in subject.no_figure
    onnx.save(exported, tmp_path / "right.onnx")
    assert open_subject(tmp_path / "right.onnx", **options).published is not None
