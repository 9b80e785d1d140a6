"""What is known of a graph's values while its nodes are read in order, and a node as a rule is given it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from triport.converters.graphs.constants import Constant
from triport.converters.graphs.flow import FlowStep

# floating-point types that round more than float32, by their numbers in ONNX
LOWER = {"float16": 10, "bfloat16": 16}


class Parameter(NamedTuple):
    """A parameter by its canonical name; `turned` where a Transpose has exchanged its two axes.

    `precision` is "float16" or "bfloat16" where it is so, and "" otherwise.
    """

    name: str
    shape: tuple[int, ...]
    turned: bool = False
    precision: str = ""

    @property
    def path(self) -> str:
        """The module's path."""
        return self.name.rpartition(".")[0]

    @property
    def leaf(self) -> str:
        """Which of the module's parameters."""
        return self.name.rpartition(".")[2]


class Unread(NamedTuple):
    """A value of which nothing is known."""

    name: str


class Pieces(NamedTuple):
    """What SplitToSequence makes."""

    steps: tuple[FlowStep, ...]


Known = FlowStep | Constant | Parameter | Unread | Pieces


class KnownInputs(NamedTuple):
    """A node with what its inputs are known to be."""

    op: str
    told: dict[str, Any]
    inputs: tuple[Known | None, ...]
    origin: str
    outputs: int

    def given(self, index: int) -> Known | None:
        """Return an input, None where there are not as many."""
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int) -> np.ndarray | None:
        """Return an input that is a constant without free sizes."""
        value = self.given(index)
        if not isinstance(value, Constant) or np.isnan(value.values).any():
            return None
        return value.values

    def numbers(self, index: int, name: str = "") -> list[int] | None:
        """Return whole numbers: an attribute's, or those of an input that is a constant."""
        if name in self.told:
            return [int(one) for one in self.told[name]]
        value = self.constant(index)
        if value is None or not np.isfinite(value).all():
            return None
        return [int(one) for one in value.reshape(-1)]

    def step(self, index: int = 0) -> FlowStep | None:
        """Return an input that depends on the images."""
        value = self.given(index)
        return value if isinstance(value, FlowStep) else None

    def parameter(self, index: int) -> Parameter | None:
        """Return an input that is a parameter."""
        value = self.given(index)
        return value if isinstance(value, Parameter) else None


# one operator in the normal form: the output, the outputs, or None where the node is not what the rule knows
Rule = Callable[[KnownInputs], Known | list[Known] | None]
