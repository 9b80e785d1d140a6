"""Res2Net: variants, names and published figures, as tables."""

from __future__ import annotations

from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True)
class Res2NetConfig:
    """What tells one Res2Net from another; `blocks` counts the blocks of each stage.

    A block of a stage with 64 `planes` has `scale` pieces of `base_width` channels each, and puts
    out four times `planes`. `v1b` means the deep stem and the average pool in the shortcuts.
    """

    blocks: tuple[int, int, int, int]
    v1b: bool = False
    stem_channels: int = 64
    planes: tuple[int, int, int, int] = (64, 128, 256, 512)
    base_width: int = 26
    scale: int = 4

    def widths(self, stage: int) -> tuple[int, int]:
        """Return the channels of one piece and of the output of the blocks of `stage` (0 to 3)."""
        return self.planes[stage] * self.base_width // 64, self.planes[stage] * 4

    def in_channels(self, stage: int, index: int) -> int:
        """Return the input channels of block `index` of `stage`."""
        if index > 0:
            return self.widths(stage)[1]
        return self.stem_channels if stage == 0 else self.widths(stage - 1)[1]

    def stride(self, stage: int, index: int) -> int:
        """Return the stride of block `index` of `stage`."""
        return 2 if stage > 0 and index == 0 else 1

    def arguments(self) -> dict[str, tuple[object, ...]]:
        """Return what publishers' constructors call it."""
        deep = {"stem_type": ("deep",), "deep_stem": (True,), "avg_down": (True,)} if self.v1b else {}
        return {
            "depth": (3 * sum(self.blocks) + 2,),
            "layers": (str(list(self.blocks)),),
            **deep,
            "stem_width": (self.stem_channels // 2 if self.v1b else self.stem_channels,),
            "stem_channels": (self.stem_channels,),
            "base_width": (self.base_width,),
            **dict.fromkeys(("scale", "scales"), (self.scale,)),
            **dict.fromkeys(("groups", "cardinality"), (1,)),
        }


_BLOCK_ROWS = {
    "bn1": "bn1",
    "layer{s}.{b}.conv{i}": "layer{s}.{b}.conv{i}",
    "layer{s}.{b}.bn{i}": "layer{s}.{b}.bn{i}",
    "layer{s}.{b}.convs.{i}": "layer{s}.{b}.convs.{i}",
    "layer{s}.{b}.bns.{i}": "layer{s}.{b}.bns.{i}",
    "classifier": "fc",
}
MINDCV = Dialect(
    "mindcv",
    "mindspore",
    {"conv1": "conv1", **_BLOCK_ROWS, "layer{s}.{b}.down_sample.{i}": "layer{s}.{b}.downsample.{i}"},
)
MINDCV_V1B = Dialect(
    "mindcv",
    "mindspore",
    {
        "conv1.{i}": "conv1.{i}",
        **_BLOCK_ROWS,
        # no stride in layer1, so no pool: timm has an identity in its place, MindCV has nothing
        "layer1.0.down_sample.{i}": "layer1.0.downsample.{i+1}",
        "layer2.0.down_sample.{i}": "layer2.0.downsample.{i}",
        "layer3.0.down_sample.{i}": "layer3.0.downsample.{i}",
        "layer4.0.down_sample.{i}": "layer4.0.downsample.{i}",
    },
)
TIMM = Dialect("timm", "pytorch", {})

_CONFIGS = {
    "res2net50": Res2NetConfig((3, 4, 6, 3)),
    "res2net101": Res2NetConfig((3, 4, 23, 3)),
    "res2net152": Res2NetConfig((3, 8, 36, 3)),
    "res2net50_v1b": Res2NetConfig((3, 4, 6, 3), v1b=True),
    "res2net101_v1b": Res2NetConfig((3, 4, 23, 3), v1b=True),
    "res2net152_v1b": Res2NetConfig((3, 8, 36, 3), v1b=True),
    "res2net_digits": Res2NetConfig((1, 2, 2, 1), v1b=True, stem_channels=16, planes=(16, 32, 64, 64)),
}

_PIL_256 = Preprocess(256, 224, "bilinear", IMAGENET_MEAN, IMAGENET_STD, "pil")
_MINDSPORE_256 = replace(_PIL_256, library="mindspore")


def _mindcv_source(commit: str) -> str:
    return f"https://github.com/mindspore-lab/mindcv/blob/{commit}/configs/res2net/README.md"


_MARCH_2023 = _mindcv_source("62fdb1a07abd0d155658ee3b80ce027643fdc616")
_JULY_2023 = _mindcv_source("85450da2f118ef18cc70abb3cf81a7f85ac51781")
_MARCH_2025 = _mindcv_source("78cd43a054dde0ac08309a26e116a6354e22924e")
_DOWNLOAD = "https://download.mindspore.cn/toolkits/mindcv/res2net/"
_DOWNLOAD_910V2 = "https://download-mindspore.osinfra.cn/toolkits/mindcv/res2net/"
_910 = "D910x8-G"
_910V2 = "Ascend 910*, 8 cards, MindSpore 2.5.0, graph mode"

_TIMM_SOURCE = (
    "https://github.com/huggingface/pytorch-image-models/blob/"
    "4e5207c7bb6592474ca56e28b2cf85be8f1a550f/results/results-imagenet.csv"
)


def _mindcv(name: str, url: str, millions: float, *accuracies: Accuracy) -> Weights:
    return Weights(name, "mindcv", url, _MINDSPORE_256, accuracies, millions)


# what the hub says on the page of a file: https://huggingface.co/timm/NAME/blob/main/model.safetensors
_TIMM_SHA256 = {
    "res2net101d.in1k": "7e00980a876398f235a9a1e294a48be85e88bdd63db5f6834fd686db50ae02c4",
}


def _timm(name: str, published: str, top1: float, top5: float, millions: float) -> Weights:
    url = f"https://huggingface.co/timm/{published}/resolve/main/model.safetensors"
    accuracy = Accuracy(top1, top5, _TIMM_SOURCE, "timm validate, GPU", "2025-10-30")
    sha256 = _TIMM_SHA256.get(published, "")
    return Weights(name, "timm", url, _PIL_256, (accuracy,), millions, sha256)


_WEIGHTS = {
    "res2net50": (
        _mindcv(
            "res2net50.mindcv",
            f"{_DOWNLOAD}res2net50-f42cf71b.ckpt",
            25.76,
            Accuracy(79.35, 94.64, _JULY_2023, _910, "2023-07-13"),
        ),
        _mindcv(
            "res2net50.mindcv_910v2",
            f"{_DOWNLOAD_910V2}res2net50-aa758355-910v2.ckpt",
            25.76,
            Accuracy(79.33, 94.64, _MARCH_2025, _910V2, "2025-03-18"),
        ),
        _timm("res2net50.timm", "res2net50_26w_4s.in1k", 77.994, 93.860, 25.70),
    ),
    "res2net101": (
        _mindcv(
            "res2net101.mindcv",
            f"{_DOWNLOAD}res2net101-8ae60132.ckpt",
            45.33,
            Accuracy(79.56, 94.70, _JULY_2023, _910, "2023-07-13"),
        ),
        _timm("res2net101.timm", "res2net101_26w_4s.in1k", 79.192, 94.466, 45.21),
    ),
    "res2net50_v1b": (
        _mindcv(
            "res2net50_v1b.mindcv",
            f"{_DOWNLOAD}res2net50_v1b-99304e92.ckpt",
            25.77,
            Accuracy(80.32, 95.09, _JULY_2023, _910, "2023-07-13"),
        ),
        _timm("res2net50_v1b.timm", "res2net50d.in1k", 80.280, 95.028, 25.72),
    ),
    "res2net101_v1b": (
        _mindcv(
            "res2net101_v1b.mindcv",
            f"{_DOWNLOAD}res2net101_v1b-7e6db001.ckpt",
            45.35,
            # the same file: the first figure was corrected on 2023-04-27
            Accuracy(81.14, 95.41, _JULY_2023, _910, "2023-07-13"),
            Accuracy(81.26, 95.41, _MARCH_2023, _910, "2023-03-28"),
        ),
        _timm("res2net101_v1b.timm", "res2net101d.in1k", 81.236, 95.346, 45.23),
    ),
}


_IN_TIMM = {  # model: timm's name
    "res2net50": "res2net50_26w_4s",
    "res2net101": "res2net101_26w_4s",
    "res2net50_v1b": "res2net50d",
    "res2net101_v1b": "res2net101d",
}


def _architectures(name: str) -> tuple[Architecture, ...]:
    """Return the publishers' own architectures that load a model's weights."""
    mindcv = Architecture("mindcv", name, "mindcv")
    return (mindcv, Architecture("timm", _IN_TIMM[name], "timm")) if name in _IN_TIMM else (mindcv,)


def _model(name: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        family="res2net",
        config=_CONFIGS[name],
        input_size_px=224,
        publisher="mindcv",
        dialects=(MINDCV_V1B if _CONFIGS[name].v1b else MINDCV, TIMM),
        weights=_WEIGHTS.get(name, ()),
        architectures=_architectures(name),
    )


_DIGITS = replace(
    _model("res2net_digits"),
    input_size_px=32,
    num_classes=10,
    publisher="triport",
    architectures=(),
    weights=(
        Weights(
            "res2net_digits.triport",
            "mindcv",
            "examples/digits/res2net_digits.ckpt",
            Preprocess(32, 32, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "pil"),
            (
                Accuracy(
                    99.33,
                    None,
                    "examples/digits/train.py",
                    "300 held-out digits, MindSpore CPU",
                    "2026-11-22",
                ),
            ),
            sha256="05413688da296730d4750ab6e01669c6592c1b3e28dd583503c18c6c57ea8b2e",
        ),
    ),
)

MODELS = (*(_model(name) for name in _CONFIGS if name != "res2net_digits"), _DIGITS)
