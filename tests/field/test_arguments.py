"""What a network was built with, as training scripts and their files say it."""

import argparse
import functools
import json
import os

import numpy
import pytest
import torch

from tests.converters.checkpoints import dialect_of, write_random
from tests.field.test_statements import hollow, state_dict
from triport.converters.formats import open_checkpoint
from triport.converters.identification.identify import IdentifyError, identify
from triport.converters.statements import Holds
from triport.reference_models.spec import get_model

DIGITS = get_model("res2net_digits")

# res2net_digits has a deep stem, an average in its shortcuts, four pieces a block and 20 layers
ARGUMENTS = {
    "args.stem_type": ("deep", "deep_tiered"),
    "hyper_parameters.avg_down": (True, False),
    "args.output_stride": (32, 16),
    "args.aa_layer": ("", "blurpool"),
    "args.act_layer": ("relu", "silu"),
    "args.norm_layer": ("batchnorm2d", "groupnorm"),
    "model_kwargs.block_args.attn_layer": ("", "se"),
    "args.in_chans": (3, 1),
    "args.bn_tf": (False, True),
    "args.bn_eps": ("1e-5", "1e-3"),
    "model_args.num_classes": (10, 7),
    "args.gp": ("avg", "catavgmax"),
    "model_args.drop_path_rate": (0.1, None),
    "stem_type": ("deep", ""),
    "config.model.backbone.dilations": ("[1, 1, 1, 1]", "[1, 1, 2, 4]"),
    "config.model.backbone.depth": (20, 50),
    "config.model.backbone.type": ("Res2Net", "ResNet"),
    "config.model.head.in_channels": (256, None),
    "config.model.backbone.act_cfg.type": ("ReLU", "SiLU"),
    "config.model.backbone.norm_cfg.type": ("SyncBN", "GN"),
    "config.model.neck.type": ("GlobalAveragePooling", "GeneralizedMeanPooling"),
    "args.aa": ("rand-m9-mstd0.5", None),
    "args": ("Namespace(stem_type='deep')", "Namespace(stem_type='')"),
    "command": ("train.py --stem-type deep", "train.py --stem-type=deep_tiered --lr 0.1"),
    "config": ('{"global_pool": "avg"}', '{"global_pool": "max"}'),
    "meta.cfg": ("model = dict(backbone=dict(scales=4))", "model = dict(backbone=dict(scales=8))"),
}


@pytest.mark.field(
    case="arguments of a network that its weights do not show",
    source="timm's and torchvision's constructors, mmengine's configurations; found by trying each",
    outcome="Nothing where they are the model's; else exit 2 with the argument, its value and the model's.",
)
@pytest.mark.parametrize(
    ("path", "value", "is_right"),
    [
        (path, value, is_right)
        for path, values in ARGUMENTS.items()
        for value, is_right in zip(values, (True, False), strict=True)
        if value is not None
    ],
)
def test_an_argument(path, value, is_right):
    checkpoint = hollow("res2net_digits", "timm", statements={path: value})
    if is_right:
        assert identify(checkpoint).notes == ()
        return
    with pytest.raises(IdentifyError, match="the file says otherwise") as error:
        identify(checkpoint)
    assert f"{path}" in str(error.value) and "--model res2net_digits" in str(error.value)


@pytest.mark.field(
    case="the same arguments, of other models",
    source="timm: res2net50d has the deep stem, tf_efficientnet_lite0 TensorFlow's padding",
    outcome="Held against the model's own value, not against a default.",
)
@pytest.mark.parametrize(
    ("model", "dialect", "argument", "value", "is_right"),
    [
        ("res2net50", "timm", "stem_type", "deep", False),
        ("res2net50_v1b", "timm", "stem_type", "deep", True),
        ("resnet50", "torchvision", "stem_type", "deep", False),
        ("resnet50", "torchvision", "depth", 101, False),
        ("resnet50", "torchvision", "style", "caffe", False),
        ("tf_efficientnet_lite0", "timm", "bn_tf", True, True),
        ("tf_efficientnet_lite0", "timm", "pad_type", "same", True),
        ("efficientnet_lite0", "timm", "pad_type", "same", False),
        ("regnet_x_800mf", "timm", "group_size", 16, True),
        ("regnet_x_800mf", "timm", "wa", 24.48, False),
    ],
)
def test_an_argument_of_a_model(model, dialect, argument, value, is_right):
    statements = {"arch": model, f"model_kwargs.{argument}": value}
    checkpoint = hollow(model, dialect, statements=statements)
    if is_right:
        assert identify(checkpoint).spec.name == model
        return
    with pytest.raises(IdentifyError, match=f"model_kwargs.{argument} says '{value}', {model} "):
        identify(checkpoint)


@pytest.mark.field(
    case="arguments that are classes, layers and functions of PyTorch, or NumPy's numbers",
    source="torchvision: norm_layer=partial(BatchNorm2d, eps=0.001), act_layer=nn.SiLU in model_kwargs",
    outcome="Read by their names and values, never called: exit 2 where they are not the model's.",
)
@pytest.mark.parametrize(
    ("argument", "value", "is_right"),
    [
        ("cfg", {"model": {"backbone": {"conv_cfg": {"type": "DCNv2"}}}}, False),
        ("norm_layer", torch.nn.GroupNorm, False),
        ("norm_layer", torch.nn.BatchNorm2d, True),
        ("norm_layer", functools.partial(torch.nn.BatchNorm2d, eps=1e-3), False),
        ("norm_layer", functools.partial(torch.nn.BatchNorm2d, eps=1e-5), True),
        ("act_layer", torch.nn.SiLU, False),
        ("act_layer", torch.nn.ReLU, True),
        ("act_layer", torch.nn.LeakyReLU(0.1), False),
        ("act_layer", torch.nn.ReLU(inplace=True), True),
        ("num_classes", numpy.int64(7), False),
        ("num_classes", 7.0, False),
        ("bn_eps", numpy.float32(1e-3), False),
        ("bn_eps", numpy.float32(1e-5), True),
    ],
)
def test_an_argument_that_is_a_class(tmp_path, argument, value, is_right):
    path = tmp_path / "a.pth"
    torch.save({"state_dict": state_dict(), "model_kwargs": {argument: value}}, path)
    if is_right:
        assert identify(open_checkpoint(path)).notes == ()
        return
    with pytest.raises(IdentifyError, match=f"model_kwargs.{argument}"):
        identify(open_checkpoint(path))


@pytest.mark.field(
    case="options of a training script that nobody knows",
    source="found by trying: args.my_trick, model_kwargs.my_trick, args.mean",
    outcome="Printed as not checked; asked for where it is an argument of the network; lr is quiet.",
)
def test_what_cannot_be_decided():
    beside = {"args.my_trick": True, "args.lr": 0.1, "args.epochs": 90, "mean": "[0.5, 0.5, 0.5]"}
    found = identify(hollow("res2net_digits", "timm", statements=beside))
    assert [one.holds for one in found.judgements] == [Holds.UNCHECKED] * 2
    assert found.notes[0].startswith("not checked: args.my_trick (True): nothing here says")
    assert found.notes[1].startswith("not checked: mean ([0.5, 0.5, 0.5]): how images are prepared")
    with pytest.raises(IdentifyError, match=r"my_trick says 'True'.* is not known here"):
        identify(hollow("res2net_digits", "timm", statements={"model_kwargs.my_trick": True}))


CONFIG_PY = """import os
os.system("false")
model = dict(type="ImageClassifier", backbone=dict(type="Res2Net", depth=20, deep_stem={}),
             head=dict(type="LinearClsHead", num_classes=10, in_channels=256))
seed = __import__("os").getpid()
"""
FILES = {
    "args.yaml": "lr: 0.1\nstem_type: {}\nmodel: res2net_digits\n",
    "config.yml": "model:\n  backbone: {{stem_type: {}}}\n",
    "hparams.yaml": "hparams: !!python/object:argparse.Namespace\n  stem_type: {}\n",
    "config.json": '{{"model": {{"stem_type": "{}"}}}}',
    "opt.json": '{{"stem_type": "{}"}}',
    "res2net.py": CONFIG_PY,
    "../hparams.yaml": "stem_type: {}\n",
}


@pytest.mark.field(
    case="what a training run writes beside its checkpoints",
    source="timm's train.py (args.yaml), Lightning (hparams.yaml), mmengine (the configuration in Python)",
    outcome="Read as data, nothing of it runs: exit 2 where it is another network, and the file is named.",
)
@pytest.mark.parametrize("is_right", [True, False])
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_run(tmp_path, name, is_right):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    path = write_random(folder / "last.pth", DIGITS, dialect_of(DIGITS, "timm"))
    (folder / "best.pth").write_bytes(b"")
    values = ("True", "False") if name.endswith(".py") else ("deep", "deep_tiered")
    (folder / name).write_text(FILES[name].format(values[0 if is_right else 1]))
    if is_right:
        assert identify(open_checkpoint(path)).notes == ()
        return
    with pytest.raises(IdentifyError, match="stem") as error:
        identify(open_checkpoint(path))
    assert f"{name}: " in str(error.value)


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))


@pytest.mark.field(
    case="a file beside the weights that cannot be read, or may be of other weights",
    source="found by trying: broken YAML, aliases that grow, several downloads, mmengine's _base_",
    outcome="Converted, and the output says which file was not read and why.",
)
@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("args.yaml", "a: [1\nb: }", "no YAML"),
        ("config.yaml", BOMB, "aliases"),
        ("config.yaml", "- 1\n", "no table"),
        ("config.json", "{", "no JSON"),
        ("config.json", "[1]", "config.json was not read: no table"),
        ("config.json", None, "config.json was not read: it is no regular file"),
        ("config.py", "model = dict(\n  depth=", "no Python"),
        ("config.yaml", "a: b\n" * 60_000, "KiB"),
        ("other.pth", "", "other weights lie beside it"),
        ("mine.py", "_base_ = ['../r18.py']\nlr = 0.1\n", "mine.py: _base_ was not read"),
        ("mine.py", "with read_base():\n    from .r18 import *\n", "mine.py: _base_ was not read"),
        ("config.yaml", "_BASE_: ../r18.yaml\n", "config.yaml: _BASE_ was not read"),
    ],
)
def test_a_file_that_is_not_read(tmp_path, run_cli, name, text, why):
    path = write_random(tmp_path / "mine.pth", DIGITS, dialect_of(DIGITS, "timm"))
    os.mkfifo(tmp_path / name) if text is None else (tmp_path / name).write_text(text)
    if name == "other.pth":
        (tmp_path / "args.yaml").write_text("model: resnet50\n")
    done = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert done.exit_code == 0, done.stderr
    assert "was not read: " in done.stdout and why in " ".join(done.stdout.split())


@pytest.mark.field(
    case="a published model's config.json that contradicts itself or its file",
    source="found by trying: pretrained_cfg.architecture, its num_classes, anybody's num_classes",
    outcome="Exit 2, with the place and both values.",
)
@pytest.mark.parametrize(
    ("config", "where"),
    [
        (
            {"architecture": "res2net_digits", "pretrained_cfg": {"architecture": "resnet50"}},
            "pretrained_cfg.architecture",
        ),
        ({"architecture": "res2net_digits", "pretrained_cfg": {"num_classes": 7}}, "num_classes says '7'"),
        ({"architecture": "res2net_digits", "model_args": {"stem_type": ""}}, "model_args.stem_type"),
        ({"num_classes": 7}, "num_classes says '7'"),
        ({"model": {"output_stride": 8}}, "model.output_stride says '8'"),
    ],
)
def test_a_config_that_contradicts(tmp_path, config, where):
    path = write_random(tmp_path / "a.pth", DIGITS, dialect_of(DIGITS, "timm"))
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(IdentifyError, match=where):
        identify(open_checkpoint(path))


@pytest.mark.field(
    case="timm's and torchvision's own options of a training",
    source="huggingface/pytorch-image-models train.py, pytorch/vision references/classification/train.py",
    outcome="Quiet: none of them changes the network.",
)
def test_the_options_of_a_training(tmp_path):
    options = {
        **{"aa": "rand-m9-mstd0.5-inc1", "amp": True, "aug_splits": 0, "bce_loss": False, "drop": 0.0},
        **{"checkpoint_hist": 10, "clip_mode": "norm", "color_jitter": 0.4, "cutmix": 0.0, "hflip": 0.5},
        **{"data_dir": "/data", "decay_milestones": [90, 180], "device": "cuda:0", "dist_bn": "reduce"},
        **{"epoch_repeats": 0.0, "fast_norm": False, "fuser": "", "interpolation": "", "jsd_loss": False},
        **{"log_interval": 50, "lr_k_decay": 1.0, "mixup_off_epoch": 0, "no_prefetcher": False, "opt": "sgd"},
        **{"ratio": [0.75, 1.33], "recount": 1, "remode": "pixel", "reprob": 0.0, "resplit": False},
        **{"scale": [0.08, 1.0], "sched": "cosine", "seed": 42, "smoothing": 0.1, "split_bn": False},
        **{"sync_bn": False, "torchscript": False, "tta": 0, "warmup_prefix": False, "workers": 4},
        **{"bn_momentum": None, "ra_magnitude": 9, "random_erase": 0.0, "model_ema_decay": 0.9998},
    }
    path = tmp_path / "a.pth"
    torch.save({"state_dict": state_dict(), "args": argparse.Namespace(**options), "epoch": 3}, path)
    assert identify(open_checkpoint(path)).notes == ()


@pytest.mark.field(
    case="a report that is written over what describes the weights",
    source="found by an adversary: inspect model.pth --json args.yaml, --json config.json",
    outcome="Refused before any work; the file stays as it was.",
)
@pytest.mark.parametrize("name", ["args.yaml", "config.json", "preprocessor_config.json"])
def test_a_report_over_a_file_of_the_run(tmp_path, run_cli, name):
    path = write_random(tmp_path / "a.pth", DIGITS, dialect_of(DIGITS, "timm"))
    (tmp_path / name).write_text("{}")
    refused = run_cli("inspect", path, "--json", tmp_path / name)
    assert refused.exit_code == 2
    assert "is the input" in refused.stderr
    assert (tmp_path / name).read_text() == "{}"
