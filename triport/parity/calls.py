"""What a runner tells of the inside of a network: its modules, and each call of one while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from triport.reference_models.kinds import Kind


@dataclass(frozen=True, slots=True)
class CalledModule:
    """A module of a network; `parameters` are the network's names of all that it owns, at any depth.

    `kind` is its class, `layer` what the table of kinds knows of it: nothing of a class that it has not.
    """

    path: str
    kind: str
    leaf: bool
    parameters: frozenset[str]
    layer: Kind | None = None


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One output of the `number`-th call (from 1) of the module at `path`, and all that the call was given.

    Where a runtime knows what a module returned and not what it was given, `given` has None in that place.
    `index` says which of its outputs, from 0. `sources` has for each array of `given` the call whose output
    it is, the same tensor: `input_name` for an input of the network, None where it was computed between
    modules or where the runtime cannot tell. `same_as` is likewise the earlier call whose output this
    output is: a container returns what its last module returned.
    """

    path: str
    number: int
    given: tuple[np.ndarray | None, ...]
    output: np.ndarray
    sources: tuple[str | None, ...] = ()
    same_as: str | None = None
    index: int = 0

    @property
    def known(self) -> tuple[np.ndarray, ...]:
        """All that the call was given, of a runtime that knows it."""
        found = tuple(array for array in self.given if array is not None)
        assert len(found) == len(self.given), f"{self.name}: what it was given is not known"
        return found

    @property
    def name(self) -> str:
        """`layer1.0.relu`, `layer1.0.relu#2` for its second call, and `lstm[1]` for its second output."""
        return call_name(self.path, self.number, self.index)


@dataclass(frozen=True, slots=True)
class CallStep:
    """One output of one call of one module in the reference, in the order in which they finish.

    `sources` are the steps whose outputs it was given (`input_name` of a network's input), None where
    that was computed between modules. `same_as` is the earlier step that returned the same tensor.
    `layer` is its kind in the table of kinds.
    """

    name: str
    path: str
    number: int
    kind: str
    leaf: bool
    shape: tuple[int, ...]
    sources: tuple[str | None, ...]
    same_as: str | None
    index: int = 0
    layer: Kind | None = None


@dataclass(frozen=True, slots=True)
class ReferenceNames:
    """The modules and the steps of the reference, under whose names a candidate tells its own calls."""

    modules: tuple[CalledModule, ...]
    steps: tuple[CallStep, ...]


# Called after each call of a module, once for each of its outputs. The arrays are valid until it returns.
Visit = Callable[[ModuleCall], None]
# (path, number) -> what the module is to be fed instead of its own inputs, or None
Feed = Callable[[str, int], tuple[np.ndarray, ...] | None]


def input_name(name: str) -> str:
    """Return how a network's input is called among the sources of calls."""
    return f"input:{name}"


def call_name(path: str, number: int, index: int = 0) -> str:
    """Return how an output of the `number`-th call of a module is called."""
    return f"{path}{f'#{number}' if number > 1 else ''}{f'[{index}]' if index else ''}"
