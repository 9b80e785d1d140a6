"""The verdict on the further inputs: each row by itself, against its own noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from triport.reference_models.network import Arrays, RowAxes

from .inputs import Further
from .judge.difference import distance, largest_value, relative, without
from .judge.noise import Noise
from .judge.tolerance import Calibration, least_of, share_of
from .noise import draws_of, largest_noise, noise_among
from .noise.redrawn import Redrawn
from .runtimes import Runner

# Outputs; or why there are none; or None where the runner takes no inputs of that size.
Computed = Arrays | str | None


@dataclass(frozen=True, slots=True)
class ImageResult:
    """A row of a further input beside the reference's, by the output that needs most of its tolerance.

    Both numbers are relative to that output's largest value.
    """

    what: str
    needed_tolerance: float
    tolerance: float
    output: str = ""

    @property
    def passed(self) -> bool:
        """Whether its outputs are within tolerance."""
        return self.needed_tolerance <= self.tolerance

    @property
    def share(self) -> float:
        """How much of its tolerance it needs."""
        return share_of(self.needed_tolerance, self.tolerance)


@dataclass(frozen=True, slots=True)
class FurtherResult:
    """A candidate on a further input. `failed` says why there are no outputs that could be compared."""

    input: str
    input_shape: tuple[int, ...]
    images: tuple[ImageResult, ...]
    failed: str = ""

    @property
    def passed(self) -> bool:
        """Whether every row is within its tolerance."""
        return not self.failed and all(image.passed for image in self.images)

    @property
    def worst(self) -> ImageResult:
        """The row that needs most of its tolerance."""
        return max(self.images, key=lambda image: image.share)


@dataclass(frozen=True, slots=True)
class Judged:
    """What an output of a row is relative to, what is allowed there, and where it is not compared at all.

    That is where whole numbers hang on a rounding.
    """

    largest: float
    tolerance: float
    unsure: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FurtherReference:
    """What the reference computes on a further input, and by row and output what is allowed.

    A row that is also in the main feed is judged as there, by the noise of that feed and relative to its
    largest value. `judged` has None for a row that the reference itself cannot compute.
    """

    given: Further
    outputs: Arrays
    judged: tuple[Mapping[str, Judged] | None, ...]
    rows: RowAxes | None

    def verdict(self, found: Arrays | str) -> FurtherResult:
        """Return the verdict on what a candidate computes, or on why it does not."""
        shape = next(iter(self.given.feed.values())).shape
        if not isinstance(found, str):
            found = self._other_shape(found) or found
        if isinstance(found, str):
            return FurtherResult(str(self.given), shape, (), found)
        images = []
        for index, (what, judged) in enumerate(zip(self.given.images, self.judged, strict=True)):
            if judged is None:
                continue
            by_output = [
                _result(what, name, one, self._row(self.outputs, name, index), self._row(found, name, index))
                for name, one in judged.items()
            ]
            images.append(max(by_output, key=lambda image: (not image.passed, image.share)))
        return FurtherResult(str(self.given), shape, tuple(images))

    def _row(self, outputs: Arrays, name: str, index: int) -> np.ndarray:
        return row_of(outputs[name], name, index, self.rows)

    def _other_shape(self, found: Arrays) -> str:
        """Return in words which output has another shape than the reference's; empty where none has."""
        for name, array in self.outputs.items():
            if found[name].shape != array.shape:
                which = "" if len(self.outputs) == 1 else f" for {name}"
                return f"it returns {_shape(found[name])}{which}, not {_shape(array)}"
        return ""


def _result(what: str, name: str, judged: Judged, expected: np.ndarray, found: np.ndarray) -> ImageResult:
    if judged.unsure is not None:
        expected, found = without(expected, judged.unsure), without(found, judged.unsure)
    needed = relative(distance(found, expected), judged.largest)
    return ImageResult(what, needed, judged.tolerance, name)


def row_of(array: np.ndarray, name: str, index: int, rows: RowAxes | None) -> np.ndarray:
    """Return a row of an output; all of it where there are no rows."""
    return array if rows is None else array.take(index, rows.outputs[name])


def computed(runner: Runner, given: Further) -> Computed:
    """Return what a runner computes on a further input."""
    if not runner.takes({name: array.shape for name, array in given.feed.items()}):
        return None
    try:
        return runner.run(given.feed)
    except Exception as error:  # it ran on the main feed: whatever stops it here is a finding
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return f"it fails: {reason}"


@dataclass(frozen=True, slots=True, eq=False)
class Main:
    """What is known of the main feed: the reference's outputs, and what is allowed of each."""

    outputs: Arrays
    allowed: Mapping[str, float]
    rows: RowAxes | None
    unsure: Mapping[str, np.ndarray] = field(default_factory=dict)

    def judged(self, row: int | None) -> dict[str, Judged]:
        """Return how a row of it is judged; all of it where there are no rows."""
        found = {}
        for name, array in self.outputs.items():
            unsure = self.unsure.get(name)
            if unsure is not None:
                unsure = row_of(unsure, name, row or 0, self.rows)
            found[name] = Judged(largest_value(array), self.allowed[name], unsure)
        return found


def expected_of(
    given: Further,
    exact: Runner,
    rounded: Redrawn,
    main: Main,
    calibration: Calibration,
    tolerance: float | None,
    seed: int,
) -> FurtherReference:
    """Compute what is expected.

    Args:
        given: the further input.
        exact: the reference.
        rounded: whose runs tell the noise.
        main: of the main feed.
        calibration: how a noise becomes a tolerance.
        tolerance: what to allow instead, for every row.
        seed: of the noise's draws.
    """
    rows, own = main.rows, given.own
    if rows is not None and rows.count(given.feed) != len(given.rows):
        rows = None  # inputs that were saved when no rows were known: judged as one
    judged: list[Mapping[str, Judged] | None] = [main.judged(row) for row in given.rows]
    if not own:
        assert rows is not None
        return FurtherReference(given, rows.take_outputs(main.outputs, _known(given)), tuple(judged), rows)
    feed = given.feed if rows is None else rows.take(given.feed, own)
    computed_rows = {name: array.astype(np.float64) for name, array in exact.run(feed).items()}

    def noises(draws: list[dict[str, np.ndarray]]) -> list[dict[str, Noise]]:
        return [_noises_of_row(computed_rows, draws, at, rows) for at in range(len(own))]

    draws = draws_of(
        rounded, feed, seed, lambda draws: max(largest_noise(row.values()) for row in noises(draws))
    )

    def tolerance_of(name: str, noise: Noise) -> float:
        allowed = calibration.tolerance_of(noise.size, least_of(draws[0][name], calibration))
        return allowed if tolerance is None else tolerance

    for at, (index, noise) in enumerate(zip(own, noises(draws), strict=True)):
        judged[index] = _judged_row(computed_rows, noise, at, rows, tolerance_of)
    if rows is None:
        return FurtherReference(given, computed_rows, tuple(judged), rows)
    pieces = [
        rows.take_outputs(computed_rows, [own.index(index)])
        if row is None
        else rows.take_outputs(main.outputs, [row])
        for index, row in enumerate(given.rows)
    ]
    return FurtherReference(given, rows.joined(pieces), tuple(judged), rows)


def _noises_of_row(
    outputs: Arrays, draws: list[dict[str, np.ndarray]], at: int, rows: RowAxes | None
) -> dict[str, Noise]:
    """Return the noise of each output of a row, by itself."""
    return {
        name: noise_among(
            [row_of(draw[name], name, at, rows) for draw in draws], row_of(array, name, at, rows)
        )
        for name, array in outputs.items()
    }


def _judged_row(
    outputs: Arrays,
    noises: Mapping[str, Noise],
    at: int,
    rows: RowAxes | None,
    tolerance_of: Callable[[str, Noise], float],
) -> Mapping[str, Judged] | None:
    """Return what is allowed of a row's outputs; None where its values are no numbers."""
    found = {}
    for name, array in outputs.items():
        row, noise = row_of(array, name, at, rows), noises[name]
        if not np.isfinite(row).all():
            return None
        unsure = noise.unsure if noise.unsure.any() else None
        found[name] = Judged(largest_value(row), tolerance_of(name, noise), unsure)
    return found


def _known(given: Further) -> list[int]:
    return [row for row in given.rows if row is not None]


def _shape(array: np.ndarray) -> str:
    return " x ".join(map(str, array.shape))
