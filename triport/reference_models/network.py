"""A network as everything but its registration sees it: named inputs, named outputs, and who can run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .spec import Runtime

# A size, or the name of a free axis: the same name has the same size in every input.
Axis = int | str
# Arrays by the name of the input or output.
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Normal:
    """Values of a normal distribution around zero, as prepared images have them."""

    scale: float = 1.0

    def draw(self, shape: tuple[int, ...], dtype: str, random: np.random.Generator) -> np.ndarray:
        """Return values of that shape and dtype."""
        return (self.scale * random.standard_normal(shape)).astype(dtype)


@dataclass(frozen=True, slots=True)
class Integers:
    """Whole numbers from `low` to below `high`, as tokens and indices are; for bool 0 and 1."""

    low: int = 0
    high: int = 2

    def draw(self, shape: tuple[int, ...], dtype: str, random: np.random.Generator) -> np.ndarray:
        """Return values of that shape and dtype."""
        return random.integers(self.low, self.high, shape).astype(dtype)


@dataclass(frozen=True, slots=True)
class Input:
    """A named input: its shape, with names for free axes, its dtype as NumPy writes it, and its values."""

    name: str
    shape: tuple[Axis, ...]
    dtype: str = "float32"
    values: Normal | Integers = field(default_factory=Normal)

    def sized(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape with a size for each of its free axes."""
        return tuple(sizes[axis] if isinstance(axis, str) else axis for axis in self.shape)

    def draw(self, sizes: Mapping[str, int], random: np.random.Generator) -> np.ndarray:
        """Return sample values, with a size for each of its free axes."""
        return self.values.draw(self.sized(sizes), self.dtype, random)


@dataclass(frozen=True, slots=True)
class Ahead:
    """Work on a realisation that another process has begun.

    `load` waits for what runs it. The others say for how many seconds loading it with the first run, and
    exporting it, went on there while nobody waited.
    """

    load: Callable[[], Any]
    load_seconds: Callable[[], float]
    export_seconds: Callable[[], float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Realisation:
    """What one runtime runs of a network.

    `build` makes what that runtime loads: a torch.nn.Module, a mindspore.nn.Cell, or the path or the bytes of
    an ONNX file. `names` has the network's name of each of its parameters; a parameter that it does not
    list has the network's own name. `kept` are its own names of what keeps the value that it is built with:
    tables and indices that are part of the graph and of no checkpoint. `export` makes an onnx.ModelProto of
    it, with parameters by the network's names, for inputs like those of a feed; None where it is one.
    `values` makes what `names` leads to of the network's parameters, where these lie otherwise in it.
    `remade`: the model may take no other sizes than the feed's, and is made again for others. `shapes`: those
    that its inputs must have, in order, of a file that was made for one size; None where running it tells.
    `ahead` is what another process has begun with it.
    """

    runtime: Runtime
    build: Callable[[], Any]
    names: Mapping[str, str] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    export: Callable[[Arrays, Arrays], Any] | None = None
    values: Callable[[Arrays], Arrays] | None = None
    remade: bool = False
    shapes: tuple[tuple[int, ...], ...] | None = None
    ahead: Ahead | None = None

    def own(self, parameters: Arrays) -> Arrays:
        """Return the network's parameters as they lie in this realisation, by what `names` leads to."""
        return parameters if self.values is None else self.values(parameters)


@dataclass(frozen=True, slots=True)
class RowAxes:
    """Where the rows lie that a network computes each by itself: an axis of each input and of each output.

    An input without rows, which all of them share, is not listed.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]

    def count(self, feed: Arrays) -> int:
        """Return how many rows a feed has."""
        name, axis = next(iter(self.inputs.items()))
        return int(feed[name].shape[axis])

    def take(self, feed: Arrays, indices: Sequence[int]) -> dict[str, np.ndarray]:
        """Return a feed of some rows."""
        return {
            name: np.take(array, indices, self.inputs[name]) if name in self.inputs else array
            for name, array in feed.items()
        }

    def split(self, feed: Arrays) -> list[dict[str, np.ndarray]]:
        """Return a feed for each row."""
        return [self.take(feed, [index]) for index in range(self.count(feed))]

    def take_outputs(self, outputs: Arrays, indices: Sequence[int]) -> dict[str, np.ndarray]:
        """Return some rows of the outputs."""
        return {name: np.take(array, indices, self.outputs[name]) for name, array in outputs.items()}

    def joined(self, outputs: Sequence[Arrays]) -> dict[str, np.ndarray]:
        """Return the outputs of feeds that follow one another as those of one."""
        return {
            name: np.concatenate([one[name] for one in outputs], self.outputs[name]) for name in outputs[0]
        }


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network: what goes in, what comes out, and up to three realisations that are to compute the same.

    `sizes` are those of the free axes that it is run with unless others are asked for. `rows` is None where
    there are none, or nobody knows of any. `left_out` says what is returned besides and is no tensor, which
    nothing compares.
    """

    name: str
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    realisations: Mapping[Runtime, Realisation]
    sizes: Mapping[str, int] = field(default_factory=dict)
    rows: RowAxes | None = None
    left_out: tuple[str, ...] = ()

    @property
    def free_axes(self) -> tuple[str, ...]:
        """The names of the free axes, each once."""
        names = [axis for given in self.inputs for axis in given.shape if isinstance(axis, str)]
        return tuple(dict.fromkeys(names))
