"""Seeded weights for a model: every parameter and buffer random, none at its initial value.

On fresh weights whole classes of faults change nothing: a BatchNorm whose shift and mean are both
zero may swap them unseen.
"""

from __future__ import annotations

import zlib

import numpy as np

from triport.converters.names import canonical_shapes
from triport.reference_models.spec import ModelSpec

# Measured over every family: smaller scales make Inception-v4, which has no shortcuts, forget its
# input (0.5 to 1: a change of 1 % in a first channel moves the logits by 5e-7), larger ones make
# EfficientNet-Lite and RegNetY noisy (0.75 to 1.25: float32 is 1e-5 from float64).
SCALES = (0.65, 1.15)
VARIANCES = (0.5, 1.5)
SHIFT = 0.1


def random_parameters(
    spec: ModelSpec, num_classes: int | None = None, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return float32 values for every parameter and buffer of the model, by canonical name.

    A value depends on the seed and its own name and shape only. Convolutions and dense layers are
    He-normal, scales and variances uniform about one, shifts and means 0.1 * N(0, 1).
    `num_batches_tracked`, which inference does not read, is left out.
    """
    return {name: _value(name, shape, seed) for name, shape in canonical_shapes(spec, num_classes).items()}


def _value(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_var":
        value = random.uniform(*VARIANCES, shape)
    elif leaf in ("bias", "running_mean"):
        value = SHIFT * random.standard_normal(shape)
    elif len(shape) == 1:
        value = random.uniform(*SCALES, shape)
    else:
        value = random.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))
    return value.astype(np.float32)
