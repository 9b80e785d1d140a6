"""Folders that were changed by somebody who also mends the manifest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from triport.converters.published import MODEL_FILE
from triport.publishing import manifest
from triport.publishing.folder import CARD_FILE
from triport.publishing.registered import card


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object] = lambda values: None) -> None:
    """Write a manifest with the hashes that the files have now, after `change` had its values."""
    values = manifest.parsed(manifest.read(folder))
    del values["digest"]
    for name, entry in manifest.files_of(folder, values["files"]).items():
        values["files"][name].update(entry)
    change(values)
    (folder / manifest.MANIFEST).write_bytes(manifest.written(values))


def mend(folder: Path, change: Callable[[dict[str, Any]], object] = lambda values: None) -> None:
    """Write a manifest and a card that agree with the files as they are, after `change` had its values."""
    values = manifest.parsed(manifest.read(folder))
    del values["digest"]
    change(values)
    for name, entry in manifest.files_of(folder, values["files"]).items():
        values["files"][name].update(entry)
    values["parity"]["files"] = {MODEL_FILE: values["files"][MODEL_FILE]["sha256"]}
    (folder / CARD_FILE).write_text(card.written(values), encoding="utf-8")
    values["files"][CARD_FILE].update(manifest.files_of(folder, [CARD_FILE])[CARD_FILE])
    (folder / manifest.MANIFEST).write_bytes(manifest.written(values))


def replace_text(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
