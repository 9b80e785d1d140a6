"""`parity` of a network that runs elsewhere: inputs are written, and outputs that came back are judged."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triport.converters.networks.arguments import text_of
from triport.parity.check import IMAGES_OF, ModelReport
from triport.parity.inputs import Inputs, further_inputs, sample_feed
from triport.parity.options import Options, ReportSources
from triport.parity.subjects.asked import Subject, subjects_of
from triport.parity.subjects.loading import FeedShape, feed_of, loaded_of
from triport.parity.subjects.own import load_nets, net_subject
from triport.reference_models.network import Arrays, Network
from triport.reference_models.program import program
from triport.reference_models.result import SCHEMA_VERSION

from .check import check_recorded
from .saved_inputs import RecordedError, save_inputs


@dataclass(frozen=True, slots=True)
class AskedNetwork:
    """Which network: what `parity` was given, with descriptions of its inputs where it is the user's own."""

    what: tuple[Any, ...]
    specs: tuple[str, ...]
    weights: str | None
    model: str | None
    seed: int

    @property
    def command(self) -> str:
        """What `parity` is given to name it again."""
        words = [*map(text_of, self.what), *(word for spec in self.specs for word in ("--input", spec))]
        for option, value in (("--weights", self.weights), ("--model", self.model)):
            words += [option, value] if value else []
        return shlex.join(words)


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """The network with its weights; `to_onnx` says in words how it is written as ONNX."""

    network: Network
    parameters: Arrays
    told: ReportSources
    to_onnx: str
    subject: Subject | None


@dataclass(frozen=True, slots=True)
class SavedResult:
    """What was written: the file, its batches with the shapes of their inputs, and what to do next."""

    path: Path
    network: str
    weights: str
    batches: tuple[tuple[str, str], ...]
    next_step: str

    @property
    def schema_version(self) -> int:
        """The version of the keys of `to_dict`."""
        return SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """Whether it was written."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints."""
        return {
            "schema_version": self.schema_version,
            "saved_inputs": str(self.path),
            "model": self.network,
            "weights": self.weights,
            "batches": [{"name": name, "what": what} for name, what in self.batches],
        }

    def __str__(self) -> str:
        lines = [f"{self.path}: the inputs of {self.network} ({self.weights})"]
        lines += [f"  {name}: {what}" for name, what in self.batches]
        return "\n".join([*lines, self.next_step])


def save(asked: AskedNetwork, path: Path, shape: FeedShape, precision: str) -> SavedResult:
    """Write the inputs of a check.

    Raises:
        TriportError: it is not one network, or the file cannot be written.
    """
    loaded = _loaded(asked)
    network = loaded.network
    if loaded.subject is None:
        feed = sample_feed(network, {}, asked.seed)
    else:
        feed = feed_of(loaded.subject, network, asked.seed, shape)
    further = further_inputs(network, feed, precision, asked.seed, other_size=False)
    names = save_inputs(
        path,
        network,
        loaded.parameters,
        Inputs(feed, tuple(further)),
        seed=None if shape.images else asked.seed,
        source=f"{IMAGES_OF}{shape.images}" if shape.images else "noise",
        weights=loaded.told.weights,
    )
    whats = ["the main batch", *(f"{one} ({', '.join(one.images)})" for one in further)]
    feeds = [feed, *(one.feed for one in further)]
    batches = [
        (name, f"{what}: {_shapes(given)}") for name, what, given in zip(names, whats, feeds, strict=True)
    ]
    next_step = (
        f"Run them where the network lives, with the same weights: examples/run_recorded.py does so. "
        f"{loaded.to_onnx}\nThen judge what comes back: {program()} parity {asked.command} "
        f"{shlex.join(['--inputs', str(path), '--outputs', 'y.npz'])}\n"
        f"Add --precision if the network does not run in float32 there."
    )
    return SavedResult(path, network.name, loaded.told.weights, tuple(batches), next_step)


def judge(
    asked: AskedNetwork, inputs: Path, outputs: Path, options: Options, progress: Callable[[str], None]
) -> ModelReport:
    """Judge outputs that came back. See `check_recorded`."""
    loaded = _loaded(asked)
    return check_recorded(
        loaded.network,
        loaded.parameters,
        inputs,
        outputs,
        options,
        told=loaded.told,
        progress=lambda step, done, total: progress(step),
    )


def _loaded(asked: AskedNetwork) -> _Loaded:
    random = (
        "The weights are random and in no file: with --weights {}, `convert {} --to onnx` writes it as ONNX."
    )
    if asked.specs:
        specs = " ".join(f"--input {spec}" for spec in asked.specs)
        net = load_nets(net_subject(asked.what, asked.specs, asked.weights), asked.seed)
        words = f"{text_of(asked.what[0])} {specs}"
        to_onnx = f"`convert {words} --to onnx` writes it as ONNX."
        if "onnx" in net.network.realisations:
            to_onnx = "It is an ONNX file with its weights already."
        elif net.source.startswith("random"):
            to_onnx = random.format("own", words)
        return _Loaded(net.network, net.parameters, ReportSources(net.source, net.files), to_onnx, None)
    weights = None if asked.weights is None else Path(asked.weights)
    subject = _one(
        subjects_of(asked.what, every=False, weights=weights, seed=asked.seed, model=asked.model), asked.what
    )
    loaded = loaded_of(subject, asked.seed)
    to_onnx = f"`convert {subject.weights} --to onnx` writes it as ONNX."
    if subject.weights is None:
        to_onnx = random.format("FILE", "FILE")
    return _Loaded(
        loaded.network, loaded.parameters, ReportSources(loaded.source, loaded.files), to_onnx, subject
    )


def _one(subjects: Sequence[Subject], what: Sequence[Any]) -> Subject:
    if len(subjects) != 1:
        raise RecordedError(
            f"one network's inputs and outputs are recorded, found {', '.join(map(text_of, what))}"
        )
    return subjects[0]


def _shapes(feed: Arrays) -> str:
    return ", ".join(
        f"{name} {' x '.join(map(str, array.shape))} {array.dtype}" for name, array in feed.items()
    )
