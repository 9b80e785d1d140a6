"""What `parity` is asked to check: models with seeded weights, and files with their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converters.convert import read_parameters
from converters.formats import file_sha256
from converters.published import model_file
from reference_models.errors import TriportError
from reference_models.spec import ModelSpec, all_models, get_model

from .batches import random_batch
from .check import ModelReport, check_model
from .random_weights import random_parameters
from .training.check import TrainingReport, check_training


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and where its weights come from; they are read when they are needed, not before."""

    spec: ModelSpec | None
    weights: Path | None

    @property
    def name(self) -> str:
        """What the progress line calls it."""
        return self.spec.name if self.spec else str(self.weights)


def subjects_of(what: Sequence[str], *, every: bool, weights: Path | None, seed: int) -> list[Subject]:
    """Return what to check.

    Args:
        what: names of models, or files.
        every: all models, instead of `what`.
        weights: a checkpoint for the one model that `what` names.
        seed: not negative.

    Raises:
        TriportError: nothing was named, or the combination makes no sense.
    """
    if seed < 0:
        raise TriportError(f"--seed {seed}: expected 0 or more")
    if every:
        if what or weights:
            raise TriportError(
                "--all checks every model with random weights: leave out names, files and --weights"
            )
        return [Subject(spec, None) for spec in all_models().values()]
    if not what:
        raise TriportError("name a model or a file (`python cli.py models` lists the models), or use --all")
    if weights is not None:
        if len(what) != 1:
            raise TriportError(f"--weights goes with one model, found {len(what)}: {', '.join(what)}")
        return [Subject(get_model(what[0]), weights)]
    known = all_models()
    return [
        Subject(None, Path(item))
        if item not in known and Path(item).exists()
        else Subject(get_model(item), None)
        for item in what
    ]


def check(
    subject: Subject,
    *,
    runtimes: Sequence[str],
    device: str,
    tolerance: float | None,
    seed: int,
    batch_size: int,
    progress: Callable[[str], None],
    layers: bool = False,
    isolate: bool = False,
    size_px: int | None = None,
) -> ModelReport:
    """Read or make the subject's weights and compare every runtime. See `check_model`."""
    loaded = _loaded(subject, seed)
    return check_model(
        loaded.spec,
        loaded.parameters,
        random_batch(loaded.spec, batch_size, seed, size_px),
        num_classes=loaded.num_classes,
        runtimes=runtimes,
        device=device,
        weights=loaded.source,
        tolerance=tolerance,
        onnx_file=loaded.onnx_file,
        layers=layers,
        isolate=isolate,
        seed=seed,
        files=loaded.files,
        progress=lambda step, done, total: progress(step),
    )


def train(
    subject: Subject,
    *,
    runtimes: Sequence[str],
    device: str,
    seed: int,
    batch_size: int,
    size_px: int | None,
    steps: int,
    progress: Callable[[str], None],
) -> TrainingReport:
    """Read or make the subject's weights and compare how the frameworks train. See `check_training`."""
    loaded = _loaded(subject, seed)
    return check_training(
        loaded.spec,
        loaded.parameters,
        batch_size,
        size_px,
        num_classes=loaded.num_classes,
        runtimes=tuple(runtime for runtime in ("pytorch", "mindspore") if runtime in runtimes),
        device=device,
        weights=loaded.source,
        seed=seed,
        steps=steps,
        progress=progress,
    )


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A subject with its weights in memory."""

    spec: ModelSpec
    num_classes: int
    parameters: Mapping[str, np.ndarray]
    source: str
    onnx_file: Path | None
    files: Mapping[str, str]


def _loaded(subject: Subject, seed: int) -> _Loaded:
    if subject.weights is None:
        assert subject.spec is not None
        spec, num_classes = subject.spec, subject.spec.num_classes
        parameters = random_parameters(spec, num_classes, seed)
        return _Loaded(spec, num_classes, parameters, f"random seed {seed}", None, {})
    loaded = read_parameters(subject.weights, subject.spec.name if subject.spec else None)
    return _Loaded(
        loaded.spec,
        loaded.num_classes,
        loaded.parameters,
        str(subject.weights),
        Path(model_file(subject.weights)) if loaded.runtime == "onnx" else None,
        {str(subject.weights): file_sha256(model_file(subject.weights))},
    )
