"""NAMES.toml is read: by somebody else, perhaps by hand or to deceive, so that nothing in it is believed.

Every key is known or an error, every name stands in one row alone, and every number has a limit.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping

from triport.converters.formats.source import SourceFile
from triport.converters.formats.tensors import MAX_TENSORS, short
from triport.reference_models.errors import counted, listed

from .pair_names import PairNames, PairRow
from .patterns import PatternError, Placeholders, Values, filled, placeholders_of, read_values
from .record import SCHEMA, MapProof, NamedSide, NamesFile
from .step import Step, StepError
from .toml_table import NamesFileError, Table, check_keys_are_short

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MOST_BYTES = 8_000_000
_MOST_STEPS = 32
_MOST_OF_A_ROW = 256
_RUNTIMES = ("pytorch", "mindspore", "onnx")
_KEYS = ("schema", "a", "b", "proof", "values", "names", "rows", "left", "kept")
_PARTING = ("a", "b", "why")


def read_names(path: str | os.PathLike[str]) -> NamesFile:
    """Read a NAMES.toml.

    Raises:
        FormatError: there is no such file, or it is no regular one.
        NamesFileError: it is no NAMES.toml; the message says which key is wrong, and how.
    """
    source = SourceFile(path)
    if source.size > _MOST_BYTES:
        raise NamesFileError(
            f"{source.path}: has {source.size:,} bytes; expected at most {_MOST_BYTES:,}, which is more than "
            f"the names of any network take"
        )
    try:
        return parsed_names(source.read(0, source.size).decode())
    except NamesFileError as error:
        raise NamesFileError(f"{source.path}: {error}") from None
    except UnicodeDecodeError:
        raise NamesFileError(f"{source.path}: is no text in UTF-8, so no NAMES.toml") from None


def parsed_names(text: str) -> NamesFile:
    """Return what the text of a NAMES.toml says.

    Raises:
        NamesFileError: it is no NAMES.toml.
    """
    check_keys_are_short(text)
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NamesFileError(f"is no TOML: {short(str(error))}") from None
    top = Table(content, "the file")
    top.check_keys(_KEYS)
    if top.get("schema", int) != SCHEMA:
        raise NamesFileError(f"schema is {top.get('schema', int)}; this version of triport reads {SCHEMA}")
    sides = [_side(top.table(name)) for name in ("a", "b")]
    values = _values(top.table("values", needed=False))
    rows = [*_plain_rows(top.table("names", needed=False), values)]
    rows += _other_rows(top, values)
    left, kept = top.table("left", needed=False), top.table("kept", needed=False)
    for table in (left, kept):
        table.check_keys(("a", "b"))
    names = PairNames(
        tuple(rows),
        left.texts("a"),
        left.texts("b"),
        _texts(kept.table("a", needed=False)),
        _texts(kept.table("b", needed=False)),
    )
    _check_each_once(names)
    return NamesFile(names, sides[0], sides[1], _proof(top.table("proof")))


def _side(table: Table) -> NamedSide:
    table.check_keys(("net", "runtime", "version", "shapes_sha256", "kept_sha256"))
    runtime = table.get("runtime", str)
    if runtime not in _RUNTIMES:
        raise NamesFileError(
            f"{table.where}: runtime is {short(runtime)!r}; known are {', '.join(_RUNTIMES)}"
        )
    return NamedSide(
        table.get("net", str),
        runtime,
        table.get("version", str, ""),
        table.get("shapes_sha256", str, ""),
        dict(_texts(table.table("kept_sha256", needed=False))),
    )


def _proof(table: Table) -> MapProof:
    table.check_keys(tuple(MapProof.__dataclass_fields__))
    symmetric = table.get("symmetric", list, [])
    groups = [Table({"symmetric": group}, table.where).texts("symmetric") for group in symmetric]
    parting = table.table("parting", needed=False)
    parting.check_keys(_PARTING)
    figures = [
        table.get(key, float) if key in table.content else None for key in ("needed_tolerance", "tolerance")
    ]
    return MapProof(
        proven=table.get("proven", bool),
        equal=table.get("equal", bool),
        needed_tolerance=figures[0],
        tolerance=figures[1],
        trials=table.get("trials", int, 0),
        inputs=table.texts("inputs"),
        unproven=table.texts("unproven"),
        symmetric=tuple(groups),
        parting=tuple(parting.get(key, str, "") for key in _PARTING) if parting.content else (),
        date=table.get("date", str, ""),
        triport=table.get("triport", str, ""),
        rows_sha256=table.get("rows_sha256", str),
    )


def _values(table: Table) -> dict[Placeholders, list[Values]]:
    """Return the numbers of each set of placeholders."""
    found: dict[Placeholders, list[Values]] = {}
    total = 0
    for key in table.content:
        placeholders = tuple(key.split("."))
        try:
            values = read_values(table.texts(key), len(placeholders))
        except PatternError as error:
            raise NamesFileError(f"[values]: {short(key)!r}: {error}") from None
        total += len(values)
        if len(set(values)) != len(values) or len(set(placeholders)) != len(placeholders):
            raise NamesFileError(f"[values]: {short(key)!r} has a number or a placeholder twice")
        if total > MAX_TENSORS:
            raise NamesFileError(f"[values]: stand for more than {MAX_TENSORS:,} names")
        found[placeholders] = values
    return found


def _plain_rows(table: Table, values: Mapping[Placeholders, list[Values]]) -> Iterator[PairRow]:
    """Yield the rows that need no step."""
    for a in table.content:
        table.check_text("a name", a)
        yield from _filled(PairRow((a,), (table.get(a, str),)), f"[names]: {short(a)!r}", values)


def _other_rows(top: Table, values: Mapping[Placeholders, list[Values]]) -> Iterator[PairRow]:
    """Yield the rows that say more than two names."""
    for place, content in enumerate(top.get("rows", list, []), 1):
        table = Table(content, f"[[rows]] {place}")
        table.check_keys(("a", "b", "steps", "reason"))
        a, b = table.texts("a", _MOST_OF_A_ROW), table.texts("b", _MOST_OF_A_ROW)
        steps = tuple(_steps(table))
        reached = len(a)
        for step in steps:
            reached = step.count(reached)
        if reached != len(b) or not (a or b):
            raise NamesFileError(
                f"{table.where}: its steps make {reached} tensors of {len(a)}, and b has "
                f"{counted(len(b), 'name')}"
            )
        yield from _filled(PairRow(a, b, steps, table.get("reason", str, "")), table.where, values)


def _steps(table: Table) -> Iterator[Step]:
    for text in table.texts("steps", _MOST_STEPS):
        from .step_texts import parsed_step  # all kinds of steps, which most files have none of

        try:
            yield parsed_step(text)
        except StepError as error:
            raise NamesFileError(f"{table.where}: 'steps': {error}") from None


def _filled(row: PairRow, where: str, values: Mapping[Placeholders, list[Values]]) -> Iterator[PairRow]:
    """Yield the rows that a row of patterns stands for: one for each of its numbers.

    Args:
        row: with patterns for names.
        where: it stands in the file.
        values: the numbers of every set of placeholders.
    """
    try:
        used = placeholders_of((*row.a, *row.b))
        key = next((one for one in values if set(one) == set(used)), () if not used else None)
        if key is None:
            raise PatternError(f"[values] has no key {'.'.join(used)!r} for its placeholders")
        for numbers in values.get(key, [()]):
            named = dict(zip(key, numbers, strict=True))
            a, b = (tuple(filled(name, named) for name in side) for side in (row.a, row.b))
            yield PairRow(a, b, row.steps, row.reason)
    except PatternError as error:
        raise NamesFileError(f"{where}: {error}") from None


def _texts(table: Table) -> tuple[tuple[str, str], ...]:
    for name in table.content:
        table.check_text("a name", name)
    return tuple((name, table.get(name, str)) for name in table.content)


def _check_each_once(names: PairNames) -> None:
    """Raise NamesFileError where a name of a side stands in two places, or there are too many."""
    for side, rows, left, kept in (
        ("a", [name for row in names.rows for name in row.a], names.left_a, names.kept_a),
        ("b", [name for row in names.rows for name in row.b], names.left_b, names.kept_b),
    ):
        places = Counter([*rows, *left, *(name for name, _ in kept)])
        twice = [f"{short(name)}: {count} times" for name, count in places.items() if count > 1]
        if twice:
            raise NamesFileError(
                f"of {side} {counted(len(twice), 'name stands', 'names stand')} in more than one place: "
                f"which tensor is meant is not said\n{listed(twice)}"
            )
        if len(places) > MAX_TENSORS:
            raise NamesFileError(
                f"has {counted(len(places), 'name')} of {side}; expected at most {MAX_TENSORS:,}"
            )
