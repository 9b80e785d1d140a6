"""Steps that move values to other places: what is undone bit for bit, whatever the values are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .step import (
    MAX_RANK,
    Shape,
    Step,
    StepError,
    check_order,
    inverse_order,
    numbers,
    shape_of,
    shape_text,
)

if TYPE_CHECKING:
    import numpy as np


class _EachAlone(Step):
    """A step that does the same to every array, one by one."""

    def count(self, count: int) -> int:
        return count

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        return [self._shape(shape) for shape in shapes]

    def _shape(self, shape: Shape) -> Shape:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Transpose(_EachAlone):
    """Axes in another order, as `numpy.transpose(array, axes)`."""

    WORD: ClassVar[str] = "transpose"
    axes: tuple[int, ...]

    def __post_init__(self) -> None:
        check_order(self.axes)

    @classmethod
    def parse(cls, words: Sequence[str]) -> Transpose:
        return cls(numbers(words))

    def __str__(self) -> str:
        return f"{self.WORD} {_spaced(self.axes)}"

    @property
    def inverse(self) -> Transpose:
        return Transpose(inverse_order(self.axes))

    def _shape(self, shape: Shape) -> Shape:
        if len(shape) != len(self.axes):
            raise self.refuse(f"is of {len(self.axes)} axes, and there is a tensor {shape}")
        return tuple(shape[axis] for axis in self.axes)

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [array.transpose(self.axes) for array in arrays]


@dataclass(frozen=True, slots=True)
class Reshape(_EachAlone):
    """Another shape for the same values in the same order: a flattened kernel."""

    WORD: ClassVar[str] = "reshape"
    before: Shape
    after: Shape

    def __post_init__(self) -> None:
        if math.prod(self.before) != math.prod(self.after):
            raise StepError(f"{self.before} and {self.after} have not as many values")

    @classmethod
    def parse(cls, words: Sequence[str]) -> Reshape:
        if len(words) != 3 or words[1] != "to":
            raise StepError("expected two shapes, such as 64x147 to 64x3x7x7")
        return cls(shape_of(words[0]), shape_of(words[2]))

    def __str__(self) -> str:
        return f"{self.WORD} {shape_text(self.before)} to {shape_text(self.after)}"

    @property
    def inverse(self) -> Reshape:
        return Reshape(self.after, self.before)

    def _shape(self, shape: Shape) -> Shape:
        if tuple(shape) != tuple(self.before):
            raise self.refuse(f"is of a tensor {self.before}, and there is one {shape}")
        return tuple(self.after)

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [array.reshape(self.after) for array in arrays]


@dataclass(frozen=True, slots=True)
class Squeeze(_EachAlone):
    """Axes of one element are taken out: a 1x1 kernel that is a matrix elsewhere."""

    WORD: ClassVar[str] = "squeeze"
    axes: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_rising(self.axes)

    @classmethod
    def parse(cls, words: Sequence[str]) -> Squeeze:
        return cls(numbers(words))

    def __str__(self) -> str:
        return f"{self.WORD} {_spaced(self.axes)}"

    @property
    def inverse(self) -> Unsqueeze:
        return Unsqueeze(self.axes)

    def _shape(self, shape: Shape) -> Shape:
        if self.axes[-1] >= len(shape) or any(shape[axis] != 1 for axis in self.axes):
            raise self.refuse(f"takes out axes of one element, and there is a tensor {shape}")
        return tuple(size for axis, size in enumerate(shape) if axis not in self.axes)

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [array.reshape(self._shape(array.shape)) for array in arrays]


@dataclass(frozen=True, slots=True)
class Unsqueeze(_EachAlone):
    """Axes of one element are put in; `axes` are their places in the result."""

    WORD: ClassVar[str] = "unsqueeze"
    axes: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_rising(self.axes)

    @classmethod
    def parse(cls, words: Sequence[str]) -> Unsqueeze:
        return cls(numbers(words))

    def __str__(self) -> str:
        return f"{self.WORD} {_spaced(self.axes)}"

    @property
    def inverse(self) -> Squeeze:
        return Squeeze(self.axes)

    def _shape(self, shape: Shape) -> Shape:
        if self.axes[-1] >= len(shape) + len(self.axes):
            raise self.refuse(f"leaves a gap in a tensor {shape}")
        _check_rank(self, len(shape) + len(self.axes))
        rest = iter(shape)
        return tuple(1 if axis in self.axes else next(rest) for axis in range(len(shape) + len(self.axes)))

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [array.reshape(self._shape(array.shape)) for array in arrays]


@dataclass(frozen=True, slots=True)
class Concatenate(Step):
    """Several tensors that the other network keeps as one, along an axis: q, k and v.

    `sizes` are their relative lengths along the axis: three equal ones are (1, 1, 1), however long.
    """

    WORD: ClassVar[str] = "concatenate"
    axis: int
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", _relative(self.sizes))

    @classmethod
    def parse(cls, words: Sequence[str]) -> Concatenate:
        return cls(*_axis_and_sizes(words))

    def __str__(self) -> str:
        return f"{self.WORD} {self.axis} {':'.join(map(str, self.sizes))}"

    @property
    def inverse(self) -> Split:
        return Split(self.axis, self.sizes)

    def count(self, count: int) -> int:
        return 1

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        if len(shapes) != len(self.sizes):
            raise self.refuse(f"is of {len(self.sizes)} tensors, and there are {len(shapes)}")
        if any(len(shape) <= self.axis for shape in shapes):
            raise self.refuse(f"is along axis {self.axis}, and the tensors are {list(shapes)}")
        lengths = [shape[self.axis] for shape in shapes]
        others = {(*shape[: self.axis], *shape[self.axis + 1 :]) for shape in shapes}
        total, parts = sum(lengths), sum(self.sizes)
        right = all(length * parts == total * size for length, size in zip(lengths, self.sizes, strict=True))
        if len(others) > 1 or not right:
            raise self.refuse(f"does not fit tensors {list(shapes)}")
        return [(*shapes[0][: self.axis], total, *shapes[0][self.axis + 1 :])]

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        import numpy as np

        return [np.concatenate(arrays, self.axis)]


@dataclass(frozen=True, slots=True)
class Split(Step):
    """A tensor that the other network keeps as several, along an axis; `sizes` as of `Concatenate`."""

    WORD: ClassVar[str] = "split"
    axis: int
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", _relative(self.sizes))

    @classmethod
    def parse(cls, words: Sequence[str]) -> Split:
        return cls(*_axis_and_sizes(words))

    def __str__(self) -> str:
        return f"{self.WORD} {self.axis} {':'.join(map(str, self.sizes))}"

    @property
    def inverse(self) -> Concatenate:
        return Concatenate(self.axis, self.sizes)

    def count(self, count: int) -> int:
        return len(self.sizes)

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        shape = _the_only(self, shapes)
        if len(shape) <= self.axis or shape[self.axis] % sum(self.sizes):
            raise self.refuse(f"does not fit a tensor {shape}")
        one = shape[self.axis] // sum(self.sizes)
        return [(*shape[: self.axis], size * one, *shape[self.axis + 1 :]) for size in self.sizes]

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        import numpy as np

        ends = np.cumsum(self.sizes) * (arrays[0].shape[self.axis] // sum(self.sizes))
        return np.split(arrays[0], ends[:-1], self.axis)


@dataclass(frozen=True, slots=True)
class Reorder(_EachAlone):
    """Equal blocks along an axis in another order, as an LSTM's gates: block `order[i]` comes to place i."""

    WORD: ClassVar[str] = "reorder"
    axis: int
    order: tuple[int, ...]

    def __post_init__(self) -> None:
        check_order(self.order)

    @classmethod
    def of_gates(cls, before: str, after: str, axis: int = 0) -> Reorder:
        """Return the step from gates in one order, "ifgo", to another, "iofg"."""
        return cls(axis, tuple(before.index(gate) for gate in after))

    @classmethod
    def parse(cls, words: Sequence[str]) -> Reorder:
        if len(words) < 3 or words[1] != "by":
            raise StepError("expected an axis and the order of its blocks, such as 0 by 0 2 1 3")
        return cls(numbers(words[:1])[0], numbers(words[2:]))

    def __str__(self) -> str:
        return f"{self.WORD} {self.axis} by {_spaced(self.order)}"

    @property
    def inverse(self) -> Reorder:
        return Reorder(self.axis, inverse_order(self.order))

    def _shape(self, shape: Shape) -> Shape:
        if len(shape) <= self.axis or shape[self.axis] % len(self.order):
            raise self.refuse(f"is of {len(self.order)} blocks along axis {self.axis} of a tensor {shape}")
        _check_rank(self, len(shape) + 1)
        return tuple(shape)

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self._reordered(array) for array in arrays]

    def _reordered(self, array: np.ndarray) -> np.ndarray:
        size = array.shape[self.axis] // len(self.order)
        rest = array.shape[self.axis + 1 :]
        blocks = array.reshape((*array.shape[: self.axis], len(self.order), size, *rest))
        return blocks.take(self.order, self.axis).reshape(array.shape)


@dataclass(frozen=True, slots=True)
class Regroup(_EachAlone):
    """An axis that is several axes laid one in another, which the other network lays in another order.

    `sizes` are theirs, the outermost first, one of which may be -1: whatever is left. The axis of `order[i]`
    comes to place i. q, k and v kept head by head are 12 heads x 3 x the rest, and 1 0 2 brings q, k and v
    outside; a dense layer behind channels x height x width takes pixels first by 1 2 0.
    """

    WORD: ClassVar[str] = "regroup"
    axis: int
    sizes: tuple[int, ...]
    order: tuple[int, ...]

    def __post_init__(self) -> None:
        check_order(self.order)
        if len(self.sizes) != len(self.order) or self.sizes.count(-1) > 1:
            raise StepError("expected as many sizes as the order has places, one of them * at most")
        if any(size < 1 and size != -1 for size in self.sizes):
            raise StepError(f"expected sizes from 1 on, found {list(self.sizes)}")

    @classmethod
    def parse(cls, words: Sequence[str]) -> Regroup:
        if len(words) < 4 or words[2] != "by":
            raise StepError("expected an axis, its parts and their order, such as 0 12x3x* by 1 0 2")
        sizes = tuple(-1 if size == "*" else numbers([size], 1)[0] for size in words[1].split("x"))
        return cls(numbers(words[:1])[0], sizes, numbers(words[3:]))

    def __str__(self) -> str:
        sizes = "x".join("*" if size == -1 else str(size) for size in self.sizes)
        return f"{self.WORD} {self.axis} {sizes} by {_spaced(self.order)}"

    @property
    def inverse(self) -> Regroup:
        sizes = tuple(self.sizes[place] for place in self.order)
        return Regroup(self.axis, sizes, inverse_order(self.order))

    def _shape(self, shape: Shape) -> Shape:
        known = math.prod(size for size in self.sizes if size != -1)
        if len(shape) <= self.axis or (
            shape[self.axis] % known if -1 in self.sizes else shape[self.axis] != known
        ):
            raise self.refuse(f"does not fit axis {self.axis} of a tensor {shape}")
        _check_rank(self, len(shape) - 1 + len(self.sizes))
        return tuple(shape)

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self._regrouped(array) for array in arrays]

    def _regrouped(self, array: np.ndarray) -> np.ndarray:
        known = math.prod(size for size in self.sizes if size != -1)
        whole = [array.shape[self.axis] // known if size == -1 else size for size in self.sizes]
        before, rest = array.shape[: self.axis], array.shape[self.axis + 1 :]
        apart = array.reshape((*before, *whole, *rest))
        places = [*range(self.axis), *(self.axis + place for place in self.order)]
        places += range(len(places), apart.ndim)
        return apart.transpose(places).reshape(array.shape)


def reshaped(before: Shape, after: Shape) -> Step:
    """Return the step between two shapes of the same values, without sizes where it needs none."""
    for longer, shorter, kind in ((before, after, Squeeze), (after, before, Unsqueeze)):
        ones = tuple(axis for axis, size in enumerate(longer) if size == 1)
        if len(longer) > len(shorter) and tuple(size for size in longer if size != 1) == tuple(shorter):
            return kind(ones)
    return Reshape(before, after)


def _spaced(values: Sequence[int]) -> str:
    return " ".join(map(str, values))


def _check_rank(step: Step, rank: int) -> None:
    """Raise StepError where a step needs more axes than an array can have."""
    if rank > MAX_RANK:
        raise step.refuse(f"makes {rank} axes, and a tensor has at most {MAX_RANK}")


def _check_rising(axes: Sequence[int]) -> None:
    if not axes or list(axes) != sorted(set(axes)):
        raise StepError(f"expected axes that rise, each once, found {list(axes)}")


def _relative(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return lengths by their greatest common part."""
    if not sizes or any(size < 1 for size in sizes):
        raise StepError(f"expected lengths from 1 on, found {list(sizes)}")
    whole = math.gcd(*sizes)
    return tuple(int(size) // whole for size in sizes)


def _axis_and_sizes(words: Sequence[str]) -> tuple[int, tuple[int, ...]]:
    if len(words) != 2:
        raise StepError("expected an axis and relative lengths, such as 0 1:1:1")
    return numbers(words[:1])[0], numbers(words[1].split(":"), 1)


def _the_only(step: Step, shapes: Sequence[Shape]) -> Shape:
    if len(shapes) != 1:
        raise step.refuse(f"is of one tensor, and there are {len(shapes)}")
    return shapes[0]
