"""What `parity` is asked to check: models with seeded weights, and files with their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from converters.convert import read_parameters
from converters.formats import file_sha256, open_checkpoint
from converters.identify import IdentifyError, identify
from converters.published import model_file
from reference_models.errors import TriportError
from reference_models.spec import ModelSpec, all_models, get_model

from .batches import random_batch
from .check import GRAPH_OF, IMAGES_OF, ModelReport, check_model
from .images import image_batch, images_of, profile_of_subject
from .localise.verdict import Localisation, by_name, by_structure
from .random_weights import random_parameters
from .runners.precision import FULL, PrecisionError, runtimes_with
from .runners.quantised import is_quantised_file
from .training.check import TrainingReport, check_training


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and where its weights come from; they are read when they are needed, not before.

    `spec` is None where the file tells the model, perhaps with what the user says, `model`. `graph` is an
    ONNX file whose own weights cannot be named; it is run beside the model with those of `weights`.
    """

    spec: ModelSpec | None
    weights: Path | None
    model: str | None = None
    graph: Path | None = None

    @property
    def name(self) -> str:
        """What the progress line calls it."""
        return self.spec.name if self.spec else str(self.graph or self.weights)


def subjects_of(
    what: Sequence[str], *, every: bool, weights: Path | None, seed: int, model: str | None = None
) -> list[Subject]:
    """Return what to check.

    Args:
        what: names of models, or files.
        every: all models, instead of `what`.
        weights: a checkpoint for the one model that `what` names.
        seed: not negative.
        model: what the files in `what` are of, where they do not tell.

    Raises:
        TriportError: nothing was named, the combination makes no sense, or one of two files fits no model.
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
    files = [item not in known and Path(item).exists() for item in what]
    if model is not None and not all(files):
        raise TriportError("--model says what files are of: give it with files only")
    if len(what) == 2 and all(files):
        return _pair(Path(what[0]), Path(what[1]), model)
    return [
        Subject(None, Path(item), model) if is_file else Subject(get_model(item), None)
        for item, is_file in zip(what, files, strict=True)
    ]


def check_precision_of(subjects: Sequence[Subject], precision: str) -> None:
    """Raise PrecisionError unless the files can be judged in a precision."""
    foreign = any(subject.graph for subject in subjects)
    if _are_two_files(subjects) and precision not in FULL and not (foreign and precision == "int8"):
        raise PrecisionError(
            f"--precision {precision}: two files are compared in float32, give one of them; or in int8, "
            "a quantised ONNX file and the file that it was made of"
        )
    for subject in subjects:
        if subject.graph is not None and precision != "int8" and is_quantised_file(subject.graph):
            raise PrecisionError(f"{subject.graph} computes in int8: add --precision int8")


def _are_two_files(subjects: Sequence[Subject]) -> bool:
    return len(subjects) == 2 and not any(subject.spec for subject in subjects)


def _pair(first: Path, second: Path, model: str | None) -> list[Subject]:
    """Return two files; one that is a foreign ONNX file stands on the weights of the other."""
    foreign = [_is_foreign(path, model) for path in (first, second)]
    if all(foreign):
        # says how the first is foreign, which one file must not be
        identify(open_checkpoint(first), model)
    return [
        Subject(None, other if is_foreign else path, model, path if is_foreign else None)
        for path, other, is_foreign in zip((first, second), (second, first), foreign, strict=True)
    ]


def _is_foreign(path: Path, model: str | None) -> bool:
    """Whether a file is an ONNX file whose initializers have the names of no model."""
    checkpoint = open_checkpoint(path)
    try:
        identify(checkpoint, model)
    except IdentifyError:
        if checkpoint.runtime != "onnx":
            raise
        return True
    return False


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
    images: Path | None = None,
    precision: str = "float32",
) -> ModelReport:
    """Read or make the subject's weights and compare every runtime. See `check_model`.

    The batch is of the first images in the folder `images`, or of noise where none is given.
    """
    loaded = _loaded(subject, seed)
    taken = images_of(images, batch_size) if images else []
    report = check_model(
        loaded.spec,
        loaded.parameters,
        _batch(subject, loaded.spec, batch_size, seed, size_px, images),
        num_classes=loaded.num_classes,
        # what the other runtimes make of the weights is the other file's report
        runtimes=runtimes if subject.graph is None else (),
        device=device,
        weights=loaded.source,
        tolerance=tolerance,
        # a file says its own precision; a quantised one stands beside the weights that it was made of
        onnx_file=loaded.onnx_file
        if "onnx" in runtimes_with(precision) and (precision != "int8" or subject.graph)
        else None,
        layers=layers,
        isolate=isolate,
        seed=seed,
        files={**loaded.files, **{str(path): file_sha256(path) for path in taken}},
        inputs=f"{IMAGES_OF}{images}" if images else "noise",
        precision=precision,
        progress=lambda step, done, total: progress(step),
    )
    return replace(report, seed=None) if images else report


def _batch(
    subject: Subject, spec: ModelSpec, batch_size: int, seed: int, size_px: int | None, images: Path | None
) -> np.ndarray:
    if images is None:
        return random_batch(spec, batch_size, seed, size_px)
    profile = profile_of_subject(spec, subject.weights, subject.model)
    # a profile's crop may be another size than the definition's input
    return image_batch(images_of(images, batch_size), profile, size_px or spec.input_size_px)


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
    loaded = read_parameters(subject.weights, subject.spec.name if subject.spec else subject.model)
    source, files = str(subject.weights), [subject.weights]
    own_graph = subject.weights if loaded.runtime == "onnx" else None
    if subject.graph is not None:
        source, own_graph = f"{GRAPH_OF}{subject.graph}, the weights of {source}", subject.graph
        files.insert(0, subject.graph)
    return _Loaded(
        loaded.spec,
        loaded.num_classes,
        loaded.parameters,
        source,
        Path(model_file(own_graph)) if own_graph else None,
        {str(path): file_sha256(model_file(path)) for path in files},
    )


def localise(
    subjects: Sequence[Subject],
    reports: Sequence[ModelReport],
    *,
    device: str,
    seed: int,
    progress: Callable[[str], None],
    images: Path | None = None,
) -> Localisation | None:
    """Say what differs between two files; None where there are not two.

    Args:
        subjects: what `subjects_of` returned.
        reports: one on each.
        device: where a wrong graph's layers are computed.
        seed: of the reports.
        progress: is told each step.
        images: of the reports.
    """
    if not _are_two_files(subjects):
        return None
    shape = reports[0].input_shape
    foreign = next((index for index, subject in enumerate(subjects) if subject.graph), None)
    if foreign is None:

        def with_layers(index: int) -> ModelReport:
            return check(
                subjects[index],
                runtimes=(),
                device=device,
                tolerance=None,
                seed=seed,
                batch_size=shape[0],
                progress=progress,
                layers=True,
                size_px=shape[-1],
                images=images,
            )

        first, second = (Path(model_file(subject.weights)) for subject in subjects if subject.weights)
        return by_name(first, second, (reports[0], reports[1]), with_layers)
    subject = subjects[foreign]
    loaded = _loaded(subject, seed)
    assert subject.weights is not None and subject.graph is not None
    return by_structure(
        subject.weights,
        subject.graph,
        reports[foreign],
        loaded.spec,
        loaded.num_classes,
        loaded.parameters,
        _batch(subject, loaded.spec, shape[0], seed, shape[-1], images),
        seed,
        progress,
    )
