"""What a network of a user's own is made of: the parameters of a Module or a Cell, under names for both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from triport.reference_models.errors import TriportError, listed
from triport.reference_models.modules import parameters_of

if TYPE_CHECKING:
    import numpy as np


class NetworkError(TriportError):
    """What a user named cannot be made a network, or not the same network as another."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one realisation.

    `names`: its own name -> the network's. `shapes`: by the network's name. `kept`: its own names of what
    keeps its value: counts, indices, and constants that the network computes with.
    """

    names: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    kept: frozenset[str]


def parameters_in(net: Any) -> Parameters:
    """Return the parameters of a Module or a Cell.

    The network's names are PyTorch's: a Cell's `gamma` of a norm is the network's `weight`. Of two names of
    one tensor the first is the network's.
    """
    names: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    kept = set()
    first: dict[int, str] = {}
    for owned in parameters_of(net):
        if owned.seeding is None:
            kept.add(owned.name)
            continue
        path, dot, last = owned.name.rpartition(".")
        if owned.leaf is not None and last == owned.leaf.mindspore:
            last = owned.leaf.name
        name = first.setdefault(owned.key, f"{path}{dot}{last}")
        names[owned.name] = name
        shapes[name] = owned.shape
    return Parameters(names, shapes, frozenset(kept))


def own_values(net: Any, parameters: Parameters) -> dict[str, np.ndarray]:
    """Return the values that a Module or a Cell has, by the network's names."""
    import numpy as np

    if hasattr(net, "cells_and_names"):
        own = {parameter.name: parameter.asnumpy() for parameter in net.get_parameters()}
    else:
        own = {
            name: tensor.detach().cpu().float().numpy()
            for name, tensor in net.state_dict().items()
            if name in parameters.names
        }
    return {ours: np.array(own[name], np.float32) for name, ours in parameters.names.items()}


def check_same(a: Parameters, b: Parameters, names: tuple[str, str]) -> None:
    """Raise NetworkError unless two realisations have parameters of the same names and shapes.

    Args:
        a: of the first.
        b: of the second.
        names: what the two are called.
    """
    problems = [
        f"{name} {shape}: only in {names[0]}" for name, shape in a.shapes.items() if name not in b.shapes
    ]
    problems += [
        f"{name} {shape}: only in {names[1]}" for name, shape in b.shapes.items() if name not in a.shapes
    ]
    problems += [
        f"{name}: {shape} in {names[0]}, {b.shapes[name]} in {names[1]}"
        for name, shape in a.shapes.items()
        if b.shapes.get(name, shape) != shape
    ]
    if problems:
        raise NetworkError(
            f"{names[0]} and {names[1]}: their parameters have other names or shapes\n{listed(problems)}\n"
            f"Parameters must agree by name. Where they have other names, `pair` with these two and "
            f"-o NAMES.toml finds which belong together; then give --names NAMES.toml"
        )
