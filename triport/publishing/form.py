"""What a kind of published folder is made of, and what it is checked by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .rules import Rule

Values = Mapping[str, Any]
Texts = Iterator[tuple[str, str]]
# problems of a folder with a manifest's values
Find = Callable[[Path, Values], Iterator[str]]


class Found(NamedTuple):
    """What a check found: its name, "passed", "failed" or "not run", in words, and what is wrong."""

    name: str
    status: str
    detail: str
    problems: tuple[str, ...] = ()


class ContentCheck(NamedTuple):
    """A check of what the files hold: what it is called, what it shows in words, and what finds problems."""

    name: str
    detail: Callable[[Values], str]
    find: Find


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
        checks: of what the files say and hold, in the order in which they are made.
        samples: runs the files: (folder, values, runtimes, device, progress).
    """

    rule: Rule
    title: Callable[[Values], str]
    files: Callable[[Values], tuple[frozenset[str], frozenset[str]]]
    what_of: Callable[[str], str]
    texts: Callable[[Values], Texts]
    card: Callable[[Values], tuple[str, str]]
    checks: tuple[ContentCheck, ...]
    samples: Callable[[Path, Values, Sequence[str], str, Callable[[str], None]], Iterator[Found]]
