"""What a kind of published folder is made of, and what it is checked by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from triport.converters.environment import MissingRuntimeError
from triport.converters.formats import short
from triport.parity.device import DeviceError
from triport.version import __version__

from .rules import Rule

Values = Mapping[str, Any]
Texts = Iterator[tuple[str, str]]
# problems of a folder with a manifest's values
Find = Callable[[Path, Values], Iterator[str]]


class CheckResult(NamedTuple):
    """What a check found: its name, "passed", "failed" or "not run", in words, and what is wrong."""

    name: str
    status: str
    detail: str
    problems: tuple[str, ...] = ()


class ContentCheck(NamedTuple):
    """A check of what the files hold: what it is called, what it shows in words, and what finds problems.

    Without `find` it compares the texts.
    """

    name: str
    detail: Callable[[Values], str]
    find: Find | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of published folder.

    Attributes:
        rule: what a manifest's values must be.
        title: what the network is called, of a manifest's values.
        files: which files there must be, and which there may be besides.
        what_of: what a file is, in words, by its name.
        texts: name and text of every text but the card, made of the manifest alone.
        card: name and text of the card, which lists the others.
        differs: how a text differs from the one that the manifest makes: (name, text, expected, values).
        checks: of what the files say and hold, in the order in which they are made.
        samples: runs the files: (folder, values, runtimes, device, progress).
    """

    rule: Rule
    title: Callable[[Values], str]
    files: Callable[[Values], tuple[frozenset[str], frozenset[str]]]
    what_of: Callable[[str], str]
    texts: Callable[[Values], Texts]
    card: Callable[[Values], tuple[str, str]]
    differs: Callable[[str, str, str, Values], Iterator[str]]
    checks: tuple[ContentCheck, ...]
    samples: Callable[[Path, Values, Sequence[str], str, Callable[[str], None]], Iterator[CheckResult]]

    def text_problems(self, folder: Path, values: Values) -> Iterator[str]:
        """Yield where a text is not the one that this version of triport makes of the manifest."""
        other = other_version(values)
        for name, expected in (*self.texts(values), self.card(values)):
            content = (folder / name).read_bytes()
            if content == expected.encode():
                continue
            try:
                text = content.decode()
            except UnicodeDecodeError:
                yield f"{name}: is not UTF-8 text"
                continue
            yield from (f"{problem}{other}" for problem in self.differs(name, text, expected, values))


def other_version(values: Values) -> str:
    """Return what is said of a text that differs where another version of triport wrote it."""
    if values["triport"] == __version__:
        return ""
    return (
        f". The manifest says that triport {values['triport']} wrote it, which {__version__} cannot "
        "confirm: verify with that version, or give the digest that the publisher states with --digest"
    )


def not_asked_for(file: str, runtime: str) -> CheckResult:
    """Return that a file was not run because its runtime was not asked for."""
    return CheckResult(f"sample: {file}", "not run", f"{runtime} was not asked for")


def ran(file: str, run: Callable[[], CheckResult]) -> CheckResult:
    """Return what running a file found; what it makes a runtime raise is a finding too.

    Raises:
        DeviceError: the device that was asked for is not there.
    """
    try:
        return run()
    except MissingRuntimeError as error:
        return CheckResult(f"sample: {file}", "not run", str(error).splitlines()[0])
    except DeviceError:
        raise
    except Exception as error:  # a forged file may make a runtime raise anything
        return CheckResult(
            f"sample: {file}", "failed", "", (f"{file}: cannot be run: {short(str(error), 500)}",)
        )
