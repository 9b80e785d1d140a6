"""The tables of docs/pairs.md, made of the benchmark's records."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.pairs_mends import MENDS
from benchmarks.pairs_sections import SECTIONS, Pair

BEGIN, END = "<!-- table -->", "<!-- end of table -->"
HEADS = ("a", "b", "input", "M", "verdict", "steps", "own judge", "parts first at", "s", "GB")
PEERS = ("names", "order", "weightbridge")

Record = dict[str, Any]


def verdict(record: Record) -> str:
    """Return what `pair` says of two networks, in one of a few forms."""
    if record["stage"] != "paired":
        return record["stage"]
    if not record["complete"]:
        return "no complete map"
    if record["equal"]:
        return "equal"
    return "same weights, another graph" if record["proven"] else "complete, not proven"


def is_wrong(record: Record) -> bool:
    """Return whether a map that `pair` calls right is not: its own proof against the benchmark's judge.

    Where the graphs differ the outputs say nothing; the map of the mended pair must be the same then.
    """
    judged = record.get("judged", {}).get("verdict")
    if verdict(record) == "equal":
        return judged in ("not equal", "does not load")
    is_other = record.get("as_mended") == "another map"
    return verdict(record) == "same weights, another graph" and (judged == "does not load" or is_other)


def cells(record: Record) -> list[str]:
    """Return a record as cells of the table."""
    _, a, b = record["key"]
    shown = [a, b, ", ".join(record.get("inputs", []))]
    if record["stage"] != "paired":
        parameters = record.get("parameters")
        millions = f"{parameters / 1e6:.1f}" if parameters else ""
        return [*shown, millions, f"{record['stage']}: {record['why'][:140]}", *[""] * (5 + len(PEERS))]
    said = verdict(record)
    if said == "no complete map":
        count = record["left_count"]
        said += f": {count['a']} and {count['b']} left"
        why = next(iter(record["reasons"].items()), None)
        said += f" ({why[0]}: {why[1][:80]})" if why else ""
    judged = record.get("judged")
    peers = [_peer(record["peers"].get(way)) for way in PEERS]
    return [
        *shown,
        f"{record['parameters'] / 1e6:.1f}",
        said,
        ", ".join(sorted({step.split()[0] for step in record["steps"]})),
        "; ".join(filter(None, ("" if judged is None else _judged(judged), record.get("as_mended")))),
        _parting(record["first_parting"]),
        f"{record['seconds']:.0f}",
        f"{record['peak_gb']:.1f}",
        *peers,
    ]


def _judged(judged: Record) -> str:
    if judged.get("error") is None:
        return judged["verdict"]
    return f"{judged['verdict']} {judged['error']:.0e}"


def _parting(found: Record | None) -> str:
    if not found:
        return ""
    return f"`{found['a']}` and `{found['b']}`: {found['why']}"


def _peer(found: Record | None) -> str:
    """Return what another tool reaches: a map like ours, another, or none."""
    if found is None:
        return ""
    if found["verdict"] == "no complete map":
        return "none"
    if found["verdict"] == "equal" or found.get("same_map"):
        return "same map" if found.get("same_map") else "equal"
    off = f", off by {found['error']:.0e}" if found.get("error") is not None else ""
    return f"**another map{off}**" if found.get("same_map") is False else f"unknown{off}"


def tables(records: list[Record], pairs: list[Pair]) -> str:
    """Return a summary and a table for every section that has records."""
    latest = {tuple(record["key"]): record for record in records}
    _beside_mended(latest)
    text = []
    for section, title in SECTIONS.items():
        listed = [pair for pair in pairs if pair.section == section]
        found = [latest[pair.key] for pair in listed if pair.key in latest]
        text += [f"## {title}", "", summary(found, len(listed)), ""]
        if section == "mended":
            text += [_mended(mend, [pair for pair in listed if pair.mend == mend]) for mend in MENDS] + [""]
        if found:
            text += [_table(found), ""]
    return "\n".join(text).rstrip()


def _beside_mended(latest: dict[tuple, Record]) -> None:
    """Say of each pair that was mended whether its map is the one that makes the mended pair equal."""
    for (section, a, b), record in latest.items():
        mended = latest.get(("mended", a, b))
        if section == "mended" or mended is None or not {"map"} <= record.keys() & mended.keys():
            continue
        if verdict(mended) == "equal" and record["complete"]:
            is_same = mended["map"] == record["map"]
            record["as_mended"] = "the mended pair's map" if is_same else "another map"


def _mended(mend: str, pairs: list[Pair]) -> str:
    return f"- {MENDS[mend].what}: {', '.join(pair.a.partition(':')[2] for pair in pairs)}"


def _table(records: list[Record]) -> str:
    heads = [*HEADS, *PEERS]
    rows = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    rows += [f"| {' | '.join(cell.replace('|', ' ') for cell in cells(record))} |" for record in records]
    return "\n".join(rows)


def summary(records: list[Record], listed: int) -> str:
    """Return the counts of a section."""
    ran = [record for record in records if record["stage"] != "not built"]
    counts = Counter(verdict(record) for record in ran)
    proven = counts["equal"] + counts["same weights, another graph"]
    wrong = sum(is_wrong(record) for record in ran)
    text = (
        f"{listed} pairs listed, {len(records)} tried, {len(records) - len(ran)} of which do not build or "
        f"run; **{listed - len(records)} have not run**. Of the {len(ran)} others {proven} have a complete "
        f"and proven map: {counts['equal']} equal, {counts['same weights, another graph']} same weights and "
        f"another graph. {counts['no complete map']} have no complete map, {counts['complete, not proven']} "
        f"one that is not proven, {counts['failed']} failed. Wrong maps accepted, by the benchmark's own "
        f"judge: {wrong}."
    )
    shared = [record for record in ran if record.get("by") in ("shapes", "numbers")]
    if shared and len(shared) < len(ran):
        right = sum(verdict(one) in ("equal", "same weights, another graph") for one in shared)
        text += f" Of the {len(shared)} that hold the same information, {right} are complete and proven."
    return text + _peers_said(ran)


def _peers_said(records: list[Record]) -> str:
    compared = [record for record in records if record.get("peers")]
    told = []
    for way in PEERS if compared else ():
        found = [record["peers"][way] for record in compared]
        complete = [one for one in found if one["verdict"] != "no complete map"]
        right = [one for one in complete if one["verdict"] == "equal" or one.get("same_map")]
        off = [one for one in complete if one not in right and one.get("same_map") is False]
        told.append(
            f"{way} completes {len(complete)} of {len(found)}, {len(right)} rightly, {len(off)} wrongly"
        )
    return f" Beside it: {'; '.join(told)}." if told else ""


def put(text: str, page: Path) -> None:
    """Put the tables into a page, between its marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
