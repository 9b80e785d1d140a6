"""Values for the inputs of a network that is being made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from triport.reference_models.network import Input


def sample_of(inputs: Sequence[Input], sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Return values for every input, the same each time."""
    random = np.random.default_rng(0)
    return {given.name: given.draw(sizes, random) for given in inputs}
