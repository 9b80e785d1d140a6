"""Rows of a dialect, found: patterns that lead from each module path of one network to the other's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from triport.converters.names import NameRow

_NUMBER = re.compile(r"(?<![0-9])(0|[1-9][0-9]{0,8})(?![0-9])")
_LETTERS = "ijklmnpqrstuvw"

Member = tuple[str, str]  # a canonical path and the other network's


def dialect_rows(paths: Mapping[str, str]) -> dict[str, str]:
    """Return rows, the dialect's pattern -> the canonical one, each path of which just one row matches.

    Args:
        paths: canonical module path -> the other network's.
    """
    groups: dict[tuple[str, str], list[Member]] = {}
    for canonical, theirs in paths.items():
        groups.setdefault((_NUMBER.sub("#", canonical), _NUMBER.sub("#", theirs)), []).append(
            (canonical, theirs)
        )
    rows: dict[str, str] = {}
    for members in groups.values():
        rows.update((row.dialect, row.canonical) for row in _settled(members, paths))
    return rows


def _settled(members: Sequence[Member], paths: Mapping[str, str]) -> list[NameRow]:
    """Return rows that lead these paths to the right ones and match no others, as few as may be."""
    row = _row(members)
    if row is not None:
        hits = {path: there for path in paths if (there := row.dialect_path(path)) is not None}
        if hits == dict(members):
            return [row]
    # apart by a number: the one stage, the first block that is otherwise
    columns = list(zip(*(_numbers(canonical) for canonical, _ in members), strict=True))
    found: list[list[NameRow]] = []
    for column in columns:
        values = dict.fromkeys(column)
        if len(values) > 1:
            parts = [[one for one, n in zip(members, column, strict=True) if n == value] for value in values]
            found.append([row for part in parts for row in _settled(part, paths)])
    return min(found, key=len)


def _row(members: Sequence[Member]) -> NameRow | None:
    """Return the row of paths that differ by numbers; None where one's numbers do not say the other's."""
    mine = list(zip(*(_numbers(canonical) for canonical, _ in members), strict=True))
    other = list(zip(*(_numbers(theirs) for _, theirs in members), strict=True))
    free = [place for place, column in enumerate(mine) if len(set(column)) > 1]
    if len(free) > len(_LETTERS):
        return None
    letters = dict(zip(free, _LETTERS, strict=False))
    fills = []
    for column in other:
        fill = str(column[0]) if len(set(column)) == 1 else _fill(column, mine, letters)
        if fill is None:
            return None
        fills.append(fill)
    canonical = _filled(
        members[0][0],
        [
            f"{{{letters[place]}}}" if place in letters else str(column[0])
            for place, column in enumerate(mine)
        ],
    )
    return NameRow(_filled(members[0][1], fills), canonical)


def _fill(column: Sequence[int], mine: Sequence[Sequence[int]], letters: Mapping[int, str]) -> str | None:
    """Return the placeholder, perhaps with an offset, that has these numbers; None for none."""
    for place, letter in letters.items():
        offsets = {theirs - ours for theirs, ours in zip(column, mine[place], strict=True)}
        if len(offsets) == 1:
            offset = offsets.pop()
            return f"{{{letter}{offset:+}}}" if offset else f"{{{letter}}}"
    return None


def _numbers(path: str) -> list[int]:
    return [int(found) for found in _NUMBER.findall(path)]


def _filled(path: str, fills: Sequence[str]) -> str:
    texts = iter(fills)
    return _NUMBER.sub(lambda found: next(texts), path)
