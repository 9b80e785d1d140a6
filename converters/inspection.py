"""What a checkpoint file is: format, names, model, classes, and what is wrong with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.convert import ConvertError, check_finite
from converters.formats import Checkpoint, file_sha256, open_checkpoint
from converters.identify import Fit, IdentifyError, candidates, identify
from converters.names import COUNTER_LEAF, LEAVES
from converters.provenance import FOLDED_KEY

_STATISTICS = {"running_mean", "running_var"} | {
    LEAVES["norm"][leaf] for leaf in ("running_mean", "running_var")
}


@dataclass(frozen=True, slots=True)
class Inspection:
    """A checkpoint and what was found out about it; `fits` holds every model that it could be of."""

    checkpoint: Checkpoint
    fits: tuple[Fit, ...]
    sha256: str
    problems: tuple[str, ...]

    @property
    def num_parameters(self) -> int:
        """Trainable values: BatchNorm statistics and counters are not among them."""
        return sum(
            math.prod(tensor.shape)
            for name, tensor in self.checkpoint.tensors.items()
            if name.rsplit(".", 1)[-1] not in {*_STATISTICS, COUNTER_LEAF}
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what `inspect --json` prints."""
        checkpoint = self.checkpoint
        first = self.fits[0] if self.fits else None
        return {
            "file": str(checkpoint.path),
            "format": checkpoint.format,
            "runtime": checkpoint.runtime,
            "dialect": first.dialect.name if first else None,
            "model": first.spec.name if first else None,
            "models": [one.spec.name for one in self.fits],
            "num_classes": first.num_classes if first else None,
            "num_parameters": self.num_parameters,
            "tensors": [
                {"name": name, "shape": list(tensor.shape), "dtype": tensor.dtype}
                for name, tensor in checkpoint.tensors.items()
            ],
            "dropped": [{"name": item.name, "reason": item.reason} for item in checkpoint.dropped],
            "notes": list(checkpoint.notes),
            "metadata": dict(checkpoint.metadata),
            "sha256": self.sha256,
            "problems": list(self.problems),
        }


def inspect_file(path: Path) -> Inspection:
    """Open a checkpoint of any format, find its model and look for faults.

    Raises:
        TriportError: there is no such file, or it cannot be read as any format.
    """
    checkpoint = open_checkpoint(path)
    problems = []
    fits: list[Fit] = []
    if FOLDED_KEY in checkpoint.metadata:
        problems.append(f"{checkpoint.metadata[FOLDED_KEY]} is folded: the weights cannot be taken out again")
    else:
        fits = candidates(checkpoint)
        if not fits:
            try:
                identify(checkpoint)
            except IdentifyError as error:
                problems.append(str(error))
    if fits:
        try:
            check_finite(checkpoint, fits[0])
        except ConvertError as error:
            problems.append(str(error))
    return Inspection(checkpoint, tuple(fits), file_sha256(path), tuple(problems))
