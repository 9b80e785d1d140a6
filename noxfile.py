"""Runs the core tests with the versions of triport/converters/versions/tested.py, a session for each set.

nox                         the oldest and the newest set
nox -s mindspore-2.8        one set; nox --list names them
nox -s page                 writes what ran to docs/versions.md

Each set is installed into an environment of its own, of several GB where PyTorch comes with CUDA. Its
Python must be on PATH (with pyenv: `pyenv shell 3.10 3.11 3.12`). What ran is kept in
tests/versions/ran.json.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))

from triport.converters.versions.tested import SETS, VersionSet

nox.options.sessions = ["oldest", "newest"]
nox.options.reuse_existing_virtualenvs = True
# a set that was passed over is not one that passed
nox.options.error_on_missing_interpreters = True


def _session_of(one: VersionSet) -> None:
    @nox.session(name=one.name, python=one.python)
    def session(session: nox.Session) -> None:
        pinned = [f"{package}=={version}" for package, version in one.versions.items()]
        session.install(*pinned, "pytest", "pytest-timeout")
        session.install("--no-deps", "-e", ".")
        session.run("python", "-m", "tests.versions.run_core", one.name, *session.posargs)


for _one in SETS.values():
    _session_of(_one)


@nox.session(venv_backend="none")
def page(session: nox.Session) -> None:
    """Write docs/versions.md, of the sets and of what ran."""
    session.run(sys.executable, "-m", "docs.versions_page", external=True)
