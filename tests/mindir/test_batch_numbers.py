"""At which batch sizes the code of a Cell goes another way: read from its source."""

from __future__ import annotations

from typing import Any

import pytest

from triport.converters.mindir.batch_numbers import batch_numbers

TRIED = (2, 5, 1, 65)
MOST = 40


class Code:
    """Stands for a Cell, whose own code is what follows; nothing of it runs."""

    def __init__(self, most: int = 300) -> None:
        self.most, self.sizes = most, (20, 41)

    def cells_and_names(self) -> list[tuple[str, Any]]:
        return [("", self)]


class Between(Code):
    def construct(self, x):
        return x * 2 if 8 <= x.shape[0] <= 16 else x


class Remainder(Code):
    def construct(self, x):
        n = x.shape[0]
        if n % 7 == 4:
            return x * 2
        return x


class Multiples(Code):
    def construct(self, x):
        return x * 2 if x.shape[0] % 8 else x


class Nested(Code):
    def construct(self, x):
        n, _ = x.shape
        if n > 10:
            y = x * 3
            return y if n < 20 else x
        return x


class Halves(Code):
    def construct(self, x):
        return x * 2 if len(x) // 2 > MOST else x


class Attributes(Code):
    def construct(self, x):
        return x * 2 if self.sizes[0] <= x.shape[0] < self.sizes[1] else x


class OneOf(Code):
    def construct(self, x, ops):
        return x * 2 if ops.shape(x)[0] in (7, 9) else x


class Handed(Code):
    def construct(self, x):
        return self.pick(x, count=x.shape[0]) + double_at(x.shape[0], 12)

    def pick(self, x, count):
        return x * 2 if count == 33 else x


class Called(Between):
    def construct(self, x):
        return super().construct(x)


class Unknown(Code):
    """What is compared and cut here may be the batch, for all that the source says."""

    def construct(self, x, y):
        return x[: self.most] if y > 100 else x


class OtherAxes(Code):
    def construct(self, x):
        n, c = x.shape
        if x.shape[1] > 512 or c == 128 or x.ndim > 200 or len(x.shape) == 700 or x.dtype == "float16":
            return x * n
        return x


class OnlyBuilt(Code):
    """As MASTER of mindocr: the number is of what builds the layers, and not of what runs."""

    def make_layer(self, planes):
        return planes if self.most != planes * 2 else None

    def construct(self, x):
        return x


class Changing(Code):
    def construct(self, x):
        n = x.shape[0]
        n = n + 1
        while n < 12:
            n += 1
        return x * n


class Counted(Code):
    """Two inputs, of 3 and of 12 numbers an image."""

    def construct(self, x, y, ops):
        return x * 2 if x.size == 27 or ops.size(y) > 120 or y.numel() == 7 else x


def double_at(n, most):
    return 2 if n == most + 3 else 2 if n == 50 else 1


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        (Between, (8,)),
        (Remainder, (4,)),
        (Multiples, (8,)),
        (Nested, (11,)),
        (Halves, (82,)),
        (Attributes, (20,)),
        (OneOf, (7,)),
        (Handed, (33, 50)),
        (Called, (8,)),
        (Unknown, (100, 101, 300, 301)),
        (OtherAxes, ()),
        (OnlyBuilt, ()),
        (Changing, ()),
    ],
)
def test_sizes_that_the_code_asks_for(kind: type[Code], sizes: tuple[int, ...]) -> None:
    assert batch_numbers(kind(), TRIED) == sizes


def test_code_that_asks_how_many_numbers_a_tensor_holds():
    """9 images of 3 numbers, and more than 10 of 12; 65 images are tried anyway, 7 numbers are no images."""
    assert batch_numbers(Counted(), TRIED, (3, 12)) == (9, 11)
    assert batch_numbers(Counted(), TRIED) == ()


class Flattened(Code):
    def construct(self, x):
        y = x.reshape(-1)
        return x * 2 if y.shape[0] == 48 else x


class Joined(Code):
    def construct(self, x, ops):
        y = ops.cat([x, x])
        return x * 2 if y.size == 96 else x


class Turned(Code):
    def construct(self, x):
        y = x.T
        return x * 2 if y.shape[1] == 12 else x


class Shapes(Code):
    def construct(self, x):
        return x * 2 if x.shape == (12, 4) else x


class AllButOne(Code):
    def construct(self, x):
        y = x[1:]
        return x * 2 if y.shape[0] == 11 else x


class Pairs(Code):
    def construct(self, x):
        y = (x @ x.T).reshape(-1)
        return x * 2 if y.shape[0] == 144 else x


class Product(Code):
    def construct(self, x):
        a, b = x.shape
        return x * 2 if a * b == 48 else x


@pytest.mark.parametrize("kind", [Flattened, Joined, Turned, Shapes, AllButOne, Pairs, Product])
def test_code_that_asks_for_the_size_of_what_it_has_made(kind: type[Code]) -> None:
    assert 12 in batch_numbers(kind(), TRIED, (4,))


class Channels(Code):
    def construct(self, x, ops):
        n, c, h, w = ops.relu(x).shape
        assert c == 512
        y = ops.relu(x)
        return y if y.shape[1] == 256 and y.ndim == 4 else y.reshape(n, c, h * w)


def test_channels_are_no_images() -> None:
    assert batch_numbers(Channels(), TRIED, (4,)) == ()
