"""What the modules of one side were given and returned, and how noisy each of these is by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from triport.parity.judge.tolerance import FLOAT32
from triport.reference_models.modules import Part

from .distinct import Distinct
from .layouts import error
from .observed import Call, observe
from .sides import Side

DRAWS = 2
# two sides in float64 are far closer than float32: a difference that float32 hides is seen
EXACT_STEP, EXACT_LEAST = 2.0**-44, 2.0**-36
# libraries round functions such as a sigmoid otherwise: MindSpore's by 14 roundings
LEAST_OF_INEXACT = 64 * FLOAT32.rounding


@dataclass(eq=False)
class Recorded:
    """One call of a module, with the tolerance of each array that it was given and returned."""

    part: Part
    number: int
    given: list[np.ndarray]
    returned: list[np.ndarray] = field(default_factory=list)
    given_tolerance: list[float] = field(default_factory=list)
    returned_tolerance: list[float] = field(default_factory=list)
    is_used: bool = False

    @property
    def path(self) -> str:
        """The path of its module."""
        return self.part.path

    @property
    def call(self) -> Call:
        """Its module's path and its number."""
        return self.part.path, self.number


class Recording:
    """All calls of the innermost modules of a side, in order, and its outputs.

    Noise is that of one stretch alone: each module is given what it was given, moved by one rounding, and
    what it returns, and what code makes of that for the next one, is compared with the recording.
    """

    def __init__(self, side: Side, feed: Sequence[np.ndarray], parts: dict[str, Part], exact: bool) -> None:
        self.calls: list[Recorded] = []
        self.distinct = Distinct()
        self._exact = exact
        self._step = EXACT_STEP if exact else 2 * FLOAT32.rounding
        self._least = EXACT_LEAST if exact else FLOAT32.least
        open_calls: dict[str, Recorded] = {}

        def given(path: str, number: int, arrays: list[np.ndarray]) -> None:
            open_calls[path] = Recorded(parts[path], number, [self.distinct(one) for one in arrays])

        def returned(path: str, number: int, arrays: list[np.ndarray]) -> None:
            call = open_calls.pop(path)
            call.returned = [self.distinct(one) for one in arrays]
            self.calls.append(call)

        self.outputs = observe(side, feed, parts, given, returned)
        self._by_call = {(call.path, call.number): call for call in self.calls}
        self._measure(side, feed, parts)

    def _measure(self, side: Side, feed: Sequence[np.ndarray], parts: dict[str, Part]) -> None:
        for call in self.calls:
            least = self._least
            inexact = call.part.kind is not None and call.part.kind.inexact is not None
            call.given_tolerance = [least] * len(call.given)
            call.returned_tolerance = [
                LEAST_OF_INEXACT if inexact and not self._exact else least for _ in call.returned
            ]
        self.output_tolerance = [self._least] * len(self.outputs)
        for draw in range(DRAWS):
            self._draw(side, feed, parts, np.random.default_rng(draw))

    def _draw(
        self,
        side: Side,
        feed: Sequence[np.ndarray],
        parts: dict[str, Part],
        random: np.random.Generator,
    ) -> None:
        def given(path: str, number: int, arrays: list[np.ndarray]) -> list[np.ndarray] | None:
            call = self._by_call.get((path, number))
            if call is None or len(arrays) != len(call.given):
                return None
            self._widen(call.given_tolerance, call.given, arrays)
            return [self._moved(array, random) for array in call.given]

        def returned(path: str, number: int, arrays: list[np.ndarray]) -> None:
            call = self._by_call.get((path, number))
            if call is not None and len(arrays) == len(call.returned):
                self._widen(call.returned_tolerance, call.returned, arrays)

        outputs = observe(side, [self._moved(array, random) for array in feed], parts, given, returned)
        self._widen(self.output_tolerance, self.outputs, outputs)

    def _widen(
        self, tolerances: list[float], exact: Sequence[np.ndarray], moved: Sequence[np.ndarray]
    ) -> None:
        for place, (one, other) in enumerate(zip(exact, moved, strict=True)):
            noise = error(one, other)
            if np.isfinite(noise):
                tolerances[place] = max(tolerances[place], FLOAT32.factor * noise)

    def _moved(self, array: np.ndarray, random: np.random.Generator) -> np.ndarray:
        if array.dtype.kind != "f":
            return array
        steps = random.integers(-1, 2, array.shape, dtype=np.int8)
        moved: np.ndarray = array * (1 + self._step * steps)
        return moved.astype(array.dtype)
