"""ResNet and ResNeXt: variants, names and published figures, as tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from triport.reference_models.spec import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Accuracy,
    Architecture,
    Dialect,
    ModelSpec,
    OtherGraph,
    Preprocess,
    Weights,
)


@dataclass(frozen=True, slots=True)
class ResNetConfig:
    """What tells one ResNet from another; `blocks` counts the blocks of each stage.

    `same_convolutions` pads convolutions as pad_mode="same" does, which with a stride is not alike on all
    sides. `block_norm_eps` is of the BatchNorms inside blocks, `norm_eps` of the stem's and the shortcuts'.
    """

    block: Literal["basic", "bottleneck"]
    blocks: tuple[int, int, int, int]
    groups: int = 1
    width_per_group: int = 64
    stem_pool_padding: int | Literal["same"] = 1
    same_convolutions: bool = False
    norm_eps: float = 1e-5
    block_norm_eps: float = 1e-5

    def padding(self, pixels: int) -> int | Literal["same"]:
        """Return a convolution's padding, `pixels` on all sides where it is alike."""
        return "same" if self.same_convolutions else pixels

    def widths(self, stage: int) -> tuple[int, int]:
        """Return the inner and the output channels of the blocks of `stage` (0 to 3)."""
        planes = 64 * 2**stage
        if self.block == "basic":
            return planes, planes
        return planes * self.width_per_group // 64 * self.groups, planes * 4

    def in_channels(self, stage: int, index: int) -> int:
        """Return the input channels of block `index` of `stage`."""
        if index > 0:
            return self.widths(stage)[1]
        return 64 if stage == 0 else self.widths(stage - 1)[1]

    def stride(self, stage: int, index: int) -> int:
        """Return the stride of block `index` of `stage`."""
        return 2 if stage > 0 and index == 0 else 1

    def arguments(self) -> dict[str, tuple[object, ...]]:
        """Return what publishers' constructors call it."""
        depth = (2 if self.block == "basic" else 3) * sum(self.blocks) + 2
        return {
            "depth": (depth,),
            "layers": (str(list(self.blocks)),),
            **dict.fromkeys(("groups", "cardinality"), (self.groups,)),
            **dict.fromkeys(("width_per_group", "base_width"), (self.width_per_group,)),
            **dict.fromkeys(("stem_width", "stem_channels", "base_channels"), (64,)),
        }


MINDCV = Dialect(
    "mindcv",
    "mindspore",
    {
        "conv1": "conv1",
        "bn1": "bn1",
        "layer{s}.{b}.conv{i}": "layer{s}.{b}.conv{i}",
        "layer{s}.{b}.bn{i}": "layer{s}.{b}.bn{i}",
        "layer{s}.{b}.down_sample.{i}": "layer{s}.{b}.downsample.{i}",
        "classifier": "fc",
    },
)
# pytorch/examples and Ascend's ModelZoo-PyTorch train torchvision's definition, timm keeps its names.
TORCHVISION = Dialect("torchvision", "pytorch", {})

# The two sets of names that MindSpore's own material uses, each also with the commoner name of a layer.
_MINDSPORE_MODELS_ROWS = {
    "conv1": "conv1",
    "bn1": "bn1",
    "layer{s}.{b}.conv{i}": "layer{s}.{b}.conv{i}",
    "layer{s}.{b}.bn{i}": "layer{s}.{b}.bn{i}",
    "layer{s}.{b}.down_sample_layer.{i}": "layer{s}.{b}.downsample.{i}",
    "end_point": "fc",
}
MINDSPORE_MODELS = Dialect("mindspore-models", "mindspore", _MINDSPORE_MODELS_ROWS)
MINDSPORE_MODELS_BASIC = Dialect(
    "mindspore-models",
    "mindspore",
    {
        ("layer{s}.{b}.bn{i}d" if row == "layer{s}.{b}.bn{i}" else row): ours
        for row, ours in _MINDSPORE_MODELS_ROWS.items()
    },
)
MINDSPORE_MODELS_BN = Dialect("mindspore-models-bn", "mindspore", _MINDSPORE_MODELS_ROWS)
_TUTORIAL_ROWS = {
    "conv1": "conv1",
    "norm": "bn1",
    "layer{s}.{b}.conv{i}": "layer{s}.{b}.conv{i}",
    "layer{s}.{b}.norm{i}": "layer{s}.{b}.bn{i}",
    "layer{s}.{b}.down_sample.{i}": "layer{s}.{b}.downsample.{i}",
    "fc": "fc",
}
TUTORIAL = Dialect("mindspore-tutorial", "mindspore", _TUTORIAL_ROWS)
TUTORIAL_NORM1 = Dialect(
    "mindspore-tutorial-norm1",
    "mindspore",
    {("norm1" if row == "norm" else row): ours for row, ours in _TUTORIAL_ROWS.items()},
)

_CONFIGS = {
    "resnet18": ResNetConfig("basic", (2, 2, 2, 2)),
    "resnet34": ResNetConfig("basic", (3, 4, 6, 3)),
    "resnet50": ResNetConfig("bottleneck", (3, 4, 6, 3)),
    "resnet101": ResNetConfig("bottleneck", (3, 4, 23, 3)),
    "resnet152": ResNetConfig("bottleneck", (3, 8, 36, 3)),
    "resnext50_32x4d": ResNetConfig("bottleneck", (3, 4, 6, 3), groups=32, width_per_group=4),
    "resnext101_32x4d": ResNetConfig("bottleneck", (3, 4, 23, 3), groups=32, width_per_group=4),
    "resnext101_64x4d": ResNetConfig("bottleneck", (3, 4, 23, 3), groups=64, width_per_group=4),
}

_PIL_256 = Preprocess(256, 224, "bilinear", IMAGENET_MEAN, IMAGENET_STD, "pil")
_PIL_232 = replace(_PIL_256, resize_px=232)
_MINDSPORE_256 = replace(_PIL_256, library="mindspore")

_TORCHVISION_SOURCE = "https://github.com/pytorch/vision/blob/v0.28.0/torchvision/models/resnet.py"
_TORCHVISION_WEIGHTS = {  # weights: (file, preprocessing, top-1, top-5)
    "resnet18.torchvision_v1": ("resnet18-f37072fd.pth", _PIL_256, 69.758, 89.078),
    "resnet34.torchvision_v1": ("resnet34-b627a593.pth", _PIL_256, 73.314, 91.420),
    "resnet50.torchvision_v1": ("resnet50-0676ba61.pth", _PIL_256, 76.130, 92.862),
    "resnet50.torchvision_v2": ("resnet50-11ad3fa6.pth", _PIL_232, 80.858, 95.434),
    "resnet101.torchvision_v1": ("resnet101-63fe2227.pth", _PIL_256, 77.374, 93.546),
    "resnet101.torchvision_v2": ("resnet101-cd907fc2.pth", _PIL_232, 81.886, 95.780),
    "resnet152.torchvision_v1": ("resnet152-394f9c45.pth", _PIL_256, 78.312, 94.046),
    "resnet152.torchvision_v2": ("resnet152-f82ba261.pth", _PIL_232, 82.284, 96.002),
    "resnext50_32x4d.torchvision_v1": ("resnext50_32x4d-7cdf4587.pth", _PIL_256, 77.618, 93.698),
    "resnext50_32x4d.torchvision_v2": ("resnext50_32x4d-1a0047aa.pth", _PIL_232, 81.198, 95.340),
    "resnext101_64x4d.torchvision_v1": ("resnext101_64x4d-173b62eb.pth", _PIL_232, 83.246, 96.454),
}

_MINDCV_COMMIT = "85450da2f118ef18cc70abb3cf81a7f85ac51781"
_MINDCV_WEIGHTS = {  # model: (folder, file, top-1, top-5, parameters in M)
    "resnet18": ("resnet", "resnet18-1e65cd21.ckpt", 70.21, 89.62, 11.70),
    "resnet34": ("resnet", "resnet34-f297d27e.ckpt", 74.15, 91.98, 21.81),
    "resnet50": ("resnet", "resnet50-e0733ab8.ckpt", 76.69, 93.50, 25.61),
    "resnet101": ("resnet", "resnet101-689c5e77.ckpt", 78.24, 94.09, 44.65),
    "resnet152": ("resnet", "resnet152-beb689d8.ckpt", 78.72, 94.45, 60.34),
    "resnext50_32x4d": ("resnext", "resnext50_32x4d-af8aba16.ckpt", 78.53, 94.10, 25.10),
    "resnext101_32x4d": ("resnext", "resnext101_32x4d-3c1e9c51.ckpt", 79.83, 94.80, 44.32),
    "resnext101_64x4d": ("resnext", "resnext101_64x4d-8929255b.ckpt", 80.30, 94.82, 83.66),
}

# Ascend's ModelZoo-PyTorch gives figures of training runs (top-1 only), and no file.
_MODELZOO = "https://github.com/Ascend/ModelZoo-PyTorch/blob/"
_MODELZOO_RESNET50 = (
    f"{_MODELZOO}ca890306d672feb06ba596f64dc77aeccc1520e6/"
    "PyTorch/built-in/cv/classification/ResNet50_for_PyTorch/README.md"
)
_MODELZOO_RESNET152 = (
    f"{_MODELZOO}e9c424a21469fa1c3c03ba10ab4de32e883fcd48/"
    "PyTorch/contrib/cv/classification/ResNet152/README.md"
)
_MODELZOO_ACCURACIES = {
    "resnet50": (
        Accuracy(
            76.702,
            None,
            _MODELZOO_RESNET50,
            "8 NPUs, AMP O2, torch 1.8, 11898.83 images/s in training",
            "2023-02-16",
        ),
    ),
    "resnet152": (
        Accuracy(
            79.102,
            None,
            _MODELZOO_RESNET152,
            "1 NPU, AMP O2, torch 1.8, 623.887 images/s in training",
            "2022-08-29",
        ),
        Accuracy(
            78.038,
            None,
            _MODELZOO_RESNET152,
            "8 NPUs, AMP O2, torch 1.8, 4464.079 images/s in training",
            "2022-08-29",
        ),
    ),
}

# What each publisher's graph does, where they differ. MindSpore's are read off
# https://gitee.com/mindspore/models (official/cv/ResNet/src/resnet.py) and the ResNet-50 tutorial of
# https://gitee.com/mindspore/docs (tutorials/application/source_en/cv: resnet50, transfer_learning).
_SAME = "pads convolutions and max-pool as pad_mode='same' does, an odd pixel at the right and bottom"
_DOES = {
    "torchvision": "pads convolutions and the stem's max-pool alike on all sides",
    "mindcv": "pads the stem's max-pool at the right and bottom only",
    "mindspore-models": f"{_SAME}, and has epsilon 1e-4 in its BatchNorms",
    "mindspore-tutorial": _SAME,
}
_DOES_BASIC = {
    **_DOES,
    "mindspore-models": "pads alike on all sides, and has epsilon 1e-4 in the BatchNorms of its blocks",
}
_WHY = (
    "the stem's max-pool: torchvision pads one pixel on every side, MindCV's pad_mode='same' pads "
    "the right and bottom only"
)

_T, _C, _M, _U = "torchvision", "mindcv", "mindspore-models", "mindspore-tutorial"
_DIFFERENCES: dict[str, dict[tuple[str, str], float]] = {  # between publishers' graphs, in both directions
    # printed by benchmarks/same_weights.py
    "resnet18": {
        (_T, _C): 0.027,
        (_T, _M): 0.0004,
        (_T, _U): 0.06,
        (_C, _M): 0.027,
        (_C, _U): 0.059,
        (_M, _U): 0.06,
    },
    "resnet34": {
        (_T, _C): 0.016,
        (_T, _M): 0.0008,
        (_T, _U): 0.046,
        (_C, _M): 0.016,
        (_C, _U): 0.05,
        (_M, _U): 0.046,
    },
    "resnet50": {
        (_T, _C): 0.024,
        (_T, _M): 0.057,
        (_T, _U): 0.057,
        (_C, _M): 0.059,
        (_C, _U): 0.06,
        (_M, _U): 0.0013,
    },
    "resnet101": {
        (_T, _C): 0.008,
        (_T, _M): 0.041,
        (_T, _U): 0.04,
        (_C, _M): 0.041,
        (_C, _U): 0.042,
        (_M, _U): 0.0026,
    },
    "resnet152": {
        (_T, _C): 0.012,
        (_T, _M): 0.064,
        (_T, _U): 0.062,
        (_C, _M): 0.058,
        (_C, _U): 0.056,
        (_M, _U): 0.0039,
    },
    "resnext50_32x4d": {(_T, _C): 0.019},
    "resnext101_32x4d": {(_T, _C): 0.009},
    "resnext101_64x4d": {(_T, _C): 0.006},
}


def _torchvision_weights(model: str) -> tuple[Weights, ...]:
    weights = tuple(
        Weights(
            name,
            "torchvision",
            f"https://download.pytorch.org/models/{file}",
            preprocess,
            (Accuracy(top1, top5, _TORCHVISION_SOURCE, "torchvision references, GPU", "2022"),),
        )
        for name, (file, preprocess, top1, top5) in _TORCHVISION_WEIGHTS.items()
        if name.split(".")[0] == model
    )
    if model not in _MODELZOO_ACCURACIES:
        return weights
    modelzoo = Weights(f"{model}.modelzoo", "torchvision", "", _PIL_256, _MODELZOO_ACCURACIES[model])
    return (*weights, modelzoo)


def _mindcv_weights(model: str) -> tuple[Weights, ...]:
    folder, file, top1, top5, millions = _MINDCV_WEIGHTS[model]
    source = f"https://github.com/mindspore-lab/mindcv/blob/{_MINDCV_COMMIT}/configs/{folder}/README.md"
    return (
        Weights(
            f"{model}.mindcv",
            "mindcv",
            f"https://download.mindspore.cn/toolkits/mindcv/{folder}/{file}",
            _MINDSPORE_256,
            (Accuracy(top1, top5, source, "D910x8-G", "2023-07-13"),),
            millions,
        ),
    )


_NOT_IN_TORCHVISION = ("resnext101_32x4d",)
_ANTI_ALIASED = "it blurs where it strides (BlurPool), which has no parameters"
_AVERAGED = "it averages where it strides (aa_layer='avg'), which has no parameters"
_LOOK_ALIKES = {
    "resnet18": (Architecture("timm", "resnetblur18", "torchvision", False, _ANTI_ALIASED),),
    "resnet50": (
        Architecture("timm", "resnetaa50", "torchvision", False, _AVERAGED),
        Architecture("timm", "resnetblur50", "torchvision", False, _ANTI_ALIASED),
    ),
}


_SUFFIXES = {
    "torchvision": "",
    "mindcv": "_mindcv",
    "mindspore-models": "_mindspore_models",
    "mindspore-tutorial": "_mindspore_tutorial",
}


def _config(name: str, publisher: str) -> ResNetConfig:
    """Return what a publisher means by a model's name."""
    config = _CONFIGS[name]
    if publisher == "mindcv":
        return replace(config, stem_pool_padding="same")
    if publisher == "mindspore-tutorial":
        return replace(config, stem_pool_padding="same", same_convolutions=True)
    if publisher == "mindspore-models" and config.block == "basic":
        return replace(config, block_norm_eps=1e-4)
    if publisher == "mindspore-models":
        return replace(
            config, stem_pool_padding="same", same_convolutions=True, norm_eps=1e-4, block_norm_eps=1e-4
        )
    return config


def _why(config: ResNetConfig, publisher: str, other: str) -> str:
    if {publisher, other} == {"torchvision", "mindcv"}:
        return _WHY
    does = _DOES_BASIC if config.block == "basic" else _DOES
    return "; ".join(f"{one} {does[one]}" for one in does if one in (publisher, other))


def _architectures(name: str, publisher: str) -> tuple[Architecture, ...]:
    """Return the architectures that load the weights; timm keeps torchvision's names and graph."""

    def loads(by: str, graph_of: str) -> Architecture:
        same = publisher == graph_of
        why = "" if same else _why(_CONFIGS[name], publisher, graph_of)
        return Architecture(by, name, graph_of, same, why)

    found = [loads("timm", "torchvision")]
    if name not in _NOT_IN_TORCHVISION:
        found.insert(0, loads("torchvision", "torchvision"))
    return (*found, *_LOOK_ALIKES.get(name, ()), loads("mindcv", "mindcv"))


def _models(name: str) -> tuple[ModelSpec, ...]:
    """Return the publishers' models of a name, whose weights fit each other."""
    differences = _DIFFERENCES[name]
    publishers = [one for one in _SUFFIXES if any(one in pair for pair in differences)]
    models_dialects = (
        (MINDSPORE_MODELS_BASIC, MINDSPORE_MODELS_BN)
        if _CONFIGS[name].block == "basic"
        else (MINDSPORE_MODELS,)
    )
    more = (*models_dialects, TUTORIAL, TUTORIAL_NORM1) if len(publishers) > 2 else ()
    published = {"torchvision": _torchvision_weights, "mindcv": _mindcv_weights}
    return tuple(
        ModelSpec(
            name=f"{name}{_SUFFIXES[publisher]}",
            family="resnet",
            config=_config(name, publisher),
            input_size_px=224,
            publisher=publisher,
            dialects=(MINDCV, TORCHVISION, *more),
            weights=published[publisher](name) if publisher in published else (),
            same_weights_as=tuple(
                OtherGraph(
                    f"{name}{_SUFFIXES[other]}",
                    _why(_CONFIGS[name], publisher, other),
                    next(value for pair, value in differences.items() if {*pair} == {publisher, other}),
                )
                for other in publishers
                if other != publisher
            ),
            architectures=_architectures(name, publisher),
        )
        for publisher in publishers
    )


MODELS = tuple(spec for name in _CONFIGS for spec in _models(name))
