"""What `evaluate` is asked to score: a file, or the model that triport ships, ready to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from triport.converters.convert import SHIPPED, check_finite, parameters_of
from triport.converters.environment import SET_HERE
from triport.converters.formats import Checkpoint, file_sha256, open_checkpoint
from triport.converters.graphs.verdict import WEIGHTS_ONLY, graph_verdict
from triport.converters.identification.fit import Fit
from triport.converters.identification.identify import IdentifyError, identify, is_foreign_graph
from triport.converters.mindir.asked import is_mindir
from triport.converters.networks.arguments import Factory, is_factory, net_of
from triport.converters.networks.factories import Made, make
from triport.converters.networks.given import Given
from triport.converters.networks.registered import of_model
from triport.converters.onnx_export import exporter_at_hand
from triport.converters.provenance import (
    FOLDED_KEY,
    MODEL_KEY,
    NUM_CLASSES_KEY,
    PREPROCESSING_KEY,
)
from triport.converters.statements.config_file import labels_beside
from triport.converters.statements.preparation import (
    Figure,
    Known,
    Preparation,
    figure_of,
    preparation_of,
    stated_by,
)
from triport.parity.candidates import with_file
from triport.parity.runtimes import Runner, runtime_called
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.reference_models.errors import TriportError, counted, listed
from triport.reference_models.spec import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ModelSpec,
    Preprocess,
    Weights,
    all_models,
    get_model,
)

from .any_network import (
    image_input,
    made_of_mindir,
    of_network,
    of_onnx_file,
)
from .blocks import Scorer
from .profiles import stated_profile


class Prepared(NamedTuple):
    """How images are prepared, and how that is known: `by` says what states it, or what was assumed."""

    preprocess: Preprocess
    known: Known
    by: str


class SubjectError(TriportError):
    """There is nothing to run: no weights, or a file that another runtime cannot take."""


@dataclass(frozen=True, slots=True)
class ScoredNetwork:
    """A network with its weights in a runner; `published` are the weights whose figure to compare with.

    `sha256` is that of the weights' file, or of the parameters of a network in code; `data_files` are those
    that the file refers to. `assumed` says what of the profile nothing states; `labels` are what a
    config.json beside the file calls the outputs, in order. `no_figure` says why there is nothing to compare
    with, where `published` is None.
    """

    name: str
    num_classes: int
    runner: Scorer
    profile: Preprocess
    published: Weights | None
    sha256: str
    data_files: tuple[Path, ...] = ()
    assumed: str | None = None
    labels: tuple[str, ...] = ()
    no_figure: str = "triport does not know this network; --model names published weights"

    def identity(self) -> dict[str, Any]:
        """Return what computes and with which weights, to be the same when a run goes on."""
        versions = self.runner.versions()
        return {
            "model": self.name,
            "weights_sha256": self.sha256,
            "data_sha256": [file_sha256(path) for path in self.data_files],
            "runtime": self.runner.runtime,
            "device": self.runner.device.partition(":")[0],
            "preprocess": asdict(self.profile),
            # the same value, whoever has set it
            "versions": {name: value.removesuffix(SET_HERE) for name, value in versions.items()},
        }


class Opening(NamedTuple):
    """How a network is opened.

    Attributes:
        model: the model, or the published weights, that a file must be; found from it by default. Weights'
            names also tell how images are preprocessed.
        runtime: where to run, by NAME; the file's own by default.
        device: `cpu`, `cuda[:i]` or `npu[:i]`.
        profile: how images are preprocessed, as `profiles.stated_profile` reads it; what the file or its
            publisher states by default.
        precision: what to compute with, one of `parity.precision.PRECISIONS`.
        progress: is told each step.
    """

    model: str | None = None
    runtime: str | None = None
    device: str = "cpu"
    profile: str | None = None
    precision: str = "float32"
    progress: Callable[[str], None] = lambda step: None


def open_subject(what: Any, **options: Any) -> ScoredNetwork:
    """Open a network in a runtime; `options` are the fields of `Opening`.

    Args:
        what: a checkpoint or ONNX file, a hub's folder, a .mindir file, a Module or a Cell, the text that
            names its factory, or the name of the shipped model.
        **options: model, runtime, device, profile, precision, progress.

    Raises:
        TriportError: there are no weights, they do not fit, it is no classifier, nothing states how its
            images are prepared, or the runtime or device is missing.
    """
    asked = Opening(**options)
    if not isinstance(what, str | Path) or is_factory(str(what)):
        net = net_of(what)
        assert isinstance(net, Given | Factory)
        asked.progress(f"building {net.text}")
        return _of_code(make(net), asked)
    path = _path_of(str(what))
    asked.progress(f"reading {path.name}")
    if path.is_file() and is_mindir(path):
        return _of_code(made_of_mindir(path), asked)
    checkpoint = open_checkpoint(path)
    if FOLDED_KEY in checkpoint.metadata:
        return _folded(checkpoint, asked)
    try:
        found = identify(checkpoint, asked.model)
    except IdentifyError:
        if not is_foreign_graph(checkpoint):
            raise
        return _of_onnx(checkpoint, asked)
    check_finite(checkpoint, found)
    runtime_name = asked.runtime or checkpoint.runtime
    figure = _figure_of_graph(checkpoint, found, runtime_name)
    figure = figure or published_figure(checkpoint, found, asked.model)
    prepared = profile_for(checkpoint, found.spec, figure.weights, asked.model, asked.profile)
    asked.progress(f"loading {found.spec.name} in {runtime_name}")
    return ScoredNetwork(
        found.spec.name,
        found.num_classes,
        _runner(checkpoint, found, runtime_name, asked),
        prepared.preprocess,
        figure.weights,
        file_sha256(checkpoint.path),
        _data_files(checkpoint),
        prepared.by if prepared.known == "assumed" else None,
        labels_beside(checkpoint.path),
        figure.by,
    )


def _of_onnx(checkpoint: Checkpoint, asked: Opening) -> ScoredNetwork:
    """Return an ONNX file that is none of a known model: it is scored as it is."""
    path = Path(checkpoint.path)
    given, _ = image_input(path)
    stated = None if asked.profile else stated_by(checkpoint.metadata, str(path), given.size_px or 0)
    profile, published = _profile_of_any(str(path), stated, asked)
    asked.progress(f"loading {path.name} in {asked.runtime or 'onnx'}")
    found = of_onnx_file(path, profile.crop_px, asked.runtime or "onnx", asked.device, asked.precision)
    return ScoredNetwork(
        found.name,
        found.num_classes,
        found.runner,
        profile,
        published,
        found.sha256,
        _data_files(checkpoint),
        stated.by if stated is not None and stated.known == "assumed" else None,
        labels=labels_beside(path),
    )


def _of_code(made: Made, asked: Opening) -> ScoredNetwork:
    """Return a Module or a Cell, with the weights that it has."""
    profile, published = _profile_of_any(made.net.name, None, asked)
    asked.progress(f"loading {made.net.name} in {asked.runtime or made.runtime}")
    found = of_network(made, profile.crop_px, asked.runtime, asked.device, asked.precision)
    return ScoredNetwork(found.name, found.num_classes, found.runner, profile, published, found.sha256)


def _profile_of_any(
    what: str, stated: Preparation | None, asked: Opening
) -> tuple[Preprocess, Weights | None]:
    """Return how images are prepared for a network of no known model, and whose figure it is held to.

    Raises:
        SubjectError: nothing states it.
    """
    named = None
    if asked.model is not None:
        spec = get_model(asked.model)
        named = next((one for one in spec.weights if one.name == asked.model), None)

    def own() -> Preprocess:
        if stated is not None and stated.preprocess is not None:
            return stated.preprocess
        if named is not None:
            return named.preprocess
        raise SubjectError(
            f"{what}: is no model that triport knows, and nothing states how its images are prepared, "
            f"neither its metadata nor a config.json or preprocessor_config.json beside it. Say it: "
            f"--profile and the name of published weights that are prepared alike (resnet50.timm), or "
            f"--profile resize=256,crop=224,interpolation=bilinear,library=pil,mean=0.485/0.456/0.406,"
            f"std=0.229/0.224/0.225"
        )

    profile = own() if asked.profile is None else stated_profile(asked.profile, own)
    return profile, named


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
    published = [weights.name for weights in spec.weights if weights.url]
    advice = f"Published are {', '.join(published)}: give one of these names" if published else "Give a file"
    raise SubjectError(
        f"{what}: is a model's name, and has no weights of its own. {advice}"
        f"{', or a checkpoint file' if published else ' that holds them'}"
    )


def _runner(checkpoint: Checkpoint, found: Fit, runtime: str, asked: Opening) -> Runner:
    network = of_model(found.spec, found.num_classes)
    known = runtime_called(runtime)
    if known.LOADS == "onnx":
        if checkpoint.runtime == "onnx":
            model: Path | bytes = Path(checkpoint.path)
        else:
            exporter = exporter_at_hand(checkpoint.runtime)
            parameters = parameters_of(checkpoint, found)
            model = exporter.export(found.spec, found.num_classes, parameters).SerializeToString()
        return known.load(with_file(network, model), {}, asked.device, asked.precision)
    parameters = parameters_of(checkpoint, found)
    if known.LOADS == "mindspore":
        return MindSporeRunner(network, parameters, asked.device, "graph", asked.precision)
    runner = known.load(network, parameters, asked.device, asked.precision)
    if isinstance(runner, PyTorchRunner):
        runner.keep_channels_last()
    return runner


def _folded(checkpoint: Checkpoint, asked: Opening) -> ScoredNetwork:
    """Return an optimised ONNX file, which only runtimes of ONNX run."""
    known = runtime_called(asked.runtime or "onnx")
    if known.LOADS != "onnx":
        raise SubjectError(
            f"{checkpoint.path}: BatchNorm is folded in this file, so only --runtime onnx or openvino runs it"
        )
    spec = get_model(checkpoint.metadata.get(MODEL_KEY, ""))
    classes = checkpoint.metadata.get(NUM_CLASSES_KEY, "")
    if not classes.isdecimal():
        raise SubjectError(f"{checkpoint.path}: its metadata does not say how many classes the model has")
    prepared = profile_for(checkpoint, spec, None, None, asked.profile)
    network = with_file(of_model(spec, int(classes)), Path(checkpoint.path))
    return ScoredNetwork(
        spec.name,
        int(classes),
        known.load(network, {}, asked.device, asked.precision),
        prepared.preprocess,
        None,
        file_sha256(checkpoint.path),
        _data_files(checkpoint),
        prepared.by if prepared.known == "assumed" else None,
        no_figure="its BatchNorm is folded, so it cannot be the published file",
    )


def _figure_of_graph(checkpoint: Checkpoint, found: Fit, runtime: str) -> Figure | None:
    """Return why no published figure is that of a file whose graph is not known to be its model's.

    None where it is, where the file itself runs, and where it has no graph.

    Raises:
        SubjectError: what the runtime would run is the model, which computes something else than the file.
    """
    graph = graph_verdict(checkpoint, found.spec, found.names)
    if graph is None or graph.equal:
        return None
    runs_file = runtime_called(runtime).LOADS == "onnx"
    if graph.not_compared is not None:
        if runs_file or graph.not_compared == WEIGHTS_ONLY:
            return None
        own = f"its own graph was not compared with that of {found.spec.name}, which ran in {runtime} instead"
        return Figure(None, "stated", f"{own}: {graph.not_compared}")
    count = counted(len(graph.differences), "place")
    another = f"its graph is not {found.spec.name}'s, in {count}: {graph.differences[0]}"
    if not runs_file:
        raise SubjectError(
            f"{checkpoint.path}: {another}. {found.spec.name} in {runtime} would be another function: give "
            f"--runtime onnx or openvino, which run the file"
        )
    return Figure(None, "stated", another)


def published_figure(checkpoint: Checkpoint, found: Fit, name: str | None) -> Figure:
    """Return the weights record that was named, or that the file's origin, names and classes point to."""
    return figure_of(checkpoint, found.spec, found.num_classes, found.dialect.name, name)


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
    if found.preprocess is None and spec.weights:  # not as its publishers do
        raise SubjectError(
            f"{checkpoint.path}: how its images are prepared is unknown: {found.by}. Say it with --profile, "
            f"such as --profile mean=0/0/0,std=1/1/1"
        )
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
    """Return the preprocessing of a model of which no published weights are known."""
    size = spec.input_size_px
    return Preprocess(round(size / 0.875), size, "bilinear", IMAGENET_MEAN, IMAGENET_STD, "pil")
