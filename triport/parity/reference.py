"""What every candidate is judged by: the reference's logits on every input, and what noise allows there.

The reference is PyTorch in float64. Where PyTorch is not installed, it is MindSpore in float32: that is off
by as much as any candidate may be, so it is only taken where no runtime was asked for by name, and is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from triport.converters.environment import MissingRuntimeError
from triport.converters.networks.registered import of_model
from triport.converters.onnx_model import INPUT, LOGITS
from triport.reference_models.spec import ModelSpec

from .batches import logits_of
from .candidates import framework_errors
from .further import Expected, expected_of
from .inputs import Further
from .layers.reference import Reference
from .noise import CALIBRATIONS, noise_of, rounded_runner
from .noise.redrawn import RedrawnRunner
from .precision import FULL
from .runtimes.mindspore import MindSporeRunner
from .runtimes.pytorch import PyTorchRunner

REFERENCE = "pytorch-float64"
WITHOUT_TORCH = "mindspore-float32"
REFERENCES = (REFERENCE, WITHOUT_TORCH)


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A model with its parameters, and the inputs and the precision that it is judged in."""

    spec: ModelSpec
    num_classes: int
    parameters: Mapping[str, np.ndarray]
    batch: np.ndarray
    further: tuple[Further, ...]
    seed: int
    precision: str
    tolerance: float | None


@dataclass(frozen=True, slots=True, eq=False)
class ModelReference:
    """The reference's logits of the main batch, what is allowed there, and what further inputs are judged by.

    `traces` are of the modules, by whether each is fed apart. `is_of` are the candidates that are the
    reference itself, and that need not be judged.
    """

    name: str
    is_of: tuple[str, ...]
    logits: np.ndarray
    noise: float
    allowed: float
    seconds: float
    expected: tuple[Expected, ...]
    traces: Mapping[bool, Reference]
    not_run: tuple[str, ...]


def reference_of(
    subject: Subject, alone: Sequence[bool], exact_is_done: Callable[[], None], *, without_torch: bool
) -> ModelReference:
    """Run the reference, and what tells the noise, on every input.

    Args:
        subject: what to run.
        alone: the traces to make.
        exact_is_done: called before the noise is drawn.
        without_torch: do with MindSpore where PyTorch is not installed.
    """
    start = time.perf_counter()
    name, not_run = REFERENCE, list[str]()
    is_of: tuple[str, ...] = ()
    network = of_model(subject.spec, subject.num_classes)
    exact: Any
    rounded: Any = None
    with framework_errors(REFERENCE):
        try:
            exact = PyTorchRunner(network, subject.parameters, dtype="float64")
        except MissingRuntimeError as error:
            if not without_torch or alone or subject.precision not in FULL:
                raise
            exact = MindSporeRunner(network, subject.parameters)
            rounded = RedrawnRunner(exact, network)
            name, is_of = WITHOUT_TORCH, ("mindspore",)
            not_run.append(
                f"{REFERENCE}: {error}. The reference is MindSpore in float32, itself off by the noise"
            )
        logits = logits_of(exact, subject.batch).astype(np.float64)
    seconds = time.perf_counter() - start
    exact_is_done()
    with framework_errors(name.partition("-")[0]):
        rounded = rounded or rounded_runner(network, subject.parameters, subject.precision, subject.seed)
        feed, largest = {INPUT: subject.batch}, {LOGITS: float(np.abs(logits).max())}
        noise = noise_of(rounded, feed, subject.seed, largest)[LOGITS]
        allowed = subject.tolerance
        if allowed is None:
            allowed = CALIBRATIONS[subject.precision].tolerance_of(noise)
        expected = _expected(subject, exact, rounded, logits, allowed, not_run)
        traces = {kind: Reference(exact, rounded, feed, seed=subject.seed, alone=kind) for kind in alone}
    return ModelReference(
        name, is_of, logits, noise, allowed, seconds, tuple(expected), traces, tuple(not_run)
    )


def _expected(
    subject: Subject, exact: Any, rounded: Any, logits: np.ndarray, allowed: float, not_run: list[str]
) -> list[Expected]:
    """Return what is expected on every further input that the model takes; say which it does not."""
    found = []
    for given in subject.further:
        try:
            found.append(
                expected_of(
                    given,
                    exact,
                    rounded,
                    logits,
                    allowed,
                    calibration=CALIBRATIONS[subject.precision],
                    tolerance=subject.tolerance,
                    seed=subject.seed,
                )
            )
        except RuntimeError as error:
            if given.batch.shape[-1] == subject.batch.shape[-1]:
                raise
            reason = next(iter(str(error).strip().splitlines()), "")
            not_run.append(f"{given}: {subject.spec.name} does not take it ({reason})")
    return found
