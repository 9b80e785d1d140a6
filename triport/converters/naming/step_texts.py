"""The texts of steps: each kind by its first word, and a step for some of the tensors of a row alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from . import constant_steps, one_way_steps, steps
from .step import Shape, Step, StepError, numbers

if TYPE_CHECKING:
    import numpy as np

_MOST_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Only(Step):
    """A step for some of the tensors: for `taken` of them, from place `first` on."""

    WORD: ClassVar[str] = "only"
    first: int
    taken: int
    step: Step

    def __post_init__(self) -> None:
        if self.taken < 1 or self.step.count(self.taken) < 1 or isinstance(self.step, Only):
            raise StepError("expected a step for one tensor or more, of which one or more becomes")

    @classmethod
    def parse(cls, words: Sequence[str]) -> Only:
        if len(words) < 4 or words[2] != "do":
            raise StepError("expected the first place, how many, and a step, such as 0 2 do transpose 1 0")
        first, taken = numbers(words[:2])
        return cls(first, taken, parsed_step(" ".join(words[3:])))

    def __str__(self) -> str:
        return f"{self.WORD} {self.first} {self.taken} do {self.step}"

    @property
    def inverse(self) -> Only:
        return Only(self.first, self.step.count(self.taken), self.step.inverse)

    @property
    def computes(self) -> bool:
        return self.step.computes

    def count(self, count: int) -> int:
        return count - self.taken + self.step.count(self.taken)

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        end = self.first + self.taken
        if len(shapes) < end:
            raise self.refuse(f"is of {end} tensors or more, and there are {len(shapes)}")
        return [*shapes[: self.first], *self.step.shapes(shapes[self.first : end]), *shapes[end:]]

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        end = self.first + self.taken
        return [*arrays[: self.first], *self.step.forward(arrays[self.first : end]), *arrays[end:]]


KINDS: dict[str, type[Step]] = {
    kind.WORD: kind
    for kind in (
        steps.Transpose,
        steps.Reshape,
        steps.Squeeze,
        steps.Unsqueeze,
        steps.Concatenate,
        steps.Split,
        steps.Reorder,
        steps.Regroup,
        constant_steps.Insert,
        constant_steps.Remove,
        constant_steps.Pad,
        constant_steps.Crop,
        constant_steps.Repeat,
        constant_steps.Unify,
        one_way_steps.WeightNorm,
        one_way_steps.SpectralNorm,
        one_way_steps.FoldBatchNorm,
        one_way_steps.Sum,
        Only,
    )
}


def parsed_step(text: str) -> Step:
    """Return the step that a text says: what `str` makes of a step.

    Raises:
        StepError: it says none; the message says which there are.
    """
    words = text.split(" ")
    kind = KINDS.get(words[0])
    if len(text) > _MOST_CHARACTERS or kind is None:
        raise StepError(f"{text[:40]!r} is no step. Known are: {', '.join(KINDS)}")
    try:
        return kind.parse(words[1:])
    except StepError as error:
        raise StepError(f"{text[:80]!r}: {error}") from None
