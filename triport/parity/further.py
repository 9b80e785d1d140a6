"""The verdict on the further inputs: each image by itself, against its own noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triport.converters.onnx_model import INPUT, LOGITS

from .batches import logits_of
from .inputs import Further
from .noise import Calibration, draws_of, spread
from .runtimes import Runner
from .runtimes.pytorch import PyTorchRunner

# Logits; or why there are none; or None where the runner takes no images of that size.
Computed = np.ndarray | str | None


@dataclass(frozen=True, slots=True)
class ImageResult:
    """An image of a further input beside the reference's; both numbers are relative to its largest logit."""

    what: str
    needed_tolerance: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether its logits are within tolerance."""
        return self.needed_tolerance <= self.tolerance


@dataclass(frozen=True, slots=True)
class FurtherResult:
    """A candidate on a further input. `failed` says why there are no logits that could be compared."""

    input: str
    input_shape: tuple[int, ...]
    images: tuple[ImageResult, ...]
    failed: str = ""

    @property
    def passed(self) -> bool:
        """Whether every image is within its tolerance."""
        return not self.failed and all(image.passed for image in self.images)

    @property
    def worst(self) -> ImageResult:
        """The image that needs most of its tolerance."""
        return max(self.images, key=lambda image: image.needed_tolerance / (image.tolerance or 1e-300))


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What the reference computes on a further input: logits (N, classes), and by image what is allowed.

    An image that is also in the main batch is judged as there, by the noise of that batch and relative to its
    largest logit; `largest` has what each is relative to.
    """

    given: Further
    logits: np.ndarray
    largest: tuple[float, ...]
    tolerances: tuple[float, ...]

    def judged(self, output: np.ndarray | str) -> FurtherResult:
        """Return the verdict on what a candidate computes, or on why it does not."""
        shape = self.given.batch.shape
        if not isinstance(output, str) and output.shape != self.logits.shape:
            output = f"it returns {_shape(output)}, not {_shape(self.logits)}"
        if isinstance(output, str):
            return FurtherResult(str(self.given), shape, (), output)
        images = []
        for index, what in enumerate(self.given.images):
            found = float(np.abs(output[index].astype(np.float64) - self.logits[index]).max())
            largest = self.largest[index]
            needed = 0.0 if found == 0 else found / largest if largest > 0 else np.inf
            images.append(
                ImageResult(what, needed if np.isfinite(needed) else np.inf, self.tolerances[index])
            )
        return FurtherResult(str(self.given), shape, tuple(images))


def computed(runner: Runner, given: Further) -> Computed:
    """Return what a runner computes on a further input."""
    if not runner.takes({INPUT: given.batch.shape}):
        return None
    try:
        return logits_of(runner, given.batch)
    except Exception as error:  # it ran on the main batch: whatever stops it here is a finding
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return f"it fails: {reason}"


def expected_of(
    given: Further,
    exact: PyTorchRunner,
    rounded: PyTorchRunner,
    main: np.ndarray,
    main_allowed: float,
    *,
    calibration: Calibration,
    tolerance: float | None,
    seed: int,
) -> Expected:
    """Compute what is expected.

    Args:
        given: the further input.
        exact: the reference.
        rounded: whose runs tell the noise.
        main: the reference's logits of the main batch.
        main_allowed: the tolerance of the main batch.
        calibration: how a noise becomes a tolerance.
        tolerance: what to allow instead, for every image.
        seed: of the noise's draws.
    """
    scale = float(np.abs(main).max())
    logits = np.empty((len(given.rows), main.shape[1]))
    largest, tolerances = [scale] * len(given.rows), [main_allowed] * len(given.rows)
    for index, row in enumerate(given.rows):
        if row is not None:
            logits[index] = main[row]
    own = given.own
    if own:
        batch = given.batch[own]
        logits[own] = logits_of(exact, batch)
        draws = [draw[LOGITS] for draw in draws_of(rounded, {INPUT: batch}, seed)]
        for at, index in enumerate(own):
            largest[index] = float(np.abs(logits[index]).max())
            noise = spread((draw[at] for draw in draws), largest[index])
            tolerances[index] = calibration.tolerance_of(noise) if tolerance is None else tolerance
    return Expected(given, logits, tuple(largest), tuple(tolerances))


def _shape(logits: np.ndarray) -> str:
    return " x ".join(map(str, logits.shape))
