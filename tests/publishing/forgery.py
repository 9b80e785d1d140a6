"""Folders that were changed by somebody who also mends the manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from triport.converters.published import MODEL_FILE
from triport.publishing import manifest
from triport.publishing.folder import CARD_FILE
from triport.publishing.registered import card
from triport.publishing.verify import verify


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


def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def found(folder, runtimes=(), **options):
    """Return what verify finds wrong; it must find something, and say it in bounded printable lines."""
    done = verify(folder, runtimes=runtimes, **options)
    assert not done.passed
    problems = [problem for check in done.checks for problem in check.problems]
    assert all(len(problem) < 1500 and problem.replace("\n", "").isprintable() for problem in problems)
    return "\n".join(problems)


def append(name, text):
    def change(folder):
        path = folder / name
        path.write_text(path.read_text() + text)

    return change


def in_config(change):
    def changed_config(folder):
        path = folder / "config.json"
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n")

    return changed_config


def replaced(name, old, new):
    return lambda folder: replace_text(folder / name, old, new)
