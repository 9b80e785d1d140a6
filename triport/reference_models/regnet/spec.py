"""RegNet: variants, names and published figures, as tables."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple

from triport.reference_models.spec import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Accuracy,
    Architecture,
    Dialect,
    ModelSpec,
    Preprocess,
    Weights,
)

STEM_WIDTH = 32


class Stage(NamedTuple):
    """One stage: the channels and the number of its blocks, and the groups of their 3x3 convolutions."""

    width: int
    depth: int
    groups: int


@dataclass(frozen=True, slots=True)
class RegNetConfig:
    """What tells one RegNet from another: the paper's five numbers.

    `w_a` is the widths' slope, `w_0` the first width, `w_m` the factor between stages, `depth` the
    number of blocks and `group_width` the channels of a group. `squeeze_ratio` is the gate's inner
    width over the block's input width, 0 for no gate. `rounding` tells how a stage's width becomes
    whole groups: to the nearest, or as torchvision does, half up and never below nine tenths.
    """

    w_a: float
    w_0: int
    w_m: float
    depth: int
    group_width: int
    squeeze_ratio: float = 0.0
    rounding: Literal["nearest", "torchvision"] = "nearest"

    def stages(self) -> tuple[Stage, ...]:
        """Return the stages: blocks of one width, each a power of `w_m` times `w_0` in whole eights."""
        return _stages(self)

    def in_channels(self, stage: int, index: int) -> int:
        """Return the input channels of block `index` of `stage` (from 0)."""
        if index > 0:
            return self.stages()[stage].width
        return STEM_WIDTH if stage == 0 else self.stages()[stage - 1].width

    def squeezed(self, in_channels: int) -> int:
        """Return the inner channels of the gate of a block with `in_channels` inputs, 0 for no gate."""
        return round(self.squeeze_ratio * in_channels)

    def arguments(self) -> dict[str, tuple[object, ...]]:
        """Return what publishers' constructors call it."""
        ratio = (self.squeeze_ratio,) if self.squeeze_ratio else (0, None)
        return {
            "depth": (self.depth,),
            **{"w0": (self.w_0,), "wa": (self.w_a,), "wm": (self.w_m,)},
            **dict.fromkeys(("group_w", "group_size", "group_width"), (self.group_width,)),
            **dict.fromkeys(("se_ratio", "squeeze_ratio"), ratio),
            "stem_width": (STEM_WIDTH,),
        }


@cache  # asked for by every block
def _stages(config: RegNetConfig) -> tuple[Stage, ...]:
    powers = (
        round(math.log(1 + config.w_a * block / config.w_0) / math.log(config.w_m))
        for block in range(config.depth)
    )
    widths = Counter(round(config.w_0 * config.w_m**power / 8) * 8 for power in powers)
    return tuple(_stage_of_width(config, width, depth) for width, depth in widths.items())


def _stage_of_width(config: RegNetConfig, width: int, depth: int) -> Stage:
    group_width = min(config.group_width, width)
    if config.rounding == "nearest":
        groups = max(1, round(width / group_width))
    else:
        groups = max(1, int(width + group_width / 2) // group_width)
        if groups * group_width < 0.9 * width:
            groups += 1
    return Stage(groups * group_width, depth, groups)


# MindCV numbers the stages after the first inside the first's prefix (net_mindspore.py), so that the
# first has rows of its own; an {s+2} does not match 1, which keeps the others' off it.
_MINDCV_ROWS = {
    "stem.conv": "stem.0",
    "stem.bn": "stem.1",
    "0.blocks.{b}.proj": "trunk_output.block1.block1-{b}.proj.0",
    "0.blocks.{b}.bn": "trunk_output.block1.block1-{b}.proj.1",
    "0.blocks.{b}.f.{c}": "trunk_output.block1.block1-{b}.f.{c}.0",
    "0.blocks.{b}.f.{c}_bn": "trunk_output.block1.block1-{b}.f.{c}.1",
    "0.blocks.{s+1}.blocks.{b}.proj": "trunk_output.block{s+2}.block{s+2}-{b}.proj.0",
    "0.blocks.{s+1}.blocks.{b}.bn": "trunk_output.block{s+2}.block{s+2}-{b}.proj.1",
    "0.blocks.{s+1}.blocks.{b}.f.{c}": "trunk_output.block{s+2}.block{s+2}-{b}.f.{c}.0",
    "0.blocks.{s+1}.blocks.{b}.f.{c}_bn": "trunk_output.block{s+2}.block{s+2}-{b}.f.{c}.1",
    "head.fc": "fc",
}
_MINDCV_GATE_ROWS = {
    "0.blocks.{b}.f.se.conv_reduce": "trunk_output.block1.block1-{b}.f.se.fc1",
    "0.blocks.{b}.f.se.conv_expand": "trunk_output.block1.block1-{b}.f.se.fc2",
    "0.blocks.{s+1}.blocks.{b}.f.se.conv_reduce": "trunk_output.block{s+2}.block{s+2}-{b}.f.se.fc1",
    "0.blocks.{s+1}.blocks.{b}.f.se.conv_expand": "trunk_output.block{s+2}.block{s+2}-{b}.f.se.fc2",
}
# The same modules by their attributes, as `parameters_and_names()` calls them.
_STRUCTURAL_ROWS = {
    "stem.conv": "stem.0",
    "stem.bn": "stem.1",
    "stages.{s}.blocks.{b}.proj": "trunk_output.block{s+1}.block{s+1}-{b}.proj.0",
    "stages.{s}.blocks.{b}.bn": "trunk_output.block{s+1}.block{s+1}-{b}.proj.1",
    "stages.{s}.blocks.{b}.f.{c}": "trunk_output.block{s+1}.block{s+1}-{b}.f.{c}.0",
    "stages.{s}.blocks.{b}.f.{c}_bn": "trunk_output.block{s+1}.block{s+1}-{b}.f.{c}.1",
    "head.fc": "fc",
}
_STRUCTURAL_GATE_ROWS = {
    "stages.{s}.blocks.{b}.f.se.conv_reduce": "trunk_output.block{s+1}.block{s+1}-{b}.f.se.fc1",
    "stages.{s}.blocks.{b}.f.se.conv_expand": "trunk_output.block{s+1}.block{s+1}-{b}.f.se.fc2",
}
_TIMM_ROWS = {
    "stem.conv": "stem.0",
    "stem.bn": "stem.1",
    "s{s}.b{b+1}.downsample.conv": "trunk_output.block{s}.block{s}-{b}.proj.0",
    "s{s}.b{b+1}.downsample.bn": "trunk_output.block{s}.block{s}-{b}.proj.1",
    "s{s}.b{b+1}.conv1.conv": "trunk_output.block{s}.block{s}-{b}.f.a.0",
    "s{s}.b{b+1}.conv1.bn": "trunk_output.block{s}.block{s}-{b}.f.a.1",
    "s{s}.b{b+1}.conv2.conv": "trunk_output.block{s}.block{s}-{b}.f.b.0",
    "s{s}.b{b+1}.conv2.bn": "trunk_output.block{s}.block{s}-{b}.f.b.1",
    "s{s}.b{b+1}.conv3.conv": "trunk_output.block{s}.block{s}-{b}.f.c.0",
    "s{s}.b{b+1}.conv3.bn": "trunk_output.block{s}.block{s}-{b}.f.c.1",
    "head.fc": "fc",
}
_TIMM_GATE_ROWS = {
    "s{s}.b{b+1}.se.fc{i}": "trunk_output.block{s}.block{s}-{b}.f.se.fc{i}",
}

_X_DIALECTS = (
    Dialect("mindcv", "mindspore", _MINDCV_ROWS),
    Dialect("mindcv-structural", "mindspore", _STRUCTURAL_ROWS),
    Dialect("torchvision", "pytorch", {}),
    Dialect("timm", "pytorch", _TIMM_ROWS),
)
_Y_DIALECTS = (
    Dialect("mindcv", "mindspore", _MINDCV_ROWS | _MINDCV_GATE_ROWS),
    Dialect("mindcv-structural", "mindspore", _STRUCTURAL_ROWS | _STRUCTURAL_GATE_ROWS),
    Dialect("torchvision", "pytorch", {}),
    Dialect("timm", "pytorch", _TIMM_ROWS | _TIMM_GATE_ROWS),
)

_CONFIGS = {
    "regnet_x_200mf": RegNetConfig(36.44, 24, 2.49, 13, 8),
    "regnet_x_400mf": RegNetConfig(24.48, 24, 2.54, 22, 16),
    "regnet_x_600mf": RegNetConfig(36.97, 48, 2.24, 16, 24),
    "regnet_x_800mf": RegNetConfig(35.73, 56, 2.28, 16, 16),
    "regnet_x_1_6gf": RegNetConfig(34.01, 80, 2.25, 18, 24),
    "regnet_x_3_2gf": RegNetConfig(26.31, 88, 2.25, 25, 48),
    "regnet_x_4_0gf": RegNetConfig(38.65, 96, 2.43, 23, 40),
    "regnet_x_6_4gf": RegNetConfig(60.83, 184, 2.07, 17, 56),
    "regnet_x_8_0gf": RegNetConfig(49.56, 80, 2.88, 23, 120),
    "regnet_x_12gf": RegNetConfig(73.36, 168, 2.37, 19, 112),
    "regnet_x_16gf": RegNetConfig(55.59, 216, 2.1, 22, 128),
    "regnet_x_32gf": RegNetConfig(69.86, 320, 2.0, 23, 168),
    "regnet_y_200mf": RegNetConfig(36.44, 24, 2.49, 13, 8, squeeze_ratio=0.25),
    "regnet_y_400mf": RegNetConfig(27.89, 48, 2.09, 16, 8, squeeze_ratio=0.25),
    "regnet_y_600mf": RegNetConfig(32.54, 48, 2.32, 15, 16, squeeze_ratio=0.25),
    "regnet_y_800mf": RegNetConfig(38.84, 56, 2.4, 14, 16, squeeze_ratio=0.25),
    "regnet_y_1_6gf": RegNetConfig(20.71, 48, 2.65, 27, 24, squeeze_ratio=0.25),
    "regnet_y_3_2gf": RegNetConfig(42.63, 80, 2.66, 21, 24, squeeze_ratio=0.25),
    "regnet_y_4_0gf": RegNetConfig(31.41, 96, 2.24, 22, 64, squeeze_ratio=0.25),
    "regnet_y_6_4gf": RegNetConfig(33.22, 112, 2.27, 25, 72, squeeze_ratio=0.25),
    "regnet_y_8_0gf": RegNetConfig(76.82, 192, 2.19, 17, 56, squeeze_ratio=0.25),
    "regnet_y_12gf": RegNetConfig(73.36, 168, 2.37, 19, 112, squeeze_ratio=0.25),
    "regnet_y_16gf": RegNetConfig(106.23, 200, 2.48, 18, 112, squeeze_ratio=0.25),
    "regnet_y_32gf": RegNetConfig(115.89, 232, 2.53, 20, 232, squeeze_ratio=0.25),
}
# parity: the three sizes that torchvision's rounding makes wider, see __init__.py
_CONFIGS |= {
    f"{name}_torchvision": replace(_CONFIGS[name], rounding="torchvision")
    for name in ("regnet_x_400mf", "regnet_y_800mf", "regnet_y_8_0gf")
}

_PIL_256 = Preprocess(256, 224, "bilinear", IMAGENET_MEAN, IMAGENET_STD, "pil")
_PIL_232 = replace(_PIL_256, resize_px=232)
_PIL_224_BICUBIC = replace(_PIL_256, resize_px=224, interpolation="bicubic")
_PIL_384_BICUBIC = replace(_PIL_224_BICUBIC, resize_px=384, crop_px=384)
_MINDSPORE_256 = replace(_PIL_256, library="mindspore")
_MINDSPORE_256_BICUBIC = replace(_MINDSPORE_256, interpolation="bicubic")
_MINDSPORE_248_BICUBIC = replace(_MINDSPORE_256_BICUBIC, resize_px=248)  # crop_pct 0.9

_TORCHVISION_SOURCE = (
    "https://github.com/pytorch/vision/blob/f12281517f1b2f6255904639b027c9436f3e5008/"
    "torchvision/models/regnet.py"
)
_TORCHVISION_RECIPES = {  # recipe: (preprocessing, context); SWAG's input is 384 px end to end
    "torchvision_v1": (_PIL_256, "torchvision references, GPU"),
    "torchvision_v2": (_PIL_232, "torchvision references, GPU"),
    "torchvision_swag": (_PIL_384_BICUBIC, "SWAG, fine-tuned end to end, GPU"),
    "torchvision_swag_linear": (_PIL_224_BICUBIC, "SWAG, frozen, with a linear classifier, GPU"),
}
_TORCHVISION_WEIGHTS = {  # weights: (file, top-1, top-5)
    "regnet_x_400mf.torchvision_v1": ("regnet_x_400mf-adf1edd5.pth", 72.834, 90.950),
    "regnet_x_400mf.torchvision_v2": ("regnet_x_400mf-62229a5f.pth", 74.864, 92.322),
    "regnet_x_800mf.torchvision_v1": ("regnet_x_800mf-ad17e45c.pth", 75.212, 92.348),
    "regnet_x_800mf.torchvision_v2": ("regnet_x_800mf-94a99ebd.pth", 77.522, 93.826),
    "regnet_x_1_6gf.torchvision_v1": ("regnet_x_1_6gf-e3633e7f.pth", 77.040, 93.440),
    "regnet_x_1_6gf.torchvision_v2": ("regnet_x_1_6gf-a12f2b72.pth", 79.668, 94.922),
    "regnet_x_3_2gf.torchvision_v1": ("regnet_x_3_2gf-f342aeae.pth", 78.364, 93.992),
    "regnet_x_3_2gf.torchvision_v2": ("regnet_x_3_2gf-7071aa85.pth", 81.196, 95.430),
    "regnet_x_8_0gf.torchvision_v1": ("regnet_x_8gf-03ceed89.pth", 79.344, 94.686),
    "regnet_x_8_0gf.torchvision_v2": ("regnet_x_8gf-2b70d774.pth", 81.682, 95.678),
    "regnet_x_16gf.torchvision_v1": ("regnet_x_16gf-2007eb11.pth", 80.058, 94.944),
    "regnet_x_16gf.torchvision_v2": ("regnet_x_16gf-ba3796d7.pth", 82.716, 96.196),
    "regnet_x_32gf.torchvision_v1": ("regnet_x_32gf-9d47f8d0.pth", 80.622, 95.248),
    "regnet_x_32gf.torchvision_v2": ("regnet_x_32gf-6eb8fdc6.pth", 83.014, 96.288),
    "regnet_y_400mf.torchvision_v1": ("regnet_y_400mf-c65dace8.pth", 74.046, 91.716),
    "regnet_y_400mf.torchvision_v2": ("regnet_y_400mf-e6988f5f.pth", 75.804, 92.742),
    "regnet_y_800mf.torchvision_v1": ("regnet_y_800mf-1b27b58c.pth", 76.420, 93.136),
    "regnet_y_800mf.torchvision_v2": ("regnet_y_800mf-58fc7688.pth", 78.828, 94.502),
    "regnet_y_1_6gf.torchvision_v1": ("regnet_y_1_6gf-b11a554e.pth", 77.950, 93.966),
    "regnet_y_1_6gf.torchvision_v2": ("regnet_y_1_6gf-0d7bc02a.pth", 80.876, 95.444),
    "regnet_y_3_2gf.torchvision_v1": ("regnet_y_3_2gf-b5a9779c.pth", 78.948, 94.576),
    "regnet_y_3_2gf.torchvision_v2": ("regnet_y_3_2gf-9180c971.pth", 81.982, 95.972),
    "regnet_y_8_0gf.torchvision_v1": ("regnet_y_8gf-d0d0e4a8.pth", 80.032, 95.048),
    "regnet_y_8_0gf.torchvision_v2": ("regnet_y_8gf-dc2b1b54.pth", 82.828, 96.330),
    "regnet_y_16gf.torchvision_v1": ("regnet_y_16gf-9e6ed7dd.pth", 80.424, 95.240),
    "regnet_y_16gf.torchvision_v2": ("regnet_y_16gf-3e4a00f9.pth", 82.886, 96.328),
    "regnet_y_16gf.torchvision_swag": ("regnet_y_16gf_swag-43afe44d.pth", 86.012, 98.054),
    "regnet_y_16gf.torchvision_swag_linear": ("regnet_y_16gf_lc_swag-f3ec0043.pth", 83.976, 97.244),
    "regnet_y_32gf.torchvision_v1": ("regnet_y_32gf-4dee3f7a.pth", 80.878, 95.340),
    "regnet_y_32gf.torchvision_v2": ("regnet_y_32gf-8db6d4b5.pth", 83.368, 96.498),
    "regnet_y_32gf.torchvision_swag": ("regnet_y_32gf_swag-04fdfa75.pth", 86.838, 98.362),
    "regnet_y_32gf.torchvision_swag_linear": ("regnet_y_32gf_lc_swag-e1583746.pth", 84.622, 97.480),
}

_MINDCV_COMMIT = "85450da2f118ef18cc70abb3cf81a7f85ac51781"
_MINDCV_SOURCE = f"https://github.com/mindspore-lab/mindcv/blob/{_MINDCV_COMMIT}/configs/regnet/README.md"
_MINDCV_910B_COMMIT = "04d329300a8e6798f9861078bb7594a7453ac462"
_MINDCV_910B_SOURCE = (
    f"https://github.com/mindspore-lab/mindcv/blob/{_MINDCV_910B_COMMIT}/configs/regnet/README.md"
)
_MINDCV_URL = "https://download.mindspore.cn/toolkits/mindcv/regnet"
_MINDCV_910B_URL = "https://download-mindspore.osinfra.cn/toolkits/mindcv/regnet"
_MINDCV_FIGURES = {  # model: (file, preprocessing, top-1, top-5, parameters in M)
    "regnet_x_200mf": ("regnet_x_200mf-0c2b1eb5.ckpt", _MINDSPORE_256_BICUBIC, 68.74, 88.38, 2.68),
    "regnet_x_400mf": ("regnet_x_400mf-4848837d.ckpt", _MINDSPORE_256_BICUBIC, 73.16, 91.35, 5.16),
    "regnet_x_600mf": ("regnet_x_600mf-ccd76c94.ckpt", _MINDSPORE_256_BICUBIC, 74.34, 92.00, 6.20),
    "regnet_x_800mf": ("regnet_x_800mf-617227f4.ckpt", _MINDSPORE_256, 76.04, 92.97, 7.26),
    "regnet_y_200mf": ("regnet_y_200mf-76a2f720.ckpt", _MINDSPORE_256_BICUBIC, 70.30, 89.61, 3.16),
    "regnet_y_400mf": ("regnet_y_400mf-d496799d.ckpt", _MINDSPORE_256_BICUBIC, 73.91, 91.84, 4.34),
    "regnet_y_600mf": ("regnet_y_600mf-a84e19b2.ckpt", _MINDSPORE_256_BICUBIC, 75.69, 92.50, 6.06),
    "regnet_y_800mf": ("regnet_y_800mf-9b5211bd.ckpt", _MINDSPORE_256_BICUBIC, 76.52, 93.10, 6.26),
    # parity: MindCV's code has this file as the pretrained weights of regnet_x_16gf and none for
    # regnet_y_16gf. It is a Y model, as its name, the README and 83.71 M parameters say (X has 54.28 M).
    "regnet_y_16gf": ("regnet_y_16gf-c30a856f.ckpt", _MINDSPORE_248_BICUBIC, 82.92, 96.29, 83.71),
}
_MINDCV_WEIGHTS = {
    model: Weights(
        f"{model}.mindcv",
        "mindcv",
        f"{_MINDCV_URL}/{file}",
        preprocess,
        (Accuracy(top1, top5, _MINDCV_SOURCE, "D910x8-G", "2023-07-13"),),
        millions,
    )
    for model, (file, preprocess, top1, top5, millions) in _MINDCV_FIGURES.items()
}
_MINDCV_910B_X_800MF = Weights(
    "regnet_x_800mf.mindcv_910v2",
    "mindcv",
    f"{_MINDCV_910B_URL}/regnet_x_800mf-68fe1cca-910v2.ckpt",
    _MINDSPORE_256,
    (
        Accuracy(
            76.11, 93.00, _MINDCV_910B_SOURCE, "8 x Ascend 910*, mindspore 2.3.1, graph mode", "2024-11-22"
        ),
    ),
    7.26,
)


def _torchvision_weights(model: str) -> tuple[Weights, ...]:
    found = []
    for name, (file, top1, top5) in _TORCHVISION_WEIGHTS.items():
        base, recipe = name.split(".")
        if model == (base if f"{base}_torchvision" not in _CONFIGS else f"{base}_torchvision"):
            preprocess, context = _TORCHVISION_RECIPES[recipe]
            url = f"https://download.pytorch.org/models/{file}"
            accuracy = Accuracy(top1, top5, _TORCHVISION_SOURCE, context, "2022")
            found.append(Weights(name, "torchvision", url, preprocess, (accuracy,)))
    return tuple(found)


def _weights(model: str) -> tuple[Weights, ...]:
    mindcv = (_MINDCV_WEIGHTS[model],) if model in _MINDCV_WEIGHTS else ()
    newer = (_MINDCV_910B_X_800MF,) if model == "regnet_x_800mf" else ()
    return (*mindcv, *newer, *_torchvision_weights(model))


# torchvision has seven sizes of each kind; timm calls them by hundreds of megaflops
_IN_TORCHVISION = ("400mf", "800mf", "1_6gf", "3_2gf", "8_0gf", "16gf", "32gf")


def _architectures(model: str) -> tuple[Architecture, ...]:
    """Return the publishers' own architectures that load a model's weights."""
    base = model.removesuffix("_torchvision")
    _, kind, size = base.split("_", 2)
    flops = float(size[:-2].replace("_", ".")) * (1 if size.endswith("mf") else 1000)
    wider = model != base
    timm = f"regnet{kind}_{flops / 100:03.0f}" + ("_tv" if wider else "")
    found = [Architecture("timm", timm, "timm")]
    if size in _IN_TORCHVISION and (wider or f"{base}_torchvision" not in _CONFIGS):
        found.insert(0, Architecture("torchvision", base.replace("8_0gf", "8gf"), "torchvision"))
    return tuple(found) if wider else (*found, Architecture("mindcv", base, "mindcv"))


MODELS = tuple(
    ModelSpec(
        name=name,
        family="regnet",
        config=config,
        input_size_px=224,
        publisher="mindcv" if config.rounding == "nearest" else "torchvision",
        dialects=_Y_DIALECTS if config.squeeze_ratio else _X_DIALECTS,
        weights=_weights(name),
        architectures=_architectures(name),
    )
    for name, config in _CONFIGS.items()
)
