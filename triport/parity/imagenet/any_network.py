"""Networks that triport does not know, as classifiers: one image goes in, one score for each class comes out.

An ONNX file, a .mindir file, or a Module or a Cell of the user's. What it takes and returns is read where the
network says it, and found out by running it on two images.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.formats import file_sha256
from triport.converters.networks.factories import Made
from triport.converters.networks.foreign import own_values, parameters_in
from triport.converters.networks.input_specs import InputSpec
from triport.converters.onnx_export.written_model import INPUT, LOGITS
from triport.parity.candidates import with_file
from triport.parity.onnx_graphs.observed import ObservedGraph
from triport.parity.runtimes import Runner, SharedRunner, runtime_called
from triport.reference_models.errors import TriportError, counted
from triport.reference_models.network import Arrays, Input, Network, Realisation, RowAxes

_BATCH = "N"
_FLOATS = {1: "float32", 10: "float16", 11: "float64"}  # onnx.TensorProto's numbers
_TRIED = 2


class ClassifierError(TriportError):
    """A network does not take one image, or does not return one score for each class."""


@dataclass(slots=True)
class ImageRunner:
    """A runner that takes images and returns logits under the names that registered models have for them.

    Attributes:
        runner: of the network, under its own names.
        image: what the network calls its input.
        scores: what it calls its output.
        channels_last: whether images go in as (N, H, W, 3).
    """

    runner: Runner
    image: str
    scores: str
    channels_last: bool
    notes: tuple[str, ...] = ()
    network: Network = field(init=False)
    runtime: str = field(init=False)
    device: str = field(init=False)

    def __post_init__(self) -> None:
        """Take over what the runner says of itself."""
        self.network, self.runtime, self.device = self.runner.network, self.runner.runtime, self.runner.device
        self.notes = self.runner.notes

    @property
    def row_count(self) -> int | None:
        """How many images the file always takes, None where any number goes."""
        return self.runner.row_count if isinstance(self.runner, ObservedGraph) else None

    @property
    def shareable(self) -> bool:
        """Whether several threads may run it at once, and gain by it."""
        return isinstance(self.runner, SharedRunner) and self.runner.shareable

    def shared(self, cores: int) -> AbstractContextManager[None]:
        """Compute each run of a `with` on so many cores; only where it is shareable."""
        assert isinstance(self.runner, SharedRunner)
        return self.runner.shared(cores)

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return the logits of images (N, 3, H, W)."""
        images = feed[INPUT]
        if self.channels_last:
            images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        return {LOGITS: self.runner.run({self.image: images})[self.scores]}

    def versions(self) -> dict[str, str]:
        """Return what computed."""
        return self.runner.versions()


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network that was found to be a classifier.

    Attributes:
        name: what it is called.
        num_classes: how many scores it returns for an image.
        runner: it, ready to run on images.
        sha256: of its file; of its parameters where it is in code.
    """

    name: str
    num_classes: int
    runner: ImageRunner
    sha256: str


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The one input of an ONNX file that takes images; a side that is free is None."""

    name: str
    dtype: str
    channels_last: bool
    sides: tuple[int | None, int | None]

    @property
    def size_px(self) -> int | None:
        """The side of its images where the file fixes it."""
        return self.sides[0] if self.sides[0] is not None else self.sides[1]


def image_input(path: Path) -> tuple[ImageInput, str]:
    """Return the one input of an ONNX file, which takes images, and its output's name.

    Raises:
        ClassifierError: it has other inputs or outputs.
    """
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    if len(inputs) != 1:
        raise ClassifierError(
            f"{path}: has {counted(len(inputs), 'input')} ({', '.join(one.name for one in inputs[:8])}); "
            "evaluate takes a network with one, which is an image"
        )
    kind = inputs[0].type.tensor_type
    shape = [side.dim_value if side.HasField("dim_value") else None for side in kind.shape.dim]
    dtype = _FLOATS.get(kind.elem_type)
    if dtype is None or len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise ClassifierError(
            f"{path}: its input {inputs[0].name} is {onnx.TensorProto.DataType.Name(kind.elem_type).lower()} "
            f"{_sides(shape)}; evaluate feeds images of three channels, (N, 3, H, W) or (N, H, W, 3), in "
            f"floating point"
        )
    last = shape[1] != 3
    height, width = (shape[1], shape[2]) if last else (shape[2], shape[3])
    if height is not None and width is not None and height != width:
        raise ClassifierError(f"{path}: takes images of {height} x {width}; evaluate prepares square ones")
    names = [value.name for value in graph.output]
    if len(names) != 1:
        raise ClassifierError(
            f"{path}: has {counted(len(names), 'output')} ({', '.join(names[:8])}); evaluate takes a "
            "network with one, the scores of the classes"
        )
    return ImageInput(inputs[0].name, dtype, last, (height, width)), names[0]


def of_onnx_file(path: Path, crop_px: int, runtime: str, device: str, precision: str) -> Classifier:
    """Return any ONNX file as a classifier of images of `crop_px`.

    Raises:
        ClassifierError: it is none, or takes images of another size, or runs in no such runtime.
    """
    given, output = image_input(path)
    if runtime_called(runtime).LOADS != "onnx":
        raise ClassifierError(
            f"{path}: is a graph that triport has no definition of, so {runtime} does not run it. Leave "
            f"--runtime out; or convert it to source (convert FILE --to {runtime} -o FOLDER), and evaluate "
            f"that"
        )
    if given.size_px not in (None, crop_px):
        raise ClassifierError(
            f"{path}: takes images of {given.size_px} px, and they are to be prepared with a crop of "
            f"{crop_px}. Say how with --profile"
        )
    sides = ("height", "width")
    shape = (_BATCH, *sides, 3) if given.channels_last else (_BATCH, 3, *sides)
    network = Network(
        path.stem,
        (Input(given.name, shape, given.dtype),),
        (output,),
        {"onnx": Realisation("onnx", lambda: path)},
        {_BATCH: _TRIED, "height": crop_px, "width": crop_px},
        RowAxes({given.name: 0}, {output: 0}),
    )
    runner = runtime_called(runtime).load(network, {}, device, precision)
    found = ImageRunner(runner, given.name, output, given.channels_last)
    return Classifier(path.stem, _classes_of(found, crop_px, str(path)), found, file_sha256(path))


def of_network(made: Made, crop_px: int, runtime: str | None, device: str, precision: str) -> Classifier:
    """Return a Module or a Cell, with the weights that it has, as a classifier of images of `crop_px`.

    Raises:
        TriportError: it is none, or cannot be made into what the runtime runs.
    """
    from triport.converters.networks.cell import of_cell
    from triport.converters.networks.module import of_module

    name = made.net.name
    spec = InputSpec((_TRIED, 3, crop_px, crop_px))
    _check_one_input(made)
    found = parameters_in(made.network)
    values = own_values(made.network, found)
    if made.runtime == "pytorch":
        network = of_module(made.network.eval(), [spec], name, found)
    else:
        network = of_cell(made.network, lambda: made.network, [spec], name, found)
    if len(network.outputs) != 1:
        raise ClassifierError(
            f"{name}: returns {counted(len(network.outputs), 'tensor')}; evaluate takes a network that "
            "returns one, the scores of the classes"
        )
    image, scores = network.inputs[0].name, network.outputs[0]
    network = replace(network, rows=RowAxes({image: 0}, {scores: 0}))
    asked = runtime_called(runtime or made.runtime)
    if asked.LOADS == "onnx":
        export = network.realisations[made.runtime].export
        assert export is not None
        feed = {image: np.zeros((_TRIED, 3, crop_px, crop_px), np.float32)}
        network = with_file(network, export(values, feed).SerializeToString())
    elif made.runtime != asked.LOADS:
        raise ClassifierError(
            f"{name}: is a network of {made.runtime}, which {asked.NAME} does not run; ONNX runtimes run "
            f"what is exported of it"
        )
    runner = ImageRunner(asked.load(network, values, device, precision), image, scores, False)
    return Classifier(name, _classes_of(runner, crop_px, name), runner, _digest(values))


def _check_one_input(made: Made) -> None:
    call = made.network.forward if made.runtime == "pytorch" else made.network.construct
    named = inspect.signature(call).parameters.values()
    needed = [
        one.name
        for one in named
        if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) > 1:
        raise ClassifierError(
            f"{made.net.text}: has {len(needed)} inputs ({', '.join(needed[:8])}); evaluate takes a network "
            "with one, which is an image"
        )


def made_of_mindir(path: Path) -> Made:
    """Return the network of a .mindir file."""
    from triport.converters.mindir.origins import load_mindir
    from triport.converters.networks.arguments import NetFile

    return Made(NetFile(path), load_mindir(path), "mindspore")


def _classes_of(runner: ImageRunner, crop_px: int, what: str) -> int:
    """Run two images that differ; return how many scores each gets.

    Raises:
        ClassifierError: the output is no row of scores for each image.
    """
    images = np.random.default_rng(0).standard_normal((_TRIED, 3, crop_px, crop_px)).astype(np.float32)
    found = runner.run({INPUT: images})[LOGITS]
    if found.ndim != 2 or len(found) != _TRIED or found.shape[1] < 2:
        raise ClassifierError(
            f"{what}: makes {_sides(found.shape)} of {_TRIED} images; evaluate needs (N, classes), a score "
            f"for each class"
        )
    return int(found.shape[1])


def _digest(values: Mapping[str, np.ndarray]) -> str:
    """Return a SHA-256 over the names and bytes of all parameters."""
    digest = hashlib.sha256()
    for name in sorted(values):
        digest.update(f"{name} {values[name].shape}\0".encode())
        digest.update(np.ascontiguousarray(values[name]).tobytes())
    return digest.hexdigest()


def _sides(shape: Any) -> str:
    return f"({', '.join('free' if side is None else str(side) for side in shape)})"
