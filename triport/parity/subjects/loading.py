"""A subject of `parity` with its weights in memory, and the inputs that it is checked on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from triport.converters.convert import LoadedCheckpoint as LoadedWeights
from triport.converters.convert import read_parameters
from triport.converters.formats import file_sha256, open_checkpoint
from triport.converters.identification.identify import IdentifyError, identify, is_foreign_graph
from triport.converters.networks.onnx_file import specs_of_file
from triport.converters.networks.registered import SIZE_AXIS, of_model
from triport.converters.onnx_export.written_model import BATCH_AXIS, INPUT
from triport.converters.published import model_file
from triport.parity.batches import random_batch
from triport.parity.candidates import given_file
from triport.parity.check import GRAPH_OF, IMAGES_OF, ModelReport, check_model
from triport.parity.images import image_batch, images_of, profile_of_subject
from triport.parity.inputs import Inputs
from triport.parity.options import Options, ReportSources
from triport.parity.runtimes import mindspore, runtime_called, runtimes_with
from triport.parity.training.check import Rival, Training, check_training
from triport.parity.training.result import TrainingReport
from triport.parity.training.trainers import trainers
from triport.parity.worker.messages import is_plain
from triport.parity.worker.process import WorkerProcess
from triport.parity.worker.work import begun
from triport.reference_models.network import Network
from triport.reference_models.spec import ModelSpec, all_models, get_model

from .asked import Subject, computes_in
from .own import LoadedNet
from .random_weights import random_parameters


@dataclass(frozen=True, slots=True)
class FeedShape:
    """Of which images the main feed is: how many, of what size, and of a folder instead of noise."""

    batch_size: int = 2
    size_px: int | None = None
    images: Path | None = None


DEFAULT_SHAPE = FeedShape()
# statistics of one or two rows are none
LEAST_TO_TRAIN_ON = 4


@dataclass(frozen=True, slots=True)
class LoadedSubject:
    """A subject with its weights in memory."""

    spec: ModelSpec
    num_classes: int
    parameters: Mapping[str, np.ndarray]
    source: str
    onnx_file: Path | None
    files: Mapping[str, str]

    @property
    def network(self) -> Network:
        """The model, with as many classes as the weights have."""
        return of_model(self.spec, self.num_classes)


def check(
    subject: Subject,
    options: Options,
    shape: FeedShape = DEFAULT_SHAPE,
    *,
    further: bool = True,
    inputs: Inputs | None = None,
    worker: WorkerProcess | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> ModelReport:
    """Read or make the subject's weights and compare every runtime. See `check_model`.

    What inputs.py names is run besides the main feed unless `further` is false; `inputs` are both. MindSpore
    runs in `worker`, if there is one.
    """
    loaded = loaded_of(subject, options.seed)
    taken = images_of(shape.images, shape.batch_size) if shape.images else []
    if inputs is None:
        feed = feed_of(subject, loaded.network, options.seed, shape)
        inputs = Inputs(feed, None if further else ())
    if subject.graph is not None:
        # what the other runtimes make of the weights is the other file's report
        options = replace(options, runtimes=())
    network, given = loaded.network, []
    if worker is not None and mindspore.NAME in options.runtimes and _can_be_sent(loaded):
        network, inputs = begun(worker, network, loaded.num_classes, loaded.parameters, inputs, options)
    if loaded.onnx_file is not None and _judges_file(loaded.onnx_file, subject, options.precision):
        given.append(given_file(network, loaded.parameters, loaded.onnx_file, options))
    told = ReportSources(
        loaded.source,
        {**loaded.files, **{str(path): file_sha256(path) for path in taken}},
        f"{IMAGES_OF}{shape.images}" if shape.images else "noise",
    )
    report = check_model(
        network,
        loaded.parameters,
        inputs,
        options,
        told=told,
        given=given,
        progress=lambda step, done, total: progress(step),
    )
    return replace(report, seed=None) if shape.images else report


def _can_be_sent(loaded: LoadedSubject) -> bool:
    """Whether another process knows the model, and can be told its parameters."""
    return all_models().get(loaded.spec.name) is loaded.spec and is_plain(loaded.parameters)


def inputs_like(report: ModelReport, subject: Subject, shape: FeedShape) -> Inputs | None:
    """Return the inputs of a file's report for another file; None where that takes images of another size."""
    function = report.function
    assert function is not None
    spec = subject.spec or identify(open_checkpoint(subject.weights or ""), subject.model).spec
    if shape.size_px is None and shape.images is None and spec.input_size_px != report.input_shape[-1]:
        return None
    return Inputs(function.feed, tuple(one.given for one in function.expected))


def _judges_file(file: Path, subject: Subject, precision: str) -> bool:
    """Whether an ONNX file is run: it says its own precision; a quantised one stands beside its weights."""
    if precision == "int8":
        return subject.graph is not None
    return "onnx" in runtimes_with(precision) or subject.graph is not None or computes_in(precision, file)


def feed_of(subject: Subject, network: Network, seed: int, shape: FeedShape) -> dict[str, np.ndarray]:
    """Return the main feed of a model: noise, or images prepared as for its weights."""
    return {INPUT: _batch(subject, get_model(network.name), seed, shape)}


def _batch(subject: Subject, spec: ModelSpec, seed: int, shape: FeedShape) -> np.ndarray:
    if shape.images is None:
        return random_batch(spec, shape.batch_size, seed, shape.size_px)
    profile = profile_of_subject(spec, subject.weights, subject.model)
    # a profile's crop may be another size than the definition's input
    return image_batch(
        images_of(shape.images, shape.batch_size), profile, shape.size_px or spec.input_size_px
    )


def train(
    subject: Subject,
    options: Options,
    shape: FeedShape,
    steps: int,
    progress: Callable[[str], None],
) -> TrainingReport:
    """Read or make the subject's weights and compare how the frameworks train. See `check_training`."""
    loaded = loaded_of(subject, options.seed)
    size_px = shape.size_px or loaded.spec.input_size_px
    how = Training(
        {BATCH_AXIS: shape.batch_size, SIZE_AXIS: size_px},
        options.runtimes,
        options.device,
        loaded.source,
        options.seed,
        steps,
        skip_missing=options.skip_missing,
    )
    return check_training(loaded.network, loaded.parameters, how, progress=progress)


def train_net(
    loaded: LoadedNet,
    options: Options,
    steps: int,
    words: tuple[str, ...],
    progress: Callable[[str], None],
) -> TrainingReport:
    """Compare how the realisations of a user's own network train, on four rows or more.

    Args:
        loaded: the network with its weights.
        options: which runtimes, and how.
        steps: how many steps of SGD; 0 is none.
        words: of the command, to repeat it.
        progress: is told each step.
    """
    network = loaded.network
    rows = next(iter(network.free_axes), None)
    how = Training(
        {} if rows is None else {rows: max(network.sizes[rows], LEAST_TO_TRAIN_ON)},
        options.runtimes,
        options.device,
        loaded.source,
        options.seed,
        steps,
        skip_missing=options.skip_missing,
        repeat=words,
    )
    rivals = [
        Rival(f"{runtime_called(runtime).LABEL} ({name})", runtime, rival)
        for name, runtime, rival in loaded.rivals
        if runtime in trainers()
    ]
    return check_training(network, loaded.parameters, how, rivals=rivals, progress=progress)


def _read(subject: Subject, weights: Path) -> LoadedWeights:
    """Read a subject's weights; of an ONNX file that is no known model it is said how it can be compared."""
    try:
        return read_parameters(weights, subject.spec.name if subject.spec else subject.model)
    except IdentifyError as error:
        if not is_foreign_graph(open_checkpoint(weights)):
            raise
        raise IdentifyError(
            f"{error}. As a network of your own it is compared with --input, for each of its inputs: "
            f"{' '.join(f'--input {one}' for one in specs_of_file(weights))}"
        ) from error


def loaded_of(subject: Subject, seed: int) -> LoadedSubject:
    """Read or make a subject's weights."""
    if subject.weights is None:
        assert subject.spec is not None
        spec, num_classes = subject.spec, subject.spec.num_classes
        parameters = random_parameters(spec, num_classes, seed)
        return LoadedSubject(spec, num_classes, parameters, f"random seed {seed}", None, {})
    loaded = _read(subject, subject.weights)
    source, files = str(subject.weights), [subject.weights]
    own_graph = subject.weights if loaded.runtime == "onnx" else None
    if subject.graph is not None:
        source, own_graph = f"{GRAPH_OF}{subject.graph}, the weights of {source}", subject.graph
        files.insert(0, subject.graph)
    return LoadedSubject(
        loaded.spec,
        loaded.num_classes,
        loaded.parameters,
        source,
        Path(model_file(own_graph)) if own_graph else None,
        {str(path): file_sha256(model_file(path)) for path in files},
    )
