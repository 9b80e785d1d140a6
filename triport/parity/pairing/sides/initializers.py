"""What a file with a graph calls the parameters of the Module that is written of it, and how it keeps them.

A dense layer is made of a product whose matrix the file keeps the other way round. Rows are to fit the file,
so each parameter says which initializer it is, and by which step it becomes the parameter.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.naming.step import Step
from triport.converters.naming.steps import Transpose, reshaped
from triport.converters.onnx_import.writer import Source
from triport.reference_models.spec import Runtime

_MOST_AXES = 5


@dataclass(frozen=True, slots=True)
class Initializer:
    """The tensor of a file that a parameter is made of, and the steps to the parameter."""

    name: str
    shape: tuple[int, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class GraphFile:
    """A file with a graph and its weights, which a Module was written of.

    Attributes:
        runtime: of whom the file is: "onnx" or "mindspore".
        initializers: by parameter of the Module, the tensor of the file that it is made of.
    """

    runtime: Runtime
    initializers: Mapping[str, Initializer]


def initializers_of(model: Any, source: Source, path: Path) -> dict[str, Initializer]:
    """Return the initializer of each tensor of a source that is made of one alone.

    Values say how it is moved. Where they leave it open, as in a matrix that is symmetric, the graph is
    translated once more with others.

    Args:
        model: of the file; its symmetric initializers get other values where that is needed.
        source: what was written of it.
        path: of the file, whose own names count.
    """
    from triport.converters.formats import open_checkpoint

    stored = open_checkpoint(path).tensors
    made: dict[str, list[str]] = {}
    for written, name in source.origins.items():
        if name in stored:
            made.setdefault(name, []).append(written)
    found, unclear = {}, []
    for name, parameters in made.items():
        if len(parameters) > 1:
            continue
        (parameter,) = parameters
        shape = tuple(stored[name].shape)
        fitting = _fitting(stored[name].numpy(), source.weights[parameter])
        if len(fitting) == 1:
            found[parameter] = Initializer(name, shape, fitting[0])
        elif fitting:
            unclear.append((parameter, name, shape))
    return found | _of_other_values(model, source, unclear)


def _of_other_values(
    model: Any, source: Source, unclear: list[tuple[str, str, tuple[int, ...]]]
) -> dict[str, Initializer]:
    """Return what the graph makes of initializers with values of which no two are equal."""
    import onnx_ir as ir

    from triport.converters.onnx_import.reading import ImportRefusedError
    from triport.converters.onnx_import.tree import flat
    from triport.converters.onnx_import.writer import source_of

    values: dict[str, np.ndarray] = {}
    for _, name, shape in unclear:
        if name in model.graph.initializers:
            value = model.graph.initializers[name]
            random = np.random.default_rng([zlib.crc32(name.encode())])
            kept = value.const_value.numpy().dtype
            values[name] = random.uniform(0.5, 1.5, shape).astype(kept)
            value.const_value = ir.tensor(values[name], name=name)
    if not values:
        return {}
    try:
        again = source_of(model, source.target, source.name, flat(model.graph))
    except ImportRefusedError:
        return {}
    found = {}
    for written, name, shape in unclear:
        if name in values and again.origins.get(written) == name:
            fitting = _fitting(values[name], again.weights[written])
            if len(fitting) == 1:
                found[written] = Initializer(name, shape, fitting[0])
    return found


def _fitting(stored: np.ndarray, held: np.ndarray) -> list[tuple[Step, ...]]:
    """Return each way in which one array can have become the other, by the places of its values."""
    if stored.size != held.size or stored.dtype != held.dtype:
        return []
    found: list[tuple[Step, ...]] = []
    if np.array_equal(stored.reshape(-1), held.reshape(-1)):
        same = stored.shape == held.shape
        found.append(() if same else (reshaped(stored.shape, held.shape),))
    if 1 < stored.ndim <= _MOST_AXES and stored.ndim == held.ndim:
        for axes in itertools.permutations(range(stored.ndim)):
            moved = stored.transpose(axes)
            plain = [axis for axis in axes if stored.shape[axis] > 1]
            if plain != sorted(plain) and moved.shape == held.shape and np.array_equal(moved, held):
                found.append((Transpose(axes),))
    return found
