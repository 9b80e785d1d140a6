"""The weights of a network of one's own: accounted for in the source, laid out in files, listed by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from triport.converters.formats import Checkpoint, as_stated, open_checkpoint, short
from triport.converters.naming.fitting import fit_names
from triport.converters.naming.reading import read_names
from triport.converters.naming.row_tensors import tensors_of
from triport.converters.published import MANIFEST, MODEL_FILE
from triport.publishing.folder import PYTORCH_FILE
from triport.publishing.outcome import NotPublishableError
from triport.publishing.tensors import payload_sha256, problems_of
from triport.reference_models.errors import listed
from triport.reference_models.network import Arrays, Realisation

from .files import FIRST_FILES, NAMES_FILE, SECOND_FILES, weights_files

if TYPE_CHECKING:
    from triport.parity.subjects.own import LoadedNet

_COUNTER = "num_batches_tracked"


def realisations_of(loaded: LoadedNet) -> list[tuple[str, Realisation]]:
    """Return the realisations with the file of each, in the order in which they were named."""
    within = loaded.network.realisations.get("onnx")
    if within is not None:  # others are written from its graph, to run beside it
        return [(MODEL_FILE, within)]
    found = [(one.runtime, one) for one in loaded.network.realisations.values()]
    found += [(runtime, network.realisations[runtime]) for _, runtime, network in loaded.rivals]
    files: list[tuple[str, Realisation]] = []
    for runtime, one in found:
        taken = [name for name, _ in files]
        file = FIRST_FILES[runtime]
        files.append((SECOND_FILES[runtime] if file in taken else file, one))
    return files


def own_arrays(realisation: Realisation, parameters: Arrays) -> dict[str, np.ndarray]:
    """Return a realisation's parameters by its own names."""
    there = realisation.own(parameters)
    return {own: np.ascontiguousarray(there[name]) for own, name in realisation.names.items()}


def accounted(checkpoint: Checkpoint, loaded: LoadedNet) -> list[dict[str, str]]:
    """Return what of the source is not published, and why; all else is bit-equal to what a network gets.

    Raises:
        NotPublishableError: something is lost, changed, or no number.
    """
    if "onnx" in loaded.network.realisations:  # the file itself is published
        _check_finite(checkpoint)
        return []
    layouts = [own_arrays(one, loaded.parameters) for _, one in realisations_of(loaded)]
    layouts.append(dict(loaded.parameters))
    kept = {name for _, one in realisations_of(loaded) for name in one.kept}
    problems, dropped = [], [(one.name, one.reason) for one in checkpoint.dropped]
    for name, tensor in checkpoint.tensors.items():
        if name.rpartition(".")[2] == _COUNTER:
            dropped.append((name, "counts training batches"))
        elif any(name in layout for layout in layouts):
            values = tensor.numpy()
            if not any(name in layout and _same(values, layout[name]) for layout in layouts):
                problems.append(f"{short(name)}: {tensor.dtype}, is not what the network gets, in float32")
            elif not np.isfinite(values).all():
                problems.append(f"{short(name)}: NaN or Inf")
        elif name in kept:
            dropped.append((name, "the network makes it itself"))
        elif checkpoint.runtime == "onnx" and (tensor.dtype == "int64" or tensor.count <= 1):
            dropped.append((name, "a constant of the graph"))
        else:
            problems.append(f"{short(name)}: the network has no such parameter")
    _refuse(checkpoint, problems)
    return [{"name": short(name), "reason": short(reason, 900)} for name, reason in dropped]


def _refuse(checkpoint: Checkpoint, problems: list[str]) -> None:
    if problems:
        raise NotPublishableError(
            f"{checkpoint.path}: cannot be published as this network's weights\n{listed(problems)}\n"
            "Nothing was written"
        )


def _check_finite(checkpoint: Checkpoint) -> None:
    """Raise NotPublishableError where a weight is no number; a constant, as of a mask, may be infinite."""
    _refuse(
        checkpoint,
        [
            f"{short(name)}: NaN" if tensor.count == 1 else f"{short(name)}: NaN or Inf"
            for name, tensor in checkpoint.tensors.items()
            if "float" in tensor.dtype and not _is_number(tensor.numpy(), infinite=tensor.count == 1)
        ],
    )


def _is_number(values: np.ndarray, infinite: bool) -> bool:
    values = values.astype(np.float64)
    return bool((~np.isnan(values) if infinite else np.isfinite(values)).all())


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return (first.dtype, first.shape) == (second.dtype, second.shape) and np.ascontiguousarray(
        first
    ).tobytes() == np.ascontiguousarray(second).tobytes()


def layouts_of(loaded: LoadedNet) -> dict[str, dict[str, np.ndarray]]:
    """Return what each weights file holds, by name."""
    if "onnx" in loaded.network.realisations:
        return {}
    files = {
        file: own_arrays(one, loaded.parameters)
        for file, one in realisations_of(loaded)
        if file != MODEL_FILE
    }
    return {PYTORCH_FILE: dict(loaded.parameters)} | files


def ledger_of(checkpoint: Checkpoint, loaded: LoadedNet, folder: Path) -> list[dict[str, Any]]:
    """Return an entry for each tensor: its name in each file that has these bits under a name for it.

    Args:
        checkpoint: the source.
        loaded: the networks with their weights.
        folder: with the files that hold them.

    Raises:
        NotPublishableError: the graph has other values under a parameter's name.
    """
    if "onnx" in loaded.network.realisations:
        return _ledger_of_onnx(checkpoint, folder)
    first = realisations_of(loaded)[0][1]
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for file, one in realisations_of(loaded):
        for own, array in own_arrays(one, loaded.parameters).items():
            name = own if one.values is not None else one.names[own]
            _enter(entries, file, own, name, array)
    if PYTORCH_FILE not in dict(realisations_of(loaded)):
        for name, array in loaded.parameters.items():
            _enter(entries, PYTORCH_FILE, name, name, np.asarray(array))
    for own, tensor in open_checkpoint(folder / MODEL_FILE).tensors.items():
        name = first.names.get(own, own)
        if name not in loaded.parameters:
            _enter(entries, MODEL_FILE, own, own, tensor.numpy(), "constant")
        elif _same(tensor.numpy(), np.asarray(loaded.parameters[name])):
            _enter(entries, MODEL_FILE, own, name, np.asarray(loaded.parameters[name]))
        else:
            raise NotPublishableError(f"{MODEL_FILE}: {short(own)} holds other bits than the source")
    return list(entries.values())


def _ledger_of_onnx(checkpoint: Checkpoint, folder: Path) -> list[dict[str, Any]]:
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    written = open_checkpoint(folder / MODEL_FILE).tensors
    for name in written.keys() | checkpoint.tensors.keys():
        if name not in written or not _same(written[name].numpy(), checkpoint.tensors[name].numpy()):
            raise NotPublishableError(f"{MODEL_FILE}: {short(name)} holds other bits than the source")
    for name, tensor in written.items():
        is_weight = "float" in tensor.dtype and tensor.count > 1
        _enter(entries, MODEL_FILE, name, name, tensor.numpy(), "parameter" if is_weight else "constant")
    return list(entries.values())


def _enter(
    entries: dict[tuple[str, str], dict[str, Any]],
    file: str,
    own: str,
    name: str,
    array: np.ndarray,
    role: str = "parameter",
) -> None:
    """Put a tensor of a file into the entry of its bits, or into a new one."""
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    entry = entries.get((name, digest))
    key = (name, digest)
    if entry is None or file in entry["files"] or entry["shape"] != list(array.shape):
        key = key if entry is None else (f"{file}:{own}", digest)
        entry = {
            "name": name,
            "role": role,
            "files": {},
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "sha256": digest,
        }
        entries[key] = entry
    entry["files"][file] = own


def map_of(loaded: LoadedNet, folder: Path) -> dict[str, str]:
    """Return how the map leads from the first network's file to the second's, which it must do bit for bit.

    Raises:
        NotPublishableError: it does not.
    """
    (source, _), (target, _) = realisations_of(loaded)
    entry = {"standing": read_names(folder / NAMES_FILE).standing, "source": source, "target": target}
    for into in ("b", "a"):
        if not list(map_problems(folder, entry | {"into": into})):
            return entry | {"into": into}
    raise NotPublishableError(
        f"{NAMES_FILE}: does not lead from {source} to {target} bit for bit. Nothing was written"
    )


def map_problems(folder: Path, entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the map does not make the second network's file of the first's."""
    file = read_names(folder / NAMES_FILE)
    if file.standing != entry["standing"]:
        said, right = as_stated(entry["standing"]), as_stated(file.standing)
        yield f"{MANIFEST}: says that the map is {said}, it is {right}"
    checkpoint = open_checkpoint(folder / entry["source"])
    try:
        made = tensors_of(checkpoint, fit_names(checkpoint, file, into=entry["into"]))
    except Exception as error:  # whatever a forged map leads to is a finding
        yield f"{NAMES_FILE}: is no map of {entry['source']}: {short(str(error), 500)}"
        return
    found = open_checkpoint(folder / entry["target"]).tensors
    for name in made.keys() ^ found.keys():
        yield f"{entry['target']}: {short(name)} is not in both, the file and what {NAMES_FILE} makes"
    for name in made.keys() & found.keys():
        if payload_sha256(made[name]) != payload_sha256(found[name]):
            yield f"{entry['target']}: {short(name)} is not what {NAMES_FILE} makes of {entry['source']}"


def bits_problems(folder: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield where a file's tensors are not the ledger's, or the ledger is not of all files."""
    files = (MODEL_FILE, *weights_files(values))
    entries = values["names"]
    for entry in entries:
        others = sorted(entry["files"].keys() - set(files))
        if others or not entry["files"]:
            yield f"{MANIFEST}: its ledger has {short(entry['name'])} in {', '.join(others) or 'no file'}"
        if entry["role"] == "constant" and entry["files"].keys() != {MODEL_FILE}:
            yield f"{MANIFEST}: its ledger calls {short(entry['name'])} a constant of the graph"
    for file in files:
        yield from problems_of(folder, file, entries, constants=False)
    if values["map"]:
        yield from map_problems(folder, values["map"])
