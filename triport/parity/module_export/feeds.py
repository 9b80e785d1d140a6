"""What a Module and its graph are compared on: ordinary numbers at other sizes, and numbers at the edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from triport.reference_models.network import Input, Integers

# the last is beyond what exp takes, and beyond any threshold
SHIFT, WIDE, WIDEST = 3.0, 30.0, 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class ModuleFeed:
    """One set of inputs, in order, and what is special about them; ordinary ones have an empty description.

    `is_exact` says that the numbers must not be moved to measure noise, as they lie on edges.
    """

    what: str
    arrays: list[np.ndarray]
    sizes: Mapping[str, int] = field(default_factory=dict)
    is_exact: bool = False

    def __str__(self) -> str:
        sizes = ", ".join(f"{axis}={size}" for axis, size in self.sizes.items())
        return " with ".join(part for part in (self.what, sizes) if part) or "ordinary numbers"


def ordinary(inputs: Sequence[Input], sizes: Mapping[str, int], seed: int) -> ModuleFeed:
    """Return drawn inputs with these sizes of the free axes."""
    random = np.random.default_rng([seed, *sizes.values()])
    return ModuleFeed("", [given.draw(sizes, random) for given in inputs], sizes)


def edges(inputs: Sequence[Input], sizes: Mapping[str, int], seed: int) -> Iterator[ModuleFeed]:
    """Yield inputs at the edges of what operators do, and that take the ways which ordinary ones do not."""
    base = ordinary(inputs, sizes, seed + 1)
    floats = [array.dtype.kind == "f" for array in base.arrays]
    wholes = [isinstance(given.values, Integers) and given.dtype != "bool" for given in inputs]
    if any(floats):

        def changed(what: str, change: object, is_exact: bool = False) -> ModuleFeed:
            arrays = [
                change(array).astype(array.dtype) if is_float else array  # type: ignore[operator]
                for array, is_float in zip(base.arrays, floats, strict=True)
            ]
            return ModuleFeed(what, arrays, sizes, is_exact)

        yield changed(f"numbers around {SHIFT:g}", lambda array: array + SHIFT)
        yield changed(f"numbers around -{SHIFT:g}", lambda array: array - SHIFT)
        yield changed(f"numbers of the size {WIDE:g}", lambda array: array * WIDE)
        yield changed(f"numbers of the size {WIDEST:g}", lambda array: array * WIDEST)
        yield changed("whole numbers and halves", lambda array: np.round(array * 6) / 2, True)
        yield changed("zeros", np.zeros_like, True)
    if any(wholes):
        for what, end in (("the least whole numbers", "low"), ("the greatest whole numbers", "high")):
            yield replace(
                base,
                what=what,
                arrays=[_at_end(*pair, end) for pair in zip(inputs, base.arrays, strict=True)],
            )
    if any(array.dtype.kind == "b" for array in base.arrays):
        for value in (False, True):
            arrays = [np.full_like(one, value) if one.dtype.kind == "b" else one for one in base.arrays]
            yield replace(base, what=f"all {value}", arrays=arrays)


def _at_end(given: Input, array: np.ndarray, end: str) -> np.ndarray:
    if not isinstance(given.values, Integers) or given.dtype == "bool":
        return array
    return np.full_like(array, given.values.low if end == "low" else given.values.high - 1)
