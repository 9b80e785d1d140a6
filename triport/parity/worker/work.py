"""What a check asks of the other process ahead: a model loaded there, run on every input, and traced."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from triport.converters.onnx_export import exporter_for
from triport.converters.onnx_export.written_model import INPUT, with_parameters
from triport.parity.calls import CalledModule, Feed, ReferenceNames, Visit
from triport.parity.inputs import Inputs, further_inputs
from triport.parity.options import Options
from triport.parity.runtimes import mindspore, pytorch, runtime_called
from triport.parity.subjects.parameters import no_wider_than_float32
from triport.reference_models.network import Ahead, Arrays, Network
from triport.reference_models.spec import get_model

from .process import Answer, WorkerProcess

if TYPE_CHECKING:
    import onnx


def begun(
    worker: WorkerProcess,
    network: Network,
    num_classes: int,
    parameters: Arrays,
    given: Inputs,
    options: Options,
) -> tuple[Network, Inputs]:
    """Begin the work of MindSpore on a registered model in the other process.

    Args:
        worker: the process.
        network: the model's.
        num_classes: outputs of its head.
        parameters: by the network's names.
        given: what it is to be run on.
        options: which runtimes, and how.

    Returns:
        The network whose Cell is loaded, and traced, there; and all its inputs, the further ones too.
    """
    further = given.further
    if further is None:
        further = tuple(further_inputs(network, given.feed, options.precision, options.seed))
    inputs = Inputs(given.feed, further)
    model = {"model": network.name, "num_classes": num_classes}
    how = {"device": options.device, "precision": options.precision}
    loaded = worker.ask("load", {**model, **how}, no_wider_than_float32(parameters))
    runs = [(feed, worker.ask("run", {}, feed)) for feed in (given.feed, *(one.feed for one in further))]
    runner = RunnerInWorker(worker, network, loaded, runs, options.precision)
    ahead = Ahead(runner.ready, runner.unseen_seconds)
    realisation = network.realisations["mindspore"]
    if any(runtime_called(name).LOADS == "onnx" for name in options.runtimes):
        graphs = _Graphs(worker, model, given.feed)
        ahead = replace(ahead, export_seconds=graphs.unseen_seconds)
        realisation = replace(realisation, export=graphs.export)
        if pytorch.NAME in options.runtimes:
            _trace_module(model, given.feed)
    realisation = replace(realisation, ahead=ahead)
    return replace(network, realisations={**network.realisations, "mindspore": realisation}), inputs


def _trace_module(model: Mapping[str, Any], feed: Arrays) -> None:
    """Trace the model's Module now, which takes one processor, as MindSpore's compiling beside it does.

    The exporter keeps the graph until it is asked for it. Later, when MindSpore has done its work, both
    processors are PyTorch's.
    """
    spec = replace(get_model(model["model"]), input_size_px=feed[INPUT].shape[-1])
    with suppress(Exception):  # whatever fails here fails again, and is said, when the graph is needed
        exporter_for(pytorch.NAME).trace(spec, model["num_classes"])


class _Graphs:
    """The model's graph for the size of a feed's images, which is being traced."""

    def __init__(self, worker: WorkerProcess, model: Mapping[str, Any], feed: Arrays) -> None:
        self._worker, self._model = worker, model
        self._traced = {feed[INPUT].shape[-1]: self._asked(feed[INPUT].shape[-1])}

    def _asked(self, size_px: int) -> Answer:
        return self._worker.ask("trace", {**self._model, "size_px": size_px})

    def export(self, parameters: Arrays, feed: Arrays) -> onnx.ModelProto:
        """Return the graph with these parameters, as `Realisation.export` does."""
        from triport.converters.onnx_export.from_mindspore import Traced, onnx_of

        size_px = feed[INPUT].shape[-1]
        words, arrays = (self._traced.get(size_px) or self._asked(size_px)).get()
        shapes = {name: tuple(shape) for name, shape in words["shapes"].items()}
        sized = replace(get_model(self._model["model"]), input_size_px=size_px)
        found = Traced(arrays["mindir"].tobytes(), shapes)
        return with_parameters(onnx_of(found, sized, self._model["num_classes"]), parameters)

    def unseen_seconds(self) -> float:
        """Return how long tracing took while nobody waited for it."""
        return sum(answer.unseen() for answer in self._traced.values())


class RunnerInWorker:
    """A model's Cell that the other process has loaded, and runs; a `Runner` for all but its modules."""

    runtime = mindspore.NAME
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        worker: WorkerProcess,
        network: Network,
        loaded: Answer,
        runs: list[tuple[Arrays, Answer]],
        precision: str,
    ) -> None:
        """Take what has been asked for: what `loaded` and the `runs` of these feeds will answer."""
        self._worker, self.network = worker, network
        self._loaded, self._runs = loaded, runs
        self._precision = precision
        self.device = ""

    def ready(self) -> RunnerInWorker:
        """Wait until it is loaded, and return it."""
        words, _ = self._loaded.get()
        self.device = words["device"]
        self.approximations = mindspore.approximations_of(self.device, self._precision)
        return self

    def unseen_seconds(self) -> float:
        """Return how long loading and the first run took while nobody waited for them."""
        return self._loaded.unseen() + self._runs[0][1].unseen()

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return the outputs by name."""
        answer = next((answer for asked, answer in self._runs if asked is feed), None)
        _, outputs = (answer or self._worker.ask("run", {}, feed)).get()
        return outputs

    def takes(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether inputs may have these shapes: a Cell says it when it runs."""
        return True

    def modules(self) -> list[CalledModule]:
        """Return none: modules are looked at in this process."""
        return []

    def trace(
        self, feed: Arrays, visit: Visit, fed: Feed | None = None, beside: ReferenceNames | None = None
    ) -> Arrays | None:
        """Return nothing, likewise."""
        return None

    def following(self, beside: ReferenceNames, step: str) -> str:
        """Return nothing: what follows a Cell is code."""
        return ""

    def versions(self) -> dict[str, str]:
        """Return what computed there."""
        words, _ = self._loaded.get()
        versions: dict[str, str] = words["versions"]
        return versions
