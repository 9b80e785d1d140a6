"""What is judged: the runtimes that were asked for, each made when its turn comes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from triport.converters.networks.registered import of_model
from triport.converters.onnx_model import INPUT
from triport.reference_models.errors import TriportError
from triport.reference_models.network import Arrays, Network, Realisation
from triport.reference_models.spec import ModelSpec

from .onnx_graphs.quantised import quantised
from .runtimes import Runner, Runtime, runtime_called

# The candidate that is an ONNX file as it was given.
GIVEN_FILE = "onnxruntime (given file)"

Source = Literal["mindspore", "pytorch"]
# whose definitions ONNX files are made from
SOURCES: tuple[Source, ...] = ("mindspore", "pytorch")

# (parameters, feed) -> onnx.ModelProto
Exporter = Callable[[Arrays, Arrays], Any]


class ParityError(TriportError):
    """A runtime failed where it should have computed logits."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A runtime by name, and what makes its runner."""

    name: str
    make: Callable[[], Runner]


def candidates_of(
    spec: ModelSpec,
    num_classes: int,
    parameters: Mapping[str, np.ndarray],
    runtimes: Sequence[str],
    device: str,
    precision: str,
    onnx_file: Path | None,
    exporters: Mapping[str, Exporter],
    keep_model: bool,
    batch: np.ndarray,
) -> list[Candidate]:
    """Return the candidates of `check_model`, whose arguments these are; `keep_model` to look into ONNX."""
    if not (runtimes or onnx_file):
        raise ParityError("no runtime was named")
    feed = {INPUT: batch}
    network = of_model(spec, num_classes)
    candidates = [
        Candidate(
            name, partial(runtime_called(name).load, network, parameters, device, precision, keep_model)
        )
        for name in ("pytorch", "mindspore")
        if name in runtimes
    ]
    for name in runtimes:
        runtime = runtime_called(name)
        if runtime.LOADS != "onnx":
            continue
        sources = [source for source in SOURCES if source in runtimes]
        for source in sources or SOURCES:

            def make(runtime: Runtime = runtime, source: Source = source) -> Runner:
                model = exported(network, source, parameters, feed, exporters)
                gc.collect()  # exporters leave networks in reference cycles; runners do not
                if precision == "int8":
                    model = quantised(model, batch)
                made = with_file(network, model.SerializeToString())
                del model
                return runtime.load(made, parameters, device, precision, keep_model)

            candidates.append(Candidate(f"{runtime.LABEL} (from {source})", make))
    if onnx_file is not None:
        given = with_file(network, onnx_file)
        load = partial(runtime_called("onnx").load, given, parameters, device, precision, keep_model)
        candidates.append(Candidate(GIVEN_FILE, load))
    return candidates


def exported(
    network: Network,
    source: Source,
    parameters: Arrays,
    feed: Arrays,
    exporters: Mapping[str, Exporter],
) -> Any:
    """Return the onnx.ModelProto of a realisation, by the exporter that was given for it or its own."""
    export = exporters.get(source) or network.realisations[source].export
    assert export is not None
    return export(parameters, feed)


def with_file(network: Network, model: Path | bytes) -> Network:
    """Return a network with an ONNX file, or its bytes, as that realisation."""
    realisation = Realisation("onnx", lambda: model)
    return replace(network, realisations={**network.realisations, "onnx": realisation})


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
