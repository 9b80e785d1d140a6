"""The end of each way to publish: texts and manifest are written, and the folder must verify."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from triport.converters.formats import FormatError
from triport.reference_models.errors import listed

from . import manifest
from .form import Form
from .forms import form_of
from .outcome import NotPublishableError, PublishError
from .rules import has_been
from .verify import verify


def date_given() -> str | None:
    """Return the date that SOURCE_DATE_EPOCH gives, None where it is not set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return None
    try:
        date = time.strftime("%Y-%m-%d", time.gmtime(int(epoch)))
    except (ValueError, OverflowError, OSError):
        raise PublishError(f"SOURCE_DATE_EPOCH={epoch!r}: expected seconds since 1970") from None
    if not has_been(date):
        raise PublishError(f"SOURCE_DATE_EPOCH={epoch!r}: is {date}, and nothing is published after today")
    return date


def _write_texts(folder: Path, values: dict[str, Any], form: Form) -> None:
    """Write the texts, the card, which lists the other files, and the manifest, which lists the card too."""
    for name, text in form.texts(values):
        write_text(folder / name, text)
    written = [path.name for path in folder.iterdir()]
    values["files"] = {
        name: {**entry, "what": form.what_of(name)}
        for name, entry in manifest.files_of(folder, written).items()
    }
    name, text = form.card(values)
    write_text(folder / name, text)
    values["files"][name] = {**manifest.files_of(folder, [name])[name], "what": form.what_of(name)}
    (folder / manifest.MANIFEST).write_bytes(manifest.written(values))


def write_text(path: Path, text: str) -> None:
    """Write a text of the folder."""
    try:
        path.write_bytes(text.encode())
    except OSError as error:
        raise FormatError(f"{path.name}: cannot be written: {error.strerror}") from None


def finished(folder: Path, values: dict[str, Any]) -> bytes:
    """Write all texts into the folder, which must then verify, and return its manifest.

    Raises:
        NotPublishableError: it does not verify.
    """
    _write_texts(folder, values, form_of(values))
    done = verify(folder, runtimes=())
    problems = [problem for check in done.checks for problem in check.problems]
    if problems:
        raise NotPublishableError(
            f"the folder does not verify, a fault of triport's:\n{listed(problems)}\nNothing was written"
        )
    return manifest.read(folder)
