"""Checkpoints for tests: seeded weights of a model under a dialect's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from triport.converters.formats import ArrayTensor, Checkpoint, Tensor, open_checkpoint, write_checkpoint
from triport.converters.names import COUNTER_LEAF, canonical_shapes, name_map
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import Dialect, ModelSpec


class Hollow(Tensor):
    """A tensor of which only shape and dtype are known."""

    def __init__(self, shape: tuple[int, ...], dtype: str = "float32") -> None:
        self.shape = shape
        self.dtype = dtype

    def chunks(self) -> Iterator[bytes]:
        raise AssertionError("the values of a hollow tensor were read")


def hollow_checkpoint(spec: ModelSpec, dialect: Dialect, num_classes: int | None = None) -> Checkpoint:
    """Return a checkpoint without values, with every name of the dialect."""
    shapes = canonical_shapes(spec, num_classes)
    tensors: dict[str, Tensor] = {
        theirs: Hollow((), "int64") if ours.endswith(COUNTER_LEAF) else Hollow(shapes[ours])
        for ours, theirs in name_map(spec, dialect).items()
    }
    return Checkpoint(Path("hollow"), "test", dialect.runtime, tensors)


def dialect_of(spec: ModelSpec, name: str) -> Dialect:
    return next(dialect for dialect in spec.dialects if dialect.name == name)


def named_arrays(
    spec: ModelSpec, dialect: Dialect, num_classes: int | None = None, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return seeded weights under a dialect's names, with the counters where PyTorch has them."""
    values = random_parameters(spec, num_classes, seed)
    return {
        theirs: np.array(7, np.int64) if ours.endswith(COUNTER_LEAF) else values[ours]
        for ours, theirs in name_map(spec, dialect).items()
    }


def write_arrays(path: Path, runtime: str, arrays: Mapping[str, np.ndarray]) -> Path:
    write_checkpoint(path, runtime, {name: ArrayTensor(array) for name, array in arrays.items()})
    return path


def write_random(path: Path, spec: ModelSpec, dialect: Dialect, num_classes: int | None = None) -> Path:
    """Write a checkpoint of a model with seeded weights; the path's suffix chooses the format."""
    return write_arrays(path, dialect.runtime, named_arrays(spec, dialect, num_classes))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in open_checkpoint(path).tensors.items()}
