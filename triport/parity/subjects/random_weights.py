"""Seeded weights for a network: every parameter and buffer random, none at its initial value.

On fresh weights whole classes of faults change nothing: a BatchNorm whose shift and mean are both
zero may swap them unseen.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from triport.converters.names import layer_leaves
from triport.reference_models.kinds import Seeding
from triport.reference_models.modules import parameters_of
from triport.reference_models.spec import ModelSpec

# Measured over every family: smaller scales make Inception-v4, which has no shortcuts, forget its
# input (0.5 to 1: a change of 1 % in a first channel moves the logits by 5e-7), larger ones make
# EfficientNet-Lite and RegNetY noisy (0.75 to 1.25: float32 is 1e-5 from float64).
SCALES = (0.65, 1.15)
VARIANCES = (0.5, 1.5)
# of a PReLU, which starts with 0.25
SLOPES = (0.05, 0.45)
SHIFT = 0.1
# Variance of what a sum of products returns, relative to what it is given: behind a ReLU, which takes half
# of it away, and where a gate or a softmax follows, which larger values would leave at its ends.
GAINS = {"weight": 2.0, "unit": 1.0}


def random_parameters(
    spec: ModelSpec, num_classes: int | None = None, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return float32 values for every parameter and buffer of the model, by canonical name.

    A value depends on the seed and its own name, shape and kind only. Convolutions and dense layers are
    He-normal, scales and variances uniform about one, shifts and means 0.1 * N(0, 1).
    `num_batches_tracked`, which inference does not read, is left out.
    """
    return {
        f"{layer.path}.{leaf.name}": seeded_value(f"{layer.path}.{leaf.name}", shape, leaf.seeding, seed)
        for layer in spec.layers(num_classes)
        for leaf, shape in layer_leaves(layer)
    }


def seeded_parameters(
    net: Any, seed: int = 0, names: Mapping[str, str] | None = None
) -> dict[str, np.ndarray]:
    """Return float32 values for what a Module or a Cell keeps and a check draws, by the network's names.

    `names` has the network's name of a parameter, where that is not its own. A value depends on the seed, the
    network's name, the shape and the kind of layer: two realisations of one network get the same arrays. Two
    names of one tensor get one array. Not drawn, and not in the result: counts, indices, constants that
    the network computes with; see `reference_models.modules.parameters_of`.
    """
    arrays: dict[int, np.ndarray] = {}
    found = {}
    for owned in parameters_of(net):
        if owned.seeding is None:
            continue
        name = (names or {}).get(owned.name, owned.name)
        if owned.key not in arrays:
            arrays[owned.key] = seeded_value(name, owned.shape, owned.seeding, seed)
        found[name] = arrays[owned.key]
    return found


def seeded_value(name: str, shape: tuple[int, ...], seeding: Seeding, seed: int) -> np.ndarray:
    """Return the float32 values of one parameter."""
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if seeding == "variance":
        value = random.uniform(*VARIANCES, shape)
    elif seeding == "shift":
        value = SHIFT * random.standard_normal(shape)
    elif seeding == "scale":
        value = random.uniform(*SCALES, shape)
    elif seeding == "slope":
        value = random.uniform(*SLOPES, shape)
    elif seeding == "embedding":
        value = random.standard_normal(shape)
    elif seeding in GAINS:
        value = random.standard_normal(shape) * np.sqrt(GAINS[seeding] / (float(np.prod(shape[1:])) or 1.0))
    else:
        raise ValueError(f"a parameter that is a {seeding} is not drawn: {name}")
    return np.asarray(value, np.float32)
