"""Runs something on every network of a list; a line of JSON a network, so that a stopped run goes on.

What a benchmark of a zoo shares with the next one: its options, its loop, and the table that it puts into a
page. Each network runs in a process of its own; how that is started is the benchmark's business.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.model_by_model import records_in

BEGIN, END = "<!-- table -->", "<!-- end of table -->"

Record = dict[str, Any]
Key = tuple[str, str]  # a group, and the network's name in it


def arguments(description: str | None, results: str) -> argparse.ArgumentParser:
    """Return a parser with what every such benchmark takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", help="only these, with commas between")
    parser.add_argument("--results", type=Path, default=Path(results), metavar="FILE")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further network then")
    parser.add_argument("--timeout", type=float, default=1200, help="seconds for one network")
    parser.add_argument("--count", type=int, help="at most so many networks")
    parser.add_argument("--table", action="store_true", help="run nothing, print what FILE holds")
    parser.add_argument("--markdown", type=Path, help="put the table into this page")
    return parser


def run(
    options: argparse.Namespace, works: Mapping[Key, Callable[[], Record]], line: Callable[[Record], str]
) -> None:
    """Do the work of every network that has no record yet; each record goes to the file."""
    started = time.monotonic()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    done = {tuple(record["key"]) for record in records_in(options.results)}
    wanted = options.networks.split(",") if options.networks else None
    left = [key for key in works if key not in done and (wanted is None or key[1] in wanted)]
    for key in left[: options.count]:
        if (time.monotonic() - started) / 60 > options.minutes:
            return
        record = {"key": key, **works[key]()}
        with options.results.open("a") as lines:
            lines.write(json.dumps(record) + "\n")
        print(f"{time.monotonic() - started:6.0f} s", line(record), flush=True)


def ordered(results: Path, keys: Iterable[Key]) -> list[Record]:
    """Return the latest record of each network that a file has, in the order of the list."""
    latest = {tuple(record["key"]): record for record in records_in(results)}
    return [latest[key] for key in keys if key in latest]


def tell(text: str, page: Path | None) -> None:
    """Print what came out, and put it between the marks of a page."""
    print(f"\n{text}")
    if page is not None:
        whole = page.read_text(encoding="utf-8")
        before, _, rest = whole.partition(BEGIN)
        after = rest.partition(END)[2]
        page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def short(error: Exception, characters: int) -> str:
    """Return an error's text on one line, without the place of the environment."""
    return " ".join(str(error).replace(f"{sys.prefix}{os.sep}", "").split())[:characters]
