"""One call of `parity`: reads what was asked for, compares it, and says how it went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from triport.reference_models.errors import TriportError
from triport.reference_models.result import SCHEMA_VERSION

from .check import ModelReport
from .files import localise, telling_report, with_files_beside
from .localise.report import json_of as localisation_json
from .localise.verdict import Localisation
from .report import json_of
from .runners.precision import FULL, check_known, runtimes_with
from .subjects import Subject, check, check_precision_of, files_of, inputs_like, subjects_of, train
from .training.check import TrainingReport
from .training.report import json_of as training_json

# statistics of one or two images are none
_LEAST_TRAINED = 4


@dataclass(frozen=True, slots=True)
class Request:
    """The options of `parity`.

    Attributes:
        what: names of models, or files.
        every: all models, instead of `what`.
        weights: a checkpoint of the one model that `what` names, instead of random weights.
        model: what the files are of, where they do not tell.
        runtimes: which to compare; None takes those that are installed of all that compute in `precision`.
        device: `cpu`, `cuda[:i]` or `npu[:i]`.
        precision: float32, tf32, hf32, float16, bfloat16, O0 to O3 of AMP, or int8.
        tolerance: of the largest reference value; None is a multiple of the noise of `precision`.
        seed: of the random weights and the input.
        batch_sizes: one check for each.
        sizes: of the input, one check for each; None is the model's own.
        layers: compare every module, and name the first that parts.
        isolate: compare every module alone, fed the reference's input.
        images: take the first images of this folder instead of noise.
        gradients: compare training: loss, every gradient, BatchNorm statistics.
        steps: compare that many steps of SGD as well.
    """

    what: Sequence[str] = ()
    every: bool = False
    weights: Path | None = None
    model: str | None = None
    runtimes: Sequence[str] | None = None
    device: str = "cpu"
    precision: str = "float32"
    tolerance: float | None = None
    seed: int = 0
    batch_sizes: Sequence[int] = (2,)
    sizes: Sequence[int] | None = None
    layers: bool = False
    isolate: bool = False
    images: Path | None = None
    gradients: bool = False
    steps: int | None = None

    def check(self) -> None:
        """Raise TriportError where options do not go together."""
        check_known(self.precision)
        if self.precision not in FULL and (self.gradients or self.steps):
            raise TriportError(
                f"--precision {self.precision}: training is compared in float32, leave one of both out"
            )

    @property
    def shapes(self) -> list[tuple[int | None, int]]:
        """The size and the batch size of each check; None is the model's own size."""
        return [(size_px, count) for size_px in self.sizes or (None,) for count in self.batch_sizes]

    @property
    def trainings(self) -> list[tuple[int | None, int]]:
        """The size and the batch size of each check of training."""
        if not (self.gradients or self.steps):
            return []
        return list(dict.fromkeys((size_px, max(count, _LEAST_TRAINED)) for size_px, count in self.shapes))


@dataclass(frozen=True, slots=True)
class Done:
    """How it went: what every runtime computes, how they train, and what differs between files."""

    reports: Sequence[ModelReport]
    trained: Sequence[TrainingReport] = ()
    localised: Sequence[Localisation] = ()
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """Whether all is equal."""
        equal = all(report.passed for report in self.reports) and all(one.passed for one in self.trained)
        return equal and all(one.passed for one in self.localised)

    def to_dict(self) -> dict[str, Any]:
        """Return what `parity --json` prints."""
        localisations = [localisation_json(one) for one in self.localised]
        return {
            **json_of(self.reports),
            **({"localisation": localisations[0], "localisations": localisations} if localisations else {}),
            **({"training": training_json(self.trained)} if self.trained else {}),
        }


def run(request: Request, tell: Callable[[str], None] = lambda step: None) -> Done:
    """Do what `parity` was asked for.

    Raises:
        TriportError: nothing was named, the options do not go together, or a file fits no model.
    """
    request.check()
    subjects = subjects_of(
        request.what, every=request.every, weights=request.weights, seed=request.seed, model=request.model
    )
    check_precision_of(subjects, request.precision)
    checked: list[list[ModelReport]] = []
    trained: list[TrainingReport] = []
    for index, subject in enumerate(subjects):
        step = _Teller(tell, f"{index + 1}/{len(subjects)} {subject.name}")
        firsts = checked[files_of(subjects)[0]] if index in files_of(subjects)[1:] else None
        checked.append(_checks(request, subject, firsts, step))
        if not files_of(subjects):
            # files are compared by what they compute; of all others that need not be kept
            checked[-1] = [replace(report, function=None) for report in checked[-1]]
        trained += [_trained(request, subject, shape, step) for shape in request.trainings]
    localised = localise(
        subjects,
        [telling_report(of_subject) for of_subject in checked],
        device=request.device,
        seed=request.seed,
        progress=_Teller(tell, "files"),
    )
    by_shape = [
        with_files_beside(subjects, of_shape, layers=request.layers, seed=request.seed)
        for of_shape in zip(*checked, strict=True)
    ]
    reports = [report for of_subject in zip(*by_shape, strict=True) for report in of_subject]
    return Done(reports, trained, localised)


class _Teller:
    """Says each step, and what it is of."""

    def __init__(self, tell: Callable[[str], None], where: str) -> None:
        self.tell, self.where = tell, where

    def __call__(self, step: str) -> None:
        self.tell(f"{self.where}: {step}")


def _checks(
    request: Request, subject: Subject, firsts: Sequence[ModelReport] | None, step: _Teller
) -> list[ModelReport]:
    """Check a subject at every shape; a further file on the inputs of the first file's reports, `firsts`."""
    reports = []
    for number, (size_px, batch_size) in enumerate(request.shapes):
        first = firsts[number] if firsts else None
        reports.append(
            check(
                subject,
                runtimes=runtimes_with(request.precision) if request.runtimes is None else request.runtimes,
                device=request.device,
                tolerance=request.tolerance,
                seed=request.seed,
                batch_size=batch_size,
                layers=request.layers,
                isolate=request.isolate,
                size_px=size_px,
                images=request.images,
                precision=request.precision,
                further=number == 0,  # once for each subject
                inputs=inputs_like(first, subject, size_px, request.images) if first else None,
                skip_missing=request.runtimes is None,
                progress=step,
            )
        )
    return reports


def _trained(
    request: Request, subject: Subject, shape: tuple[int | None, int], step: _Teller
) -> TrainingReport:
    return train(
        subject,
        runtimes=runtimes_with(request.precision) if request.runtimes is None else request.runtimes,
        device=request.device,
        seed=request.seed,
        batch_size=shape[1],
        size_px=shape[0],
        steps=request.steps or 0,
        progress=step,
    )
