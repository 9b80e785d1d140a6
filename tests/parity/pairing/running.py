"""Runs both networks of a case with the same weights, as the case's own map, or another, moves them."""

from __future__ import annotations

import numpy as np

from triport.converters.networks.input_specs import parse_input
from triport.parity.pairing.sides import Side
from triport.parity.pairing.sides.reading import side_of
from triport.parity.subjects.random_weights import seeded_parameters
from triport.reference_models.network import Network

from .cases import Case, Tensors, Truth


def sides(case: Case) -> tuple[Side, Side]:
    """Return both sides of a case."""
    specs = [parse_input(text) for text in case.inputs]
    return side_of(case.a(), specs), side_of(case.b(), specs)


def feed_of(network: Network, seed: int = 0) -> list[np.ndarray]:
    """Return values for the inputs, in order."""
    random = np.random.default_rng(seed)
    return [given.draw(network.sizes, random) for given in network.inputs]


def seeded(side: Side, seed: int = 0) -> dict[str, np.ndarray]:
    """Return values for all that a side has, under each of its names, or those of its file."""
    values = seeded_parameters(side.net, seed)
    known = side.graph_file.initializers if side.graph_file else {}
    found = {}
    for name, array in values.items():
        kept = [array.astype(np.float64)]
        for step in reversed(known[name].steps if name in known else ()):
            kept = step.backward(kept)
        found[known[name].name if name in known else name] = kept[0]
    return found


def own_names(side: Side) -> dict[str, str]:
    """Return what the network, or the file with a graph that it is, calls its parameters."""
    known = side.graph_file.initializers if side.graph_file else {}
    return {name: known[name].name if name in known else name for name in side.parameters}


def give(side: Side, values: Tensors) -> None:
    """Give a side all of its parameters; what the values have beyond these are aliases and constants."""
    known = side.graph_file.initializers if side.graph_file else {}
    for name, own in own_names(side).items():
        moved = [values[own]]
        for step in known[name].steps if name in known else ():
            moved = step.forward(moved)
        side.set_values({name: moved[0]})


def difference(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    """Return the largest difference of outputs, relative to the largest value of each."""
    assert len(first) == len(second)
    if any(a.shape != b.shape for a, b in zip(first, second, strict=True)):
        return np.inf
    return max(_difference(a, b) for a, b in zip(first, second, strict=True))


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    finite = np.isfinite(a)
    if a.dtype == bool or not np.array_equal(a[~finite], b[~finite]):
        return 0.0 if np.array_equal(a, b) else np.inf
    apart = np.abs(a[finite] - b[finite]).max()
    return float(apart / np.abs(a[finite]).max()) if apart else 0.0


def distance(case: Case, truth: Truth | None = None, seed: int = 0) -> float:
    """Return how far the outputs are apart with the weights that a map moves: the case's, or another."""
    a, b = sides(case)
    values = case.given(seeded(a, seed))
    give(a, values)
    give(b, (truth or case.truth)(values))
    feed = feed_of(a.network, seed)
    return difference(a.outputs(feed), b.outputs(feed))
