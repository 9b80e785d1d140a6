"""Oracles: what the publishers' own implementations computed, and with which weights and input.

`data/oracles/<publisher>-<model>.npz` holds the parameters' names and shapes as the publisher has
them, and the logits that MindCV (on MindSpore), torchvision or timm (on PyTorch) computed in
evaluation mode. The weights themselves are functions of the names, so they are made here:
`load_oracle(NAME).checkpoint()` is what the publisher's own file would hold.
`make_oracles.py` makes the files.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triport.converters.names import COUNTER_LEAF, get_dialect, name_map
from triport.reference_models.spec import ModelSpec, get_model

FOLDER = Path(__file__).parent / "data" / "oracles"
BATCH_SIZE = 2

# The oracles were computed once, elsewhere, and cannot be run again to measure their noise; of the largest
# reference logit. Float32 itself makes 2.3e-7 to 5.6e-7 on ResNets, RegNets and Inceptions.
TOLERANCE = 5e-6
# Where the one float32 run is noisier (EfficientNet-Lite: 3e-6 to 9e-6), other orders of summation
# land within a few times that noise.
NOISE_FACTOR = 4.0

MODELS = {  # oracle: our model; the publisher is the dialect
    "mindcv-inception_v4": "inception_v4",
    "mindcv-regnet_x_200mf": "regnet_x_200mf",
    "mindcv-regnet_x_800mf": "regnet_x_800mf",
    "mindcv-regnet_y_400mf": "regnet_y_400mf",
    "mindcv-res2net101": "res2net101",
    "mindcv-res2net101_v1b": "res2net101_v1b",
    "mindcv-res2net50": "res2net50",
    "mindcv-res2net50_v1b": "res2net50_v1b",
    "mindcv-resnet18": "resnet18_mindcv",
    "mindcv-resnet50": "resnet50_mindcv",
    "mindcv-resnetv2_101": "resnetv2_101",
    "mindcv-resnetv2_50": "resnetv2_50",
    "mindcv-resnext50_32x4d": "resnext50_32x4d_mindcv",
    "timm-efficientnet_lite0": "efficientnet_lite0",
    "timm-inception_v4": "inception_v4",
    "timm-regnetx_008": "regnet_x_800mf",
    "timm-res2net101_26w_4s": "res2net101",
    "timm-res2net50_26w_4s": "res2net50",
    "timm-res2net50d": "res2net50_v1b",
    "timm-resnet50": "resnet50",
    "timm-resnetv2_50": "resnetv2_50_timm",
    "timm-tf_efficientnet_lite0": "tf_efficientnet_lite0",
    "torchvision-regnet_x_800mf": "regnet_x_800mf",
    "torchvision-regnet_y_400mf": "regnet_y_400mf",
    "torchvision-resnet18": "resnet18",
    "torchvision-resnet50": "resnet50",
    "torchvision-resnext50_32x4d": "resnext50_32x4d",
}
# timm's ResNet has torchvision's names
_DIALECTS = {"timm-resnet50": "torchvision"}


@dataclass(frozen=True, slots=True, eq=False)
class Oracle:
    """One file: a model, the names and shapes of its checkpoint, and the logits (2, 1000).

    `norm_scales` are PyTorch names that end in `weight` and belong to a normalisation. `logits64`
    is the same network in float64, where the publisher's framework is PyTorch.
    """

    name: str
    runtime: str
    shapes: dict[str, tuple[int, ...]]
    norm_scales: frozenset[str]
    scale_range: tuple[float, float]
    input_size_px: int
    logits: np.ndarray
    logits64: np.ndarray | None

    @property
    def spec(self) -> ModelSpec:
        """Our model of the same function."""
        return get_model(MODELS[self.name])

    @property
    def dialect(self) -> str:
        """The dialect of the checkpoint's names."""
        return _DIALECTS.get(self.name, self.name.split("-")[0])

    def checkpoint(self) -> dict[str, np.ndarray]:
        """Return every parameter and buffer in the publisher's names and order."""
        return {
            name: parameter_value(name, shape, name in self.norm_scales, self.scale_range)
            for name, shape in self.shapes.items()
        }

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the float parameters and buffers by canonical name; every name of the file must fit."""
        checkpoint = self.checkpoint()
        names = name_map(self.spec, get_dialect(self.spec, self.dialect, self.runtime))
        assert sorted(names.values()) == sorted(checkpoint)
        return {
            canonical: checkpoint[theirs]
            for canonical, theirs in names.items()
            if not canonical.endswith(COUNTER_LEAF)
        }

    def batch(self) -> np.ndarray:
        """Return the input, (2, 3, size, size) float32, N(0, 1)."""
        return input_batch(self.input_size_px)

    def reference(self) -> tuple[np.ndarray, float]:
        """Return the logits to meet and the tolerance, relative to the largest of them.

        Where float32 itself is that noisy (EfficientNet-Lite), float64 is the reference.
        """
        if self.logits64 is None:
            return self.logits, TOLERANCE
        noise = np.abs(self.logits - self.logits64).max() / np.abs(self.logits64).max()
        tolerance = max(TOLERANCE, NOISE_FACTOR * float(noise))
        return (self.logits if tolerance == TOLERANCE else self.logits64), tolerance


def input_batch(size_px: int) -> np.ndarray:
    """Return the input, (2, 3, size, size) float32, N(0, 1)."""
    shape = (BATCH_SIZE, 3, size_px, size_px)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def parameter_value(
    name: str, shape: tuple[int, ...], is_norm_scale: bool, scale_range: tuple[float, float]
) -> np.ndarray:
    """Return the value of one parameter, which depends on its name only.

    Convolutions and dense weights are He-normal over their fan-in, normalisation scales uniform in
    `scale_range`, variances in [0.5, 1.5), shifts and means 0.1 * N(0, 1), counters int64 zero.
    """
    leaf = name.split(".")[-1]
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if leaf == COUNTER_LEAF:
        return np.zeros(shape, np.int64)
    if leaf == "gamma" or is_norm_scale:
        value = random.uniform(*scale_range, shape)
    elif leaf in ("running_var", "moving_variance"):
        value = random.uniform(0.5, 1.5, shape)
    elif leaf in ("bias", "beta", "running_mean", "moving_mean"):
        value = 0.1 * random.standard_normal(shape)
    else:
        value = random.standard_normal(shape) * np.sqrt(2.0 / math.prod(shape[1:]))
    return value.astype(np.float32)


def load_oracle(name: str) -> Oracle:
    """Return the oracle `<publisher>-<model>`."""
    with np.load(FOLDER / f"{name}.npz") as file:
        shapes = [tuple(int(n) for n in text.split("x") if n) for text in file["shapes"].tolist()]
        low, high = file["scale"].tolist()
        return Oracle(
            name=name,
            runtime="mindspore" if name.startswith("mindcv-") else "pytorch",
            shapes=dict(zip(file["names"].tolist(), shapes, strict=True)),
            norm_scales=frozenset(file["norm_weights"].tolist()),
            scale_range=(low, high),
            input_size_px=int(file["input_size"]),
            logits=file["logits"],
            logits64=file["logits64"] if "logits64" in file.files else None,
        )
