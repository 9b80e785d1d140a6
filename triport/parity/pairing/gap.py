"""A module of the second side that is given something else than its counterpart, behind code that differs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np

from triport.reference_models.modules import Part, parameters_of

from .layouts import close
from .observed import Call
from .pieces import Key, key_of
from .recording import Recorded
from .returned import Source
from .scales import times
from .sides import Side

# where it is known that channels are the last axis, or the second; of norms over the last axes see below
_CHANNELS_LAST = frozenset({"dense", "layer_norm", "rms_norm"})
_CHANNELS_SECOND = frozenset({"conv", "conv_transposed", "norm", "group_norm", "instance_norm"})


@dataclass(frozen=True, slots=True)
class Gap:
    """A call of the first side, that of the module that is its counterpart, and what this was given."""

    call: Recorded
    at: Call
    part: Part
    given: np.ndarray

    @property
    def channels(self) -> tuple[int, int] | None:
        """The axis of channels of what each is given; None where it is not known."""
        found = channel_axis(self.call.part, self.call.given[0]), channel_axis(self.part, self.given)
        return None if None in found else (found[0] or 0, found[1] or 0)

    @property
    def size(self) -> int | None:
        """How many channels both are given; None where that is not known, or not the same."""
        if self.channels is None:
            return None
        sizes = self.call.given[0].shape[self.channels[0]], self.given.shape[self.channels[1]]
        return sizes[0] if sizes[0] == sizes[1] else None

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of what both are given; None where it is not the same."""
        return self.given.shape if self.given.shape == self.call.given[0].shape else None

    def blocks_of(self, place: int, made: np.ndarray | None, factors: np.ndarray) -> set[int]:
        """Return the blocks of a value, with channels times factors, of which code makes what is given.

        Args:
            place: the side, 0 or 1.
            made: what the module is given then.
            factors: of all channels of the value.
        """
        assert self.channels is not None
        given, axis = (self.call.given[0], self.given)[place], self.channels[place]
        if made is None or made.shape != given.shape:
            return set()
        blocks = np.split(factors, len(factors) // given.shape[axis])
        tolerance = self.call.given_tolerance[0]
        return {at for at, part in enumerate(blocks) if close(times(given, part, axis), made, tolerance)}


@dataclass(frozen=True, slots=True)
class MadeOf:
    """Values that code makes something of, by their sources, and the axes of their channels where known."""

    values: Mapping[Source, np.ndarray]
    axes: Mapping[Source, int]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the values, in order."""
        return tuple(array.shape for array in self.values.values())

    def has_blocks(self, size: int) -> bool:
        """Whether a value has several blocks of so many channels."""
        return any(
            self.values[one].shape[axis] > size for one, axis in self.axes.items() if one in self.values
        )

    def with_one_block(self, size: int) -> dict[Source, np.ndarray]:
        """Return the values with all blocks of so many channels like the first of them."""
        return {
            one: np.take(array, np.arange(array.shape[axis]) % size, axis)
            if (axis := self.axes.get(one)) is not None and array.shape[axis] > size
            else array
            for one, array in self.values.items()
        }

    def with_one_channel(self, size: int, chosen: int, factor: float) -> dict[Source, np.ndarray]:
        """Return the values times a factor, with all channels of each block like one of them."""
        return {
            one: factor
            * np.take(
                np.asarray(array, np.float64),
                np.arange(array.shape[self.axes[one]]) // size * size + chosen,
                self.axes[one],
            )
            for one, array in self.values.items()
        }


@dataclass(frozen=True, slots=True)
class Bridged:
    """A module that is given what its counterpart was.

    `source` is what the first side's code is given, `block` which of its blocks of as many channels,
    `made_of` the values that the code of each side makes it of.
    """

    gap: Gap
    source: Source
    block: int
    made_of: tuple[MadeOf, MadeOf]


def channel_axis(part: Part, given: np.ndarray) -> int | None:
    """Return the axis of channels of what a module is given or returns; None where nothing tells."""
    name = None if part.kind is None else part.kind.name
    if given.ndim < 2 or name not in _CHANNELS_LAST | _CHANNELS_SECOND:
        return None
    if name in _CHANNELS_SECOND or name == "dense":
        return 1 if name in _CHANNELS_SECOND else given.ndim - 1
    # a norm over the last axis may be one that transposes an image before
    sizes = {one.shape for one in parameters_of(part.module)}
    axes = {axis for axis in (1, given.ndim - 1) if (given.shape[axis],) in sizes}
    return axes.pop() if len(axes) == 1 else None


def kind_of(side: Side, source: Source) -> Hashable:
    """Return what has the same only where sources could have each other's place."""
    if isinstance(source, tuple):
        return sizes_in(side, source[0])
    return "a vector" if isinstance(source, str) else source


def sizes_in(side: Side, path: str) -> tuple[Key, ...]:
    """Return the sizes of all parameters in a module."""
    inside = [one for one in side.parameters.values() if f"{one.owner}.".startswith(f"{path}.")]
    return tuple(sorted(key_of(one.shape) for one in inside))
