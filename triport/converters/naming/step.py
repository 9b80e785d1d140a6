"""What a step is: from tensors of one network to those of another, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from triport.reference_models.errors import TriportError

if TYPE_CHECKING:
    import numpy as np

Shape = tuple[int, ...]

MAX_RANK = 32


class StepError(TriportError):
    """A step does not fit the tensors that it is given, or it cannot be undone."""


class Step(ABC):
    """From tensors of the first network to tensors of the second.

    A step is a frozen record whose fields are plain numbers and words. `WORD` is how its text begins, and
    `parse` reads what `str` writes. Shapes are enough to say whether it fits: nothing is computed before
    they do.
    """

    WORD: ClassVar[str]

    @classmethod
    @abstractmethod
    def parse(cls, words: Sequence[str]) -> Step:
        """Return the step that these words, which follow `WORD`, say.

        Raises:
            StepError: they do not say one.
        """

    @abstractmethod
    def __str__(self) -> str:
        """Return the step as it stands in a file: `WORD`, then what `parse` reads."""

    @property
    @abstractmethod
    def inverse(self) -> Step:
        """The step that undoes this one, bit for bit.

        Raises:
            StepError: the second network's tensors do not say what the first's were.
        """

    @property
    def is_reversible(self) -> bool:
        """Whether there is an inverse."""
        try:
            return bool(self.inverse)
        except StepError:
            return False

    @property
    def computes(self) -> bool:
        """Whether the values are other ones, not the same in other places: its result is rounded."""
        return False

    @abstractmethod
    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        """Return the shapes of what becomes of tensors of these shapes.

        Raises:
            StepError: it does not fit them.
        """

    @abstractmethod
    def count(self, count: int) -> int:
        """Return how many tensors become of so many."""

    @abstractmethod
    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the second network's side of arrays whose shapes fit."""

    def forward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the second network's side of these arrays.

        Raises:
            StepError: it does not fit them.
        """
        self.shapes([array.shape for array in arrays])
        return self._moved(arrays)

    def backward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the first network's side of these arrays: the exact inverse of `forward`.

        Raises:
            StepError: it does not fit them, or it cannot be undone.
        """
        return self.inverse.forward(arrays)

    def refuse(self, why: str) -> StepError:
        """Return the error that the step does not fit."""
        return StepError(f"the step '{self}' {why}")


def numbers(words: Sequence[str], least: int = 0) -> tuple[int, ...]:
    """Return words as whole numbers.

    Raises:
        StepError: one is none, or is smaller than `least` or larger than any size.
    """
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) < 16 and int(word) >= least):
            raise StepError(f"expected whole numbers from {least} on, found {word[:40]!r}")
    return tuple(map(int, words))


def shape_of(text: str, least: int = 0) -> Shape:
    """Return the shape that `64x3x7x7` or `scalar` says.

    Raises:
        StepError: it says none.
    """
    if text == "scalar":
        return ()
    shape = numbers(text.split("x"), least)
    if len(shape) > MAX_RANK:
        raise StepError(f"expected at most {MAX_RANK} axes, found {len(shape)}")
    return shape


def shape_text(shape: Shape) -> str:
    """Return a shape as it stands in a file."""
    return "x".join(map(str, shape)) or "scalar"


def check_order(order: Sequence[int]) -> None:
    """Raise StepError unless these are the numbers from 0 on, each once."""
    if sorted(order) != list(range(len(order))) or not order:
        raise StepError(f"expected the numbers from 0 to {len(order) - 1}, each once, found {list(order)}")


def inverse_order(order: Sequence[int]) -> tuple[int, ...]:
    """Return the order that undoes one."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))
