"""Steps that compute: what the second network keeps merged does not say what the first one's parts were.

They are taken in float64 and rounded once. None of them can be undone, and none is called bit-equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from triport.reference_models.errors import counted

from .step import Shape, Step, StepError, numbers

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Self


class _OneWay(Step):
    """A step without an inverse."""

    _LOST: ClassVar[str]

    @property
    def inverse(self) -> Step:
        raise self.refuse(f"cannot be undone: {self._LOST}")

    @property
    def computes(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class _Divided(_OneWay):
    """The parts of a weight become the weight; one axis of it is told from the others."""

    _AXIS: ClassVar[str]
    axis: int

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        if len(words) != 1:
            raise StepError(f"expected the axis that {cls._AXIS}")
        return cls(*numbers(words))

    def __str__(self) -> str:
        return f"{self.WORD} {self.axis}"

    def count(self, count: int) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class WeightNorm(_Divided):
    """Magnitude and direction become the weight: g * v / |v|, the norm over all axes but one.

    Source: torch.nn.utils.weight_norm, whose `dim` is `axis`.
    """

    WORD: ClassVar[str] = "weight_norm"
    _LOST: ClassVar[str] = "any length of the direction gives the same weight"
    _AXIS: ClassVar[str] = "has a magnitude for each place"

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        if len(shapes) != 2:
            raise self.refuse(
                f"is of a magnitude and a direction, and there are {counted(len(shapes), 'tensor')}"
            )
        magnitude, direction = shapes
        along = direction[self.axis] if self.axis < len(direction) else -1
        if tuple(size for size in magnitude if size != 1) != tuple(size for size in (along,) if size != 1):
            raise self.refuse(f"does not fit a magnitude {magnitude} and a direction {direction}")
        return [tuple(direction)]

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        import numpy as np

        magnitude, direction = (array.astype(np.float64) for array in arrays)
        others = tuple(axis for axis in range(direction.ndim) if axis != self.axis)
        length = np.sqrt(np.square(direction).sum(others, keepdims=True))
        return [(direction / length * magnitude.reshape(length.shape)).astype(arrays[1].dtype)]


@dataclass(frozen=True, slots=True)
class SpectralNorm(_Divided):
    """A weight and its two vectors become the weight divided by its spectral norm: W / (u W v).

    W is the weight as a matrix, with `axis` first and the others flattened.
    Source: torch.nn.utils.parametrizations.spectral_norm, whose `dim` is `axis`, in evaluation mode.
    """

    WORD: ClassVar[str] = "spectral_norm"
    _LOST: ClassVar[str] = "any multiple of the weight gives the same"
    _AXIS: ClassVar[str] = "becomes the rows of the matrix"

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        if len(shapes) != 3:
            raise self.refuse(
                f"is of a weight and two vectors, and there are {counted(len(shapes), 'tensor')}"
            )
        weight, *vectors = (tuple(shape) for shape in shapes)
        if self.axis >= len(weight) or vectors != [
            (weight[self.axis],),
            (math.prod(weight[: self.axis] + weight[self.axis + 1 :]),),
        ]:
            raise self.refuse(f"does not fit a weight {weight} and vectors {vectors[0]} and {vectors[1]}")
        return [weight]

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        import numpy as np

        weight, u, v = (array.astype(np.float64) for array in arrays)
        matrix = np.moveaxis(weight, self.axis, 0).reshape(len(u), -1)
        return [(weight / (u @ matrix @ v)).astype(arrays[0].dtype)]


@dataclass(frozen=True, slots=True)
class FoldBatchNorm(_OneWay):
    """A convolution and the BatchNorm behind it become a convolution with a bias.

    In: weight, perhaps its bias, then gamma, beta, mean and variance. Out: weight and bias. `axis` is the
    weight's axis of output channels.
    """

    WORD: ClassVar[str] = "fold_batch_norm"
    _LOST: ClassVar[str] = "many BatchNorms give the same scale and shift"
    axis: int
    epsilon: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epsilon) and 0 <= self.epsilon < 1):
            raise StepError(f"expected an epsilon from 0 to below 1, found {self.epsilon}")

    @classmethod
    def parse(cls, words: Sequence[str]) -> FoldBatchNorm:
        try:
            (axis,), (epsilon,) = numbers(words[:1]), map(float, words[1:])
        except ValueError:
            raise StepError("expected the axis of output channels and an epsilon, such as 0 1e-05") from None
        return cls(axis, epsilon)

    def __str__(self) -> str:
        return f"{self.WORD} {self.axis} {self.epsilon!r}"

    def count(self, count: int) -> int:
        return 2

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        if len(shapes) not in (5, 6) or self.axis >= len(shapes[0]):
            raise self.refuse(f"is of a weight, perhaps a bias, and four more, not of {list(shapes)}")
        if any(tuple(shape) != (shapes[0][self.axis],) for shape in shapes[1:]):
            raise self.refuse(f"does not fit tensors {list(shapes)}")
        return [tuple(shapes[0]), tuple(shapes[1])]

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        import numpy as np

        weight, *biases, gamma, beta, mean, variance = (array.astype(np.float64) for array in arrays)
        scale = gamma / np.sqrt(variance + self.epsilon)
        bias = beta - mean * scale + sum(one * scale for one in biases)
        along = [-1 if axis == self.axis else 1 for axis in range(weight.ndim)]
        dtype = arrays[0].dtype
        return [(weight * scale.reshape(along)).astype(dtype), bias.astype(dtype)]


@dataclass(frozen=True, slots=True)
class Sum(_OneWay):
    """Tensors that the other network keeps added up: the two biases of an LSTM, re-parameterised branches.

    With `groups` of 2 the first, third, ... give one sum, and the second, fourth, ... another.
    """

    WORD: ClassVar[str] = "sum"
    _LOST: ClassVar[str] = "many tensors give the same sum"
    groups: int

    def __post_init__(self) -> None:
        if self.groups < 1:
            raise StepError(f"expected one group or more, found {self.groups}")

    @classmethod
    def parse(cls, words: Sequence[str]) -> Sum:
        if len(words) != 1:
            raise StepError("expected how many sums there are")
        return cls(*numbers(words, 1))

    def __str__(self) -> str:
        return f"{self.WORD} {self.groups}"

    def count(self, count: int) -> int:
        return self.groups

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        apart = [set(shapes[group :: self.groups]) for group in range(self.groups)]
        if len(shapes) % self.groups or any(len(found) != 1 for found in apart):
            raise self.refuse(f"does not fit tensors {list(shapes)}")
        return [found.pop() for found in apart]

    def _moved(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        import numpy as np

        return [
            np.sum([array.astype(np.float64) for array in arrays[group :: self.groups]], 0).astype(
                arrays[group].dtype
            )
            for group in range(self.groups)
        ]
