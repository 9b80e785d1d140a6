"""The networks of mindyolo, mindocr and mindaudio to ONNX: which are traced, exported, equal and batch-free.

Each network, with seeded weights, is converted as `convert --cell` converts it, in a process of its own;
a line of JSON a network, so that a run that was stopped goes on. Needs the three packages beside triport
(docs/packages_to_onnx.md says how) and the folder `configs` of mindyolo's repository, which the package
lacks.

    python benchmarks/zoo_packages.py --configs DIR [--networks NAME,...] [--minutes M]
    python benchmarks/zoo_packages.py --table [--markdown docs/packages_to_onnx.md]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.model_by_model import records_in
from benchmarks.zoo_packages_networks import NETWORKS, PackageNetwork, allow_missing

SEED = 0
PAGE = ROOT / "docs" / "packages_to_onnx.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"

Record = dict[str, Any]


def convert(network: PackageNetwork, configurations: Path | None) -> Record:
    """Build, trace and convert one network in this process."""
    from triport.converters import environment

    environment.prepare()
    allow_missing()
    import mindspore

    from benchmarks.zoo_mindspore import randomise
    from triport.converters.mindir.export import ExportError
    from triport.converters.networks.input_specs import parse_input
    from triport.parity.graphs.convert import convert_cell, result_of
    from triport.reference_models.errors import TriportError

    mindspore.set_seed(SEED)
    try:
        cell = network.build(configurations).set_train(False)
        randomise(cell, 1.0)
    except Exception as error:  # whatever a package's own code raises
        return {"stage": "not built", "why": f"{type(error).__name__}: {_short(error)}"}
    inputs = [parse_input(text) for text in network.inputs]
    with tempfile.TemporaryDirectory(prefix="triport-zoo-") as folder:
        try:
            done = result_of(lambda: convert_cell(cell, inputs, Path(folder, "network.onnx")))
        except ExportError as error:
            return {"stage": "not traced", "why": _short(error)}
        except TriportError as error:
            return {"stage": "not exported", "why": _short(error)}
    comparison = done.comparison
    return {
        "stage": "exported" if done.passed else "not equal",
        "verdict": comparison.verdict,
        "error": comparison.error,
        "tolerance": comparison.tolerance,
        "batch": done.batch,
        "nodes": done.nodes,
    }


def _short(error: Exception) -> str:
    return " ".join(str(error).replace(f"{sys.prefix}{os.sep}", "").split())[:400]


def run(options: argparse.Namespace) -> None:
    """Convert every network that has no record yet, each in a process of its own."""
    started = time.monotonic()
    done = {tuple(record["key"]) for record in records_in(options.results)}
    wanted = options.networks.split(",") if options.networks else None
    for network in NETWORKS:
        key = (network.package, network.name)
        if key in done or (wanted is not None and network.name not in wanted):
            continue
        if (time.monotonic() - started) / 60 > options.minutes:
            return
        record = {"key": key, **_in_a_process(network, options)}
        with options.results.open("a") as lines:
            lines.write(json.dumps(record) + "\n")
        print(f"{time.monotonic() - started:6.0f} s", _line(record), flush=True)


def _in_a_process(network: PackageNetwork, options: argparse.Namespace) -> Record:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        command = [sys.executable, __file__, "--one", f"{network.package}/{network.name}", str(result)]
        command += ["--configs", str(options.configs)] if options.configs else []
        started = time.monotonic()
        why = f"took over {options.timeout:.0f} s"
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=options.timeout, check=False
            )
            why = f"died with exit code {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"
        seconds = round(time.monotonic() - started)
        if not result.exists():
            return {"stage": "not exported", "why": why}
        return {**json.loads(result.read_text()), "seconds": seconds}


def _line(record: Record) -> str:
    package, name = record["key"]
    cells = _cells(record)
    return f"{package:10} {name:34} {cells[0]:12} {cells[1]:34} {cells[2]}"


def _cells(record: Record) -> tuple[str, str, str]:
    """Return what happened, the comparison, and the batch."""
    if "why" in record:
        return record["stage"], "", record["why"][:160]
    comparison = record["verdict"].partition(":")[0]
    if record["error"] is not None:
        comparison = f"{comparison}, {record['error']:.1e} of {record['tolerance']:.1e}"
    batch = record["batch"].splitlines()[0][:160]
    return record["stage"], comparison, batch


def summary(records: list[Record]) -> str:
    """Return the counts in one sentence."""
    traced = [record for record in records if record["stage"] not in ("not built", "not traced")]
    exported = [record for record in traced if record["stage"] == "exported"]
    equal = [record for record in exported if record["error"] is not None]
    free = [record for record in exported if record["batch"] == "free"]
    return (
        f"{len(records)} networks tried, {len(traced)} of which MindSpore traces: {len(exported)} exported, "
        f"{len(equal)} of them compared and equal, {len(free)} with a free batch."
    )


def table(records: list[Record]) -> str:
    """Return the table in Markdown."""
    rows = ["| package | network | | difference of tolerance | batch, or why not |", "|---|---|---|---|---|"]
    for record in records:
        package, name = record["key"]
        cells = [cell.replace("|", "\\|") for cell in _cells(record)]
        rows.append(f"| {package} | {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def ordered(records: list[Record]) -> list[Record]:
    """Return the latest record of each network, in the order of the list."""
    latest = {tuple(record["key"]): record for record in records}
    keys = [(network.package, network.name) for network in NETWORKS]
    return [latest[key] for key in keys if key in latest]


def main() -> None:
    """Parse the command line; run, or print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configs", type=Path, help="mindyolo's folder of configurations")
    parser.add_argument("--networks", help="only these, with commas between")
    parser.add_argument("--results", type=Path, default=Path("out/zoo_packages.jsonl"), metavar="FILE")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further network then")
    parser.add_argument("--timeout", type=float, default=1200, help="seconds for one network")
    parser.add_argument("--table", action="store_true", help="run nothing, print what FILE holds")
    parser.add_argument("--markdown", type=Path, help="put the table into this page")
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "RESULT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, result = options.one
        (network,) = (one for one in NETWORKS if f"{one.package}/{one.name}" == name)
        Path(result).write_text(json.dumps(convert(network, options.configs)))
        return
    options.results.parent.mkdir(parents=True, exist_ok=True)
    if not options.table:
        run(options)
    records = ordered(records_in(options.results))
    text = f"{summary(records)}\n\n{table(records)}"
    print(f"\n{text}")
    if options.markdown:
        page = options.markdown.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        after = rest.partition(END)[2]
        options.markdown.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
