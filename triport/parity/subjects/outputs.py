"""What a realisation returns, under the network's names of its outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from triport.reference_models.errors import TriportError, counted
from triport.reference_models.network import Network


class OutputError(TriportError):
    """A network returned something else than its outputs."""


def named_outputs(network: Network, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs by name.

    Raises:
        OutputError: there are more or fewer arrays than outputs.
    """
    if len(arrays) != len(network.outputs):
        raise OutputError(
            f"{network.name}: expected {counted(len(network.outputs), 'output')} "
            f"({', '.join(network.outputs)}), found {len(arrays)}"
        )
    return dict(zip(network.outputs, arrays, strict=True))
