"""Tensors of a folder's files, held against the ledger that lists their names, shapes and bits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from triport.converters.formats import Tensor, open_checkpoint


def payload_sha256(tensor: Tensor) -> str:
    """Return the SHA-256 of a tensor's little-endian bytes."""
    digest = hashlib.sha256()
    for chunk in tensor.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def problems_of(
    folder: Path, file: str, entries: list[dict[str, Any]], constants: bool = True
) -> Iterator[str]:
    """Yield how a weights file's tensors differ from the ledger's: names, shapes, dtypes, bits.

    `constants`: whether a graph may have some that the ledger does not list.
    """
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
        constant = (
            constants and checkpoint.runtime == "onnx" and (tensor.dtype == "int64" or tensor.count <= 1)
        )
        if name not in expected and not constant:
            yield f"{file}: {name} is not in the ledger"
