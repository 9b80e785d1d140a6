"""Compares a runtime with PyTorch on every model, and names the module that parts where one does.

    python benchmarks/runtimes.py
    python benchmarks/runtimes.py --runtime openvino --models resnet50,res2net50 --layers
    python benchmarks/runtimes.py --table

Each model is a `parity` of its own, in a process of its own, with the file that is exported from PyTorch. Where
the logits are out it is run again with its modules. A run that was stopped goes on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.model_by_model import Record, arguments, records_in, run
from triport.reference_models.spec import ModelSpec


def judged(model: str, runtime: str, *options: str) -> Record:
    """Return what `parity --json` says of a model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        words = ["parity", model, "--runtimes", f"pytorch,{runtime}", "--json", str(path), *options]
        found = subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *words], capture_output=True, text=True, check=False
        )
        if found.returncode not in (0, 1):
            raise SystemExit(f"parity {model}: exit code {found.returncode}\n{found.stderr}")
        (report,) = json.loads(path.read_text())["models"]
    return dict(report)


def record_of(report: Record, runtime: str, layers: bool) -> Record:
    """Return what is kept of a report: each candidate's needed share of what is allowed, and its modules."""
    pairs = []
    for pair in report["pairs"]:
        images = [
            {**image, "input": one["input"]}
            for one in pair["further"]
            if one["images"]
            for image in one["images"]
        ]
        modules = pair.get("layers")
        pairs.append(
            {
                "candidate": pair["candidate"],
                "passed": pair["passed"],
                "share": share(pair),
                "further_share": max(map(share, images), default=0.0),
                "failed": [one["failed"] for one in pair["further"] if one["failed"]],
                "modules": len(modules["modules"]) if modules else 0,
                "module_share": max(map(share_of_module, modules["modules"]), default=0.0)
                if modules
                else 0.0,
                "first": modules["first"] or modules["behind_the_last"] if modules else None,
            }
        )
    return {
        "key": [report["model"], runtime, layers],
        "model": report["model"],
        "runtime": runtime,
        "noise": report["noise"],
        "pairs": pairs,
        "versions": report["pairs"][-1]["versions"],
    }


def share(found: Record) -> float:
    """Return the needed share of the allowed tolerance; a value that is no number needs all there is."""
    needed = found["needed_tolerance"]
    return float("inf") if needed is None else float(needed / found["tolerance"])


def share_of_module(step: Record) -> float:
    """Return a module's share of its tolerance."""
    return float("inf") if step["output_error"] is None else float(step["output_error"] / step["tolerance"])


def line_of(record: Record) -> str:
    """Return a record in a line."""
    parts = []
    for pair in record["pairs"]:
        first = pair["first"]
        where = f" at {first['module'] if isinstance(first, dict) else first}" if first else ""
        failed = f" {pair['failed'][0]}" if pair["failed"] else ""
        verdict = "equal" if pair["passed"] else f"DIFFERS{where}{failed}"
        worst = max(pair["share"], pair["further_share"])
        parts.append(f"{pair['candidate']} {verdict} ({worst:.2f} of what is allowed)")
    return f"{record['model']}: {'; '.join(parts)}"


def table_of(records: Sequence[Record]) -> str:
    """Return the table of all models, and of those that differ what is known of where."""
    lines = [
        "| candidate | models | equal | worst needed / allowed | where | modules | worst module's share |"
    ]
    lines += ["|---|--:|--:|--:|---|--:|--:|"]
    # with modules, a record says all that the one without them says
    latest = {(record["model"], record["runtime"]): record for record in records}
    names = dict.fromkeys(pair["candidate"] for record in latest.values() for pair in record["pairs"])
    for name in names:
        found = [
            (record["model"], pair)
            for record in latest.values()
            for pair in record["pairs"]
            if pair["candidate"] == name
        ]
        most = max(found, key=lambda one: max(one[1]["share"], one[1]["further_share"]))
        worst = max(most[1]["share"], most[1]["further_share"])
        modules = sum(pair["modules"] for _, pair in found)
        module_share = max(pair["module_share"] for _, pair in found)
        equal = sum(pair["passed"] for _, pair in found)
        of_modules = f"{modules} | {module_share:.2f}" if modules else "- | -"
        lines.append(f"| {name} | {len(found)} | {equal} | {worst:.2f} | {most[0]} | {of_modules} |")
    different = [record for record in latest.values() if not all(pair["passed"] for pair in record["pairs"])]
    return "\n".join([*lines, "", *(line_of(record) for record in different)])


def main() -> None:
    """Run, or print what a run before has found; exit code 1 if a model differs."""
    parser = arguments(__doc__, "runtimes.jsonl")
    parser.add_argument("--runtime", default="openvino")
    parser.add_argument("--layers", action="store_true", help="compare the modules of every model")
    options = parser.parse_args()

    def work(spec: ModelSpec, done: set[tuple]) -> Iterator[Record]:
        if (spec.name, options.runtime, options.layers) in done:
            return
        report = judged(spec.name, options.runtime, *(["--layers"] if options.layers else []))
        if not report["passed"] and not options.layers:
            report = judged(spec.name, options.runtime, "--layers")
        yield record_of(report, options.runtime, options.layers)

    if not options.table:
        run(options, work, line_of)
    records = [record for record in records_in(options.results) if record["runtime"] == options.runtime]
    print(table_of(records))
    sys.exit(0 if all(pair["passed"] for record in records for pair in record["pairs"]) else 1)


if __name__ == "__main__":
    main()
