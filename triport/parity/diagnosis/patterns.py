"""How the values of one tensor became those of another, where that can be recognised."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# an even grid of int8 has so many steps on each side of zero
_INT8_STEPS = 127
# a step is recognised where every value lies this close to the grid, in steps
_ON_GRID = 1e-3
# two tensors are multiples where no quotient is farther from the others, relatively
_EQUAL_QUOTIENTS = 1e-6

# so few values are on some grid by chance: those that set its steps always are, and so is 0
_ON_GRID_BY_CHANCE = 2

# what a tensor may be whose values are all 0 or all 1
NEVER_LOADED = "it may have its initial value, or was never loaded"


class Pattern(NamedTuple):
    """What was recognised.

    `aspect` is the thing that it belongs to: a tensor that was rounded is a matter of precision, rows of the
    last layer in another order are a matter of classes. `words` follow the tensor's name.
    """

    aspect: str
    words: str


def pattern_of(first: np.ndarray, second: np.ndarray, *, head: bool = False) -> Pattern | None:
    """Say how `first` became `second`; None where nothing is recognised.

    Args:
        first: values of a parameter.
        second: other values of it, of the same shape.
        head: whether the first axis counts classes.
    """
    if first.shape != second.shape or not first.size or np.array_equal(first, second):
        return None
    for recognise in _ROUNDED:
        if words := recognise(first, second):
            return Pattern("precision", words)
    if first.dtype.itemsize < second.dtype.itemsize and (words := _to_stored(second, first)):
        return Pattern("precision", f"{words} in the first file")
    if head and (words := _rows_in_another_order(first, second)):
        return Pattern("classes", words)
    for recognise in _CHANGED:
        if words := recognise(first, second):
            return Pattern("weights", words)
    return None


def _to_stored(first: np.ndarray, second: np.ndarray) -> str:
    """Recognise values that are stored in a smaller type, each rounded to it."""
    return _to_float16(first, second) if second.dtype == np.float16 else _to_bfloat16(first, second)


def _to_float16(first: np.ndarray, second: np.ndarray) -> str:
    if second.dtype.name == "bfloat16" or second.dtype.kind != "f":
        return ""
    rounded = first.astype(np.float16).astype(second.dtype)
    return "was rounded to float16" if np.array_equal(rounded, second) else ""


def _to_bfloat16(first: np.ndarray, second: np.ndarray) -> str:
    if second.dtype.name == "bfloat16":
        second = second.astype(np.float32)
    if first.dtype != np.float32 or second.dtype != np.float32:
        return ""
    # one of the two neighbours: some tools cut the last bits off, and a half may go either way
    bits = first.view(np.uint32).astype(np.int64)
    low = bits & 0xFFFF0000
    away = second.view(np.uint32).astype(np.int64) - low
    moved = (away == 0x10000) & (bits != low)  # a value that bfloat16 has stays
    return "was rounded to bfloat16" if ((away == 0) | moved).all() else ""


def _to_int8(first: np.ndarray, second: np.ndarray) -> str:
    """Recognise even steps: of the whole tensor, or of each output channel."""
    if first.ndim < 2:
        return ""
    for rows, how in ((1, "one step for the whole tensor"), (first.shape[0], "a step for each channel")):
        flat = _flat(second, rows)
        grids = [_step(*pair) for pair in zip(_flat(first, rows), flat, strict=True)]
        largest = np.abs(flat).max(1, keepdims=True)
        telling = int(((flat != 0) & (np.abs(flat) < largest)).sum())
        if all(grids) and telling > _ON_GRID_BY_CHANCE:
            return f"was rounded to int8, {how}"
    return ""


def _flat(array: np.ndarray, rows: int) -> np.ndarray:
    return array.reshape(rows, -1).astype(np.float64)


def _step(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether `second` is `first` on an even grid of at most 255 values, none moved by more than a step."""
    largest = np.abs(first).max()
    if not largest:
        return not second.any()
    # a quantiser's range is that of the values or of twice as many steps less one, or it cuts the largest
    for step in {np.abs(second).max() / _INT8_STEPS, largest / _INT8_STEPS, largest / (_INT8_STEPS + 0.5)}:
        if step and _lies_on(first, second, step):
            return True
    return False


def _lies_on(first: np.ndarray, second: np.ndarray, step: float) -> bool:
    places = second / step
    near = np.abs(places - np.round(places)).max() < _ON_GRID
    return bool(near and np.abs(places).max() <= _INT8_STEPS + 1.5 and np.abs(first - second).max() <= step)


def _rows_in_another_order(first: np.ndarray, second: np.ndarray) -> str:
    order = order_of_rows(first, second)
    if order is None:
        return ""
    moved = [f"output {place} is the first file's {old}" for place, old in enumerate(order) if place != old]
    more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    return f"has its rows in another order: {', '.join(moved[:3])}{more}"


def order_of_rows(first: np.ndarray, second: np.ndarray) -> list[int] | None:
    """Return which row of `first` each row of `second` is; None where they are not the same rows."""
    places = {row.tobytes(): place for place, row in enumerate(first)}
    order = [places.get(row.tobytes()) for row in second]
    if len(places) != len(first) or None in order or len(set(order)) != len(order):
        return None
    return [place for place in order if place is not None]


def _reversed_channels(first: np.ndarray, second: np.ndarray) -> str:
    if first.ndim != 4 or first.shape[1] != 3 or not np.array_equal(first[:, ::-1], second):
        return ""
    return "has its three input channels in the reverse order: one is for RGB images and the other for BGR"


def _transposed(first: np.ndarray, second: np.ndarray) -> str:
    square = first.ndim == 2 and first.shape[0] == first.shape[1]
    return "is transposed" if square and np.array_equal(first.T, second) else ""


def _turned(first: np.ndarray, second: np.ndarray) -> str:
    if first.ndim != 4 or first.shape[2] != first.shape[3]:
        return ""
    if np.array_equal(first.swapaxes(2, 3), second):
        return "has the height and the width of its kernels exchanged"
    return "has its kernels turned by 180 degrees" if np.array_equal(first[:, :, ::-1, ::-1], second) else ""


def _channels_in_another_order(first: np.ndarray, second: np.ndarray) -> str:
    if order_of_rows(first, second) is None:
        return ""
    return "has its output channels in another order"


def _constant(first: np.ndarray, second: np.ndarray) -> str:
    values = np.unique(second)
    if values.size != 1 or np.unique(first).size == 1:
        return ""
    initial = f": {NEVER_LOADED}" if values[0] in (0, 1) else ""
    return f"is {values[0] + 0.0:g} everywhere{initial}"


def _scaled(first: np.ndarray, second: np.ndarray) -> str:
    known = first != 0
    if not np.array_equal(known, second != 0) or known.sum() < 2:
        return ""
    quotients = second[known].astype(np.float64) / first[known]
    factor = float(np.median(quotients))
    if np.abs(quotients / factor - 1).max() > _EQUAL_QUOTIENTS or abs(factor - 1) <= _EQUAL_QUOTIENTS:
        return ""
    images = first.ndim == 4 and first.shape[1] in (1, 3)
    if images and any(abs(factor * share - 1) < _EQUAL_QUOTIENTS for share in (255, 1 / 255)):
        how = "1/255" if factor < 1 else "255"
        return f"is {how} times the first file's: one takes pixels from 0 to 1, the other from 0 to 255"
    return f"is {factor:.7g} times the first file's"


_Recogniser = Callable[[np.ndarray, np.ndarray], str]
_ROUNDED: tuple[_Recogniser, ...] = (_to_float16, _to_bfloat16, _to_int8)
_CHANGED: tuple[_Recogniser, ...] = (
    _reversed_channels,
    _transposed,
    _turned,
    _channels_in_another_order,
    _constant,
    _scaled,
)
