"""Which operators can be written for a runtime, and which of them a graph needs and lacks.

Each folder of converters that has a registry of operators has a `support.py` beside it, found by discovery:
`TARGETS`, the runtimes that it writes for; `reads(path)`, whether it takes such a file; `list_operators(to)`;
and `find_needs(path, to, opset)`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from triport import converters
from triport.converters.formats.source import missing_file_hint
from triport.reference_models.errors import TriportError

SCHEMA = 1


class SupportError(TriportError):
    """Nothing lists the operators of such a file, or of such a runtime."""


@dataclass(frozen=True, slots=True)
class Supported:
    """An operator that can be written: its file's name, what it does, and what of it is refused."""

    name: str
    group: str
    what: str
    limits: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, by name."""
        return {"name": self.name, "group": self.group, "what": self.what, "limits": list(self.limits)}


@dataclass(frozen=True, slots=True)
class Need:
    """An operator that a graph has `count` times.

    `lacks` has each reason for which some of these are refused, with their places. `num_unjudged` of them are
    not judged: they read what is refused, or nothing says how large their results are.
    """

    name: str
    count: int
    lacks: tuple[tuple[str, tuple[str, ...]], ...] = ()
    num_unjudged: int = 0

    @property
    def passed(self) -> bool:
        """Whether nothing of it is refused."""
        return not self.lacks

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, by name."""
        return {
            "name": self.name,
            "count": self.count,
            "supported": self.passed,
            "lacks": [{"reason": reason, "places": list(places)} for reason, places in self.lacks],
            "not_judged": self.num_unjudged,
        }


@dataclass(frozen=True, slots=True)
class Needs:
    """What a graph needs for a runtime, every operator once; `note` says what the answer leaves open."""

    source: str
    to: str
    opset: int | None
    operators: tuple[Need, ...]
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the graph lacks nothing."""
        return all(need.passed for need in self.operators)

    def to_dict(self) -> dict[str, Any]:
        """Return what `operators FILE --json` prints."""
        return {
            "schema": SCHEMA,
            "source": self.source,
            "to": self.to,
            "opset": self.opset,
            "passed": self.passed,
            "note": self.note,
            "operators": [need.to_dict() for need in self.operators],
        }


class Registry(Protocol):
    """What a `support.py` has."""

    TARGETS: Sequence[str]

    def reads(self, path: Path) -> bool:
        """Return whether it takes such a file."""

    def list_operators(self, to: str) -> list[Supported]:
        """Return what it can write for a runtime."""

    def find_needs(self, path: Path, to: str, opset: int) -> Needs:
        """Return what a graph needs."""


def registries() -> Iterator[Registry]:
    """Yield every registry."""
    for module in pkgutil.iter_modules(converters.__path__):
        name = f"{converters.__name__}.{module.name}.support"
        if module.ispkg and importlib.util.find_spec(name) is not None:
            yield importlib.import_module(name)


def list_operators(to: str | None) -> dict[str, list[Supported]]:
    """Return the operators that can be written, by runtime; of all runtimes where none is given.

    Raises:
        SupportError: nothing writes for that runtime.
    """
    found = {
        target: registry.list_operators(target)
        for registry in registries()
        for target in registry.TARGETS
        if to in (None, target)
    }
    if not found:
        raise SupportError(f"--to {to}: no graph is written for {to} operator by operator")
    return found


def find_needs(path: Path, to: str | None, opset: int) -> Needs:
    """Return what a file's graph needs of a runtime, by default the first that it can be written for.

    Raises:
        SupportError: nothing reads such a file, or writes it for that runtime.
        TriportError: the file cannot be read.
    """
    if not path.is_file():
        raise SupportError(f"{path}: no such file; {missing_file_hint(str(path))}")
    reading = [registry for registry in registries() if registry.reads(path)]
    targets = [target for registry in reading for target in registry.TARGETS]
    for registry in reading:
        for target in registry.TARGETS:
            if to in (None, target):
                return registry.find_needs(path, target, opset)
    if targets:
        raise SupportError(f"{path}: such a file is written for {' or '.join(targets)}, not for {to}")
    raise SupportError(f"{path}: its operators cannot be listed; those of a .mindir or .onnx graph can be")
