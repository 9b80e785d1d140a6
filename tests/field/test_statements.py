"""What a file says of itself."""

import argparse
import collections
import enum
import json
import pathlib
import types

import numpy
import onnx
import pytest
import torch
from safetensors.numpy import save_file

from tests.converters.checkpoints import dialect_of, hollow_checkpoint, named_arrays, write_random
from triport.converters.formats import Checkpoint, open_checkpoint
from triport.converters.identification.identify import IdentifyError, identify
from triport.converters.onnx_export.from_torch import FROM_TORCH
from triport.converters.statements import Holds
from triport.converters.statements.preparation import figure_of, preparation_of
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

DIGITS = get_model("res2net_digits")
TIMM = dialect_of(DIGITS, "timm")


def state_dict():
    return {name: torch.tensor(value) for name, value in named_arrays(DIGITS, TIMM).items()}


def hollow(model, dialect, num_classes=10, **beside):
    """A .pth with a model's names and shapes and no values, and what a training script left beside them."""
    spec = get_model(model)
    checkpoint = hollow_checkpoint(spec, dialect_of(spec, dialect), num_classes)
    return Checkpoint(
        checkpoint.path,
        "pth",
        checkpoint.runtime,
        checkpoint.tensors,
        statements=beside.pop("statements", {}),
    )


class Hparams:
    """Stands for an object of a training script's own class."""

    def __init__(self, **values):
        self.__dict__.update(values)


BESIDE = {
    "arch": {"arch": "resnetblur18"},
    "an argparse.Namespace": {"args": argparse.Namespace(model="resnetblur18", lr=0.1)},
    "a SimpleNamespace": {"args": types.SimpleNamespace(arch="resnetblur18")},
    "an object of the script's own": {"config": Hparams(model_name="resnetblur18")},
    "a dict": {"hyper_parameters": {"backbone": "resnetblur18", "lr": 0.1}},
    "a dict in a dict": {"config": {"model": {"arch": "resnetblur18"}}},
}


@pytest.mark.field(
    case="a training checkpoint that names another architecture",
    source="huggingface/pytorch-image-models#101 (resnetblur18 has all names and shapes of resnet18)",
    outcome="Exit 2: the file's word and the model are both named; --model overrules it, and that is said.",
)
@pytest.mark.parametrize("place", BESIDE)
def test_another_architecture_beside_the_weights(tmp_path, run_cli, place):
    path, output = tmp_path / "blur.pth.tar", tmp_path / "out.ckpt"
    torch.save({"epoch": 299, "state_dict": state_dict(), **BESIDE[place]}, path)
    refused = run_cli("convert", path, "--to", "mindspore", "-o", output)
    assert refused.exit_code == 2
    assert "res2net_digits" in refused.stderr and "says 'resnetblur18'" in refused.stderr
    assert "--model res2net_digits" in refused.stderr
    assert not output.exists()
    overruled = run_cli("convert", path, "--to", "mindspore", "-o", output, "--model", "res2net_digits")
    assert overruled.exit_code == 0
    assert "says 'resnetblur18'" in overruled.stdout and "you said res2net_digits" in overruled.stdout
    shown = run_cli("inspect", path, "--json", "-")
    report = json.loads(shown.stdout)
    assert any("resnetblur18" in problem for problem in report["problems"])
    assert report["statements"][0]["verdict"] == "contradicts"


@pytest.mark.field(
    case="timm's blurred and anti-aliased ResNets",
    source="huggingface/pytorch-image-models#101; all of timm 1.0.31 built and compared",
    outcome="Named as what they are, with what differs; never taken for the ResNet of the same shapes.",
)
@pytest.mark.parametrize(
    ("model", "stated", "why"),
    [
        ("resnet18", "resnetblur18", "BlurPool"),
        ("resnet50", "resnetblur50", "BlurPool"),
        ("resnet50", "resnetaa50", "aa_layer"),
        ("resnet50", "timm/resnetaa50.a1h_in1k", "aa_layer"),
        ("resnet18", "resnet50", "no name of resnet18"),
    ],
)
def test_look_alikes(model, stated, why):
    checkpoint = hollow(model, "torchvision", statements={"arch": stated})
    with pytest.raises(IdentifyError, match=why) as error:
        identify(checkpoint)
    assert stated in str(error.value) and model in str(error.value)


@pytest.mark.field(
    case="a training checkpoint that names its architecture rightly",
    source="pytorch/examples imagenet/main.py, timm's CheckpointSaver, Lightning's hyper_parameters",
    outcome="Confirmed: taken without a question, and nothing about the model is assumed.",
)
@pytest.mark.parametrize(
    ("model", "dialect", "stated"),
    [
        ("resnet18", "torchvision", "resnet18"),
        ("resnet18", "torchvision", "ResNet-18"),
        ("resnet18", "torchvision", "timm/resnet18.a1_in1k"),
        ("resnet18", "torchvision", "torchvision.models.resnet18"),
        ("resnet18_mindcv", "torchvision", "resnet18_mindcv"),
        ("tf_efficientnet_lite0", "timm", "tf_efficientnet_lite0"),
        ("efficientnet_lite0", "timm", "efficientnet_lite0"),
        ("regnet_x_800mf", "timm", "regnetx_008"),
        ("res2net50", "timm", "res2net50_26w_4s"),
        ("res2net50", "mindcv", "res2net50_26w_4s"),
        ("resnet18_mindcv", "mindcv", "resnet18_mindcv"),
    ],
)
def test_a_right_word_confirms(model, dialect, stated):
    found = identify(hollow(model, dialect, statements={"arch": stated}))
    assert found.spec.name == model
    assert found.assumed == ()
    assert [one.holds for one in found.judgements] == [Holds.YES]


@pytest.mark.field(
    case="ResNet-18 weights without a word about their graph",
    source="torch.save(model.state_dict()) of anybody",
    outcome="Converted, with the model and the preprocessing printed as assumed, and what else it could be.",
)
def test_what_nothing_says_is_assumed_in_print():
    found = identify(hollow("resnet18", "torchvision"))
    assert found.spec.name == "resnet18"
    (assumption,) = found.assumed
    assert "resnet18_mindcv" in assumption and "resnetblur18" in assumption and "--model" in assumption


@pytest.mark.field(
    case="options of a network that no weight's shape shows",
    source="timm's train.py: --bn-eps, --gp, output_stride; found by reading what it saves",
    outcome="Exit 2 where the option is not the model's; nothing where it is.",
)
@pytest.mark.parametrize(
    ("beside", "wrong"),
    [
        ({"args.bn_eps": 0.001}, True),
        ({"args.bn_eps": 1e-5}, False),
        ({"args.gp": "max"}, True),
        ({"args.gp": "avg"}, False),
        ({"args.output_stride": 8}, True),
        ({"args.num_classes": 1000}, True),
        ({"args.num_classes": 10}, False),
        ({"args.split_bn": True}, True),
        ({"args.model_kwargs.act_layer": "silu"}, True),
        ({"args.model_kwargs.drop_rate": 0.1}, False),
        ({"args.model": "runs/best.pth"}, False),
    ],
)
def test_options_beside_the_weights(beside, wrong):
    checkpoint = hollow("res2net50", "timm", statements={"arch": "res2net50_26w_4s", **beside})
    if not wrong:
        assert identify(checkpoint).spec.name == "res2net50"
        return
    with pytest.raises(IdentifyError, match=next(iter(beside))):
        identify(checkpoint)


CONFIG = {
    "architecture": "res2net_digits",
    "num_classes": 10,
    "pretrained_cfg": {
        "input_size": [3, 32, 32],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "mean": [0.5, 0.4, 0.3],
        "std": [0.25, 0.25, 0.25],
    },
}


def with_config(folder, **changes):
    path = write_random(folder / "model.safetensors", DIGITS, TIMM)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))
    return path


@pytest.mark.field(
    case="timm's config.json beside model.safetensors",
    source="huggingface.co/timm: architecture, num_classes, pretrained_cfg",
    outcome="Its preprocessing is taken instead of the publisher's, and no published figure is assumed.",
)
def test_a_config_beside_the_file_states_the_preprocessing(tmp_path, run_cli):
    path = with_config(tmp_path)
    output = tmp_path / "out.onnx"
    done = run_cli("convert", path, "--to", "onnx", "-o", output, "--json", "-")
    assert done.exit_code == 0
    assert not any("preprocessing" in one for one in json.loads(done.stdout)["assumed"])
    metadata = open_checkpoint(output).metadata
    assert metadata["triport.preprocessing_known"].startswith("stated")
    prepared = json.loads(metadata["triport.preprocessing"])
    assert (prepared["resize_px"], prepared["interpolation"]) == (33, "bicubic")
    assert prepared["mean"] == [0.5, 0.4, 0.3]
    checkpoint = open_checkpoint(path)
    assert figure_of(checkpoint, DIGITS, 10, "mindcv").weights is None


@pytest.mark.field(
    case="a config.json beside the file that contradicts it",
    source="huggingface/pytorch-image-models: resnetblur50 and resnetaa50 on the hub, model_args",
    outcome="Exit 2, with the place in config.json, what it says and what the file is.",
)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": "resnetblur18"}, "config.json: architecture says 'resnetblur18'"),
        ({"num_classes": 1000}, "its head has 10 classes"),
        ({"model_args": {"output_stride": 8}}, "model_args.output_stride says '8'"),
        ({"global_pool": "max"}, "global_pool says 'max'"),
        ({"pretrained_cfg": {"mean": [0.5], "std": [1, 1, 1]}}, "pretrained_cfg"),
        (
            {"pretrained_cfg": {**CONFIG["pretrained_cfg"], "interpolation": "lanczos"}},
            "interpolation 'lanczos'",
        ),
    ],
)
def test_a_config_that_contradicts(tmp_path, run_cli, changes, words):
    path = with_config(tmp_path, **changes)
    refused = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert refused.exit_code == 2
    assert words in " ".join(refused.stderr.split())
    assert not (tmp_path / "out.ckpt").exists()


@pytest.mark.field(
    case="a config.json that is of another file, or no table at all",
    source="found by trying: folders with several checkpoints, a broken config.json",
    outcome="Not believed: the conversion goes on as without it.",
)
@pytest.mark.parametrize("text", ['{"architecture": "vgg16"}', "[1, 2]", "{", '{"name": "my app"}'])
def test_a_config_of_another_file(tmp_path, run_cli, text):
    path = write_random(tmp_path / "mine.pth", DIGITS, TIMM)
    (tmp_path / "other.pth").write_bytes(b"")
    (tmp_path / "config.json").write_text(text)
    done = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert done.exit_code == 0, done.stderr


@pytest.mark.field(
    case="a preprocessing that nothing states",
    source="found by reading: ONNX metadata and cards gave torchvision's for every ResNet",
    outcome="Printed as assumed, and marked as assumed in the written file's metadata, through every hop.",
)
def test_an_assumed_preprocessing_says_so_through_every_hop(tmp_path, run_cli):
    path = write_random(tmp_path / "a.pth", DIGITS, TIMM)
    for to, name in (("mindspore", "b.ckpt"), ("onnx", "c.onnx"), ("pytorch", "d.safetensors")):
        done = run_cli("convert", path, "--to", to, "-o", tmp_path / name)
        assert done.exit_code == 0, done.stderr
        assert "Assumed: the preprocessing" in done.stdout
        path = tmp_path / name
        checkpoint = open_checkpoint(path)
        assert checkpoint.metadata["triport.preprocessing_known"].startswith("assumed")
        assert preparation_of(checkpoint, DIGITS, "timm").known == "assumed"


@pytest.mark.field(
    case="torchvision's ResNet by way of a .ckpt",
    source="found by trying: .pth to .ckpt to ONNX became MindCV's ResNet, 4.9 % off",
    outcome="The .ckpt says what it is: the ONNX is torchvision's graph, and inspect shows it.",
)
def test_a_ckpt_says_what_it_is(tmp_path, run_cli):
    spec = get_model("resnet18")
    path = write_random(tmp_path / "a.pth", spec, dialect_of(spec, "torchvision"), 10)
    ckpt, back = tmp_path / "b.ckpt", tmp_path / "c.pth"
    assert run_cli("convert", path, "--to", "mindspore", "-o", ckpt).exit_code == 0
    assert identify(open_checkpoint(ckpt)).spec.name == "resnet18"
    done = run_cli("convert", ckpt, "--to", "pytorch", "-o", back, "--json", "-")
    report = json.loads(done.stdout)
    assert (report["model"], done.exit_code) == ("resnet18", 0)
    assert not any("weights are of" in one for one in report["assumed"])
    assert json.loads(run_cli("inspect", ckpt, "--json", "-").stdout)["statements"][0]["verdict"] == "holds"


@pytest.mark.field(
    case="a .ckpt of MindSpore itself that fits two graphs",
    source="MindCV's and others' ResNets: one set of names, two paddings of the stem's pool",
    outcome="The publisher of the names decides, and the output says that it is assumed.",
)
def test_a_ckpt_without_a_word_is_assumed_to_be_its_publishers():
    found = identify(hollow("resnet18_mindcv", "mindcv"))
    assert found.spec.name == "resnet18_mindcv"
    assert "they fit resnet18, " in found.assumed[0]


@pytest.mark.field(
    case="a .ckpt that says what it is, in MindSpore",
    source="MindSpore 2.10: load_checkpoint, load_param_into_net(strict_load=True), ckpt_to_safetensors",
    outcome="All load it strictly and find nothing more in it; --plain writes MindSpore's own bytes.",
)
@pytest.mark.parametrize("crc", [False, True])
def test_mindspore_does_not_see_what_a_ckpt_says(tmp_path, run_cli, crc):
    import mindspore

    path = write_random(tmp_path / "a.pth", DIGITS, TIMM)
    words = ["--crc"] if crc else []
    ckpt, plain = tmp_path / "b.ckpt", tmp_path / "plain.ckpt"
    assert run_cli("convert", path, "--to", "mindspore", "-o", ckpt, *words).exit_code == 0
    assert run_cli("convert", path, "--to", "mindspore", "-o", plain, "--plain", *words).exit_code == 0
    parameters = mindspore.load_checkpoint(str(ckpt), crc_check=crc)
    assert list(parameters) == list(mindspore.load_checkpoint(str(plain), crc_check=crc))
    assert mindspore.load_param_into_net(DIGITS.build_mindspore(), parameters, strict_load=True) == ([], [])
    saved = tmp_path / "saved.ckpt"
    mindspore.save_checkpoint(
        [{"name": name, "data": value} for name, value in parameters.items()], str(saved), crc_check=crc
    )
    assert saved.read_bytes() == plain.read_bytes()
    assert not open_checkpoint(plain).metadata
    mindspore.ckpt_to_safetensors(str(ckpt), str(tmp_path / "out"))
    assert (tmp_path / "out" / "b.safetensors").exists()


@pytest.mark.field(
    case="equal weights of two graphs",
    source="found by trying: inspect A B said 'Equal, bit for bit' of torchvision's and MindCV's ResNet",
    outcome="'Weights equal; graphs differ', with where, and exit code 1.",
)
def test_inspect_of_two_graphs(tmp_path, run_cli):
    spec = get_model("resnet18")
    path = write_random(tmp_path / "a.pth", spec, dialect_of(spec, "torchvision"), 10)
    files = []
    for model in ("resnet18", "resnet18_mindcv"):
        files.append(tmp_path / f"{model}.ckpt")
        done = run_cli("convert", path, "--to", "mindspore", "-o", files[-1], "--model", model)
        assert done.exit_code == 0, done.stderr
    found = run_cli("inspect", *files)
    assert found.exit_code == 1
    assert "Weights equal; graphs differ" in found.stdout and "maxpool" in found.stdout
    report = json.loads(run_cli("inspect", *files, "--json", "-").stdout)
    assert (report["weights_equal"], report["graphs_equal"], report["equal"]) == (True, False, False)
    assert run_cli("inspect", files[0], files[0]).exit_code == 0


@pytest.mark.field(
    case="a publisher's names for a model that the publisher does not have",
    source="found by trying: MindCV's regnet_y_800mf is 768 wide, torchvision's 784",
    outcome="Written, and the output says that the publisher's own code does not load it, and whose does.",
)
def test_names_of_a_publisher_without_the_model(tmp_path, run_cli):
    spec = get_model("regnet_y_800mf")
    path = write_random(tmp_path / "a.ckpt", spec, dialect_of(spec, "mindcv"), 10)
    output = tmp_path / "out.pth"
    done = run_cli("convert", path, "--to", "pytorch", "--dialect", "torchvision", "-o", output)
    assert done.exit_code == 0
    assert "torchvision itself has no architecture that loads this file" in done.stdout
    assert "timm's regnety_008 does (--dialect timm)" in done.stdout
    done = run_cli("convert", path, "--to", "pytorch", "--dialect", "timm", "-o", output)
    assert "loads in    timm's regnety_008: the same function" in done.stdout


@pytest.mark.field(
    case="--dialect timm of a ResNet, whose names timm takes from torchvision",
    source="found by trying: it was refused as unknown",
    outcome="Written; the output says whose code loads it and that it computes the same.",
)
def test_timms_names_of_a_resnet(tmp_path, run_cli):
    spec = get_model("resnet18")
    path = write_random(tmp_path / "a.pth", spec, dialect_of(spec, "torchvision"), 10)
    done = run_cli("convert", path, "--to", "pytorch", "--dialect", "timm", "-o", tmp_path / "out.pth")
    assert done.exit_code == 0
    assert "torchvision's resnet18, timm's resnet18: the same function" in done.stdout


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


class Slotted:
    """Stands for an object without a __dict__."""

    __slots__ = ("arch",)

    def __init__(self, arch):
        self.arch = arch


class Backbones(enum.Enum):
    BLUR = "resnetblur18"


Trained = collections.namedtuple("Trained", "backbone lr")

IN_OTHER_PLACES = {
    "under a key of the script's own": {"hyper_parameters": {"encoder_name": "resnetblur18"}},
    "under a key in capitals": {"cfg": {"MODEL": {"BACKBONE": {"NAME": "resnetblur18"}}}},
    "in a table of the script's own": {"FLAGS": {"arch": "resnetblur18"}},
    "in a tuple": {"arch": ("resnetblur18",)},
    "in a list of words": {"argv": ["train.py", "--arch", "resnetblur18"]},
    "in a command": {"command": "train.py --model resnetblur18 --lr 0.1"},
    "in a text of JSON": {"config": json.dumps({"lr": 0.1, "arch": "resnetblur18"})},
    "in a text of YAML": {"config": "lr: 0.1\nmodel:\n  name: resnetblur18\n"},
    "in the repr of a Namespace": {"args": "Namespace(lr=0.1, arch='resnetblur18')"},
    "as bytes": {"arch": b"resnetblur18"},
    "as a Path": {"arch": pathlib.PurePosixPath("resnetblur18")},
    "as an Enum": {"arch": Backbones.BLUR},
    "in a named tuple": {"config": Trained("resnetblur18", 0.1)},
    "in an object with slots": {"config": Slotted("resnetblur18")},
    "in a list of dicts": {"cfg": [{"arch": "resnetblur18"}]},
    "in a list of pairs": {"cfg": [("arch", "resnetblur18"), ("lr", 0.1)]},
    "as a text of NumPy's": {"arch": numpy.str_("resnetblur18")},
    "in an array of texts": {"arch": numpy.array(["resnetblur18"])},
}


@pytest.mark.field(
    case="a training checkpoint that names another architecture in its own way",
    source="facebookresearch/detectron2 (cfg.MODEL.BACKBONE.NAME), qubvel/segmentation_models.pytorch "
    "(encoder_name), mmengine (meta.cfg is a text), found by trying",
    outcome="Exit 2 wherever the name of a known architecture stands, and however it is written.",
)
@pytest.mark.parametrize("place", IN_OTHER_PLACES)
def test_another_architecture_in_other_places(tmp_path, run_cli, place):
    path = tmp_path / "blur.pth"
    torch.save({"state_dict": state_dict(), **IN_OTHER_PLACES[place]}, path)
    refused = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert refused.exit_code == 2
    assert "says 'resnetblur18'" in refused.stderr and "--model res2net_digits" in refused.stderr


@pytest.mark.field(
    case="how many classes a training checkpoint names",
    source="mmengine's dataset_meta, mmcv's meta.CLASSES, torchvision's class_to_idx, found by trying",
    outcome="Exit 2 where they are more or fewer than the head has; nothing where they are as many.",
)
@pytest.mark.parametrize("count", [3, 10, 20])
@pytest.mark.parametrize("place", ["classes", "class_to_idx", "idx_to_class", "dataset_meta", "num_labels"])
def test_the_number_of_class_names(tmp_path, run_cli, place, count):
    names = [f"class {number}" for number in range(count)]
    beside = {
        "classes": {"classes": names},
        "class_to_idx": {"class_to_idx": {name: number for number, name in enumerate(names)}},
        "idx_to_class": {"idx_to_class": dict(enumerate(names))},
        "dataset_meta": {"meta": {"dataset_meta": {"classes": tuple(names)}}},
        "num_labels": {"config": {"num_labels": count}},
    }[place]
    path = tmp_path / "named.pth"
    torch.save({"state_dict": state_dict(), **beside}, path)
    done = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert done.exit_code == (0 if count == 10 else 2)
    assert count == 10 or "its head has 10 classes" in done.stderr


@pytest.mark.field(
    case="options of a network in lists, and by other names",
    source="torchvision's replace_stride_with_dilation, mmcv's norm_cfg, timm's act_layer, found by trying",
    outcome="Exit 2 where the option is not the model's; nothing where it is, or where it is of the loss.",
)
@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        ({"replace_stride_with_dilation": [False, True, True]}, True),
        ({"replace_stride_with_dilation": [False, False, False]}, False),
        ({"model_kwargs": {"replace_stride_with_dilation": [False, True, True]}}, True),
        ({"norm_cfg": {"type": "BN", "eps": 1e-3}}, True),
        ({"norm_cfg": {"type": "BN", "eps": 1e-5}}, False),
        ({"batch_norm_epsilon": 1e-3}, True),
        ({"eps": 1e-8}, False),
        ({"act_layer": "nn.SiLU"}, True),
        ({"act_layer": "torch.nn.ReLU"}, False),
        ({"activation": "softmax"}, False),
    ],
)
def test_options_by_other_names(tmp_path, run_cli, config, wrong):
    path = tmp_path / "named.pth"
    torch.save({"state_dict": state_dict(), "config": config}, path)
    done = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert done.exit_code == (2 if wrong else 0), done.output
    assert not wrong or "res2net_digits" in done.stderr


@pytest.mark.field(
    case="names of networks that are not this file's",
    source="facebookresearch/deit (teacher_model), timm's args.teacher, found by trying",
    outcome="Converted: a teacher, what training began with and a class of data are no statement of it.",
)
@pytest.mark.parametrize(
    "config",
    [
        {"teacher_model": "resnet101", "pretrained_backbone": "resnet50", "resume": "resnet18"},
        {"distillation": {"model": "resnet101"}},
        {"dataset": "imagenet1k", "logger": {"name": "run-50"}},
        {"log": "epoch 1: model saved to runs/resnet50/best.pth"},
    ],
)
def test_names_of_other_networks(tmp_path, run_cli, config):
    path = tmp_path / "student.pth"
    torch.save({"state_dict": state_dict(), "config": config, "losses": [0.1] * 700}, path)
    done = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert done.exit_code == 0, done.stderr


@pytest.mark.field(
    case="a config.json that its own script wrote",
    source="huggingface_hub's PyTorchModelHubMixin: the arguments of the class, by its own names",
    outcome="Exit 2 where one of them is another architecture's name; else the conversion goes on.",
)
@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        ({"backbone_name": "resnetblur18", "width": 64}, True),
        ({"model": {"encoder": "resnetblur18"}}, True),
        ({"model": "gpt-4", "name": "my app"}, False),
    ],
)
def test_a_config_of_a_hub_mixin(tmp_path, run_cli, config, wrong):
    path = write_random(tmp_path / "model.safetensors", DIGITS, TIMM)
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert done.exit_code == (2 if wrong else 0), done.output
    assert not wrong or "resnetblur18" in done.stderr


@pytest.mark.field(
    case="a checkpoint in several files, of which one says another architecture",
    source="found by trying: parts and the index of a sharded safetensors checkpoint",
    outcome="Exit 2, whichever of the files says it; parts that say the same are one statement.",
)
@pytest.mark.parametrize("place", ["", "first", "second", "both, otherwise", "index"])
def test_parts_that_say_another_architecture(tmp_path, run_cli, place):
    tensors = list(named_arrays(DIGITS, TIMM).items())
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    said = {
        "first": [{"arch": "resnetblur18"}, {}],
        "second": [{}, {"arch": "resnetblur18"}],
        "both, otherwise": [{"arch": "res2net_digits"}, {"arch": "resnetblur18"}],
    }.get(place, [{"arch": "res2net_digits"}] * 2)
    halves = [dict(tensors[:90]), dict(tensors[90:])]
    for name, half, metadata in zip(names, halves, said, strict=True):
        save_file(half, tmp_path / name, metadata={"format": "pt", **metadata})
    index = {
        "metadata": {"total_size": 1, **({"model": "resnetblur18"} if place == "index" else {})},
        "weight_map": {key: name for name, half in zip(names, halves, strict=True) for key in half},
    }
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    done = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert done.exit_code == (2 if place else 0), done.output
    assert not place or "says 'resnetblur18'" in done.stderr
