"""How a tensor of one network becomes that of another: steps that can be undone, without any framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Shape = tuple[int, ...]


class Step(Protocol):
    """One step from tensors of the first network to tensors of the second, and its inverse."""

    def forward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the second network's side of these arrays."""
        ...

    def backward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the first network's side of these arrays: the exact inverse of `forward`."""
        ...


@dataclass(frozen=True, slots=True)
class Transpose:
    """Axes in another order, as `numpy.transpose(array, axes)`."""

    axes: tuple[int, ...]

    def forward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the arrays with axis `axes[i]` at place i."""
        return [np.transpose(array, self.axes) for array in arrays]

    def backward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the arrays with their axes put back."""
        return [np.transpose(array, np.argsort(self.axes)) for array in arrays]


@dataclass(frozen=True, slots=True)
class Reshape:
    """Another shape for the same values in the same order: a flattened kernel, an axis of one."""

    before: Shape
    after: Shape

    def forward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return arrays of shape `before` as arrays of shape `after`."""
        return [array.reshape(self.after) for array in arrays]

    def backward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return arrays of shape `after` as arrays of shape `before`."""
        return [array.reshape(self.before) for array in arrays]


@dataclass(frozen=True, slots=True)
class Concatenate:
    """Several tensors that the other network keeps as one, along an axis: q, k and v."""

    axis: int
    sizes: tuple[int, ...]

    def forward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the arrays, `sizes[i]` long along the axis, as one."""
        return [np.concatenate(arrays, self.axis)]

    def backward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the one array in pieces of these sizes."""
        return np.split(arrays[0], np.cumsum(self.sizes)[:-1], self.axis)


@dataclass(frozen=True, slots=True)
class Split:
    """A tensor that the other network keeps as several, along an axis."""

    axis: int
    sizes: tuple[int, ...]

    def forward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the one array in pieces of these sizes."""
        return Concatenate(self.axis, self.sizes).backward(arrays)

    def backward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the pieces as one array."""
        return Concatenate(self.axis, self.sizes).forward(arrays)


@dataclass(frozen=True, slots=True)
class Reorder:
    """Equal blocks along an axis in another order, as an LSTM's gates: block `order[i]` comes to place i."""

    axis: int
    order: tuple[int, ...]

    def forward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the arrays with their blocks in the second network's order."""
        return [self._arranged(array, self.order) for array in arrays]

    def backward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the arrays with their blocks put back."""
        return [self._arranged(array, np.argsort(self.order)) for array in arrays]

    def _arranged(self, array: np.ndarray, order: Sequence[int] | np.ndarray) -> np.ndarray:
        blocks = np.split(array, len(self.order), self.axis)
        return np.concatenate([blocks[place] for place in order], self.axis)
