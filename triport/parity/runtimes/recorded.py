"""Outputs that were computed elsewhere, and are read from a file: nothing runs here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from triport.parity.calls import CalledModule, CallStep, Feed, ModuleCall, ReferenceNames, Visit, input_name
from triport.parity.precision import PRECISIONS as ALL_PRECISIONS
from triport.parity.recorded.recorded_outputs import RecordedOutputs
from triport.reference_models.network import Arrays, Network, Realisation

NAME, LABEL, LOADS, TITLE = "recorded", "recorded", "recorded", "recorded outputs"
BY_DEFAULT = False
DEVICES = ("cpu",)
PRECISIONS = ALL_PRECISIONS
WHY_NOT = ""
NOT_COMPARED = "the file has no output of theirs"


def framework() -> Any:
    """Return NumPy, which reads the file."""
    return np


def devices() -> Iterator[tuple[str, bool, str]]:
    """Yield nothing: what computed is on another machine."""
    yield from ()


def load(
    network: Network,
    parameters: Arrays,
    device: str = "cpu",
    precision: str = "float32",
    observed: bool = False,
) -> RecordedRunner:
    """Return what the network's realisation "recorded" has read; see `Runtime` and `with_outputs`."""
    return RecordedRunner(cast("dict[str, Realisation]", network.realisations)[NAME].build(), network)


def with_outputs(network: Network, recorded: RecordedOutputs) -> Network:
    """Return a network with recorded outputs as one more realisation."""
    realisation = Realisation(cast(Any, NAME), lambda: recorded)
    return replace(network, realisations={**network.realisations, cast(Any, NAME): realisation})


class RecordedRunner:
    """Recorded outputs in the form of a network that runs: on the feeds that they are of."""

    runtime = NAME
    device = "another machine"

    def __init__(self, recorded: RecordedOutputs, network: Network) -> None:
        self.network = network
        self.what = str(recorded.file.path)
        self.notes: tuple[str, ...] = recorded.notes
        self._recorded = recorded

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return the outputs by name."""
        return self._recorded.of(feed)

    def takes(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether there are outputs for inputs of these shapes."""
        feeds = [self._recorded.saved.feeds[batch] for batch in self._recorded.batches]
        return any(all(feed[name].shape == shape for name, shape in shapes.items()) for feed in feeds)

    def modules(self) -> list[CalledModule]:
        """Return none: who has recorded them uses the names of the reference's."""
        return []

    def trace(
        self, feed: Arrays, visit: Visit, fed: Feed | None = None, beside: ReferenceNames | None = None
    ) -> Arrays | None:
        """Tell `visit` of every step of the reference that was recorded; none can be fed apart.

        What a step was given is what its source returned, where that was recorded too.
        """
        if beside is None or fed is not None:
            return None
        modules = self._recorded.modules
        unknown = sorted(set(modules) - {step.name for step in beside.steps})
        if unknown:
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            self.notes += (f"the network has no module {', '.join(map(_shown, unknown[:5]))}{more}",)
        shapes = {step.name: step.shape for step in beside.steps}
        inputs = {input_name(name): array for name, array in feed.items()}

        def output(name: str) -> np.ndarray:
            return self._recorded.file.array(modules[name], shapes[name])

        def given(step: CallStep) -> tuple[np.ndarray | None, ...]:
            return tuple(
                inputs.get(source or "") if source not in modules else output(source)
                for source in step.sources
            )

        for step in beside.steps:
            if step.name in modules:
                visit(ModuleCall(step.path, step.number, given(step), output(step.name), index=step.index))
        return None

    def following(self, beside: ReferenceNames, step: str) -> str:
        """Return nothing: what comes after a step is not in the file."""
        return ""

    def versions(self) -> dict[str, str]:
        """Return what the file says has computed it."""
        return {"recorded by": self._recorded.runtime or "not stated"}


def _shown(name: str) -> str:
    return name[:100] if name[:100].isprintable() else ascii(name[:100])[1:-1]
