"""The Network of an ONNX file with the realisations that are written from its graph, weights within."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from triport.converters.environment import uncollected
from triport.converters.onnx_import.damaged import naming
from triport.converters.onnx_import.reading import ImportRefusedError, read_model
from triport.converters.onnx_import.targets import TARGETS, Target
from triport.converters.onnx_import.tree import blocks_of
from triport.converters.onnx_import.values import fields_of
from triport.converters.onnx_import.writer import Source, source_of
from triport.converters.onnx_import.written import built
from triport.reference_models.network import Axis, Input, Integers, Network, Normal, Realisation
from triport.reference_models.spec import Runtime

_FREE_SIZE = 2


def written_source(path: Path, target: Target, name: str) -> Source:
    """Return the source of an ONNX file's graph for a framework; nothing is compared.

    Raises:
        TriportError: the file is no ONNX graph, or a node of it has no translation.
    """
    with uncollected():
        model = read_model(path)
        with naming(path):
            return source_of(model, target, name, blocks_of(model.graph))


def of_graph(path: Path, build: Callable[[Target], Any]) -> Network:
    """Return the Network of an ONNX file: itself, and what is built from its graph in both frameworks.

    Args:
        path: of the file; its graph says what its inputs are.
        build: returns a Module or a Cell of it.

    Raises:
        TriportError: the file is no ONNX graph.
    """
    graph = read_model(path).graph
    inputs = tuple(_input(value) for value in graph.inputs if not value.is_initializer())
    realisations: dict[Runtime, Realisation] = {"onnx": Realisation("onnx", lambda: path)}
    for target in TARGETS:
        realisations[target] = Realisation(target, partial(build, target))
    sizes = {axis: _FREE_SIZE for one in inputs for axis in one.shape if isinstance(axis, str)}
    return Network(path.stem, inputs, tuple(str(v.name) for v in graph.outputs), realisations, sizes)


def _input(value: Any) -> Input:
    dtype, shape = fields_of(value)
    if shape is None:
        raise ImportRefusedError(f"input '{value.name}' has no shape")
    axes: tuple[Axis, ...] = tuple(
        axis if axis is not None else f"{value.name}.{i}" for i, axis in enumerate(shape)
    )
    return Input(str(value.name), axes, dtype, Normal() if "float" in dtype else Integers())


def with_imports(network: Network, path: Path, runtimes: Iterable[str]) -> tuple[Network, list[str]]:
    """Return an ONNX file's Network with a Module or a Cell written from its graph, and what could not be.

    Their weights are built in, so that a run gives them none. The realisation of the file has the names
    of the Module for its initializers.

    Args:
        network: of the file.
        path: of the file.
        runtimes: which to write for; others than "pytorch" and "mindspore" are passed over.
    """
    realisations = dict(network.realisations)
    refused = []
    for target in TARGETS:
        if target not in runtimes:
            continue
        try:
            source = written_source(path, target, "imported")
        except ImportRefusedError as error:
            refused.append(f"{target}: {error}")
            continue
        kept = frozenset(source.weights)
        realisations[target] = Realisation(target, partial(built, source), {}, kept)
        if target == "pytorch":  # whose modules every runtime is compared by
            names = {initializer: name for name, initializer in source.origins.items()}
            realisations["onnx"] = replace(realisations["onnx"], names=names)
    return Network(network.name, network.inputs, network.outputs, realisations, network.sizes), refused
