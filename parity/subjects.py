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
) -> ModelReport:
    """Read or make the subject's weights and compare every runtime. See `check_model`."""
    onnx_file = None
    files: dict[str, str] = {}
    if subject.weights is None:
        assert subject.spec is not None
        spec, num_classes = subject.spec, subject.spec.num_classes
        parameters: Mapping[str, np.ndarray] = random_parameters(spec, num_classes, seed)
        source = f"random seed {seed}"
    else:
        loaded = read_parameters(subject.weights, subject.spec.name if subject.spec else None)
        spec, num_classes, parameters = loaded.spec, loaded.num_classes, loaded.parameters
        source = str(subject.weights)
        files[source] = file_sha256(model_file(subject.weights))
        onnx_file = Path(model_file(subject.weights)) if loaded.runtime == "onnx" else None
    return check_model(
        spec,
        parameters,
        random_batch(spec, batch_size, seed),
        num_classes=num_classes,
        runtimes=runtimes,
        device=device,
        weights=source,
        tolerance=tolerance,
        onnx_file=onnx_file,
        layers=layers,
        isolate=isolate,
        seed=seed,
        files=files,
        progress=lambda step, done, total: progress(step),
    )
