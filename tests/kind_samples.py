"""A layer of every kind in both frameworks, and what it is given: the same arithmetic if the table is right.

Each sample is small and ordinary. Frameworks are imported when a sample is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


def values(*shape: int) -> Callable[[], np.ndarray]:
    """Return what draws float32 values of a shape."""
    return lambda: np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def indices(below: int, *shape: int) -> Callable[[], np.ndarray]:
    """Return what draws int32 indices."""
    return lambda: np.random.default_rng(0).integers(0, below, shape).astype(np.int32)


@dataclass(frozen=True)
class Sample:
    """A layer: `torch(nn)` and `mindspore(nn)` build it, `given` draws its inputs.

    `steps` are what a parameter needs on its way to MindSpore, by leaf: how it is stored there. `of` takes
    the output that is compared out of what the layer returns.
    """

    kind: str
    torch: Callable[[Any], Any]
    mindspore: Callable[[Any], Any] | None
    given: tuple[Callable[[], np.ndarray], ...]
    words: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)
    of: Callable[[Any], Any] = lambda output: output


def _expanded(array: np.ndarray) -> np.ndarray:
    """MindSpore stores a one-dimensional kernel as one of height 1."""
    return array[:, :, None]


def _first(output: Any) -> Any:
    return output[0]


IMAGE, LINE, TOKENS = values(2, 8, 9, 11), values(2, 8, 15), values(2, 7, 8)

SAMPLES = {
    "Conv1d": Sample(
        "conv",
        lambda nn: nn.Conv1d(8, 12, 3),
        lambda nn: nn.Conv1d(8, 12, 3, pad_mode="valid", has_bias=True),
        (LINE,),
        steps={"weight": _expanded},
    ),
    "Conv2d": Sample(
        "conv",
        lambda nn: nn.Conv2d(8, 12, 3, padding=1),
        lambda nn: nn.Conv2d(8, 12, 3, pad_mode="pad", padding=1, has_bias=True),
        (IMAGE,),
    ),
    "Conv2d, groups": Sample(
        "conv",
        lambda nn: nn.Conv2d(8, 12, 3, stride=2, groups=4, bias=False),
        lambda nn: nn.Conv2d(8, 12, 3, stride=2, pad_mode="valid", group=4, has_bias=False),
        (IMAGE,),
    ),
    "Conv3d": Sample(
        "conv",
        lambda nn: nn.Conv3d(2, 4, 3),
        lambda nn: nn.Conv3d(2, 4, 3, pad_mode="valid", has_bias=True),
        (values(2, 2, 5, 6, 7),),
    ),
    "ConvTranspose1d": Sample(
        "conv_transposed",
        lambda nn: nn.ConvTranspose1d(8, 12, 3, bias=True),
        lambda nn: nn.Conv1dTranspose(8, 12, 3, pad_mode="valid", has_bias=True),
        (LINE,),
        steps={"weight": _expanded},
    ),
    "ConvTranspose2d": Sample(
        "conv_transposed",
        lambda nn: nn.ConvTranspose2d(8, 12, 3, stride=2),
        lambda nn: nn.Conv2dTranspose(8, 12, 3, stride=2, pad_mode="valid", has_bias=True),
        (IMAGE,),
    ),
    "Linear": Sample("dense", lambda nn: nn.Linear(8, 12), lambda nn: nn.Dense(8, 12), (TOKENS,)),
    "Linear, square": Sample("dense", lambda nn: nn.Linear(8, 8), lambda nn: nn.Dense(8, 8), (TOKENS,)),
    "Bilinear": Sample(
        "bilinear",
        lambda nn: nn.Bilinear(8, 8, 6),
        lambda nn: nn.BiDense(8, 8, 6),
        (values(5, 8), lambda: values(5, 8)()[::-1].copy()),
    ),
    "BatchNorm1d": Sample(
        "norm", lambda nn: nn.BatchNorm1d(8), lambda nn: nn.BatchNorm1d(8), (values(5, 8),)
    ),
    "BatchNorm2d": Sample("norm", lambda nn: nn.BatchNorm2d(8), lambda nn: nn.BatchNorm2d(8), (IMAGE,)),
    "LayerNorm": Sample(
        "layer_norm",
        lambda nn: nn.LayerNorm(8, eps=1e-5),
        lambda nn: nn.LayerNorm((8,), epsilon=1e-5),
        (TOKENS,),
    ),
    "RMSNorm": Sample("rms_norm", lambda nn: nn.RMSNorm(8, eps=1e-6), None, (TOKENS,)),
    "GroupNorm": Sample("group_norm", lambda nn: nn.GroupNorm(4, 8), lambda nn: nn.GroupNorm(4, 8), (IMAGE,)),
    "InstanceNorm2d": Sample(
        "instance_norm",
        lambda nn: nn.InstanceNorm2d(8, affine=True),
        # MindSpore's is of Ascend and GPU only
        None,
        (IMAGE,),
    ),
    "LocalResponseNorm": Sample(
        "response_norm",
        lambda nn: nn.LocalResponseNorm(5, alpha=0.5),
        lambda nn: nn.LRN(2, 1.0, 0.5 / 5, 0.75),
        (IMAGE,),
    ),
    "LSTM": Sample(
        "lstm",
        lambda nn: nn.LSTM(8, 6, num_layers=2, batch_first=True, bidirectional=True),
        lambda nn: nn.LSTM(8, 6, num_layers=2, batch_first=True, bidirectional=True),
        (TOKENS,),
        of=_first,
    ),
    "GRU": Sample(
        "gru",
        lambda nn: nn.GRU(8, 6, num_layers=2, batch_first=True, bidirectional=True),
        lambda nn: nn.GRU(8, 6, num_layers=2, batch_first=True, bidirectional=True),
        (TOKENS,),
        of=_first,
    ),
    "RNN": Sample(
        "rnn",
        lambda nn: nn.RNN(8, 6, batch_first=True),
        lambda nn: nn.RNN(8, 6, batch_first=True),
        (TOKENS,),
        of=_first,
    ),
    "MultiheadAttention": Sample(
        "attention",
        lambda nn: nn.MultiheadAttention(8, 4, batch_first=True),
        lambda nn: nn.MultiheadAttention(8, 4, batch_first=True),
        (TOKENS, TOKENS, lambda: TOKENS()[::-1].copy()),
        of=_first,
    ),
    "Embedding": Sample(
        "embedding", lambda nn: nn.Embedding(20, 8), lambda nn: nn.Embedding(20, 8), (indices(20, 2, 7),)
    ),
    "PReLU": Sample("prelu", lambda nn: nn.PReLU(8), lambda nn: nn.PReLU(8), (IMAGE,)),
    "ReLU": Sample("relu", lambda nn: nn.ReLU(), lambda nn: nn.ReLU(), (IMAGE,)),
    "ReLU6": Sample("relu6", lambda nn: nn.ReLU6(), lambda nn: nn.ReLU6(), (lambda: 5 * IMAGE(),)),
    "LeakyReLU": Sample("leaky_relu", lambda nn: nn.LeakyReLU(0.01), lambda nn: nn.LeakyReLU(0.01), (IMAGE,)),
    "ELU": Sample("elu", lambda nn: nn.ELU(), lambda nn: nn.ELU(), (IMAGE,)),
    "SELU": Sample("selu", lambda nn: nn.SELU(), lambda nn: nn.SeLU(), (IMAGE,)),
    "CELU": Sample("celu", lambda nn: nn.CELU(), lambda nn: nn.CELU(), (IMAGE,)),
    "GELU": Sample("gelu", lambda nn: nn.GELU(), lambda nn: nn.GELU(approximate=False), (IMAGE,)),
    "GELU, tanh": Sample("gelu", lambda nn: nn.GELU("tanh"), lambda nn: nn.GELU(approximate=True), (IMAGE,)),
    "SiLU": Sample("silu", lambda nn: nn.SiLU(), lambda nn: nn.SiLU(), (IMAGE,)),
    "Hardswish": Sample("hard_swish", lambda nn: nn.Hardswish(), lambda nn: nn.HSwish(), (IMAGE,)),
    "Mish": Sample("mish", lambda nn: nn.Mish(), lambda nn: nn.Mish(), (IMAGE,)),
    "Sigmoid": Sample("sigmoid", lambda nn: nn.Sigmoid(), lambda nn: nn.Sigmoid(), (IMAGE,)),
    "Hardsigmoid": Sample("hard_sigmoid", lambda nn: nn.Hardsigmoid(), lambda nn: nn.HSigmoid(), (IMAGE,)),
    "LogSigmoid": Sample("log_sigmoid", lambda nn: nn.LogSigmoid(), lambda nn: nn.LogSigmoid(), (IMAGE,)),
    "Tanh": Sample("tanh", lambda nn: nn.Tanh(), lambda nn: nn.Tanh(), (IMAGE,)),
    "Hardtanh": Sample("hard_tanh", lambda nn: nn.Hardtanh(), lambda nn: nn.Hardtanh(), (IMAGE,)),
    "Softplus": Sample("softplus", lambda nn: nn.Softplus(), None, (IMAGE,)),
    "Softsign": Sample("softsign", lambda nn: nn.Softsign(), lambda nn: nn.Softsign(), (IMAGE,)),
    "GLU": Sample("glu", lambda nn: nn.GLU(1), lambda nn: nn.GLU(1), (IMAGE,)),
    "Softmax": Sample("softmax", lambda nn: nn.Softmax(-1), lambda nn: nn.Softmax(-1), (TOKENS,)),
    "MaxPool2d": Sample(
        "max_pool", lambda nn: nn.MaxPool2d(2, 2), lambda nn: nn.MaxPool2d(2, 2, pad_mode="valid"), (IMAGE,)
    ),
    "AvgPool2d": Sample(
        "average_pool",
        lambda nn: nn.AvgPool2d(3, 2, 1),
        lambda nn: nn.AvgPool2d(3, 2, pad_mode="pad", padding=1, count_include_pad=True),
        (IMAGE,),
    ),
    "AdaptiveAvgPool2d": Sample(
        "global_pool", lambda nn: nn.AdaptiveAvgPool2d(1), lambda nn: nn.AdaptiveAvgPool2d(1), (IMAGE,)
    ),
    "ZeroPad2d": Sample(
        "pad",
        lambda nn: nn.ZeroPad2d((1, 2, 0, 3)),
        lambda nn: nn.ZeroPad2d((1, 2, 0, 3)),
        (IMAGE,),
    ),
    "Upsample": Sample(
        "upsample",
        lambda nn: nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False),
        lambda nn: nn.Upsample(size=(18, 22), mode="bilinear", align_corners=False),
        (IMAGE,),
    ),
    "PixelShuffle": Sample(
        "pixel_shuffle", lambda nn: nn.PixelShuffle(2), lambda nn: nn.PixelShuffle(2), (IMAGE,)
    ),
    "PixelUnshuffle": Sample(
        "pixel_unshuffle",
        lambda nn: nn.PixelUnshuffle(2),
        lambda nn: nn.PixelUnshuffle(2),
        (values(2, 3, 8, 6),),
    ),
    "ChannelShuffle": Sample(
        "channel_shuffle", lambda nn: nn.ChannelShuffle(2), lambda nn: nn.ChannelShuffle(2), (IMAGE,)
    ),
    "Dropout": Sample("dropout", lambda nn: nn.Dropout(0.5), lambda nn: nn.Dropout(p=0.5), (IMAGE,)),
    "Identity": Sample("identity", lambda nn: nn.Identity(), lambda nn: nn.Identity(), (IMAGE,)),
    "Flatten": Sample("flatten", lambda nn: nn.Flatten(), lambda nn: nn.Flatten(), (IMAGE,)),
    "Unfold": Sample("patches", lambda nn: nn.Unfold(3), None, (IMAGE,)),
}
