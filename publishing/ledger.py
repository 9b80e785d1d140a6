"""The name ledger: every tensor by its name in each weights file, with shape and the bits' SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from converters.formats import Checkpoint, Tensor, open_checkpoint
from converters.identify import Fit
from converters.names import COUNTER_LEAF, name_map
from reference_models.spec import Dialect


def ledger_of(
    checkpoint: Checkpoint, found: Fit, files: Mapping[str, Dialect | None]
) -> list[dict[str, Any]]:
    """Return one entry a tensor, in the definition's order.

    Args:
        checkpoint: the source.
        found: how its names meet the model's.
        files: the folder's weights files with the dialect of each; None is the canonical names.
    """
    maps = {name: name_map(found.spec, dialect) if dialect else None for name, dialect in files.items()}
    entries = []
    for canonical, theirs in found.names.items():
        counter = canonical.endswith(COUNTER_LEAF)
        tensor = checkpoint.tensors[theirs]
        named = {
            file: canonical if names is None else names.get(canonical)
            for file, names in maps.items()
            if not (counter and names is None)
        }
        entries.append(
            {
                "canonical": canonical,
                "source": theirs,
                "files": {file: name for file, name in named.items() if name is not None},
                "shape": list(tensor.shape),
                "dtype": tensor.dtype,
                "sha256": payload_sha256(tensor),
            }
        )
    return entries


def payload_sha256(tensor: Tensor) -> str:
    """Return the SHA-256 of a tensor's little-endian bytes."""
    digest = hashlib.sha256()
    for chunk in tensor.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def problems_of(folder: Path, file: str, entries: list[dict[str, Any]]) -> Iterator[str]:
    """Yield how a weights file's tensors differ from the ledger's: names, shapes, dtypes, bits."""
    expected = {entry["files"][file]: entry for entry in entries if file in entry["files"]}
    checkpoint = open_checkpoint(folder / file)
    for name, entry in expected.items():
        tensor = checkpoint.tensors.get(name)
        if tensor is None:
            yield f"{file}: {name} is missing"
        elif list(tensor.shape) != entry["shape"] or tensor.dtype != entry["dtype"]:
            yield (
                f"{file}: {name} is {tensor.dtype}{list(tensor.shape)}, the ledger says "
                f"{entry['dtype']}{entry['shape']}"
            )
        elif payload_sha256(tensor) != entry["sha256"]:
            yield f"{file}: {name} holds other bits than the ledger says"
    for name, tensor in checkpoint.tensors.items():
        # an exporter's constants: axes, shapes, a clip's bounds
        constant = checkpoint.runtime == "onnx" and (tensor.dtype == "int64" or tensor.count <= 1)
        if name not in expected and not constant:
            yield f"{file}: {name} is not in the ledger"
