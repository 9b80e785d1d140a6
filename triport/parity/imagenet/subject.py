"""What `evaluate` is asked to score: a file, or the model that triport ships, ready to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from triport.converters.convert import SHIPPED, check_finite, exporter_for, parameters_of
from triport.converters.environment import SET_HERE
from triport.converters.formats import Checkpoint, file_sha256, open_checkpoint
from triport.converters.identify import Fit, identify
from triport.converters.networks.registered import of_model
from triport.converters.provenance import (
    FOLDED_KEY,
    MODEL_KEY,
    NUM_CLASSES_KEY,
    PREPROCESSING_KEY,
)
from triport.converters.statements.preparation import Known, figure_of, preparation_of
from triport.parity.runtimes import Runner
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.parity.runtimes.onnx import OnnxRunner
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.reference_models.errors import TriportError, listed
from triport.reference_models.spec import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ModelSpec,
    Preprocess,
    Runtime,
    Weights,
    all_models,
    get_model,
)

from .profiles import stated_profile


class Prepared(NamedTuple):
    """How images are prepared, and how that is known: `by` says what states it, or what was assumed."""

    preprocess: Preprocess
    known: Known
    by: str


class SubjectError(TriportError):
    """There is nothing to run: no weights, or a file that another runtime cannot take."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model with its weights in a runner; `published` are the weights whose figure to compare with.

    `assumed` says what of the profile nothing states. `path` is the weights' file, `data_files` are those
    that it refers to.
    """

    spec: ModelSpec
    num_classes: int
    runner: Runner
    profile: Preprocess
    published: Weights | None
    path: Path
    data_files: tuple[Path, ...] = ()
    assumed: str | None = None

    def identity(self) -> dict[str, Any]:
        """Return what computes and with which weights, to be the same when a run goes on."""
        versions = self.runner.versions()
        return {
            "model": self.spec.name,
            "weights_sha256": file_sha256(self.path),
            "data_sha256": [file_sha256(path) for path in self.data_files],
            "runtime": self.runner.runtime,
            "device": self.runner.device.partition(":")[0],
            "preprocess": asdict(self.profile),
            # the same value, whoever has set it
            "versions": {name: value.removesuffix(SET_HERE) for name, value in versions.items()},
        }


def open_subject(
    what: str,
    *,
    model: str | None = None,
    runtime: Runtime | None = None,
    device: str = "cpu",
    profile: str | None = None,
    precision: str = "float32",
    progress: Callable[[str], None] = lambda step: None,
) -> Subject:
    """Open a file, or the shipped model by its name, in a runtime.

    Args:
        what: a checkpoint or ONNX file, or the name of the shipped model.
        model: the model, or the published weights, that the file must be; found from it by default.
            Weights' names also tell how images are preprocessed.
        runtime: where to run; the file's own by default.
        device: `cpu`, `cuda[:i]` or `npu[:i]`.
        profile: how images are preprocessed, as `profiles.stated_profile` reads it; the publisher's by
            default.
        precision: what to compute with, one of `parity.precision.PRECISIONS`.
        progress: is told each step.

    Raises:
        TriportError: there are no weights, they do not fit, or the runtime or device is missing.
    """
    path = _path_of(what)
    progress(f"reading {path.name}")
    checkpoint = open_checkpoint(path)
    if FOLDED_KEY in checkpoint.metadata:
        return _folded(checkpoint, runtime, device, profile, precision)
    found = identify(checkpoint, model)
    check_finite(checkpoint, found)
    published = published_weights(checkpoint, found, model)
    prepared = profile_for(checkpoint, found.spec, published, model, profile)
    progress(f"loading {found.spec.name} in {runtime or checkpoint.runtime}")
    return Subject(
        found.spec,
        found.num_classes,
        _runner(checkpoint, found, runtime or checkpoint.runtime, device, precision),
        prepared.preprocess,
        published,
        Path(checkpoint.path),
        _data_files(checkpoint),
        prepared.by if prepared.known == "assumed" else None,
    )


def _data_files(checkpoint: Checkpoint) -> tuple[Path, ...]:
    """Return the files beside an ONNX model that its tensors lie in."""
    sources = (getattr(tensor, "source", None) for tensor in checkpoint.tensors.values())
    paths = {Path(source.path) for source in sources if source is not None}
    return tuple(sorted(paths - {Path(checkpoint.path)}))


def _path_of(what: str) -> Path:
    path = Path(what)
    if path.exists() or what not in all_models():
        return path
    spec = get_model(what)
    if spec.name == SHIPPED.stem:
        return SHIPPED
    published = [f"{weights.name}: {weights.url}" for weights in spec.weights if weights.url]
    where = f"Published are\n{listed(published)}" if published else "None are published."
    raise SubjectError(
        f"{what} is a model's name and its weights are not here: give a checkpoint file. {where}"
    )


def _runner(checkpoint: Checkpoint, found: Fit, runtime: str, device: str, precision: str) -> Runner:
    network = of_model(found.spec, found.num_classes)
    if runtime == "onnx":
        if checkpoint.runtime == "onnx":
            return OnnxRunner(checkpoint.path, network, device, precision=precision)
        model = exporter_for(checkpoint.runtime).export(
            found.spec, found.num_classes, parameters_of(checkpoint, found)
        )
        return OnnxRunner(model.SerializeToString(), network, device, precision=precision)
    parameters = parameters_of(checkpoint, found)
    if runtime == "mindspore":
        return MindSporeRunner(network, parameters, device, "graph", precision)
    return PyTorchRunner(network, parameters, device, precision=precision)


def _folded(
    checkpoint: Checkpoint, runtime: str | None, device: str, profile: str | None, precision: str
) -> Subject:
    """Return an optimised ONNX file, which only ONNX Runtime runs."""
    if runtime not in (None, "onnx"):
        raise SubjectError(
            f"{checkpoint.path}: BatchNorm is folded in this file, so only --runtime onnx runs it"
        )
    spec = get_model(checkpoint.metadata.get(MODEL_KEY, ""))
    classes = checkpoint.metadata.get(NUM_CLASSES_KEY, "")
    if not classes.isdecimal():
        raise SubjectError(f"{checkpoint.path}: its metadata does not say how many classes the model has")
    prepared = profile_for(checkpoint, spec, None, None, profile)
    return Subject(
        spec,
        int(classes),
        OnnxRunner(checkpoint.path, of_model(spec, int(classes)), device, precision=precision),
        prepared.preprocess,
        None,
        Path(checkpoint.path),
        _data_files(checkpoint),
        prepared.by if prepared.known == "assumed" else None,
    )


def published_weights(checkpoint: Checkpoint, found: Fit, name: str | None) -> Weights | None:
    """Return the weights record that was named, or that the file's origin, names and classes point to."""
    return figure_of(checkpoint, found.spec, found.num_classes, found.dialect.name, name).weights


def profile_for(
    checkpoint: Checkpoint,
    spec: ModelSpec,
    published: Weights | None,
    name: str | None,
    profile: str | None = None,
) -> Prepared:
    """Return how images are prepared: as the user says, as the file states, or as its publisher does.

    Args:
        checkpoint: the file.
        spec: its model.
        published: the weights that were named, or that the file's names point to.
        name: what the user named.
        profile: what the user says of it, as `profiles.stated_profile` reads it.

    Raises:
        SubjectError: the publishers of the model differ, and nothing tells whose weights these are.
    """
    if profile is not None:
        own = lambda: _own_profile(checkpoint, spec, published, name).preprocess  # noqa: E731
        return Prepared(stated_profile(profile, own), "stated", "--profile")
    return _own_profile(checkpoint, spec, published, name)


def _own_profile(
    checkpoint: Checkpoint, spec: ModelSpec, published: Weights | None, name: str | None
) -> Prepared:
    if published is not None and published.name == name:
        return Prepared(published.preprocess, "stated", f"you named {name}")
    found = preparation_of(checkpoint, spec, "")
    if found.preprocess is not None and (found.known == "stated" or PREPROCESSING_KEY in checkpoint.metadata):
        return Prepared(found.preprocess, found.known, found.by)
    if published is not None:
        return Prepared(published.preprocess, "assumed", f"nothing states it, it is that of {published.name}")
    profiles = dict.fromkeys(weights.preprocess for weights in spec.weights)
    if len(profiles) > 1:
        raise SubjectError(
            f"{checkpoint.path}: does not say how its images are to be preprocessed, and the publishers of "
            f"{spec.name} differ. Say whose weights these are with --model and one of\n"
            + listed(f"{weights.name}: {weights.preprocess}" for weights in spec.weights)
        )
    if profiles:
        return Prepared(next(iter(profiles)), "assumed", f"it is that of every publisher of {spec.name}")
    return Prepared(default_profile(spec), "assumed", "nobody states it, it is triport's default")


def default_profile(spec: ModelSpec) -> Preprocess:
    """Return the preprocessing of a model that nobody has published weights of."""
    size = spec.input_size_px
    return Preprocess(round(size / 0.875), size, "bilinear", IMAGENET_MEAN, IMAGENET_STD, "pil")
