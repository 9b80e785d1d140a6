"""Runs something on every model; a line of JSON a result, so that a run that was stopped goes on."""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from triport.reference_models.spec import ModelSpec, all_models

# frameworks keep what they allocate: once over this, every model gets a fresh process
LIMIT_KB = 6 << 20

Record = dict[str, Any]
# a model and the keys that are done -> records, each with its "key"
Work = Callable[[ModelSpec, set[tuple]], Iterator[Record]]


def arguments(description: str | None, results: str) -> argparse.ArgumentParser:
    """Return a parser with what every such benchmark takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", help="only these, with commas between")
    parser.add_argument("--minutes", type=float, default=np.inf, help="stop after the model at work then")
    parser.add_argument("--results", type=Path, default=Path(results), metavar="FILE")
    parser.add_argument("--table", action="store_true", help="run nothing, print what FILE holds")
    return parser


def records_in(path: Path) -> list[Record]:
    """Return what a file holds so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(options: argparse.Namespace, work: Work, line: Callable[[Record], str]) -> None:
    """Work on every model, the small ones first; each record goes to the file, and its line to the screen."""
    started = time.monotonic()
    done = {tuple(record["key"]) for record in records_in(options.results)}
    names = options.models.split(",") if options.models else list(all_models())
    for spec in sorted((all_models()[name] for name in names), key=lambda spec: spec.num_parameters):
        before = len(done)
        with options.results.open("a") as lines:
            for record in work(spec, done):
                lines.write(json.dumps(record) + "\n")
                lines.flush()
                print(f"{time.monotonic() - started:6.0f} s", line(record), flush=True)
                done.add(tuple(record["key"]))
        gc.collect()
        minutes = (time.monotonic() - started) / 60
        if minutes > options.minutes:
            return
        if len(done) > before and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > LIMIT_KB:
            rest = ["--minutes", str(options.minutes - minutes)]
            os.execv(sys.executable, [sys.executable, *sys.argv, *rest])
