"""Steps for what only one of two networks keeps: constants, zeros around a kernel, the same tensor twice.

Undone, each looks whether it drops just what it has put there, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from triport.reference_models.errors import counted

from .step import Shape, Step, StepError, numbers, shape_of, shape_text

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Self

KINDS = ("zeros", "ones", "identity")
_MOST_COPIES = 64


def constant(kind: str, shape: Shape, dtype: np.dtype) -> np.ndarray:
    """Return zeros, ones, or the kernel of a convolution that changes nothing, in as many groups as fit."""
    import numpy as np

    if kind != "identity":
        return np.ones(shape, dtype) if kind == "ones" else np.zeros(shape, dtype)
    kernel = np.zeros(shape, dtype)
    centre = tuple(size // 2 for size in shape[2:])
    for channel in range(shape[0]):
        place = (channel, channel % shape[1], *centre)
        kernel[place] = 1
    return kernel


@dataclass(frozen=True, slots=True)
class _OfAConstant(Step):
    """What `Insert` and `Remove` are told."""

    place: int
    kind: str
    shape: Shape

    def __post_init__(self) -> None:
        _check_constant(self.kind, self.shape)

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        return cls(*_place_kind_and_shape(words))

    def __str__(self) -> str:
        return f"{self.WORD} {self.place} {self.kind} {shape_text(self.shape)}"


@dataclass(frozen=True, slots=True)
class Insert(_OfAConstant):
    """A tensor of a known value that the first network lacks comes to a place: a bias of zeros."""

    WORD: ClassVar[str] = "insert"

    @property
    def inverse(self) -> Remove:
        return Remove(self.place, self.kind, self.shape)

    def count(self, count: int) -> int:
        return count + 1

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        if len(shapes) < self.place:
            raise self.refuse(f"is of place {self.place}, and there are {counted(len(shapes), 'tensor')}")
        return [*shapes[: self.place], self.shape, *shapes[self.place :]]

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        import numpy as np

        dtype = arrays[0].dtype if arrays else np.dtype("float32")
        return [*arrays[: self.place], constant(self.kind, self.shape, dtype), *arrays[self.place :]]


@dataclass(frozen=True, slots=True)
class Remove(_OfAConstant):
    """A tensor that the second network lacks is left out, if it has the value that makes it one to lack."""

    WORD: ClassVar[str] = "remove"

    @property
    def inverse(self) -> Insert:
        return Insert(self.place, self.kind, self.shape)

    def count(self, count: int) -> int:
        return count - 1

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        if len(shapes) <= self.place or tuple(shapes[self.place]) != tuple(self.shape):
            raise self.refuse(f"does not fit tensors {list(shapes)}")
        return [*shapes[: self.place], *shapes[self.place + 1 :]]

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        found = arrays[self.place]
        expected = constant(self.kind, self.shape, found.dtype)
        if found.tobytes() != expected.tobytes():
            wrong = int((found != expected).sum())
            raise self.refuse(
                f"leaves out a tensor because it is {self.kind}, and {wrong or 'some'} of its "
                f"{found.size} values are others{'' if wrong else ' (-0.0)'}: they would be lost"
            )
        return [*arrays[: self.place], *arrays[self.place + 1 :]]


@dataclass(frozen=True, slots=True)
class _AroundAKernel(Step):
    """What `Pad` and `Crop` are told: sizes of the last axes."""

    before: Shape
    after: Shape

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        return cls(*_two_sizes(words))

    def __str__(self) -> str:
        return f"{self.WORD} {shape_text(self.before)} to {shape_text(self.after)}"

    def count(self, count: int) -> int:
        return count

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        return [_resized(self, shape, self.before, self.after) for shape in shapes]


@dataclass(frozen=True, slots=True)
class Pad(_AroundAKernel):
    """Zeros around the last axes of a kernel, which stays in the middle: 1x1 as 3x3."""

    WORD: ClassVar[str] = "pad"

    def __post_init__(self) -> None:
        _check_within(self.before, self.after)

    @property
    def inverse(self) -> Crop:
        return Crop(self.after, self.before)

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [_padded(array, self.before, self.after) for array in arrays]


@dataclass(frozen=True, slots=True)
class Crop(_AroundAKernel):
    """The zeros around a kernel are taken off, if they are zeros."""

    WORD: ClassVar[str] = "crop"

    def __post_init__(self) -> None:
        _check_within(self.after, self.before)

    @property
    def inverse(self) -> Pad:
        return Pad(self.after, self.before)

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self._cropped(array) for array in arrays]

    def _cropped(self, array: np.ndarray) -> np.ndarray:
        found = array[_middle(self.after, self.before)]
        if _padded(found, self.after, self.before).tobytes() != array.tobytes():
            raise self.refuse("takes off zeros, and there are other values around the kernel")
        return found


@dataclass(frozen=True, slots=True)
class _OfCopies(Step):
    """What `Repeat` and `Unify` are told."""

    times: int

    def __post_init__(self) -> None:
        _check_copies(self.times)

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        return cls(_one_number(words))

    def __str__(self) -> str:
        return f"{self.WORD} {self.times}"


@dataclass(frozen=True, slots=True)
class Repeat(_OfCopies):
    """One tensor that the other network keeps several times, as tied weights."""

    WORD: ClassVar[str] = "repeat"

    @property
    def inverse(self) -> Unify:
        return Unify(self.times)

    def count(self, count: int) -> int:
        return self.times

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        if len(shapes) != 1:
            raise self.refuse(f"is of one tensor, and there are {len(shapes)}")
        return list(shapes) * self.times

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return list(arrays) * self.times


@dataclass(frozen=True, slots=True)
class Unify(_OfCopies):
    """Several tensors that the other network keeps once, if they are equal."""

    WORD: ClassVar[str] = "unify"

    @property
    def inverse(self) -> Repeat:
        return Repeat(self.times)

    def count(self, count: int) -> int:
        return 1

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        if len(shapes) != self.times or len(set(shapes)) > 1:
            raise self.refuse(f"is of {self.times} equal tensors, and there are {list(shapes)}")
        return list(shapes[:1])

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        first = arrays[0].tobytes()
        if any(other.dtype != arrays[0].dtype or other.tobytes() != first for other in arrays[1:]):
            raise self.refuse("is of equal tensors, and their values differ: one of them would be lost")
        return list(arrays[:1])


def _check_constant(kind: str, shape: Shape) -> None:
    if kind not in KINDS:
        raise StepError(f"expected one of {', '.join(KINDS)}, found {kind[:40]!r}")
    if kind == "identity" and (len(shape) < 2 or not shape[1] or shape[0] % shape[1]):
        raise StepError(f"{shape_text(shape)} is no kernel that can change nothing")


def _place_kind_and_shape(words: Sequence[str]) -> tuple[int, str, Shape]:
    if len(words) != 3:
        raise StepError("expected a place, a kind and a shape, such as 1 zeros 64")
    return numbers(words[:1])[0], words[1], shape_of(words[2])


def _one_number(words: Sequence[str]) -> int:
    if len(words) != 1:
        raise StepError("expected how many times")
    return numbers(words)[0]


def _check_copies(times: int) -> None:
    if not 2 <= times <= _MOST_COPIES:
        raise StepError(f"expected 2 to {_MOST_COPIES} times, found {times}")


def _two_sizes(words: Sequence[str]) -> tuple[Shape, Shape]:
    if len(words) != 3 or words[1] != "to":
        raise StepError("expected two sizes of a kernel, such as 1x1 to 3x3")
    return shape_of(words[0], 1), shape_of(words[2], 1)


def _check_within(inner: Shape, outer: Shape) -> None:
    if len(inner) != len(outer) or any(
        small > large or (large - small) % 2 for small, large in zip(inner, outer, strict=True)
    ):
        raise StepError(f"{shape_text(inner)} does not lie in the middle of {shape_text(outer)}")


def _middle(inner: Shape, outer: Shape) -> tuple[Any, ...]:
    """Return the index of the middle of an array's last axes."""
    return (
        ...,
        *(
            slice((large - small) // 2, (large + small) // 2)
            for small, large in zip(inner, outer, strict=True)
        ),
    )


def _resized(step: Step, shape: Shape, before: Shape, after: Shape) -> Shape:
    start = len(shape) - len(before)
    if start < 0 or tuple(shape[start:]) != tuple(before):
        raise step.refuse(f"does not fit a tensor {shape}")
    return (*shape[:start], *after)


def _padded(array: np.ndarray, before: Shape, after: Shape) -> np.ndarray:
    import numpy as np

    result = np.zeros((*array.shape[: array.ndim - len(before)], *after), array.dtype)
    result[_middle(before, after)] = array
    return result
