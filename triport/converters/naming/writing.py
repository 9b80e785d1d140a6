"""NAMES.toml is written: what differs by numbers alone in one row, and the rest as it is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from triport.converters.formats.atomic import replacing

from .patterns import PatternRow, compressed, value_texts
from .reading import parsed_names
from .record import SCHEMA, MapProof, NamedSide, NamesFile, rows_digest
from .toml_table import NamesFileError

_HEAD = """\
# Which parameters of one network are which of another, made by `triport pair`; docs/pair.md explains it.
# `triport convert WEIGHTS --names THIS --to RUNTIME -o OUT` moves weights by it, in either direction.
"""


def write_names(path: str | os.PathLike[str], found: NamesFile) -> None:
    """Write a NAMES.toml whole or not at all.

    Raises:
        FormatError: it cannot be written there.
        NamesFileError: a name is no text, so that no file can hold it.
    """
    text = names_text(found)
    with replacing(path) as temporary:
        Path(temporary).write_bytes(text.encode())


def names_text(found: NamesFile) -> str:
    """Return the text of a NAMES.toml, which was read again and says the same.

    Raises:
        NamesFileError: it would say something else.
    """
    text = "\n".join([_HEAD, *_lines(found)]) + "\n"
    read = parsed_names(text)
    if rows_digest(read.names) != rows_digest(found.names):
        raise NamesFileError("the rows do not read back as they were written, a fault of triport's")
    return text


def quoted(text: str) -> str:
    """Return a text as a string of TOML, in which nothing can move a cursor or end the line.

    Raises:
        NamesFileError: it holds half a character.
    """
    pieces = []
    for character in text:
        code = ord(character)
        if 0xD800 <= code < 0xE000:
            raise NamesFileError(f"{ascii(text)[:80]} is no text: half of a character stands in it")
        if character in '"\\':
            pieces.append(f"\\{character}")
        else:
            pieces.append(character if character.isprintable() else f"\\U{code:08x}")
    return f'"{"".join(pieces)}"'


def _lines(found: NamesFile) -> Iterator[str]:
    names = found.names
    rows, values = compressed(names.rows)
    yield f"schema = {SCHEMA}"
    yield from _side_lines("a", found.a)
    yield from _side_lines("b", found.b)
    yield from _proof_lines(found.proof)
    if values:
        yield "\n[values]  # the numbers that the letters in braces stand for"
        for placeholders, numbers in values.items():
            yield f"{quoted('.'.join(placeholders))} = {_list(value_texts(numbers))}"
    plain = [row for row in rows if not row.steps and len(row.a) == len(row.b) == 1]
    if plain:
        yield "\n[names]  # of a, and the same tensor's of b"
        for row in plain:
            yield f"{quoted(row.a[0])} = {quoted(row.b[0])}"
    yield from _row_lines(row for row in rows if row not in plain)
    if names.left_a or names.left_b:
        yield "\n[left]  # in no row: the map is not complete"
        yield f"a = {_list(names.left_a)}"
        yield f"b = {_list(names.left_b)}"
    for side, kept in (("a", names.kept_a), ("b", names.kept_b)):
        if kept:
            yield f"\n[kept.{side}]  # each network makes its own"
            yield from (f"{quoted(name)} = {quoted(reason)}" for name, reason in kept)


def _side_lines(name: str, side: NamedSide) -> Iterator[str]:
    yield f"\n[{name}]"
    for key in ("net", "runtime", "version", "shapes_sha256"):
        if getattr(side, key):
            yield f"{key} = {quoted(getattr(side, key))}"
    if side.kept_sha256:
        yield f"\n[{name}.kept_sha256]  # of the values that this network makes itself"
        yield from (f"{quoted(key)} = {quoted(digest)}" for key, digest in side.kept_sha256.items())


def _proof_lines(proof: MapProof) -> Iterator[str]:
    yield "\n[proof]"
    yield f"proven = {_word(proof.proven)}"
    yield f"equal = {_word(proof.equal)}"
    for key in ("needed_tolerance", "tolerance"):
        if getattr(proof, key) is not None:
            yield f"{key} = {_number(getattr(proof, key))}"
    yield f"trials = {proof.trials}"
    for key in ("inputs", "unproven"):
        if getattr(proof, key):
            yield f"{key} = {_list(getattr(proof, key))}"
    if proof.symmetric:
        yield f"symmetric = [{', '.join(map(_list, proof.symmetric))}]"
    if proof.parting:
        a, b, why = map(quoted, proof.parting)
        yield f"parting = {{ a = {a}, b = {b}, why = {why} }}"
    for key in ("date", "triport", "rows_sha256"):
        yield f"{key} = {quoted(getattr(proof, key))}"


def _row_lines(rows: Iterable[PatternRow]) -> Iterator[str]:
    for row in rows:
        yield "\n[[rows]]"
        yield f"a = {_list(row.a)}"
        yield f"b = {_list(row.b)}"
        if row.steps:
            yield f"steps = {_list([str(step) for step in row.steps])}"
        if row.reason:
            yield f"reason = {quoted(row.reason)}"


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, texts))}]"


def _word(value: bool) -> str:
    return "true" if value else "false"


def _number(value: float) -> str:
    return repr(float(value))  # 1e-05 is TOML too, and so are inf and nan
