"""What `parity` is asked to check: models with seeded weights, and files with their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triport.converters.formats import open_checkpoint
from triport.converters.identification.identify import IdentifyError, identify, is_foreign_graph
from triport.converters.mindir.asked import is_mindir
from triport.converters.networks.arguments import NetArgumentError, Registered, is_factory, parse_net, text_of
from triport.converters.published import model_file
from triport.parity.onnx_graphs.float16 import is_float16_file
from triport.parity.onnx_graphs.quantised import is_quantised_file
from triport.parity.precision import FULL, PrecisionError
from triport.reference_models.errors import TriportError
from triport.reference_models.program import program
from triport.reference_models.spec import ModelSpec, all_models


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
    what: Sequence[Any], *, every: bool, weights: Path | None, seed: int, model: str | None = None
) -> list[Subject]:
    """Return what to check.

    Args:
        what: names of models, or files; a network in code is asked for what goes into it.
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
        raise TriportError(f"name a model or a file (`{program()} models` lists the models), or use --all")
    for item in what:
        if not isinstance(item, str) or is_factory(item) or is_mindir(Path(item)):
            raise TriportError(
                f"{text_of(item)}: say what goes into it, one --input for each input, as --input 1x3x224x224"
            )
    if weights is not None:
        if len(what) != 1:
            raise TriportError(f"--weights goes with one model, found {len(what)}: {', '.join(what)}")
        return [Subject(_model(what[0]), weights)]
    known = all_models()
    files = [item not in known and Path(item).exists() for item in what]
    if model is not None and not all(files):
        raise TriportError("--model says what files are of: give it with files only")
    paths = [Path(item) for item, is_file in zip(what, files, strict=True) if is_file]
    of_files = iter(
        _files(paths, model) if len(paths) > 1 else [Subject(None, path, model) for path in paths]
    )
    return [
        next(of_files) if is_file else Subject(_model(item), None)
        for item, is_file in zip(what, files, strict=True)
    ]


def _model(name: str) -> ModelSpec:
    """Return the model of that name; it is said of what is none whether a file was meant."""
    net = parse_net(name)
    if not isinstance(net, Registered):
        raise NetArgumentError(f"{name}: expected the name of a model")
    return net.spec


def files_of(subjects: Sequence[Subject]) -> list[int]:
    """Return which of the subjects are files that are compared with one another: none, or two and more."""
    found = [index for index, subject in enumerate(subjects) if subject.path]
    return found if len(found) > 1 else []


def check_precision_of(subjects: Sequence[Subject], precision: str) -> None:
    """Raise PrecisionError unless the files can be judged in a precision."""
    files = [subjects[index] for index in files_of(subjects)]
    # a foreign file that does not compute so is refused where it is run
    foreign = precision in ("int8", "float16") and any(subject.graph for subject in files)
    said = (subject.path and computes_in(precision, subject.path) for subject in files)
    if files and precision not in FULL and not foreign and not any(said):
        raise PrecisionError(
            f"--precision {precision}: files are compared in float32, give one of them; or, in int8, "
            "a quantised ONNX file and the file that it was made of; in float16, an ONNX file that has it"
        )
    for subject in subjects:
        if subject.graph is not None and precision != "int8" and is_quantised_file(subject.graph):
            raise PrecisionError(f"{subject.graph} computes in int8: add --precision int8")


def computes_in(precision: str, path: Path) -> bool:
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
        # one with a model's names that contradicts itself is no foreign file
        if not is_foreign_graph(checkpoint):
            raise
        return True
    return False
