"""The tensors that a map makes of a checkpoint's: as they lie in the file, or one row of them at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from triport.converters.formats import FLOATS, ArrayTensor, Checkpoint, Tensor, numpy_dtype, short
from triport.converters.formats.tensors import ITEM_BYTES
from triport.reference_models.errors import TriportError

from .fitting import NamesFit
from .pair_names import PairRow
from .step import StepError

if TYPE_CHECKING:
    import numpy as np

# constants and copies that a map adds: no network has more of them than of its own values
_MOST_TIMES = 4
_MOST_MORE_BYTES = 1 << 20


class RowError(TriportError):
    """A row does not fit the values that it is given, or would not give them back."""


def tensors_of(checkpoint: Checkpoint, fit: NamesFit) -> dict[str, Tensor]:
    """Return the other network's tensors by name, unread, in the order in which the checkpoint has its own.

    Raises:
        RowError: they would be far more than the checkpoint's.
    """
    tensors = checkpoint.tensors
    places = {name: place for place, name in enumerate(tensors)}
    found: dict[str, Tensor] = {}
    floats = _float_type(tensors)

    def place(row: PairRow) -> int:
        return min((places[name] for name in row.a), default=len(places))

    for row in sorted(fit.names.rows, key=place):
        if row.steps:
            found.update(zip(row.b, _RowValues(checkpoint, row, floats).tensors(), strict=True))
        else:
            found.update((there, tensors[name]) for name, there in zip(row.a, row.b, strict=True))
    found.update((there, tensors[name]) for name, there in fit.counters.items() if there is not None)
    given, made = (sum(one.nbytes for one in side.values()) for side in (tensors, found))
    if made > _MOST_TIMES * given + _MOST_MORE_BYTES:
        raise RowError(
            f"{checkpoint.path}: the map would make {made:,} bytes of {given:,}: no network keeps so much "
            f"more than another; nothing was written"
        )
    return found


def _float_type(tensors: Mapping[str, Tensor]) -> str:
    """Return the type of the most floats, which constants get too."""
    counts: dict[str, int] = dict.fromkeys(FLOATS, 0)
    for tensor in tensors.values():
        if tensor.dtype in counts:
            counts[tensor.dtype] += tensor.count
    return max(counts, key=counts.__getitem__) if any(counts.values()) else "float32"


class _RowValues:
    """What the steps of a row make: computed once for all its tensors, and kept until each was read."""

    def __init__(self, checkpoint: Checkpoint, row: PairRow, floats: str) -> None:
        self.path, self.row = checkpoint.path, row
        self.given = [checkpoint.tensors[name] for name in row.a]
        self.dtype = self.given[0].dtype if self.given else floats
        self._made: list[np.ndarray | None] = [None] * len(row.b)

    def tensors(self) -> list[Tensor]:
        """Return the row's tensors."""
        shapes = self.row.shapes([tensor.shape for tensor in self.given])
        return [_RowTensor(self, place, shape) for place, shape in enumerate(shapes)]

    def take(self, place: int) -> np.ndarray:
        """Return one of the row's tensors, and forget it.

        Raises:
            RowError: the values do not fit the steps, or these would not give them back.
        """
        if self._made[place] is None:
            self._made = list(self._computed())
        array = self._made[place]
        self._made[place] = None
        assert array is not None
        return array

    def _computed(self) -> list[np.ndarray]:
        import numpy as np

        arrays = [tensor.numpy() for tensor in self.given]
        what = short(self.row.a[0] if self.row.a else self.row.b[0])
        try:
            with np.errstate(all="ignore"):
                found = self.row.forward(arrays)
            found = [self._typed(array) for array in found] if not arrays else found
            back = None if self.row.computes else self.row.backward(found)
        except StepError as error:
            raise RowError(f"{self.path}: {what}: {error}. Nothing was written") from None
        if back is not None and not all(map(_same_bits, arrays, back)):
            raise RowError(f"{self.path}: {what}: its steps do not give its values back. Nothing was written")
        return found

    def _typed(self, array: np.ndarray) -> np.ndarray:
        """Return a constant in the type of the checkpoint's floats: zeros and ones are exact in each."""
        return array.astype(numpy_dtype(self.dtype))


def _same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    """Return whether two arrays are equal, bit for bit; a NaN is equal to itself."""
    import numpy as np

    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    mine, theirs = (np.ascontiguousarray(one).view(np.uint8) for one in (left, right))
    return bool(np.array_equal(mine, theirs))


class _RowTensor(Tensor):
    """One of the tensors that a row makes."""

    def __init__(self, values: _RowValues, place: int, shape: tuple[int, ...]) -> None:
        self.values, self.place = values, place
        self.shape, self.dtype = shape, values.dtype
        assert self.dtype in ITEM_BYTES

    def chunks(self) -> Iterator[bytes]:
        """Yield the payload in order."""
        yield from ArrayTensor(self.values.take(self.place)).chunks()
