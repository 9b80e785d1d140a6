"""Patterns of names: `layer{i}.{j}.conv1.weight` stands for many, and which numbers it stands for is listed.

A brace that belongs to a name is written twice. `{i+1}` is one more than `{i}`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from triport.converters.formats.tensors import MAX_TENSORS, short
from triport.reference_models.errors import TriportError

from .pair_names import PairRow
from .step import Step

Values = tuple[int, ...]  # of the placeholders of a row, in order
Placeholders = tuple[str, ...]

_PART = re.compile(r"\{\{|\}\}|\{([a-z][a-z0-9]{0,7})([+-][0-9]{1,9})?\}|[{}]|[^{}]+")
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,8})(?![0-9])")
_LETTERS = "ijklmnpqrstuvwxyzabcdefgh"
_MOST_PLACEHOLDERS = 8


class PatternError(TriportError):
    """A pattern, or the numbers that it stands for, cannot be read."""


class PatternRow(NamedTuple):
    """A row whose names are patterns, and what its placeholders are called."""

    a: tuple[str, ...]
    b: tuple[str, ...]
    steps: tuple[Step, ...]
    reason: str
    placeholders: Placeholders = ()


# --- reading ---


def placeholders_of(patterns: Sequence[str]) -> Placeholders:
    """Return the names of the placeholders of several patterns, each once.

    Raises:
        PatternError: a brace is neither a placeholder nor written twice, or there are too many.
    """
    names = [name for pattern in patterns for literal, name, _ in _parts(pattern) if literal is None]
    found = tuple(dict.fromkeys(names))
    if len(found) > _MOST_PLACEHOLDERS:
        raise PatternError(f"has {len(found)} placeholders; expected at most {_MOST_PLACEHOLDERS}")
    return found


def filled(pattern: str, values: Mapping[str, int]) -> str:
    """Return the name that a pattern is with numbers for its placeholders.

    Raises:
        PatternError: a number would be negative.
    """
    pieces = []
    for literal, name, offset in _parts(pattern):
        if literal is None and values[name] + offset < 0:
            raise PatternError(f"{short(pattern)!r}: {name} is {values[name]}, which {offset} makes negative")
        pieces.append(str(values[name] + offset) if literal is None else literal)
    return "".join(pieces)


def _parts(pattern: str) -> Iterator[tuple[str | None, str, int]]:
    """Yield (literal, "", 0) and (None, placeholder, offset)."""
    for found in _PART.finditer(pattern):
        text = found[0]
        if found[1]:
            yield None, found[1], int(found[2] or 0)
        elif text in "{}":
            raise PatternError(
                f"{short(pattern)!r}: a brace is a placeholder, such as {{i}} or {{i+1}}, or is written twice"
            )
        else:
            yield text[:1] if text in ("{{", "}}") else text, "", 0


def read_values(texts: Sequence[str], count: int) -> list[Values]:
    """Return the numbers of several placeholders that texts such as `1-3.0` list.

    Args:
        texts: each a range, or a number, for every placeholder, with dots between.
        count: of placeholders.

    Raises:
        PatternError: a text is not of that form, or there are more than any network has tensors.
    """
    found: list[Values] = []
    for text in texts:
        ranges = [_RANGE.fullmatch(part) for part in text.split(".")]
        if len(ranges) != count or not all(ranges):
            raise PatternError(
                f"{short(text)!r}: expected a number or a range for each of {count}, such as "
                f"{'.'.join(['1-3', *['0'] * (count - 1)])}"
            )
        ends = [(int(one[1]), int(one[2] or one[1])) for one in ranges if one]
        sizes = [last - first + 1 for first, last in ends]
        if min(sizes) < 1 or math.prod(sizes) + len(found) > MAX_TENSORS:
            raise PatternError(f"{short(text)!r}: stands for none, or for more than {MAX_TENSORS:,}")
        found += itertools.product(*(range(first, last + 1) for first, last in ends))
    return found


# --- writing ---


def escaped(name: str) -> str:
    """Return a name as a pattern that stands for it alone."""
    return name.replace("{", "{{").replace("}", "}}")


def compressed(rows: Sequence[PairRow]) -> tuple[list[PatternRow], dict[Placeholders, list[Values]]]:
    """Return rows that differ by numbers in their names as one each, and the numbers of the placeholders."""
    groups: dict[tuple[object, ...], list[tuple[PairRow, Values]]] = {}
    for row in rows:
        apart = [_NUMBER.split(name) for name in (*row.a, *row.b)]
        texts = tuple(tuple(pieces[::2]) for pieces in apart)
        values = tuple(int(number) for pieces in apart for number in pieces[1::2])
        groups.setdefault((len(row.a), texts, row.steps), []).append((row, values))
    letters = _letters()
    names: dict[tuple[Values, ...], Placeholders] = {}
    found = []
    for members in groups.values():
        found.append(_pattern_row(members, names, letters))
    return found, {placeholders: list(values) for values, placeholders in names.items()}


def _pattern_row(
    members: Sequence[tuple[PairRow, Values]],
    names: dict[tuple[Values, ...], Placeholders],
    letters: Iterator[str],
) -> PatternRow:
    """Return several rows as one, whose placeholders are called as others with the same numbers are."""
    first = members[0][0]
    columns = list(zip(*(values for _, values in members), strict=True))
    free, slots = _explained(columns)
    if not free or len(free) > _MOST_PLACEHOLDERS:
        # with no free column there is one member: names are unique
        return PatternRow(
            tuple(map(escaped, first.a)), tuple(map(escaped, first.b)), first.steps, first.reason
        )
    values = tuple(sorted(zip(*(columns[place] for place in free), strict=True)))
    if values not in names:
        names[values] = tuple(itertools.islice(letters, len(free)))
    placeholders = names[values]
    fills = iter(
        str(slot)
        if isinstance(slot, int)
        else "{" + placeholders[slot[0]] + f"{slot[1]:+}" * bool(slot[1]) + "}"
        for slot in slots
    )
    patterns = []
    for name in (*first.a, *first.b):
        pieces = _NUMBER.split(name)
        texts, numbers = map(escaped, pieces[::2]), itertools.islice(fills, len(pieces) // 2)
        patterns.append("".join(itertools.chain(*itertools.zip_longest(texts, numbers, fillvalue=""))))
    reasons = {row.reason for row, _ in members}
    count = len(first.a)
    return PatternRow(
        tuple(patterns[:count]),
        tuple(patterns[count:]),
        first.steps,
        reasons.pop() if len(reasons) == 1 else "",
        placeholders,
    )


def _explained(columns: Sequence[Values]) -> tuple[list[int], list[int | tuple[int, int]]]:
    """Return which columns of numbers are free, and each as a number or as (which free one, plus what)."""
    free: list[int] = []
    slots: list[int | tuple[int, int]] = []
    for place, column in enumerate(columns):
        if len(set(column)) == 1:
            slots.append(column[0])
            continue
        for index, other in enumerate(free):
            offsets = {mine - theirs for mine, theirs in zip(column, columns[other], strict=True)}
            if len(offsets) == 1:
                slots.append((index, offsets.pop()))
                break
        else:
            slots.append((len(free), 0))
            free.append(place)
    return free, slots


def value_texts(values: Sequence[Values]) -> list[str]:
    """Return numbers of placeholders as `read_values` reads them, as few texts as ranges allow."""
    return [
        ".".join(f"{first}-{last}" if last > first else str(first) for first, last in box)
        for box in _boxes(sorted(values))
    ]


def _boxes(values: Sequence[Values]) -> list[tuple[tuple[int, int], ...]]:
    """Return sorted tuples of numbers as products of ranges."""
    if not values or not values[0]:
        return [()] if values else []
    runs: list[tuple[int, int, list[tuple[tuple[int, int], ...]]]] = []
    for first, group in itertools.groupby(values, key=lambda one: one[0]):
        rest = _boxes([one[1:] for one in group])
        if runs and runs[-1][1] == first - 1 and runs[-1][2] == rest:
            runs[-1] = (runs[-1][0], first, rest)
        else:
            runs.append((first, first, rest))
    return [((first, last), *box) for first, last, rest in runs for box in rest]


def _letters() -> Iterator[str]:
    yield from _LETTERS
    for number in itertools.count(2):
        yield from (f"{letter}{number}" for letter in _LETTERS)
