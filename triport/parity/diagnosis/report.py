"""A diagnosis on the terminal, and as a page."""

from __future__ import annotations

from triport.converters.formats import file_sha256
from triport.parity.pages import render, run_facts

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


def page(diagnosis: Diagnosis, command: str | None = None) -> str:
    """Return the page as HTML that fetches nothing; `command` is what was typed, None where nobody typed."""
    files = {
        f"{letter}, {path}": file_sha256(path)
        for letter, path in zip("AB", (diagnosis.first, diagnosis.second), strict=True)
    }
    facts = run_facts(command, files, {})
    return render("diagnosis.html", facts, diagnosis=diagnosis, marks=MARKS)
