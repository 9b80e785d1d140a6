"""The name ledger: every tensor by its name in each weights file, with shape and the bits' SHA-256."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from triport.converters.formats import Checkpoint
from triport.converters.formats.tensors import short
from triport.converters.identification.fit import Fit
from triport.converters.names import COUNTER_LEAF, canonical_shapes, counters, name_map, reference_dialect
from triport.converters.published import MANIFEST, MODEL_FILE
from triport.publishing.folder import MINDSPORE_FILE, PYTORCH_FILE
from triport.publishing.tensors import payload_sha256, problems_of
from triport.reference_models.spec import Dialect, ModelSpec, get_model

from .files import dialect_file


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
        tensor = checkpoint.tensors[theirs]
        entries.append(
            {
                "canonical": canonical,
                "source": theirs,
                "files": _names_in(maps, canonical),
                "shape": list(tensor.shape),
                "dtype": tensor.dtype,
                "sha256": payload_sha256(tensor),
            }
        )
    return entries


def folder_problems(folder: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the ledger is not of the manifest's model, or a file's tensors are not the ledger's."""
    entries, spec = values["names"], get_model(values["model"])
    columns = _columns(spec, values["files"])
    shapes = canonical_shapes(spec, values["num_classes"])
    counting = set(counters(spec))
    stated = [(e["canonical"], tuple(e["shape"])) for e in entries if e["canonical"] not in counting]
    if sorted(stated) != sorted(shapes.items()):
        yield f"{MANIFEST}: its ledger has other names or shapes than {spec.name}"
    maps = {name: name_map(spec, dialect) if dialect else None for name, dialect in columns.items()}
    for entry in entries:
        expected = _names_in(maps, entry["canonical"])
        if entry["files"] != expected:
            yield f"{MANIFEST}: its ledger has {short(entry['canonical'])} in other files or by other names"
    compared = {one["file"]: one["tensors"] for one in values["checks"]["round_trip"]}
    if compared.keys() != columns.keys() or len(compared) != len(values["checks"]["round_trip"]):
        yield f"{MANIFEST}: its round trips are of {', '.join(sorted(compared))}"
    for file, tensors in compared.items():
        if tensors < len(shapes):
            yield f"{MANIFEST}: its round trip of {file} is of {tensors} tensors, not of {len(shapes)}"
    for file in columns:
        yield from problems_of(folder, file, entries)


def _columns(spec: ModelSpec, files: Mapping[str, Any]) -> dict[str, Dialect | None]:
    """Return the weights files of a folder with their dialects; None is the canonical names."""
    columns: dict[str, Dialect | None] = {
        MODEL_FILE: None,
        PYTORCH_FILE: reference_dialect(spec, "pytorch"),
        MINDSPORE_FILE: reference_dialect(spec, "mindspore"),
    }
    named = {dialect_file(dialect.name, dialect.runtime): dialect for dialect in spec.dialects}
    return columns | {name: dialect for name, dialect in named.items() if name in files}


def _names_in(maps: Mapping[str, Mapping[str, str] | None], canonical: str) -> dict[str, str]:
    """Return a tensor's name in each file that has it; a graph has no counters."""
    counter = canonical.endswith(COUNTER_LEAF)
    named = {
        file: canonical if names is None else names.get(canonical)
        for file, names in maps.items()
        if not (counter and names is None)
    }
    return {file: name for file, name in named.items() if name is not None}
