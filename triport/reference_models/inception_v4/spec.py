"""Inception-v4: names and published figures, as tables."""

from __future__ import annotations

from dataclasses import dataclass

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
class InceptionV4Config:
    """How many blocks of kind A, B and C there are."""

    blocks: tuple[int, int, int] = (4, 7, 3)


MINDCV = Dialect(
    "mindcv",
    "mindspore",
    {
        "features.0.conv2d_1a_3x3.{layer}": "features.0.{layer}",
        "features.0.conv2d_2a_3x3.{layer}": "features.1.{layer}",
        "features.0.conv2d_2b_3x3.{layer}": "features.2.{layer}",
        "features.0.mixed_3a_branch_1.{layer}": "features.3.conv.{layer}",
        "features.0.mixed_4a_branch_{i}.{j}.{layer}": "features.4.branch{i}.{j}.{layer}",
        "features.0.mixed_5a_branch_0.{layer}": "features.5.conv.{layer}",
        "features.{n}.branch_0.{layer}": "features.{n+5}.branch0.{layer}",
        "features.13.branch_0.{j}.{layer}": "features.18.branch0.{j}.{layer}",
        # one row for each of the blocks A to reduction B: {n+5} would reach the stem's features.4 too
        **{
            f"features.{n}.branch_1.{{j}}.{{layer}}": f"features.{n + 5}.branch1.{{j}}.{{layer}}"
            for n in range(1, 14)
        },
        "features.{n}.branch_2.{j}.{layer}": "features.{n+5}.branch2.{j}.{layer}",
        "features.{n}.branch_3.1.{layer}": "features.{n+5}.branch3.1.{layer}",
        # blocks C
        "features.{n}.branch_1.{layer}": "features.{n+5}.branch1_0.{layer}",
        "features.{n}.branch_1_1.{layer}": "features.{n+5}.branch1_1a.{layer}",
        "features.{n}.branch_1_2.{layer}": "features.{n+5}.branch1_1b.{layer}",
        "features.{n}.branch_2.0.{layer}": "features.{n+5}.branch2_0.{layer}",
        "features.{n}.branch_2.1.{layer}": "features.{n+5}.branch2_1.{layer}",
        "features.{n}.branch_2.2.{layer}": "features.{n+5}.branch2_2.{layer}",
        "features.{n}.branch_2_1.{layer}": "features.{n+5}.branch2_3a.{layer}",
        "features.{n}.branch_2_2.{layer}": "features.{n+5}.branch2_3b.{layer}",
        "classifier": "last_linear",
    },
)
TIMM = Dialect("timm", "pytorch", {})

# 299 / 0.875, rounded down by both publishers
_MINDCV_341 = Preprocess(341, 299, "bilinear", IMAGENET_MEAN, IMAGENET_STD, "mindspore")
_TIMM_341 = Preprocess(341, 299, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "pil")

_MINDCV_SOURCE = "https://github.com/mindspore-lab/mindcv/blob/{commit}/configs/inceptionv4/README.md"

MODELS = (
    ModelSpec(
        name="inception_v4",
        family="inception_v4",
        config=InceptionV4Config(),
        input_size_px=299,
        publisher="mindcv",
        dialects=(MINDCV, TIMM),
        architectures=(
            Architecture("mindcv", "inception_v4", "mindcv"),
            Architecture("timm", "inception_v4", "timm"),
        ),
        weights=(
            Weights(
                "inception_v4.mindcv",
                "mindcv",
                "https://download.mindspore.cn/toolkits/mindcv/inception_v4/inception_v4-db9c45b3.ckpt",
                _MINDCV_341,
                (
                    Accuracy(
                        80.88,
                        95.34,
                        _MINDCV_SOURCE.format(commit="85450da2f118ef18cc70abb3cf81a7f85ac51781"),
                        "D910x8-G",
                        "2023-07-13",
                    ),
                ),
                42.74,
            ),
            Weights(
                "inception_v4.mindcv_910v2",
                "mindcv",
                "https://download-mindspore.osinfra.cn/toolkits/mindcv/inception_v4/"
                "inception_v4-56e798fc-910v2.ckpt",
                _MINDCV_341,
                (
                    Accuracy(
                        80.98,
                        95.25,
                        _MINDCV_SOURCE.format(commit="78cd43a054dde0ac08309a26e116a6354e22924e"),
                        "Ascend 910*, 8 cards, MindSpore 2.5.0, graph mode",
                        "2025-03-18",
                    ),
                ),
                42.74,
            ),
            Weights(
                "inception_v4.timm",
                "timm",
                "https://huggingface.co/timm/inception_v4.tf_in1k/resolve/main/model.safetensors",
                _TIMM_341,
                (
                    Accuracy(
                        80.144,
                        94.982,
                        "https://github.com/huggingface/pytorch-image-models/blob/"
                        "4e5207c7bb6592474ca56e28b2cf85be8f1a550f/results/results-imagenet.csv",
                        "timm validate, GPU",
                        "2025-10-30",
                    ),
                ),
                42.68,
                # https://huggingface.co/timm/inception_v4.tf_in1k/blob/main/model.safetensors says so
                "a756a086851c8d5a8de135ec15c76b90ea56cb5aef450e3299107e659e725bb1",
            ),
        ),
    ),
)
