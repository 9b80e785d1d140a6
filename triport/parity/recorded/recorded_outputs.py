"""The file of outputs, y.npz: what a network computed elsewhere on the inputs of x.npz.

Its arrays are named `BATCH/OUTPUT`, and `main/modules/PATH` for what a module of the network returned. It
repeats `made_for` of x.npz, and may say in `runtime` what has computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triport.reference_models.errors import counted, listed
from triport.reference_models.network import Arrays, Network

from .npz import NpzFile
from .saved_inputs import ABOUT, BATCHES, MADE_FOR, MAIN, RecordedError, SavedInputs

RUNTIME = "runtime"
_MODULES = f"{MAIN}/modules/"
_TOLD = frozenset({MADE_FOR, RUNTIME, ABOUT, BATCHES})


@dataclass(frozen=True, slots=True, eq=False)
class RecordedOutputs:
    """Outputs of a file, by the batches of the inputs that they are of.

    `batches` are those that it has; `runtime` says what has computed them, empty where the file does not;
    `notes` say what of it cannot be told or compared.
    """

    saved: SavedInputs
    file: NpzFile
    batches: tuple[str, ...]
    output_names: tuple[str, ...]
    runtime: str
    notes: tuple[str, ...]

    def of(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return the outputs for a feed.

        Raises:
            RecordedError: it is none of the feeds that the outputs are of.
        """
        batch = self.batch_of(feed)
        return {name: self.file.array(f"{batch}/{name}") for name in self.output_names}

    def batch_of(self, feed: Arrays) -> str:
        """Return the name of a feed; see `of`."""
        for batch in self.batches:
            saved = self.saved.feeds[batch]
            if all(np.array_equal(saved[name], array) for name, array in feed.items()):
                return batch
        raise RecordedError(f"{self.file.path}: has no outputs for this input")

    @property
    def modules(self) -> dict[str, str]:
        """The names of the arrays of modules, by the step that each is of: `layer1.0.relu#2`."""
        return {name.removeprefix(_MODULES): name for name in self.file.names if name.startswith(_MODULES)}


def read_outputs(path: Path, saved: SavedInputs, network: Network) -> RecordedOutputs:
    """Return what a file has of a network's outputs.

    Raises:
        RecordedError: it is of other inputs, lacks an output, or has a name that is none.
    """
    file = NpzFile(path)
    notes = []
    if MADE_FOR not in file.headers:
        notes.append(f"{path} does not repeat made_for of {saved.path}: it is taken to be of these inputs")
    elif file.text(MADE_FOR) != saved.made_for:
        raise RecordedError(f"{path}: is of other inputs or weights than {saved.path}: its made_for differs")
    wanted = {batch: [f"{batch}/{name}" for name in network.outputs] for batch in saved.batches}
    batches = [batch for batch, names in wanted.items() if any(name in file.headers for name in names)]
    missing = [
        name
        for batch in {MAIN: None, **dict.fromkeys(batches)}
        for name in wanted[batch]
        if name not in file.headers
    ]
    if missing:
        raise RecordedError(
            f"{path}: {counted(len(missing), 'output is', 'outputs are')} missing\n{listed(missing)}\n"
            f"Found are\n{listed(_shown(name) for name in file.names)}"
        )
    known = {name for names in wanted.values() for name in names} | _TOLD
    others = [name for name in file.names if name not in known and not name.startswith(_MODULES)]
    if others:
        raise RecordedError(
            f"{path}: {counted(len(others), 'array is', 'arrays are')} no output of {saved.path}'s batches\n"
            f"{listed(map(_shown, others))}\nOutputs are called BATCH/OUTPUT, modules {_MODULES}PATH"
        )
    further = saved.inputs.further or ()
    left_out = [
        f"{one} ({', '.join(one.images)})"
        for batch, one in zip(saved.batches[1:], further, strict=True)
        if batch not in batches
    ]
    if left_out:
        notes.append(f"{path} has no outputs for {'; '.join(left_out)}")
    runtime = _shown(file.text(RUNTIME)) if RUNTIME in file.headers else ""
    return RecordedOutputs(saved, file, tuple(batches), tuple(network.outputs), runtime, tuple(notes))


def _shown(name: str) -> str:
    """Return a text of the file in printable characters, and not long."""
    return name[:200] if name[:200].isprintable() else ascii(name[:200])[1:-1]
