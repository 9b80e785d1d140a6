"""Rules of values that anyone may have written: types, ranges and keys, before anything believes them.

A rule is a function of a value and of its place, and yields what is wrong there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any

from triport.converters.formats.tensors import short

Rule = Callable[[Any, str], Iterator[str]]

LONGEST_LINE = 1000
_SHOWN = 60


def line(least: int = 0, most: int = LONGEST_LINE) -> Rule:
    """Return the rule of one line that can be printed."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, str) or not least <= len(value) <= most or not value.isprintable():
            yield _wrong(place, value, "one line of text")

    return check


def text(pattern: str) -> Rule:
    """Return the rule of a string that matches a pattern."""
    compiled = re.compile(pattern)

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            yield _wrong(place, value, "a text of the right form")

    return check


def number(low: float = -math.inf, high: float = math.inf) -> Rule:
    """Return the rule of a finite number in a range."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not _is_number(value) or not low <= value <= high:
            yield _wrong(
                place, value, "a number" if low == -math.inf else f"a number from {low:g} to {high:g}"
            )

    return check


def integer(low: int, high: int) -> Rule:
    """Return the rule of a whole number in a range."""

    def check(value: Any, place: str) -> Iterator[str]:
        if type(value) is not int or not low <= value <= high:
            yield _wrong(place, value, f"a whole number from {low} to {high}")

    return check


def one_of(*allowed: Any) -> Rule:
    """Return the rule of a value that is one of a few; True is not 1."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not any(type(value) is type(one) and value == one for one in allowed):
            yield _wrong(place, value, " or ".join(map(repr, allowed)))

    return check


def nullable(rule: Rule) -> Rule:
    """Return a rule that also allows null."""

    def check(value: Any, place: str) -> Iterator[str]:
        if value is not None:
            yield from rule(value, place)

    return check


def items(rule: Rule, least: int = 0, most: int = 10**6) -> Rule:
    """Return the rule of a list whose items follow a rule."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            many = (
                f"{least}" if least == most else f"{least} or more" if most == 10**6 else f"{least} to {most}"
            )
            yield _wrong(place, value, f"a list of {many}")
            return
        for index, item in enumerate(value):
            yield from rule(item, f"{place}[{index}]")

    return check


def record(optional: Mapping[str, Rule] | None = None, /, **rules: Rule) -> Rule:
    """Return the rule of an object with just these keys, and maybe some of the optional ones."""
    every = {**rules, **(optional or {})}

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield _wrong(place, value, "an object")
            return
        missing, others = sorted(rules.keys() - value.keys()), sorted(value.keys() - every.keys())
        if missing:
            yield f"{_place(place)} lacks {', '.join(missing)}"
        if others:
            yield f"{_place(place)} has {', '.join(map(short, others[:10]))}, which triport does not write"
        for key, rule in every.items():
            if key in value:
                yield from rule(value[key], f"{place}.{key}" if place else key)

    return check


def table(key: Rule, rule: Rule) -> Rule:
    """Return the rule of an object with keys of one kind and values of one kind."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield _wrong(place, value, "an object")
            return
        for name, item in value.items():
            yield from key(name, f"a key of {place}")
            yield from rule(item, f"{place}.{short(name)}")

    return check


def has_been(stated: str) -> bool:
    """Return whether a year, month or day, written like 2026-11-27, is one, and not after today.

    Somewhere on Earth it is a day later than here.
    """
    if not re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", stated, re.ASCII):
        return False
    try:
        begins = date.fromisoformat(stated + "-01-01"[len(stated) - 4 :])
    except ValueError:  # no such day
        return False
    return begins <= (datetime.now(timezone.utc) + timedelta(days=1)).date()


def _past(value: Any, place: str) -> Iterator[str]:
    """Follow the rule of a date that has been."""
    if not isinstance(value, str) or not has_been(value):
        yield _wrong(place, value, "a date like 2026-11-27 that is not after today")


def _is_number(value: Any) -> bool:
    if type(value) is int:
        return abs(value) < 2**63
    return type(value) is float and math.isfinite(value)


def _wrong(place: str, value: Any, expected: str) -> str:
    try:
        shown = short(repr(value), _SHOWN) if isinstance(value, str | int | float | bool | None) else ""
    except ValueError:  # a number of more digits than Python prints
        shown = ""
    kinds = {dict: "an object", list: "a list", str: "a text", int: "a number of many digits"}
    return f"{_place(place)} is {shown or kinds.get(type(value), 'something else')}, expected {expected}"


def _place(place: str) -> str:
    return short(place, 200) or "the manifest"


HASH = text(r"[0-9a-f]{64}")
NAME = text(r"[\w.-]{1,100}")
LINE = line()
COUNT = integer(0, 2**62)
ERROR = number(0, 1e30)
DATE = nullable(_past)
FILE = text(r"[\w.+-]{1,255}")
DIGEST = text(r"sha256:[0-9a-f]{64}")
VERSION = text(r"[0-9A-Za-z.+-]{1,40}")
LICENSE = text(r"[A-Za-z0-9.+-]{1,120}")
VERSIONS = table(text(r"\w{1,100}"), text(r"[\w.+-]{1,100}"))
FILES = table(FILE, record(size=COUNT, sha256=HASH, what=LINE))
