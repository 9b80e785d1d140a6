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
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.network_by_network import Record, arguments, ordered, run, short, tell
from benchmarks.zoo_packages_networks import NETWORKS, PackageNetwork, allow_missing

SEED = 0


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
        return {"stage": "not built", "why": f"{type(error).__name__}: {short(error, 400)}"}
    inputs = [parse_input(text) for text in network.inputs]
    with tempfile.TemporaryDirectory(prefix="triport-zoo-") as folder:
        try:
            done = result_of(lambda: convert_cell(cell, inputs, Path(folder, "network.onnx")))
        except ExportError as error:
            return {"stage": "not traced", "why": short(error, 400)}
        except TriportError as error:
            return {"stage": "not exported", "why": short(error, 400)}
    comparison = done.comparison
    return {
        "stage": "exported" if done.passed else "not equal",
        "verdict": comparison.verdict,
        "error": comparison.error,
        "tolerance": comparison.tolerance,
        "batch": done.batch,
        "nodes": done.nodes,
    }


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
        if comparison == "equal" and record["error"] > record["tolerance"]:
            comparison = "equal but for MindSpore's kernels"
        comparison = f"{comparison}, {record['error']:.1e} of {record['tolerance']:.1e}"
    batch = record["batch"].splitlines()[0][:160]
    return record["stage"], comparison, batch


def summary(records: list[Record]) -> str:
    """Return the counts in one sentence."""
    traced = [record for record in records if record["stage"] not in ("not built", "not traced")]
    exported = [record for record in traced if record["stage"] == "exported"]
    equal = [record for record in exported if record["verdict"].startswith("equal")]
    blind = [record for record in exported if record["verdict"].startswith("ill-conditioned")]
    free = [record for record in exported if record["batch"] == "free"]
    return (
        f"{len(records)} networks tried, {len(traced)} of which MindSpore traces: {len(exported)} exported, "
        f"{len(equal)} of them compared and equal, {len(blind)} within a noise too wide to "
        f"say so, {len(free)} with a free batch."
    )


def table(records: list[Record]) -> str:
    """Return the table in Markdown."""
    rows = ["| package | network | | difference of tolerance | batch, or why not |", "|---|---|---|---|---|"]
    for record in records:
        package, name = record["key"]
        cells = [cell.replace("|", "\\|") for cell in _cells(record)]
        rows.append(f"| {package} | {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    """Parse the command line; run, or print the table."""
    parser = arguments(__doc__, "out/zoo_packages.jsonl")
    parser.add_argument("--configs", type=Path, help="mindyolo's folder of configurations")
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "RESULT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, result = options.one
        (network,) = (one for one in NETWORKS if f"{one.package}/{one.name}" == name)
        Path(result).write_text(json.dumps(convert(network, options.configs)))
        return
    works = {
        (network.package, network.name): partial(_in_a_process, network, options) for network in NETWORKS
    }
    if not options.table:
        run(options, works, _line)
    records = ordered(options.results, works)
    tell(f"{summary(records)}\n\n{table(records)}", options.markdown)


if __name__ == "__main__":
    main()
