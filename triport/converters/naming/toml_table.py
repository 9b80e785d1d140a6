"""A table of a NAMES.toml, whose keys and values are looked at before they are used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from triport.converters.formats.tensors import MAX_TENSORS, short
from triport.reference_models.errors import TriportError

_MOST_CHARACTERS = 2_000
_KINDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


# of a key outside of quotes, such as [kept.a]; what reads TOML takes the square of that in time and memory
_MOST_PARTS = 16
_TOKEN = re.compile(r"""\\.|["'.=,\[\]{}\n]""")


class NamesFileError(TriportError):
    """A NAMES.toml is damaged, or holds what no such file has."""


def check_keys_are_short(text: str) -> None:
    """Raise NamesFileError where a key has more parts, with dots between, than any that is known."""
    parts, quote = 0, ""
    for token in _TOKEN.finditer(text):
        one = token[0]
        if quote:
            # a backslash means nothing in single quotes
            if one in (quote, "\n") or (quote == "'" and one == "\\'"):
                quote = ""
        elif one in ("'", '"'):
            quote = one
        elif one != ".":
            parts = 0
        elif (parts := parts + 1) >= _MOST_PARTS:
            line = text.count("\n", 0, token.start()) + 1
            raise NamesFileError(
                f"line {line}: has a key of more than {_MOST_PARTS} parts, which no such file has"
            )


class Table:
    """A table of the file, and how an error calls it."""

    def __init__(self, content: Any, where: str) -> None:
        if not isinstance(content, dict):
            raise NamesFileError(f"{where} is no table")
        self.content, self.where = content, where

    def check_keys(self, known: Sequence[str]) -> None:
        """Raise NamesFileError where there is a key that is not known."""
        for key in self.content:
            if key not in known:
                raise NamesFileError(
                    f"{self.where} has the unknown key {short(key)!r}; known are {', '.join(known)}"
                )

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        """Return the value of a key, which must be of that kind and, without a default, be there."""
        value = self.content.get(key, default)
        if value is None:
            raise NamesFileError(f"{self.where} lacks the key {key!r}")
        if type(value) is not kind and not (kind is float and type(value) is int):
            found, expected = _KINDS.get(type(value), "something else"), _KINDS[kind]
            raise NamesFileError(f"{self.where}: {short(key)!r} is {found}, expected {expected}")
        if kind is str:
            self.check_text(key, value)
        return value

    def check_text(self, key: str, value: object) -> None:
        """Raise NamesFileError unless a value is a text of a size that a name can have."""
        if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
            raise NamesFileError(
                f"{self.where}: {short(key)!r} holds {short(str(value), 40)!r}; expected texts of at most "
                f"{_MOST_CHARACTERS:,} characters"
            )

    def texts(self, key: str, most: int = MAX_TENSORS) -> tuple[str, ...]:
        """Return the texts of a list; a text alone is a list of one."""
        found = self.content.get(key, [])
        found = [found] if isinstance(found, str) else found
        if not isinstance(found, list) or len(found) > most:
            raise NamesFileError(f"{self.where}: {short(key)!r} is no list of at most {most:,} texts")
        for one in found:
            self.check_text(key, one)
        return tuple(found)

    def table(self, key: str, needed: bool = True) -> Table:
        """Return a table in this one."""
        if key not in self.content and needed:
            raise NamesFileError(f"{self.where} lacks the table {key!r}")
        where = f"[{key}]" if self.where == "the file" else f"{self.where[:-1]}.{key}]"
        return Table(self.content.get(key, {}), where)
