"""HTML reports: Jinja templates that extend base.html, each rendered to one file that fetches nothing."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from triport.reference_models.errors import counted, without_controls
from triport.version import __version__

# what a run is, to be found again: title and text
Facts = Sequence[tuple[str, str]]


def run_facts(command: str | None, hashes: Mapping[str, str], versions: Mapping[str, str]) -> Facts:
    """Return date, command, hashes and versions of a run; SOURCE_DATE_EPOCH sets the date.

    Args:
        command: what was typed, None where a program called.
        hashes: SHA-256 of what was read, by what it is.
        versions: of what computed, by package.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.datetime.now(datetime.timezone.utc)
    if epoch.isdecimal() and len(epoch) < 12:
        now = datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
    known = {"triport": __version__, "python": platform.python_version(), **versions}
    return (
        ("date", now.strftime("%Y-%m-%d %H:%M UTC")),
        *((("command", command),) if command else ()),
        *((f"SHA-256 of {what}", sha256) for what, sha256 in hashes.items()),
        ("versions", ", ".join(f"{name} {value}" for name, value in known.items())),
        ("machine", f"{platform.system()} {platform.machine()}"),
    )


def render(template: str, facts: Facts = (), **values: Any) -> str:
    """Return the page that `template`, a file of this folder, makes of `values`; they are escaped.

    `facts` stand at its end. A name that the template uses and `values` lacks raises jinja2.UndefinedError.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__name__, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        # names come from files
        finalize=lambda value: without_controls(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"counted": counted, "breakable": _breakable}
    return environment.get_template(template).render(facts=facts, **values)


def _breakable(text: str) -> Markup:
    """Return a text that breaks behind the slashes of paths, and not in a name where that can be helped."""
    return Markup("/<wbr>").join(without_controls(text).split("/"))
