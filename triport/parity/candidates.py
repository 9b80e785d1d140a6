"""What is judged: the runtimes that were asked for, each made when its turn comes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, cast

from triport.reference_models.errors import TriportError
from triport.reference_models.network import Arrays, Network, Realisation
from triport.reference_models.spec import all_models

from .kernel_copies import Exporter, KernelCopies
from .onnx_graphs.quantised import quantised
from .options import Options
from .precision import FULL
from .remade import RemadeRunner
from .runtimes import Runner, Runtime, runtime_called

# The candidate that is an ONNX file as it was given.
GIVEN_FILE = "onnxruntime (given file)"

Source = Literal["mindspore", "pytorch"]
# whose definitions ONNX files are made from
SOURCES: tuple[Source, ...] = ("mindspore", "pytorch")


class ParityError(TriportError):
    """A runtime failed where it should have computed outputs."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A runtime by name, and what makes its runner.

    `unseen_seconds` says how long another process was at it while nobody waited; None where none is.
    `kernels` are the copies of a graph made from a Cell that compute as MindSpore's kernels do. `unasked`
    says that it is made from a framework that nobody named: where that is missing, it is left out.
    """

    name: str
    make: Callable[[], Runner]
    unseen_seconds: Callable[[], float] | None = None
    kernels: KernelCopies | None = None
    unasked: bool = False

    @property
    def is_elsewhere(self) -> bool:
        """Whether another process has begun with it: its turn is last, and it is waited for least."""
        return self.unseen_seconds is not None


def candidates_of(
    network: Network,
    parameters: Arrays,
    feed: Arrays,
    options: Options,
    exporters: Mapping[str, Exporter] | None = None,
) -> list[Candidate]:
    """Return a candidate for each runtime that is asked for and each realisation that it runs.

    Args:
        network: what to run.
        parameters: by its names.
        feed: for whose sizes ONNX files are made.
        options: which runtimes, and how.
        exporters: realisation -> what makes ONNX of it; its own by default.

    Raises:
        TriportError: a runtime is not known, or has nothing to run.
    """
    asked = [runtime_called(name) for name in options.runtimes]
    sources = [source for source in SOURCES if source in network.realisations]
    named = [source for source in sources if source in options.runtimes]
    candidates: list[Candidate] = []
    for loads in ("pytorch", "mindspore"):
        for runtime in asked:
            if loads == runtime.LOADS and loads in network.realisations:
                ahead = network.realisations[loads].ahead
                load = ahead.load if ahead else partial(_load, runtime, network, parameters, options)
                candidates.append(Candidate(runtime.LABEL, load, ahead.load_seconds if ahead else None))
    for runtime in asked:
        if runtime.LOADS != "onnx":
            continue
        if "onnx" in network.realisations:
            candidates.append(Candidate(runtime.LABEL, partial(_load, runtime, network, parameters, options)))
        for source in named or sources:
            export = (exporters or {}).get(source) or network.realisations[source].export
            if export is not None:
                made = _remade if network.realisations[source].remade else _made_into_onnx
                make = partial(made, runtime, network, parameters, feed, options)
                imitated = source == "mindspore" and options.device == "cpu" and options.precision in FULL
                kernels = KernelCopies(export, make) if imitated else None
                name = f"{runtime.LABEL} (from {source})"
                ahead = network.realisations[source].ahead
                unseen = ahead.export_seconds if ahead else None
                unasked = source not in options.runtimes
                candidates.append(Candidate(name, partial(make, export), unseen, kernels, unasked))
    return candidates


def given_file(network: Network, parameters: Arrays, path: Path, options: Options) -> Candidate:
    """Return the candidate that is an ONNX file as it was given, with its own weights."""
    given = with_file(network, path)
    return Candidate(GIVEN_FILE, partial(_load, runtime_called("onnx"), given, parameters, options))


def with_file(network: Network, model: Path | bytes) -> Network:
    """Return a network with an ONNX file, or its bytes, as that realisation."""
    realisation = Realisation("onnx", lambda: model)
    return replace(network, realisations={**network.realisations, "onnx": realisation})


def _load(runtime: Runtime, network: Network, parameters: Arrays, options: Options) -> Runner:
    return runtime.load(network, parameters, options.device, options.precision, options.observed)


def _made_into_onnx(
    runtime: Runtime,
    network: Network,
    parameters: Arrays,
    feed: Arrays,
    options: Options,
    export: Exporter,
) -> Runner:
    """Return a runner of the ONNX file that is made from a realisation."""
    model = export(parameters, feed)
    if network.name not in all_models():
        # exporters leave networks in reference cycles, runners do not; a registered one has no weights then
        gc.collect()
    if options.precision == "int8":
        model = quantised(model, feed)
    made = with_file(network, model.SerializeToString())
    del model
    return _load(runtime, made, parameters, options)


def _remade(
    runtime: Runtime,
    network: Network,
    parameters: Arrays,
    feed: Arrays,
    options: Options,
    export: Exporter,
) -> Runner:
    """Return the same, which makes the file again for inputs of other sizes."""

    def make(feed: Arrays) -> Runner:
        return _made_into_onnx(runtime, network, parameters, feed, options, export)

    return cast(Runner, RemadeRunner(make(feed), make))


@contextmanager
def framework_errors(name: str) -> Iterator[None]:
    """Turn what a framework raises into a ParityError that names the candidate."""
    try:
        yield
    except TriportError:
        raise
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "")
        raise ParityError(f"{name} failed: {type(error).__name__}: {reason}") from error
