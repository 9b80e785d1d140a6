"""Verdicts of `parity`."""

import json
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.few_are_quick import one_in
from tests.parity.onnx_files import copied, saved
from triport.converters.formats import write_checkpoint
from triport.converters.formats.tensors import ArrayTensor
from triport.converters.onnx_export.from_torch import FROM_TORCH
from triport.parity.layers.judge import FIRST, StepDivergence, StepResult
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

SPEC = get_model("res2net_digits")
ONLY = ("--runtimes", "pytorch")


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(SPEC, 10)


@pytest.fixture(scope="module")
def first(parameters, tmp_path_factory):
    return written(tmp_path_factory.mktemp("first") / "a.pth", parameters)


@pytest.fixture(scope="module")
def model(parameters):
    return FROM_TORCH.export(SPEC, 10, parameters)


def written(path, parameters):
    write_checkpoint(path, "pytorch", {name: ArrayTensor(array) for name, array in parameters.items()}, {})
    return path


def scaled(parameters, layer, by):
    return {**parameters, f"{layer}.weight": parameters[f"{layer}.weight"] * np.float32(by)}


def constants(model, **values):
    """Add initializers."""
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()
    )


def at_the_end(model, *nodes):
    """Put nodes between what made the logits, which they read as "before", and the output."""
    for node in model.graph.node:
        node.output[:] = ["before" if name == "logits" else name for name in node.output]
    model.graph.node.extend(nodes)
    return model


def at_the_start(model, *nodes):
    """Put nodes between the images, which they read as "input", and the model, which reads "changed"."""
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["changed" if name == "input" else name for name in node.input]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    del graph.node[:]
    graph.node.extend([*nodes, *kept])
    return model


def added_where(model, number):
    """Add 0.1 to the logits by `number`, nodes that make "k" of the number of images "n"."""
    constants(model, zero=np.array([0], np.int64), tenth=np.float32(0.1), two=np.float32(2))
    return at_the_end(
        model,
        helper.make_node("Shape", ["before"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["n"], to=1),
        helper.make_node("Sub", number, ["d"]),
        helper.make_node("Relu", ["d"], ["positive"]),
        helper.make_node("Mul", ["positive", "tenth"], ["k"]),
        helper.make_node("Add", ["before", "k"], ["logits"]),
    )


def without_names(model):
    """Give every initializer a number for a name, and list all of them among the inputs, before the image."""
    names = {tensor.name: f"w{number}" for number, tensor in enumerate(model.graph.initializer)}
    for tensor in model.graph.initializer:
        tensor.name = names[tensor.name]
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    image = onnx.ValueInfoProto.FromString(model.graph.input[0].SerializeToString())
    del model.graph.input[:]
    model.graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        for tensor in model.graph.initializer
    )
    model.graph.input.append(image)
    return model


def parsed(result):
    assert "Traceback" not in result.output
    return json.loads(result.stdout)


@pytest.mark.field(
    case="a third file with a layer scaled by 1.2",
    source="tried by hand on three checkpoints of one model",
    outcome="`parity A B C` compares B and C with A: C is not equal, and the row says by how much.",
)
def test_every_further_file_is_compared_with_the_first(first, parameters, tmp_path, run_cli):
    same = written(tmp_path / "b.pth", parameters)
    other = written(tmp_path / "c.pth", scaled(parameters, "layer2.0.conv1", 1.2))
    result = run_cli("parity", first, same, other, *ONLY, "--json", "-")
    assert result.exit_code == 1
    found = parsed(result)
    rows = found["files"]
    assert [(row["reference"], row["candidate"]) for row in rows] == [
        (str(first), str(same)),
        (str(first), str(other)),
    ]
    assert [row["passed"] for row in rows] == [True, False]
    assert rows[0]["needed_tolerance"] == 0 and rows[1]["needed_tolerance"] > 1e-3
    assert [one["passed"] for one in found["localisations"]] == [True, False]


@pytest.mark.field(
    case="two files that are 3 % apart",
    source="tried by hand: weights of which one layer is scaled",
    outcome="The first row says by how much B is apart from A, everywhere that a report is written.",
)
def test_two_files_are_compared_with_one_another(first, parameters, tmp_path, run_cli):
    other = written(tmp_path / "b.pth", scaled(parameters, "layer2.0.conv1", 1.2))
    page, junit = tmp_path / "page.html", tmp_path / "junit.xml"
    result = run_cli("parity", first, other, *ONLY, "--layers", "--html", page, "--junit", junit)
    assert result.exit_code == 1
    row = next(line for line in result.stdout.splitlines() if line.startswith("b.pth beside a.pth"))
    assert "DIFFERS" in row
    last = result.stdout.splitlines()[-1]
    assert last.startswith("NOT equal: b.pth beside a.pth is off by ") and "less than" not in last
    assert "b.pth beside a.pth: the first difference is in layer2.0.conv1 (Conv2d)" in result.stdout
    assert "b.pth beside a.pth" in page.read_text()
    assert f"triport parity {first} {other} --batch-size 2" in page.read_text()
    names = [case.get("name") for case in ElementTree.parse(junit).iter("testcase")]
    assert names[0] == "b.pth beside a.pth"


@pytest.mark.field(
    case="a background class more",
    source="adversary: a file with 11 outputs beside one with 10",
    outcome="Files of other class counts are not equal, and the verdict says which.",
)
def test_other_classes(first, tmp_path, run_cli):
    other = written(tmp_path / "b.pth", random_parameters(SPEC, 11))
    result = run_cli("parity", first, other, *ONLY)
    assert result.exit_code == 1
    assert "with 10 classes, the second of res2net_digits with 11" in result.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.field(
    case="files of two models",
    source="tried by hand: resnet18 beside res2net_digits",
    outcome="Files of two models are not equal, and the verdict names both.",
)
def test_other_models(first, tmp_path, run_cli):
    other = written(tmp_path / "b.pth", random_parameters(get_model("resnet18"), 10))
    result = run_cli("parity", first, other, *ONLY)
    assert result.exit_code == 1
    assert "of res2net_digits" in result.stdout.splitlines()[-1]
    assert "resnet18" in result.stdout.splitlines()[-1]


@pytest.mark.parametrize("nameless", one_in(2, [False, True]))
@pytest.mark.field(
    case="Softmax behind the last layer",
    source="adversary: a Softmax, or a temperature, behind fc",
    outcome="What follows the last module is named as that, by its operators.",
)
def test_what_follows_the_last_module_is_named(nameless, first, model, tmp_path, run_cli):
    wrong = at_the_end(copied(model), helper.make_node("Softmax", ["before"], ["logits"], axis=1))
    path = saved(tmp_path / "b.onnx", without_names(wrong) if nameless else wrong)
    result = run_cli("parity", first, path, *ONLY)
    assert result.exit_code == 1
    assert "the fault is in what follows the last, fc: Softmax" in result.stdout


@pytest.mark.field(
    case="two outputs",
    source="adversary: another output before the one called logits",
    outcome="The output that was compared is named, and those that were not.",
)
def test_an_output_that_is_not_compared_is_said(first, model, tmp_path, run_cli):
    two = copied(model)
    two.graph.node.append(helper.make_node("Neg", ["logits"], ["probabilities"]))
    two.graph.output.insert(0, helper.make_tensor_value_info("probabilities", 1, ["N", 10]))
    path = saved(tmp_path / "b.onnx", two)
    result = run_cli("parity", first, path, *ONLY)
    assert result.exit_code == 0
    assert "of its 2 outputs only logits was compared, not probabilities" in result.stdout


@pytest.mark.field(
    case="initializers listed among the inputs",
    source="adversary: files as keras2onnx and PyTorch 1.2 wrote them",
    outcome="The image is the input that no initializer has the name of: the same model, equal.",
)
def test_initializers_listed_first(first, model, tmp_path, run_cli):
    path = saved(tmp_path / "b.onnx", without_names(copied(model)))
    result = run_cli("parity", first, path, *ONLY)
    assert result.exit_code == 0, result.output
    assert "layers, BatchNorm folded, compared by structure" in result.stdout


@pytest.mark.parametrize("level", ["BASIC", "EXTENDED", "ALL"])
@pytest.mark.field(
    case="a file that ONNX Runtime optimised",
    source="adversary: optimized_model_filepath with FusedConv and operators of nchwc",
    outcome="It computes the same and is called equal; where layers cannot be compared that is said.",
)
def test_a_file_that_onnxruntime_optimised(level, first, model, tmp_path, run_cli):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
    options.optimized_model_filepath = str(tmp_path / "b.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    result = run_cli("parity", first, tmp_path / "b.onnx", *ONLY)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith("Equal: both files")
    said = "operators that are not of the ONNX standard" in result.stdout
    assert said == (level != "BASIC")


FAULTS = {
    "only for one image": lambda m: added_where(m, ["two", "n"]),
    "only for three images and more": lambda m: added_where(m, ["n", "two"]),
    "an activation clipped just above what noise reaches": lambda m: at_the_start(
        clipped(m, 40.0), helper.make_node("Identity", ["input"], ["changed"])
    ),
    "inputs clipped at 6": lambda m: at_the_start(
        limited(m, -6, 6), helper.make_node("Clip", ["input", "low", "high"], ["changed"])
    ),
    "one-coloured images": lambda m: at_the_start(
        m,
        helper.make_node("ReduceMax", ["input"], ["most"], axes=[1, 2, 3]),
        helper.make_node("ReduceMin", ["input"], ["least"], axes=[1, 2, 3]),
        helper.make_node("Sub", ["most", "least"], ["range"]),
        helper.make_node("Div", ["range", "range"], ["one"]),
        helper.make_node("Mul", ["input", "one"], ["changed"]),
    ),
}


def limited(model, low, high):
    constants(model, low=np.float32(low), high=np.float32(high))
    return model


def clipped(model, most):
    """Clip the first ReLU's output."""
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    constants(model, nothing=np.float32(0), most=np.float32(most))
    relu.op_type = "Clip"
    relu.input.extend(["nothing", "most"])
    return model


@pytest.mark.parametrize("fault", one_in(3, FAULTS))
@pytest.mark.field(
    case="a fault that two images of noise do not show",
    source="adversary: wrong at another batch size, for large values, for images of one colour",
    outcome="What `parity` runs besides shows it, the input is named, no line calls the graph equal.",
)
def test_further_inputs(fault, first, model, tmp_path, run_cli):
    path = saved(tmp_path / "b.onnx", FAULTS[fault](copied(model)))
    result = run_cli("parity", first, path, *ONLY)
    assert result.exit_code == 1, result.output
    assert "also run, each image judged by its own noise: 1 image" in result.stdout
    assert "onnxruntime (given file): DIFFERS with " in result.stdout
    assert "neither weights nor graph" not in result.stdout
    row = next(line for line in result.stdout.splitlines() if line.startswith("onnxruntime (given file)  "))
    needed, allowed = (float(word) for word in row.split()[4:6])
    assert needed < allowed  # the main batch does not show it


@pytest.mark.field(
    case="another size",
    source="adversary: a pool whose kernel is that of one image size, in a file that declares any",
    outcome="A file that declares a free size is run at a second one, and fails there.",
)
def test_another_size(first, model, tmp_path, run_cli):
    wrong = copied(model)
    for side in wrong.graph.input[0].type.tensor_type.shape.dim[2:]:
        side.dim_param = "side"
    del wrong.graph.value_info[:]
    # a factor that is 1 at 32 px and at no other size
    constants(wrong, at=np.array([2], np.int64), by=np.float32(32))
    wrong = at_the_end(
        wrong,
        helper.make_node("Shape", ["input"], ["sides"]),
        helper.make_node("Gather", ["sides", "at"], ["height"]),
        helper.make_node("Cast", ["height"], ["pixels"], to=1),
        helper.make_node("Div", ["pixels", "by"], ["factor"]),
        helper.make_node("Mul", ["before", "factor"], ["logits"]),
    )
    result = run_cli("parity", first, saved(tmp_path / "b.onnx", wrong), *ONLY)
    assert result.exit_code == 1
    assert "DIFFERS with 1 image of 33 px: noise by 3." in result.stdout


@pytest.mark.field(
    case="wrong only at batch 3, asked for batches 1 and 3",
    source="adversary: --batch-size 1,3",
    outcome="The lines agree: the graph differs, and what is behind the last layer is named.",
)
def test_verdict_lines_agree(first, model, tmp_path, run_cli):
    path = saved(tmp_path / "b.onnx", added_where(copied(model), ["n", "two"]))
    result = run_cli("parity", first, path, *ONLY, "--batch-size", "1,3")
    assert result.exit_code == 1
    assert "Between the files the graph differs" in result.stdout
    assert "neither weights nor graph" not in result.stdout


@pytest.mark.field(
    case="one sum in float16",
    source="adversary: casts to float16 and back, which ONNX Runtime's CPU provider takes out",
    outcome="It is rounded as the file says, so that it is not equal, and the report says so.",
)
def test_a_float16_island(first, model, tmp_path, run_cli):
    island = copied(model)
    nodes = list(island.graph.node)
    at, add = [(index, node) for index, node in enumerate(nodes) if node.op_type == "Add"][-1]
    ends, made = list(add.input), add.output[0]
    add.input[:], add.output[:] = ["a16", "b16"], ["sum16"]
    nodes[at : at + 1] = [
        *(
            helper.make_node("Cast", [end], [f"{name}16"], to=10)
            for end, name in zip(ends, "ab", strict=True)
        ),
        add,
        helper.make_node("Cast", ["sum16"], [made], to=1),
    ]
    del island.graph.node[:]
    island.graph.node.extend(nodes)
    path = saved(tmp_path / "b.onnx", island)
    result = run_cli("parity", first, path, *ONLY)
    assert result.exit_code == 1
    assert "3 of its " in result.stdout and "nodes are float16; each rounds to float16 here" in result.stdout
    # what float16 may be off by is another question
    assert run_cli("parity", first, path, *ONLY, "--precision", "float16").exit_code == 0


@pytest.mark.parametrize("size", ["nan", "inf", "-1", "-inf"])
@pytest.mark.field(
    case="--tolerance nan",
    source="adversary: nothing is larger than NaN",
    outcome="A tolerance that is no number from 0 on is refused.",
)
def test_tolerance_is_a_number(size, run_cli):
    result = run_cli("parity", "res2net_digits", *ONLY, f"--tolerance={size}")
    assert result.exit_code == 2 and "is not a number from 0 on" in result.stderr


@pytest.mark.field(
    case="all 16 modules of a net with 21",
    source="tried by hand: a graph in which some modules have no tensor of their own",
    outcome="It says how many of how many were compared, which were not, and why.",
)
def test_modules_that_were_not_compared_are_said(model, tmp_path, run_cli):
    hidden = copied(model)
    relu = next(node for node in hidden.graph.node if node.op_type == "Relu")
    relu.op_type = "Clip"  # from 0 on: the same, and not found as a ReLU
    constants(hidden, nothing=np.float32(0))
    relu.input.append("nothing")
    path = saved(tmp_path / "b.onnx", hidden)
    result = run_cli("parity", path, *ONLY, "--layers")
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if line.startswith("onnxruntime (given file): "))
    compared, total = (int(line.split()[index]) for index in (3, 5))
    assert compared < total
    assert "modules within their own noise; not compared: " in line
    assert "the graph has no tensor of their outputs" in line


@pytest.mark.field(
    case="a runtime that neither file is of",
    source="tried by hand: a .pth and an .onnx where MindSpore is not installed",
    outcome="What is installed is run, and what was not is said; asked for by name, it is an error.",
)
def test_a_runtime_that_is_not_installed(first, model, tmp_path, run_cli, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mindspore", None)
    path = saved(tmp_path / "b.onnx", model)
    result = run_cli("parity", first, path)
    assert result.exit_code == 0, result.output
    assert "not run: mindspore: MindSpore cannot be loaded" in result.stdout
    assert "onnxruntime (from pytorch)" in result.stdout
    refused = run_cli("parity", first, path, "--runtimes", "mindspore")
    assert refused.exit_code == 2 and "Install it" in refused.stderr


@pytest.mark.field(
    case="MindSpore's checkpoint where MindSpore is not installed",
    source="tried by hand on a machine with PyTorch and ONNX Runtime for CUDA alone",
    outcome="ONNX is made in PyTorch's definition of the model; that MindSpore made none is said.",
)
def test_mindspore_weights_without_mindspore(tmp_path, run_cli, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mindspore", None)
    output = tmp_path / "digits.onnx"
    written = run_cli("convert", "--from", "mindspore", "--to", "onnx", "-o", output)
    assert written.exit_code == 0, written.output
    result = run_cli("parity", "res2net_digits", "--runtimes", "onnx", "--size", "44")
    assert result.exit_code == 0, result.output
    assert "not run: onnxruntime (from mindspore): MindSpore cannot be loaded" in result.stdout
    scored = run_cli(
        "evaluate", "res2net_digits", "--data", "examples/digits/val", "--runtime", "onnx", "--limit", "20"
    )
    assert scored.exit_code == 0, scored.output


@pytest.mark.slow
@pytest.mark.parametrize("off", [False, True])
@pytest.mark.field(
    case="PyTorch is not installed",
    source="tried by hand: a MindSpore checkpoint and an ONNX file on a machine without PyTorch",
    outcome="MindSpore in float32 is the reference, which is said; a file that is off is still caught.",
)
def test_without_pytorch(off, parameters, model, tmp_path, run_cli, monkeypatch):
    from triport.converters.names import name_map, reference_dialect

    names = name_map(SPEC, reference_dialect(SPEC, "mindspore"))
    tensors = {names[name]: ArrayTensor(array) for name, array in parameters.items() if name in names}
    write_checkpoint(tmp_path / "a.ckpt", "mindspore", tensors, {})
    other = copied(model)
    if off:
        other = at_the_end(other, helper.make_node("Softmax", ["before"], ["logits"], axis=1))
    path = saved(tmp_path / "b.onnx", other)
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    result = run_cli("parity", tmp_path / "a.ckpt", path)
    assert result.exit_code == off, result.output
    assert "against mindspore-float32" in result.stdout
    assert "not run: pytorch-float64: PyTorch cannot be loaded" in result.stdout
    assert "onnxruntime (given file)" in result.stdout


def small_vgg(num_classes):
    from torch import nn

    layers, channels = [], 3
    for width in (8, 16, 16):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 16, 32), nn.ReLU(), nn.Linear(32, num_classes))


@pytest.mark.parametrize("momentum", [0.9, 0.89])
@pytest.mark.field(
    case="a small VGG, float32 beside float64, --steps",
    source="tried by hand on a network without BatchNorm",
    outcome="PyTorch is equal to itself: a step rounds each weight. Another momentum is still caught.",
)
def test_steps_of_a_small_vgg(momentum, monkeypatch):
    from dataclasses import replace

    import torch

    from triport.parity.training.check import Training, check_training
    from triport.parity.training.trainers import pytorch as trainers
    from triport.reference_models.network import Input, Network, Realisation

    def load(network, parameters, task, device):
        other = replace(task, recipe=replace(task.recipe, momentum=momentum))
        return trainers.PyTorchTrainer(network, parameters, other, device)

    monkeypatch.setattr(trainers, "load", load)
    torch.manual_seed(0)
    parameters = {name: value.numpy() for name, value in small_vgg(10).state_dict().items()}
    realisation = Realisation("pytorch", lambda: small_vgg(10))
    network = Network("small_vgg", (Input("input", ("N", 3, 32, 32)),), ("logits",), {"pytorch": realisation})
    report = check_training(network, parameters, Training({"N": 4}, ("pytorch",), steps=5))
    assert report.passed == (momentum == 0.9)


UNSEEN = ("a factor from batch 4 on", "a factor for black images")


@pytest.mark.parametrize("fault", UNSEEN)
@pytest.mark.field(
    case="a fault that no input of the comparison shows",
    source="found by trying: a factor that is 1 except from batch 4 on, or except for black images",
    outcome="Equal as far as it was run, and the step that the model does not have is named.",
)
def test_a_graph_that_is_written_otherwise(fault, first, model, tmp_path, run_cli):
    wrong = copied(model)
    constants(
        wrong,
        zero=np.array(0, np.int64),
        four=np.array(4, np.int64),
        nothing=np.float32(0),
        by=np.float32(1.5),
        one=np.float32(1),
    )
    tested = {
        "a factor from batch 4 on": helper.make_node("GreaterOrEqual", ["n", "four"], ["is_so"]),
        "a factor for black images": helper.make_node("Equal", ["largest", "nothing"], ["is_so"]),
    }
    wrong = at_the_end(
        wrong,
        helper.make_node("Shape", ["input"], ["sides"]),
        helper.make_node("Gather", ["sides", "zero"], ["n"]),
        helper.make_node("Abs", ["input"], ["sizes"]),
        helper.make_node("ReduceMax", ["sizes"], ["largest"], keepdims=0),
        tested[fault],
        helper.make_node("Where", ["is_so", "by", "one"], ["factor"]),
        helper.make_node("Mul", ["before", "factor"], ["logits"]),
    )
    result = run_cli("parity", first, saved(tmp_path / "b.onnx", wrong), *ONLY)
    assert result.exit_code == 0, result.output
    assert "neither weights nor graph" not in result.stdout
    assert "no weights differ, and the graphs are judged by their results" in result.stdout
    assert "written otherwise in 1 place" in result.stdout and "mul of fc" in result.stdout
    assert result.stdout.rstrip().endswith("; not everything was judged")


@pytest.mark.field(
    case="parity of a file and a copy with a further output, whose metadata states another model in one case",
    source="asked of every sentence, which input makes it false: 'neither weights nor graph differ'",
    outcome="The output is named as not judged; a file that contradicts itself is refused as by convert.",
)
@pytest.mark.parametrize("name", ["b.onnx", "b.model"])
def test_what_else_a_file_has(name, first, model, tmp_path, run_cli):
    more = copied(model)
    more.graph.node.append(helper.make_node("Softmax", ["logits"], ["prob"], name="prob", axis=1))
    more.graph.output.append(helper.make_tensor_value_info("prob", 1, ["N", 10]))
    path = saved(tmp_path / name, more)
    result = run_cli("parity", first, path, *ONLY)
    assert result.exit_code == 0, result.output
    assert "neither weights nor graph" not in result.stdout
    assert f"{name}: of its 2 outputs (logits, prob) one was judged" in result.stdout.replace("\n", "")
    assert ": not compared with 1 image of 33 px, which not both of them take" in result.stdout
    helper.set_model_props(more, {"arch": "resnet50"})
    result = run_cli("parity", first, saved(path, more), *ONLY)
    assert result.exit_code == 2
    assert "metadata arch says 'resnet50'" in result.output


@pytest.mark.slow
@pytest.mark.field(
    case="float16 behind the last layer, and a fault before the first",
    source="asked of every sentence, which input makes it false: 'the fault is in ... Identity'",
    outcome="Nodes of the file alone are named, and modules that there are.",
)
def test_only_what_the_file_has_is_named(first, model, tmp_path, run_cli):
    ends = [
        helper.make_node("Cast", ["before"], ["c16"], to=10),
        helper.make_node("Cast", ["c16"], ["logits"], to=1),
    ]
    result = run_cli("parity", first, saved(tmp_path / "b.onnx", at_the_end(copied(model), *ends)), *ONLY)
    assert result.exit_code == 1
    assert (
        "modules were compared and are right, so the fault is in what follows the last, fc: Cast, Cast\n"
        in result.stdout
    )
    assert "1 of its 265 nodes is float16" in result.stdout
    assert "1 of 2 files differs from what its own weights make: res2net_digits (" in result.stdout
    parting = StepDivergence(StepResult("conv1", "Conv2d", 1.0, 0.1, 1.0, 0.1, 0.1), False, FIRST)
    assert str(parting) == "before conv1 (Conv2d), the first module: its input is wrong"
