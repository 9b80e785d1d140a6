"""timm's networks to ONNX: proven equal or not, by which of torch's exporters, and where the others part.

One model a family first, the smallest of each, with seeded weights that are moved from zero and one. Beside
triport's own two ways to ask torch's exporters stand the two plain ones, `torch.onnx.export` as everybody
calls it, judged by the same judge. Each network runs in a process of its own; a line of JSON a network, so
that a run that was stopped goes on. Needs timm beside triport (docs/torch_to_onnx.md says how).

    python benchmarks/zoo_torch.py [--networks NAME,...] [--minutes M]
    python benchmarks/zoo_torch.py --table [--markdown docs/torch_to_onnx.md]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.network_by_network import Record, arguments, ordered, run, short, tell

SEED = 1
OPSET = 17
LIST = Path(__file__).with_name("zoo_torch_networks.txt")
# ours ask for a graph without folding and with names; the plain ones are torch's defaults
WAYS = ("torchscript", "dynamo", "plain torchscript", "plain dynamo")
FIRST = ("torchscript", "dynamo")


def networks() -> list[tuple[str, str, int]]:
    """Return family, name and image size of each network, in the order in which they run."""
    rows = [line.split() for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    return [(family, name, int(size)) for family, name, size in rows]


def convert(name: str, size: int) -> Record:
    """Build one network, and judge what each way makes of it."""
    from triport.converters.environment import import_torch

    torch = import_torch()
    import timm

    from triport.converters.networks.input_specs import parse_input
    from triport.converters.torch_export.network import TorchNet
    from triport.converters.torch_export.weights import moved_values
    from triport.parity.module_export.axes import plan_axes
    from triport.parity.module_export.feeds import ordinary
    from triport.parity.module_export.proof import Prover
    from triport.reference_models.errors import TriportError

    torch.manual_seed(SEED)
    try:
        module = timm.create_model(name, pretrained=False).eval()
        net = TorchNet(module, [parse_input(f"x=1x3x{size}x{size}")], name)
        with torch.no_grad():
            for path, value in moved_values(net, SEED).items():
                net.state[path].data.copy_(value)
        plan = plan_axes(net, 0)
        net.name_outputs(ordinary(net.inputs, plan.traced, 0).arrays)
        prover = Prover(net)
        arrays = ordinary(net.inputs, plan.traced, 0).arrays
    except (TriportError, RuntimeError) as error:
        return {"stage": "not run", "why": short(error, 300)}
    ways = {}
    with tempfile.TemporaryDirectory(prefix="triport-zoo-") as folder:
        for way in WAYS:
            started = time.monotonic()
            judge = _judge_plain if way.startswith("plain") else _judge
            ways[way] = judge(way.rpartition(" ")[2], prover, plan, arrays, Path(folder))
            ways[way]["seconds"] = round(time.monotonic() - started, 1)
    count = sum(parameter.numel() for parameter in module.parameters())
    return {
        "stage": "judged",
        "parameters": count,
        "reference_is_float64": prover.own.is_float64,
        "ways": ways,
    }


def _judge(exporter: str, prover: Any, plan: Any, arrays: Any, folder: Path) -> Record:
    """Judge a graph as `convert` does, with its own and with moved values."""
    from triport.converters.torch_export.exporters import EXPORTERS, NotExportedError
    from triport.parity.module_export.first_divergence import first_divergence

    try:
        exported = EXPORTERS[exporter](prover.net, arrays, plan.free, OPSET)
    except NotExportedError as error:
        return {"verdict": "not exported", "why": short(error, 300)}
    proof = prover.prove(exported, plan.proofs, folder)
    names = exported.model.graph.initializers.keys()
    found = _told(proof.verdict)
    found["nodes"] = sum(node.op_type != "Constant" for node in exported.model.graph.all_nodes())
    found["names_lost"] = _lost(prover.net, names)
    found["notes"] = proof.notes
    if not proof.passed and proof.verdict.feed is not None:
        is_moved = any(one is proof.verdict for one in proof.moved)
        found["parts_at"] = first_divergence(
            prover, exported, dict(plan.traced), proof.verdict.feed, is_moved, folder
        )
    return found


def _judge_plain(exporter: str, prover: Any, plan: Any, arrays: Any, folder: Path) -> Record:
    """Judge what torch.onnx.export makes with a free batch and otherwise by default."""
    import onnx
    import torch

    from triport.parity.module_export.judge import judge_file, worst

    net, path = prover.net, folder / "plain.onnx"
    free = bool(plan.free)
    options: dict[str, Any] = {"input_names": ["x"], "output_names": list(net.output_names)}
    if exporter == "torchscript":
        options |= {"dynamo": False, "opset_version": OPSET}
        if free:
            options["dynamic_axes"] = {name: {0: "N"} for name in ("x", *net.output_names)}
    else:
        options |= {"dynamo": True, "verbose": False}
        if free:
            options["dynamic_shapes"] = ({0: torch.export.Dim("N")},)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            torch.onnx.export(net.module, net.tensors(arrays), str(path), **options)
    except Exception as error:  # whatever the exporters raise
        return {"verdict": "not exported", "why": short(error, 300)}
    feeds = [*prover.ordinary(plan.proofs), *prover.edges(plan.proofs[0])]
    found = _told(worst(judge_file(path, prover.own, feeds, net.output_names)))
    found["why"] = str(found["why"]).replace(f"{folder}{os.sep}", "")  # a folder that is gone says nothing
    graph = onnx.load(path, load_external_data=False).graph
    found["nodes"] = sum(node.op_type != "Constant" for node in graph.node)
    names = {tensor.name for tensor in graph.initializer}
    found["names_lost"] = _lost(net, names)
    return found


def _lost(net: Any, names: Any) -> int:
    """Return how many parameters have no initializer of their name; counters of batches are not used."""
    own = {name for name in net.state if not name.endswith("num_batches_tracked")}
    return len(own - set(names) - net.aliases().keys())


def _told(verdict: Any) -> Record:
    """Return a verdict as JSON holds it."""
    error = verdict.error if verdict.error < 1e30 else None
    return {
        "verdict": verdict.verdict,
        "error": error,
        "tolerance": verdict.tolerance,
        "noise": verdict.noise if verdict.noise < 1e30 else None,
        "where": verdict.where,
        "why": verdict.why,
    }


def run_all(options: argparse.Namespace) -> None:
    """Judge every network that has no record yet."""
    import timm  # noqa: F401  every process begins with what takes long to load
    import torch.onnx  # noqa: F401

    import triport.parity.module_export.convert  # noqa: F401

    works = {
        (family, name): partial(_in_a_process, name, size, options.timeout)
        for family, name, size in networks()
    }
    run(options, works, lambda record: " | ".join(_cells(record)))


def _in_a_process(name: str, size: int, timeout: float) -> Record:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        started = time.monotonic()
        worker = multiprocessing.get_context("fork").Process(target=_work, args=(name, size, result))
        worker.start()
        worker.join(timeout)
        if worker.is_alive():
            worker.kill()
            worker.join()
        seconds = round(time.monotonic() - started)
        if not result.exists():
            why = f"died, or took over {timeout:.0f} s"
            return {"px": size, "stage": "not run", "why": why, "seconds": seconds}
        return {"px": size, **json.loads(result.read_text()), "seconds": seconds}


def _work(name: str, size: int, result: Path) -> None:
    """Write the record of one network; what frameworks print goes nowhere."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        try:
            record = convert(name, size)
        except Exception as error:  # a fault of triport's own, which the table must show
            record = {"stage": "not run", "why": f"{type(error).__name__}: {short(error, 300)}"}
        result.write_text(json.dumps(record))


def _cells(record: Record) -> list[str]:
    """Return a record as cells of the table."""
    family, name = record["key"]
    cells = [family, name, str(record["px"])]
    if record["stage"] != "judged":
        return [*cells, record["why"][:120], *[""] * (len(WAYS))]
    ways = record["ways"]
    taken = next((way for way in FIRST if ways[way]["verdict"] == "equal"), "none")
    return [*cells, taken, *(_cell(ways[way]) for way in WAYS)]


def _cell(found: Record) -> str:
    if found["verdict"] == "equal":
        lost = f", {found['names_lost']} names lost" if found["names_lost"] else ""
        return f"equal, {found['error']:.0e} of {found['tolerance']:.0e}{lost}"
    if found["verdict"] == "not exported":
        return f"not exported: {found['why'][:80]}"
    if found["why"]:
        return f"{found['verdict']}: {found['why'][:110]}"
    parts = f"; first difference: {found['parts_at']}" if found.get("parts_at") else ""
    error = "infinite" if found["error"] is None else f"{found['error']:.0e}"
    return f"{found['verdict']}, {error} of {found['tolerance']:.0e} in {found['where']}{parts}"


def summary(records: list[Record]) -> str:
    """Return the counts in a few sentences."""
    judged = [record for record in records if record["stage"] == "judged"]
    proven = [record for record in judged if any(record["ways"][w]["verdict"] == "equal" for w in FIRST)]
    lines = [
        f"{len(records)} networks tried, {len(judged)} judged; {len(proven)} proven equal with a free batch."
    ]
    for way in WAYS:
        found = [record["ways"][way] for record in judged]
        equal = [one for one in found if one["verdict"] == "equal"]
        wrong = [one for one in found if one["verdict"] == "not equal"]
        failed = [one for one in found if one["verdict"] == "not exported"]
        unseen = len(found) - len(equal) - len(wrong) - len(failed)
        named = sum(not one["names_lost"] for one in equal)
        lines.append(
            f"- {way}: {len(equal)} equal, {named} of them with every parameter under its name; "
            f"{len(wrong)} not equal, {len(failed)} not exported, {unseen} too noisy to see."
        )
    return "\n".join(lines)


def table(records: list[Record]) -> str:
    """Return the table in Markdown."""
    heads = ["family", "network", "px", "taken", *WAYS]
    rows = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for record in records:
        rows.append(f"| {' | '.join(cell.replace('|', ' ') for cell in _cells(record))} |")
    return "\n".join(rows)


def main() -> None:
    """Parse the command line; run, or print the table."""
    options = arguments(__doc__, "out/zoo_torch.jsonl").parse_args()
    if not options.table:
        run_all(options)
    records = ordered(options.results, (one[:2] for one in networks()))
    tell(f"{summary(records)}\n\n{table(records)}", options.markdown)


if __name__ == "__main__":
    main()
