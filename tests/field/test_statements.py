"""What a file says of itself."""

import argparse
import collections
import enum
import json
import pathlib
import types

import numpy
import pytest
import torch
from safetensors.numpy import save_file

from tests.converters.checkpoints import dialect_of, hollow_checkpoint, named_arrays
from triport.converters.formats import Checkpoint
from triport.converters.identification.identify import IdentifyError, identify
from triport.converters.statements import Holds
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
