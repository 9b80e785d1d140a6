"""A diagnosis on the terminal, and as a page."""

from __future__ import annotations

import platform
from datetime import UTC, datetime

import triport
from triport.converters.formats import file_sha256
from triport.parity.pages import render
from triport.reference_models.program import program

from .finding import Diagnosis

MARKS = {True: "same", False: "DIFFERS", None: "not known"}


def lines(diagnosis: Diagnosis) -> list[str]:
    """Return what the terminal shows: a line for each finding, its details below, and the sentence."""
    shown = [f"{diagnosis.model}: {diagnosis.first} and {diagnosis.second}"]
    for one in diagnosis.findings:
        shown.append(f"  {one.aspect:<14} {MARKS[one.same]:<10} {one.sentence}")
        if one.same is False:
            shown += [f"{'':<27} {detail}" for detail in one.details if detail not in one.sentence]
    return [*shown, diagnosis.conclusion]


def page(diagnosis: Diagnosis) -> str:
    """Return the page as HTML that fetches nothing."""
    files = [(path, file_sha256(path)) for path in (diagnosis.first, diagnosis.second)]
    return render(
        "diagnosis.html",
        diagnosis=diagnosis,
        marks=MARKS,
        files=files,
        command=f"{program()} diagnose {diagnosis.first} {diagnosis.second}",
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        versions=f"triport {triport.__version__}, Python {platform.python_version()}",
    )
