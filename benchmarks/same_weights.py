"""How far apart are two models that the same weights fit? Prints each record's `relative_difference`.

python benchmarks/same_weights.py

Logits of both PyTorch definitions on one seeded batch with the same seeded weights: max|a - b| of
the largest |a|, in float64, so that only the graphs differ.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from triport.converters.networks.registered import of_model
from triport.parity.batches import logits_of, random_batch
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import ModelSpec, all_models, get_model


def relative_difference(spec: ModelSpec, other: ModelSpec) -> float:
    """Return max|a - b| / max|a| of two models' logits on the same weights and images."""
    parameters, batch = random_parameters(spec), random_batch(spec)
    a, b = (
        logits_of(PyTorchRunner(of_model(s, s.num_classes), parameters, dtype="float64"), batch)
        for s in (spec, other)
    )
    return float(np.abs(a - b).max() / np.abs(a).max())


def main() -> None:
    """Print one line for every pair."""
    print(f"{'model':28} {'other':28} {'measured':>9} {'recorded':>9}")
    for spec in all_models().values():
        for other in spec.same_weights_as:
            measured = relative_difference(spec, get_model(other.model))
            print(
                f"{spec.name:28} {other.model:28} {measured:9.3f} {other.relative_difference:9.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
