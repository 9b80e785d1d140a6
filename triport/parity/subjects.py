"""What `parity` is asked to check: models with seeded weights, and files with their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from triport.converters.convert import read_parameters
from triport.converters.formats import file_sha256, open_checkpoint
from triport.converters.identify import IdentifyError, identify
from triport.converters.published import model_file
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import ModelSpec, all_models, get_model

from .batches import random_batch
from .check import GRAPH_OF, IMAGES_OF, ModelReport, check_model
from .images import image_batch, images_of, profile_of_subject
from .inputs import Inputs, further_inputs
from .onnx_graphs.float16 import is_float16_file
from .onnx_graphs.quantised import is_quantised_file
from .precision import FULL, PrecisionError
from .random_weights import random_parameters
from .runtimes import runtimes_with
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
        return self.spec.name if self.spec else str(self.path)

    @property
    def path(self) -> Path | None:
        """The file that is checked; None where it is a model, with weights of a file or not."""
        return None if self.spec else self.graph or self.weights


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
        TriportError: nothing was named, the combination makes no sense, or a file fits no model.
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
    paths = [Path(item) for item, is_file in zip(what, files, strict=True) if is_file]
    of_files = iter(
        _files(paths, model) if len(paths) > 1 else [Subject(None, path, model) for path in paths]
    )
    return [
        next(of_files) if is_file else Subject(get_model(item), None)
        for item, is_file in zip(what, files, strict=True)
    ]


def files_of(subjects: Sequence[Subject]) -> list[int]:
    """Return which of the subjects are files that are compared with one another: none, or two and more."""
    found = [index for index, subject in enumerate(subjects) if subject.path]
    return found if len(found) > 1 else []


def check_precision_of(subjects: Sequence[Subject], precision: str) -> None:
    """Raise PrecisionError unless the files can be judged in a precision."""
    files = [subjects[index] for index in files_of(subjects)]
    # a foreign file that does not compute so is refused where it is run
    foreign = precision in ("int8", "float16") and any(subject.graph for subject in files)
    said = (subject.path and _computes_in(precision, subject.path) for subject in files)
    if files and precision not in FULL and not foreign and not any(said):
        raise PrecisionError(
            f"--precision {precision}: files are compared in float32, give one of them; or, in int8, "
            "a quantised ONNX file and the file that it was made of; in float16, an ONNX file that has it"
        )
    for subject in subjects:
        if subject.graph is not None and precision != "int8" and is_quantised_file(subject.graph):
            raise PrecisionError(f"{subject.graph} computes in int8: add --precision int8")


def _computes_in(precision: str, path: Path) -> bool:
    """Whether a file is an ONNX file that computes in a lower precision by itself."""
    if open_checkpoint(path).runtime != "onnx":
        return False
    file = Path(model_file(path))
    return (precision == "int8" and is_quantised_file(file)) or (
        precision == "float16" and is_float16_file(file)
    )


def _files(paths: Sequence[Path], model: str | None) -> list[Subject]:
    """Return files; one that is a foreign ONNX file stands on the weights of the first that is not."""
    foreign = [_is_foreign(path, model) for path in paths]
    if all(foreign):
        # says how the first is foreign, which one file must not be
        identify(open_checkpoint(paths[0]), model)
    known = paths[foreign.index(False)]
    return [
        Subject(None, known if is_foreign else path, model, path if is_foreign else None)
        for path, is_foreign in zip(paths, foreign, strict=True)
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
    further: bool = True,
    inputs: Inputs | None = None,
    skip_missing: bool = False,
) -> ModelReport:
    """Read or make the subject's weights and compare every runtime. See `check_model`.

    The batch is of the first images in the folder `images`, or of noise where none is given, and what
    inputs.py names is run besides unless `further` is false; with `inputs`, both are these.
    """
    loaded = loaded_of(subject, seed)
    taken = images_of(images, batch_size) if images else []
    if inputs is None:
        batch = _batch(subject, loaded.spec, batch_size, seed, size_px, images)
        inputs = Inputs(batch, tuple(further_inputs(batch, precision, seed)) if further else ())
    report = check_model(
        loaded.spec,
        loaded.parameters,
        inputs.batch,
        further=inputs.further,
        num_classes=loaded.num_classes,
        # what the other runtimes make of the weights is the other file's report
        runtimes=runtimes if subject.graph is None else (),
        device=device,
        weights=loaded.source,
        tolerance=tolerance,
        onnx_file=loaded.onnx_file if _judges_file(loaded, subject, precision) else None,
        layers=layers,
        isolate=isolate,
        seed=seed,
        files={**loaded.files, **{str(path): file_sha256(path) for path in taken}},
        inputs=f"{IMAGES_OF}{images}" if images else "noise",
        precision=precision,
        skip_missing=skip_missing,
        progress=lambda step, done, total: progress(step),
    )
    return replace(report, seed=None) if images else report


def inputs_like(
    report: ModelReport, subject: Subject, size_px: int | None, images: Path | None
) -> Inputs | None:
    """Return the inputs of a file's report for another file; None where that takes images of another size."""
    function = report.function
    assert function is not None
    spec = subject.spec or identify(open_checkpoint(subject.weights or ""), subject.model).spec
    if size_px is None and images is None and spec.input_size_px != report.input_shape[-1]:
        return None
    return Inputs(function.batch, tuple(one.given for one in function.expected))


def _judges_file(loaded: Loaded, subject: Subject, precision: str) -> bool:
    """Whether an ONNX file is run: it says its own precision; a quantised one stands beside its weights."""
    if loaded.onnx_file is None:
        return False
    if precision == "int8":
        return subject.graph is not None
    return (
        "onnx" in runtimes_with(precision)
        or subject.graph is not None
        or _computes_in(precision, loaded.onnx_file)
    )


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
    loaded = loaded_of(subject, seed)
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
class Loaded:
    """A subject with its weights in memory."""

    spec: ModelSpec
    num_classes: int
    parameters: Mapping[str, np.ndarray]
    source: str
    onnx_file: Path | None
    files: Mapping[str, str]


def loaded_of(subject: Subject, seed: int) -> Loaded:
    """Read or make a subject's weights."""
    if subject.weights is None:
        assert subject.spec is not None
        spec, num_classes = subject.spec, subject.spec.num_classes
        parameters = random_parameters(spec, num_classes, seed)
        return Loaded(spec, num_classes, parameters, f"random seed {seed}", None, {})
    loaded = read_parameters(subject.weights, subject.spec.name if subject.spec else subject.model)
    source, files = str(subject.weights), [subject.weights]
    own_graph = subject.weights if loaded.runtime == "onnx" else None
    if subject.graph is not None:
        source, own_graph = f"{GRAPH_OF}{subject.graph}, the weights of {source}", subject.graph
        files.insert(0, subject.graph)
    return Loaded(
        loaded.spec,
        loaded.num_classes,
        loaded.parameters,
        source,
        Path(model_file(own_graph)) if own_graph else None,
        {str(path): file_sha256(model_file(path)) for path in files},
    )
