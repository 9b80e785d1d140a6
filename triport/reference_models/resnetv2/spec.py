"""ResNetV2: variants, names and published figures, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
class ResNetV2Config:
    """What tells one ResNetV2 from another; `blocks` counts the blocks of each stage."""

    graph: Literal["mindcv", "timm"]
    blocks: tuple[int, int, int, int]

    def widths(self, stage: int) -> tuple[int, int]:
        """Return the inner and the output channels of the blocks of `stage` (0 to 3)."""
        return 64 * 2**stage, 256 * 2**stage

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
        return {
            "depth": (3 * sum(self.blocks) + 2,),
            "layers": (str(list(self.blocks)),),
            **({"preact": (True,)} if self.graph == "timm" else {}),
        }


# MindCV publishes no PyTorch definition and timm no MindSpore one: the other runtime takes the
# publisher's module paths.
MINDCV = Dialect("mindcv", "mindspore", {})
MINDCV_IN_PYTORCH = Dialect("triport", "pytorch", {})
TIMM_IN_MINDSPORE = Dialect("triport", "mindspore", {})
TIMM = Dialect("timm", "pytorch", {})

_BLOCKS = {"resnetv2_50": (3, 4, 6, 3), "resnetv2_101": (3, 4, 23, 3)}

_MINDCV_PREPROCESS = Preprocess(256, 224, "bilinear", IMAGENET_MEAN, IMAGENET_STD, "mindspore")
_MINDCV_README = "https://github.com/mindspore-lab/mindcv/blob/{commit}/configs/resnetv2/README.md"
_MINDCV_2023 = _MINDCV_README.format(commit="85450da2f118ef18cc70abb3cf81a7f85ac51781")
_MINDCV_2024 = _MINDCV_README.format(commit="6e2a4c7d72aac5be815753c55edb5f28f2e4a424")
_MINDCV_2023_FILES = "https://download.mindspore.cn/toolkits/mindcv/resnetv2/"
_MINDCV_2024_FILES = "https://download-mindspore.osinfra.cn/toolkits/mindcv/resnetv2/"
_MINDCV_WEIGHTS = {  # weights: (file, top-1, top-5, parameters in M, source, context, date)
    "resnetv2_50.mindcv": (
        f"{_MINDCV_2023_FILES}resnetv2_50-3c2f143b.ckpt",
        *(76.90, 93.37, 25.60),
        *(_MINDCV_2023, "D910x8-G", "2023-07-13"),
    ),
    "resnetv2_50.mindcv_910v2": (
        f"{_MINDCV_2024_FILES}resnetv2_50-a0b9f7f8-910v2.ckpt",
        *(77.03, 93.29, 25.60),
        *(_MINDCV_2024, "ascend 910*(8p), graph mode", "2024-07-25"),
    ),
    "resnetv2_101.mindcv": (
        f"{_MINDCV_2023_FILES}resnetv2_101-5d4c49a1.ckpt",
        *(78.48, 94.23, 44.55),
        *(_MINDCV_2023, "D910x8-G", "2023-07-13"),
    ),
}

# timm resizes the short side to floor(224 / 0.95) and normalises to -1..1.
_TIMM_PREPROCESS = Preprocess(235, 224, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "pil")
_TIMM_SOURCE = (
    "https://github.com/huggingface/pytorch-image-models/blob/"
    "4e5207c7bb6592474ca56e28b2cf85be8f1a550f/results/results-imagenet.csv"
)
_TIMM_WEIGHTS = {  # model: (repository, top-1, top-5, parameters in M)
    "resnetv2_50": ("resnetv2_50.a1h_in1k", 80.410, 95.082, 25.55),
    "resnetv2_101": ("resnetv2_101.a1h_in1k", 82.042, 95.866, 44.54),
}


def _mindcv_weights(model: str) -> tuple[Weights, ...]:
    return tuple(
        Weights(
            name,
            "mindcv",
            url,
            _MINDCV_PREPROCESS,
            (Accuracy(top1, top5, source, context, date),),
            millions,
        )
        for name, (url, top1, top5, millions, source, context, date) in _MINDCV_WEIGHTS.items()
        if name.split(".")[0] == model
    )


def _timm_weights(model: str) -> tuple[Weights, ...]:
    repository, top1, top5, millions = _TIMM_WEIGHTS[model]
    return (
        Weights(
            f"{model}.timm",
            "timm",
            f"https://huggingface.co/timm/{repository}",
            _TIMM_PREPROCESS,
            (Accuracy(top1, top5, _TIMM_SOURCE, "timm validation at 224 px, GPU", "2025-10-30"),),
            millions,
        ),
    )


def _models(name: str) -> tuple[ModelSpec, ModelSpec]:
    """Return MindCV's model and timm's."""
    mindcv = ModelSpec(
        name=name,
        family="resnetv2",
        config=ResNetV2Config("mindcv", _BLOCKS[name]),
        input_size_px=224,
        publisher="mindcv",
        dialects=(MINDCV, MINDCV_IN_PYTORCH),
        weights=_mindcv_weights(name),
        architectures=(Architecture("mindcv", name, "mindcv"),),
    )
    timm = ModelSpec(
        name=f"{name}_timm",
        family="resnetv2",
        config=ResNetV2Config("timm", _BLOCKS[name]),
        input_size_px=224,
        publisher="timm",
        dialects=(TIMM_IN_MINDSPORE, TIMM),
        weights=_timm_weights(name),
        architectures=(Architecture("timm", name, "timm"),),
    )
    return mindcv, timm


MODELS = tuple(spec for name in _BLOCKS for spec in _models(name))
