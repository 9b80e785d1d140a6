"""The file of a check's inputs, x.npz: what to run elsewhere, and what tells that its outputs are of it.

Its arrays are named `BATCH/INPUT`. `batches` lists the batches in order, the main one first; `made_for` is
the hash of all that the outputs must be of, and `about` says it in JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.formats import file_sha256, replacing
from triport.parity.inputs import Further, Inputs
from triport.reference_models.errors import TriportError
from triport.reference_models.network import Arrays, Network

from .npz import NpzError, NpzFile, write_npz

MAIN = "main"
MADE_FOR, ABOUT, BATCHES = "made_for", "about", "batches"
_SCHEMA = 1


class RecordedError(TriportError):
    """Inputs or outputs are not of this check."""


@dataclass(frozen=True, slots=True, eq=False)
class SavedInputs:
    """Inputs of a file: the feeds by the batch's name, and what `Inputs` says of the further ones.

    `seed` is None where they are images; `source` is what they are made of, `weights` which weights they are
    for, in words.
    """

    path: Path
    inputs: Inputs
    batches: tuple[str, ...]
    seed: int | None
    source: str
    weights: str
    made_for: str

    @property
    def feeds(self) -> dict[str, Arrays]:
        """The feeds by the batch's name, the main one first."""
        further = self.inputs.further or ()
        return dict(zip(self.batches, [self.inputs.feed, *(one.feed for one in further)], strict=True))

    @property
    def files(self) -> dict[str, str]:
        """The SHA-256 of the file."""
        return {str(self.path): file_sha256(self.path)}


def save_inputs(
    path: Path,
    network: Network,
    parameters: Arrays,
    inputs: Inputs,
    *,
    seed: int | None,
    source: str,
    weights: str,
) -> tuple[str, ...]:
    """Write the inputs of a check, and return the names of the batches.

    An input of another size is left out: a network that was compiled for a device takes one size.
    """
    further = [one for one in inputs.further or () if not one.other_size]
    names = [MAIN, *(f"further{number}" for number in range(1, 1 + len(further)))]
    feeds = dict(zip(names, [inputs.feed, *(one.feed for one in further)], strict=True))
    about = {
        "schema": _SCHEMA,
        "network": network.name,
        "weights": weights,
        "weights_sha256": arrays_sha256(parameters),
        "inputs_sha256": _feeds_sha256(feeds),
        "outputs": list(network.outputs),
        "seed": seed,
        "source": source,
        "batches": [
            {"name": MAIN, "title": "the main batch", "images": [], "rows": []},
            *(
                {"name": name, "title": one.title, "images": list(one.images), "rows": list(one.rows)}
                for name, one in zip(names[1:], further, strict=True)
            ),
        ],
    }
    arrays = {f"{name}/{key}": array for name, feed in feeds.items() for key, array in feed.items()}
    text = json.dumps(about, sort_keys=True)
    with replacing(path) as temporary:
        write_npz(
            Path(temporary),
            {
                BATCHES: np.array(names),
                MADE_FOR: np.array(_text_sha256(text)),
                ABOUT: np.array(text),
                **arrays,
            },
        )
    return tuple(names)


def read_inputs(path: Path, network: Network, parameters: Arrays, *, seed: int) -> SavedInputs:
    """Return the inputs of a file that was written for this network, these parameters and this seed.

    Raises:
        RecordedError: it was written for others, or is damaged.
    """
    file = NpzFile(path)
    text = file.text(ABOUT)
    about = _about(path, text)
    made_for = file.text(MADE_FOR)
    if made_for != _text_sha256(text):
        raise RecordedError(f"{path}: what it says of itself was changed since it was written")
    _check_made_for(path, about, network, parameters, seed)
    batches = [_Batch.of(path, one) for one in about["batches"]]
    feeds = {one.name: _feed(file, one.name, network) for one in batches}
    if _feeds_sha256(feeds) != about["inputs_sha256"]:
        raise RecordedError(f"{path}: its inputs were changed since it was written: write it again")
    main, *others = batches
    count = network.rows.count(feeds[main.name]) if network.rows is not None else 1
    further = tuple(one.further(path, feeds[one.name], network, count) for one in others)
    return SavedInputs(
        path,
        Inputs(feeds[main.name], further),
        tuple(one.name for one in batches),
        about["seed"],
        about["source"],
        about["weights"],
        made_for,
    )


@dataclass(frozen=True, slots=True)
class _Batch:
    name: str
    title: str
    images: tuple[str, ...]
    rows: tuple[int | None, ...]

    @classmethod
    def of(cls, path: Path, value: Any) -> _Batch:
        try:
            name, title, images, rows = (value[key] for key in ("name", "title", "images", "rows"))
        except (TypeError, KeyError):
            raise RecordedError(f"{path}: does not say what its batches are") from None
        right = (
            all(isinstance(text, str) and text.isprintable() for text in (name, title))
            and isinstance(images, list)
            and all(isinstance(image, str) and image.isprintable() for image in images)
            and isinstance(rows, list)
            and all(row is None or type(row) is int for row in rows)
            and len(rows) == len(images)
        )
        if not right:
            raise RecordedError(f"{path}: does not say what its batches are")
        return cls(name, title, tuple(images), tuple(rows))

    def further(self, path: Path, feed: Arrays, network: Network, main_rows: int) -> Further:
        rows = network.rows.count(feed) if network.rows is not None else 1
        known = all(row is None or 0 <= row < main_rows for row in self.rows)
        if not known or len(self.rows) != rows or (network.rows is None and self.rows != (None,)):
            raise RecordedError(f"{path}: {self.name}: its rows are not those that it states")
        return Further(feed, self.images, self.rows, self.title)


def arrays_sha256(arrays: Arrays) -> str:
    """Return the SHA-256 of arrays: names, dtypes, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _feeds_sha256(feeds: Mapping[str, Arrays]) -> str:
    flat = {f"{name}/{key}": array for name, feed in feeds.items() for key, array in feed.items()}
    return arrays_sha256(flat)


def _text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


def _about(path: Path, text: str) -> dict[str, Any]:
    try:
        about = json.loads(text)
        right = (
            about["schema"] == _SCHEMA
            and all(
                isinstance(about[key], str) and about[key].isprintable()
                for key in ("network", "weights", "weights_sha256", "inputs_sha256", "source")
            )
            and (about["seed"] is None or type(about["seed"]) is int)
            and isinstance(about["batches"], list)
            and about["batches"]
            and about["batches"][0]["name"] == MAIN
        )
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        right = False
    if not right:
        raise RecordedError(f"{path}: is no file that `parity --save-inputs` of this version writes")
    return dict(about)


def _check_made_for(
    path: Path, about: Mapping[str, Any], network: Network, parameters: Arrays, seed: int
) -> None:
    if about["network"] != network.name:
        raise RecordedError(f"{path}: was written for {about['network']}, not for {network.name}")
    if about["seed"] is not None and about["seed"] != seed:
        raise RecordedError(
            f"{path}: was written with seed {about['seed']}, not {seed}: add --seed {about['seed']}"
        )
    if about["weights_sha256"] != arrays_sha256(parameters):
        raise RecordedError(
            f"{path}: was written for other weights ({about['weights']}): give those, or write it again with "
            "--save-inputs"
        )


def _feed(file: NpzFile, batch: str, network: Network) -> dict[str, np.ndarray]:
    found = {}
    for given in network.inputs:
        name = f"{batch}/{given.name}"
        header = file.headers.get(name)
        if header is None:
            raise RecordedError(f"{file.path}: has no {name}")
        fits = len(header.shape) == len(given.shape) and all(
            isinstance(axis, str) or axis == side
            for axis, side in zip(given.shape, header.shape, strict=True)
        )
        if not fits or header.dtype != np.dtype(given.dtype):
            axes = ", ".join(map(str, given.shape))
            raise RecordedError(
                f"{file.path}: {name}: expected ({axes}) {given.dtype}, found {header.shape} {header.dtype}"
            )
        found[given.name] = file.array(name)
        if found[given.name].dtype.kind == "f" and not np.isfinite(found[given.name]).all():
            raise NpzError(f"{file.path}: {name} has values that are no numbers")
    return found
