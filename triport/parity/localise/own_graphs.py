"""What differs between a user's own network and an ONNX file that is to be it: weights, graph, or neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from triport.converters.comparison import Difference
from triport.converters.formats import open_checkpoint
from triport.converters.not_compared import reaches_no_output
from triport.parity.candidates import given_file
from triport.parity.check import ModelReport, check_model
from triport.parity.inputs import Inputs
from triport.parity.options import Options
from triport.reference_models.network import Arrays, Network

from .inputs import telling_feed
from .verdict import Localisation, wrong_graph


def localise_graph(
    network: Network,
    parameters: Arrays,
    source: str,
    path: Path,
    inputs: Inputs,
    options: Options,
    progress: Callable[[str], None],
) -> Localisation:
    """Compare a file's tensors with the network's by name, and its graph with its own tensors in the network.

    Args:
        network: the user's, with a Module or a Cell.
        parameters: by its names.
        source: where these are from.
        path: the ONNX file.
        inputs: that both were compared on.
        options: of that comparison.
        progress: is told each step.
    """
    progress(f"the tensors of {path.name}")
    stored = _stored(network, parameters, path)
    differences = tuple(
        one for name, array in stored.items() if (one := _difference(name, parameters[name], array))
    )
    missing = [name for name in parameters if name not in stored]
    fits = {name: array for name, array in stored.items() if array.shape == parameters[name].shape}
    own = {**parameters, **fits}

    def check(inputs: Inputs, layers: bool) -> ModelReport:
        progress(f"the graph of {path.name}")
        alone = replace(options, runtimes=(), layers=layers, isolate=False)
        return check_model(network, own, inputs, alone, given=[given_file(network, own, path, alone)])

    report = check(inputs, False)
    layers_here = "pytorch" in network.realisations

    def with_layers(index: int) -> ModelReport:
        return check(Inputs(telling_feed(report), ()), layers_here)

    graph = tuple(f"{path}: {line}" for line in wrong_graph(report, with_layers, 0))
    notes = [*reaches_no_output(open_checkpoint(path))]
    if missing:
        notes.insert(
            0,
            f"{path}: {len(missing)} of {len(parameters)} tensors have no name there (BatchNorm folded, or "
            f"names of its own), {missing[0]} the first; the network's stood for them",
        )
    first = network.name if source == str(path) else source
    return Localisation(
        first, str(path), network.name, "by name", len(stored), differences, graph, ". ".join(notes)
    )


def _stored(network: Network, parameters: Arrays, path: Path) -> dict[str, np.ndarray]:
    """Return the file's tensors of the network, by its names; a realisation's own names are taken too."""
    aliases: dict[str, str] = {}
    for realisation in network.realisations.values():
        aliases |= dict(realisation.names)
    tensors = open_checkpoint(path).tensors
    found = {}
    for theirs in tensors:
        name = theirs if theirs in parameters else aliases.get(theirs, "")
        if name in parameters:
            found[name] = np.asarray(tensors[theirs].numpy())
    return found


def _difference(name: str, ours: np.ndarray, theirs: np.ndarray) -> Difference | None:
    first, second = (f"{array.dtype}{list(array.shape)}" for array in (ours, theirs))
    if ours.shape != theirs.shape:
        return Difference(name, "shape", first, second)
    if ours.dtype != theirs.dtype:
        return Difference(name, "dtype", str(ours.dtype), str(theirs.dtype), *_distance(ours, theirs))
    if ours.tobytes() == theirs.tobytes():
        return None
    return Difference(name, "value", first, second, *_distance(ours, theirs))


def _distance(a: np.ndarray, b: np.ndarray) -> tuple[float | None, int]:
    apart = np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))
    largest = float(apart.max(initial=0.0))
    return (largest if np.isfinite(largest) else None), int((a != b).sum())
