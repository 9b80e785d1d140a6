"""One side of a pair: a network whose parameters can be given values, and which tells outputs and gradients.

A file here is a framework. `reading.py` makes a side of a NET or of an object.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from triport.reference_models.kinds.kind import Kind, Leaf
from triport.reference_models.network import Network
from triport.reference_models.spec import Runtime

from .initializers import GraphFile

Shape = tuple[int, ...]
# Called once for each parameter with its gradient, valid until it returns; None: it reaches no output.
See = Callable[[str, np.ndarray | None], None]


@dataclass(frozen=True, slots=True)
class SideParameter:
    """A parameter of a network, or a buffer that holds weights: statistics of a norm.

    `name` is what the network's own checkpoint calls it, `owner` the path of its module, `aliases` further
    names of the same tensor. `kind` and `leaf` are what the table of kinds knows of it, `epsilon` what a norm
    adds to its variance. `is_vector`: it is one of the two by which a spectral norm is estimated.
    """

    name: str
    shape: Shape
    owner: str
    kind: Kind | None = None
    leaf: Leaf | None = None
    aliases: tuple[str, ...] = ()
    epsilon: float | None = None
    is_vector: bool = False

    @property
    def size(self) -> int:
        """The number of its elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def role(self) -> str | None:
        """What it does in a known layer: "scale", "shift", "mean", "variance", "weight" ...; else None.

        What a norm adds is not what a dense layer adds: "norm shift".
        """
        if self.is_vector:
            return "vector"
        if self.leaf is None or self.kind is None:
            return None
        if self.leaf.name == "running_mean":
            return "mean"
        is_norm = any(one.seeding == "scale" for one in self.kind.leaves)
        return "norm shift" if is_norm and self.leaf.seeding == "shift" else self.leaf.seeding


class Side(Protocol):
    """A network of a pair.

    Attributes:
        label: what the user called it.
        runtime: what executes it.
        network: its record: inputs, outputs, and how it is built anew.
        net: the Module or the Cell itself, whose values are changed.
        parameters: by their names, in the network's order; a tensor with two names stands there once.
        kept: names of what keeps its value: counts, indices, derived tables.
        constants: values of what a file keeps as it keeps weights, and which are none.
        is_double: whether it computes in float64.
        follows: whether it needs what the other side has computed.
        graph_file: what the network was made of, if that is a file with a graph.
    """

    label: str
    runtime: Runtime
    network: Network
    net: Any
    parameters: Mapping[str, SideParameter]
    kept: tuple[str, ...]
    constants: dict[str, np.ndarray]
    is_double: bool
    follows: bool
    graph_file: GraphFile | None

    def set_values(self, values: Mapping[str, np.ndarray]) -> None:
        """Give parameters values; the others keep theirs."""
        ...

    def values(self, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """Return values as float32, of all parameters or some; where they are float32 the network's own."""
        ...

    def kept_values(self) -> dict[str, np.ndarray]:
        """Return the values of what is kept."""
        ...

    def outputs(self, feed: Sequence[np.ndarray], anew: bool = True) -> list[np.ndarray]:
        """Return the outputs for inputs in order; not `anew`: with what a Module keeps of the run before."""
        ...

    def called(self, feed: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[str]]:
        """Return the outputs, and the modules that own parameters in the order in which they are called."""
        ...

    def gradients(
        self,
        feed: Sequence[np.ndarray],
        weights: Callable[[int, int], np.ndarray],
        see: See,
        names: Collection[str],
    ) -> list[np.ndarray]:
        """Run forward and backward, tell `see` of parameters' gradients, and return the outputs.

        Args:
            feed: the inputs in order.
            weights: returns, for the place and the size of an output, what its elements count in the sum
                that is derived.
            see: is told.
            names: of which parameters; the gradients of the others are not computed.
        """
        ...
