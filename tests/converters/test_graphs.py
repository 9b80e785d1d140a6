"""An ONNX file's graph beside its model's: right ones from every exporter pass, each wrong one is named."""

import re
import warnings

import numpy as np
import onnx
import pytest
import torch

from triport.converters.formats import open_checkpoint
from triport.converters.graphs.constants import computed, constant_from
from triport.converters.graphs.difference import differences
from triport.converters.graphs.stored import FOLDER, flow_of_text, stored_flow, text_of
from triport.converters.graphs.verdict import graph_verdict
from triport.converters.identification.identify import identify
from triport.converters.onnx_export import exporter_for
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import all_models, get_model

EXPORTERS = ("pytorch", "mindspore")
FAMILIES = (
    "res2net_digits",
    "regnet_y_200mf",
    "tf_efficientnet_lite0",
    "resnet18_mindcv",
    "resnetv2_50_timm",
    "inception_v4",
)
# a file a second or less
QUICK = ("res2net_digits", "resnet18_mindcv")
ALL = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
    for name in sorted(all_models(), key=lambda name: (name not in QUICK, name))
]


def verdict_of(path, model):
    checkpoint = open_checkpoint(path)
    found = identify(checkpoint, model)
    return graph_verdict(checkpoint, found.spec, found.names)


@pytest.mark.parametrize("model", list(all_models()))
def test_every_model_has_a_stored_graph_of_all_its_layers(model):
    spec = get_model(model)
    text = (FOLDER / f"{model}.txt").read_text()
    flow = flow_of_text(text)
    assert text_of(flow) == text
    layers = {line.split(" = ")[0] for line in text.splitlines()}
    assert {layer.path for layer in spec.layers()} == {
        name for name in layers if not name.startswith("%") and name != "logits"
    }


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("model", ALL)
def test_what_our_exporters_write_is_the_stored_graph(tmp_path, model, exporter):
    """The stored graph is a trace of the PyTorch definition: this is also what says that it is not stale."""
    spec = get_model(model)
    parameters = random_parameters(spec, spec.num_classes, 0)
    written = exporter_for(exporter).export(spec, spec.num_classes, parameters)
    path = tmp_path / "model.onnx"
    path.write_bytes(written.SerializeToString())
    assert verdict_of(path, model).differences == ()


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize(
    "opset",
    [pytest.param(one, marks=() if one == 21 else pytest.mark.slow) for one in range(13, 22)],
)
def test_every_opset_that_we_write_is_read(tmp_path, opset, exporter):
    spec = get_model("res2net_digits")
    parameters = random_parameters(spec, 10, 0)
    path = tmp_path / "model.onnx"
    path.write_bytes(exporter_for(exporter).export(spec, 10, parameters, opset=opset).SerializeToString())
    assert verdict_of(path, spec.name).differences == ()


MODES = {
    "torchscript": {
        "dynamo": False,
        "do_constant_folding": False,
        "training": torch.onnx.TrainingMode.PRESERVE,
    },
    "folded": {"dynamo": False, "do_constant_folding": True, "training": torch.onnx.TrainingMode.PRESERVE},
    "dynamo": {"dynamo": True, "optimize": False},
    "dynamo, free batch": {
        "dynamo": True,
        "optimize": False,
        "dynamic_shapes": ({0: torch.export.Dim.DYNAMIC},),
    },
}


# torch.export takes longest
@pytest.mark.parametrize(
    "mode", [pytest.param(one, marks=pytest.mark.slow if "dynamo" in one else ()) for one in MODES]
)
@pytest.mark.parametrize(
    "model", [pytest.param(one, marks=() if one == QUICK[0] else pytest.mark.slow) for one in FAMILIES]
)
def test_what_torch_exports_is_the_stored_graph(tmp_path, model, mode):
    spec = get_model(model)
    net = spec.build_torch().eval()
    parameters = random_parameters(spec, spec.num_classes, 0)
    net.load_state_dict({name: torch.tensor(value) for name, value in parameters.items()}, strict=False)
    images = torch.zeros(2 if "batch" in mode else 1, 3, spec.input_size_px, spec.input_size_px)
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (images,), str(path), verbose=False, **MODES[mode])
    assert verdict_of(path, model).differences == ()


@pytest.fixture(scope="module")
def digits():
    spec = get_model("res2net_digits")
    return exporter_for("pytorch").export(spec, 10, random_parameters(spec, 10, 0))


@pytest.fixture(scope="module")
def gated():
    spec = get_model("regnet_y_200mf")
    return exporter_for("pytorch").export(spec, 10, random_parameters(spec, 10, 0))


def node_of(model, parameter):
    return next(node for node in model.graph.node if parameter in node.input)


def maker_of(model, name):
    return next(node for node in model.graph.node if name in node.output)


def tell(node, **values):
    for name, value in values.items():
        for attribute in [one for one in node.attribute if one.name == name]:
            node.attribute.remove(attribute)
        node.attribute.append(onnx.helper.make_attribute(name, value))


def put_before(model, node, index, operator, constants=(), **attributes):
    """Put a node of its own on the way into another one."""
    name = f"{operator}_added"
    extra = []
    for number, value in enumerate(constants):
        tensor = onnx.numpy_helper.from_array(value)
        extra.append(onnx.helper.make_node("Constant", [], [f"{name}_{number}"], value=tensor))
    inputs = [node.input[index], *(f"{name}_{number}" for number in range(len(constants)))]
    extra.append(onnx.helper.make_node(operator, inputs, [name], name=name, **attributes))
    node.input[index] = name
    at = list(model.graph.node).index(node)
    for one in reversed(extra):
        model.graph.node.insert(at, one)


def put_at_the_end(model, operator, **attributes):
    maker_of(model, "logits").output[0] = "logits_before"
    model.graph.node.append(onnx.helper.make_node(operator, ["logits_before"], ["logits"], **attributes))


def other_residual(model):
    node = next(node for node in model.graph.node if node.op_type == "Add" and "Add_1" in node.output[0])
    relu = next(one for one in model.graph.node if node.output[0] in one.input)
    relu.input[0] = node.input[0]


def exchanged(model, operator):
    node = next(node for node in model.graph.node if node.op_type == operator)
    node.input[0], node.input[1] = node.input[1], node.input[0]


def other_activation(model, operator, **attributes):
    node = next(node for node in model.graph.node if node.op_type == "Relu")
    node.op_type = operator
    tell(node, **attributes)


def statistics_exchanged(model):
    node = node_of(model, "bn1.running_mean")
    node.input[3], node.input[4] = node.input[4], node.input[3]


def two_layers_exchanged(model):
    a, b = (node_of(model, f"layer1.0.convs.{index}.weight") for index in (0, 1))
    a.input[1], b.input[1] = b.input[1], a.input[1]


def relu_as_clip(model):
    other_activation(model, "Clip")
    clip = next(node for node in model.graph.node if node.op_type == "Clip")
    model.graph.initializer.append(onnx.numpy_helper.from_array(array(0.0), "zero"))
    clip.input.append("zero")


def array(*values, dtype="float32"):
    return np.array(values if len(values) > 1 else values[0], dtype)


WRONG = {
    "epsilon": (lambda m: tell(node_of(m, "bn1.weight"), epsilon=1e-3), "epsilon 0.001 at bn1, .* 1e-05"),
    "dilation": (
        lambda m: tell(node_of(m, "layer2.1.convs.0.weight"), dilations=[2, 2], pads=[2, 2, 2, 2]),
        r"dilations \[2, 2\] at layer2.1.convs.0, .* \[1, 1\]",
    ),
    "stride": (
        lambda m: tell(node_of(m, "conv1.0.weight"), strides=[1, 1]),
        r"strides \[1, 1\] at conv1.0, .* \[2, 2\]",
    ),
    "pads": (
        lambda m: tell(node_of(m, "conv1.3.weight"), pads=[0, 0, 2, 2]),
        r"pads \[0, 0, 2, 2\] at conv1.3",
    ),
    "pool's kernel": (
        lambda m: tell(next(n for n in m.graph.node if n.op_type == "MaxPool"), kernel_shape=[2, 2]),
        r"kernel \[2, 2\] of the maxpool before layer1.0",
    ),
    "pool's counting": (
        lambda m: tell(
            next(n for n in m.graph.node if n.op_type == "AveragePool"),
            pads=[1, 1, 1, 1],
            count_include_pad=0,
        ),
        "avgpool",
    ),
    "pool of the other kind": (
        lambda m: setattr(next(n for n in m.graph.node if n.op_type == "MaxPool"), "op_type", "LpPool"),
        "lppool .* before layer1.0",
    ),
    "activation": (lambda m: other_activation(m, "Sigmoid"), "sigmoid of conv1.1 .* before conv1.3, .* relu"),
    "leaky": (lambda m: other_activation(m, "LeakyRelu", alpha=0.01), "leakyrelu alpha 0.01 of conv1.1"),
    "clipped": (
        lambda m: put_before(m, node_of(m, "conv1.3.weight"), 0, "Clip", [array(0.0), array(6.0)]),
        "clip max 6 min 0",
    ),
    "no residual": (other_residual, "before .*, res2net_digits has add of"),
    "order of a concat": (lambda m: exchanged(m, "Concat"), "before layer1.0.conv3, res2net_digits has"),
    "images scaled": (
        lambda m: put_before(m, node_of(m, "conv1.0.weight"), 0, "Mul", [array(1 / 255)]),
        "mul .* of the images .* before conv1.0, res2net_digits has the images",
    ),
    "images moved": (
        lambda m: put_before(m, node_of(m, "conv1.0.weight"), 0, "Sub", [array(0.5)]),
        "sub .* of the images",
    ),
    "softmax": (
        lambda m: put_at_the_end(m, "Softmax", axis=1),
        r"softmax axis 1 of fc .* at the output, res2net_digits has fc",
    ),
    "another output": (lambda m: put_at_the_end(m, "Neg"), "neg of fc .* at the output"),
    "float16": (
        lambda m: put_before(m, node_of(m, "conv1.3.weight"), 0, "Cast", to=10),
        "cast to float16 of relu",
    ),
    "statistics exchanged": (statistics_exchanged, "batchnormalization .* before"),
    "layers exchanged": (two_layers_exchanged, "start 6 of the take before layer1.0.convs.0 .* has 0"),
    "statistics of the batch": (
        lambda m: tell(node_of(m, "bn1.weight"), training_mode=1),
        "training mode 1 at bn1, res2net_digits has none",
    ),
    "head scaled": (lambda m: tell(node_of(m, "fc.weight"), alpha=0.5), "gemm .* at the output"),
    "transposed images": (
        lambda m: put_before(m, node_of(m, "conv1.0.weight"), 0, "Transpose", perm=[0, 1, 3, 2]),
        r"transpose perm \[0, 1, 3, 2\] of the images",
    ),
    "no bias": (
        lambda m: node_of(m, "fc.weight").input.remove("fc.bias"),
        "bias none at fc, res2net_digits has 1",
    ),
    "a bias twice": (
        lambda m: (
            put_at_the_end(m, "Add"),
            m.graph.node[-1].input.append("fc.bias"),
        ),
        "add of fc .* at the output",
    ),
    "weights rounded": (
        lambda m: put_before(m, node_of(m, "fc.weight"), 1, "Cast", to=10),
        "gemm",
    ),
    "channels exchanged": (
        lambda m: put_before(
            m, node_of(m, "conv1.0.weight"), 0, "Gather", [array(2, 1, 0, dtype="int64")], axis=1
        ),
        "gather axis 1 .* of the images",
    ),
    "three summed": (
        lambda m: (
            setattr(
                node := next(n for n in m.graph.node if n.op_type == "Add" and "Add_1" in n.output[0]),
                "op_type",
                "Sum",
            ),
            node.input.append(node.input[0]),
        ),
        "sum of",
    ),
    "a domain of its own": (
        lambda m: setattr(next(n for n in m.graph.node if n.op_type == "Relu"), "domain", "mine"),
        "mine.relu of conv1.1",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_graph_is_named_at_its_place(tmp_path, digits, fault):
    change, words = WRONG[fault]
    model = onnx.ModelProto()
    model.CopyFrom(digits)
    change(model)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    found = verdict_of(path, "res2net_digits").differences
    assert found
    assert re.search(words, found[0]), found[:3]


def test_a_gate_on_the_wrong_side_is_named(tmp_path, gated):
    """Squeeze and excitation before the second convolution's activation, not after it."""
    model = onnx.ModelProto()
    model.CopyFrom(gated)
    product = next(node for node in model.graph.node if node.op_type == "Mul")
    relu = maker_of(model, product.input[0] if "Sigmoid" not in product.input[0] else product.input[1])
    product.input[list(product.input).index(relu.output[0])] = relu.input[0]
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    found = verdict_of(path, "regnet_y_200mf").differences
    assert "before trunk_output.block1.block1-0.f.c.0" in found[0]


RIGHT = {
    "an Identity": lambda m: put_before(m, node_of(m, "conv1.3.weight"), 0, "Identity"),
    "a Dropout": lambda m: put_before(m, node_of(m, "fc.weight"), 0, "Dropout"),
    "times one": lambda m: put_before(m, node_of(m, "conv1.3.weight"), 0, "Mul", [array(1.0)]),
    "plus nothing": lambda m: put_before(m, node_of(m, "conv1.3.weight"), 0, "Add", [array(0.0)]),
    "a Cast to what it is": lambda m: put_before(m, node_of(m, "conv1.3.weight"), 0, "Cast", to=1),
    "a sum the other way round": lambda m: exchanged(m, "Add"),
    "a Pad before": lambda m: (
        tell(node_of(m, "conv1.3.weight"), pads=[0, 0, 0, 0]),
        put_before(m, node_of(m, "conv1.3.weight"), 0, "Pad", [array(0, 0, 1, 1, 0, 0, 1, 1, dtype="int64")]),
    ),
    "a Relu as a Clip": relu_as_clip,
}


@pytest.mark.parametrize("same", RIGHT)
def test_what_computes_the_same_is_no_difference(tmp_path, digits, same):
    model = onnx.ModelProto()
    model.CopyFrom(digits)
    RIGHT[same](model)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert verdict_of(path, "res2net_digits").differences == ()


@pytest.mark.parametrize(
    ("operator", "told", "inputs", "expected"),
    [
        ("Div", {}, ([7], [2]), [3]),
        ("Div", {}, ([7.0], [2.0]), [3.5]),
        ("Ceil", {}, ([3.5],), [4]),
        ("Cast", {"to": 7}, ([3.5],), [3]),
        ("Clip", {}, ([-1.0, 5.0], 0.0, None), [0, 5]),
        ("Slice", {}, ([1, 2, 3, 4], [-1], [-9], [0], [-1]), [4, 3, 2, 1]),
        ("Concat", {"axis": 0}, ([1, 2], [3]), [1, 2, 3]),
        ("Expand", {}, ([0.0], [3]), [0, 0, 0]),
        ("Expand", {}, ([0.0], [10**9]), [0]),
        ("ConstantOfShape", {}, ([10**9],), None),
        ("Gather", {"axis": 0}, ([1, 2], [5]), None),
        ("Reshape", {}, ([1, 2, 3], [2, 2]), None),
        ("Conv", {}, ([1.0], [1.0]), None),
    ],
)
def test_numbers_that_exporters_compute(operator, told, inputs, expected):
    found = computed(operator, told, [None if one is None else constant_from(one) for one in inputs])
    assert (None if found is None else found.values.tolist()) == expected


@pytest.mark.parametrize("model", ["resnet18", "tf_efficientnet_lite0"])
def test_models_of_the_same_weights_are_different_graphs(model):
    spec = get_model(model)
    other = spec.same_weights_as[0].model
    assert differences(stored_flow(other), stored_flow(model), model)
    assert differences(stored_flow(model), stored_flow(model), model) == []
