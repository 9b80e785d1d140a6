"""A small pair of networks with the map between their parameters that is known to be right.

The map stands as a function of arrays, not as steps: a case does not depend on how triport writes a map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Tensors = Mapping[str, np.ndarray]
Truth = Callable[[Tensors], dict[str, np.ndarray]]
Verdict = Literal["equal", "another graph", "no map"]


@dataclass(frozen=True)
class Case:
    """Two networks, and what a right pairing of them says.

    `a` and `b` build a Module, a Cell, or the path of an ONNX file. `inputs` are as on the command line.
    `truth` returns b's tensors of a's: all that b has and that can be known. `parting` is where the outputs
    part ("" stands for code behind the last module), `why` a word that the reason has. `symmetric` are the
    parameters of a that take part in an exchange which changes nothing. `unproven` are those of a that no
    output depends on, `partly` those of which some part is so: the key's bias in what is packed. `left_a`
    and `left_b` are what has no counterpart. `given` makes of any values of a such as the map is of: with
    zeros where the other side has nothing. `training` is what is said of training, `mindspore` says that a
    side is MindSpore's.
    """

    name: str
    a: Callable[[], Any]
    b: Callable[[], Any]
    inputs: tuple[str, ...]
    truth: Truth
    verdict: Verdict = "equal"
    parting: tuple[str, str] | None = None
    why: str = ""
    symmetric: frozenset[str] = frozenset()
    unproven: frozenset[str] = frozenset()
    partly: frozenset[str] = frozenset()
    left_a: frozenset[str] = frozenset()
    left_b: frozenset[str] = frozenset()
    given: Truth = dict
    training: str = ""
    mindspore: bool = False
    slow: bool = False

    def __str__(self) -> str:
        return self.name


def renamed(**names: str) -> Truth:
    """Return the map that gives each tensor of a another name; `__` in a name stands for a dot."""
    pairs = {a.replace("__", "."): b.replace("__", ".") for a, b in names.items()}
    return lambda tensors: {b: tensors[a] for a, b in pairs.items()}


def moved(**paths: str) -> Truth:
    """Return the map that moves all that lies under one path of a, or is called so, to another path."""
    pairs = {a.replace("__", "."): b.replace("__", ".") for a, b in paths.items()}

    def truth(tensors: Tensors) -> dict[str, np.ndarray]:
        return {
            b + name.removeprefix(a): array
            for a, b in pairs.items()
            for name, array in tensors.items()
            if f"{name}.".startswith(f"{a}.")
        }

    return truth


def same(tensors: Tensors) -> dict[str, np.ndarray]:
    """Return the tensors under the names that they have."""
    return dict(tensors)


def both(*truths: Truth) -> Truth:
    """Return what several maps return together."""
    return lambda tensors: {name: array for truth in truths for name, array in truth(tensors).items()}
