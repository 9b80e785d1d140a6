"""What a runner tells of the inside of a network: its modules, and each call of one while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from triport.reference_models.kinds import Kind


@dataclass(frozen=True, slots=True)
class Module:
    """A module of a network; `parameters` are the canonical names of all that it owns, at any depth.

    `kind` is its class, `layer` what the table of kinds knows of it: nothing of a class that it has not.
    """

    path: str
    kind: str
    leaf: bool
    parameters: frozenset[str]
    layer: Kind | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """The `number`-th call (from 1) of the module at `path`; both ends as arrays.

    `source` is the call whose output the input is, the same tensor: "input" for the images, None
    where it was computed between modules or where the runtime cannot tell. `same_as` is likewise the
    earlier call whose output this output is: a container returns what its last module returned.
    """

    path: str
    number: int
    given: np.ndarray
    output: np.ndarray
    source: str | None = None
    same_as: str | None = None

    @property
    def name(self) -> str:
        """`layer1.0.relu`, and `layer1.0.relu#2` for its second call."""
        return call_name(self.path, self.number)


# Called after each call of a module. The arrays are valid until it returns.
Visit = Callable[[Call], None]
# (path, number) -> what the module is to be fed instead of its own input, or None
Feed = Callable[[str, int], np.ndarray | None]

IMAGES = "input"


def call_name(path: str, number: int) -> str:
    """Return how the `number`-th call of a module is called."""
    return path if number == 1 else f"{path}#{number}"
