"""Real ONNX files to source: right or not, how long it took, how many lines; beside others' tools.

    python benchmarks/zoo_onnx.py FOLDER... [--rows ROWS.jsonl] [--peers PYTHON] [--minutes M]
    python benchmarks/zoo_onnx.py --table ROWS.jsonl [--markdown docs/onnx_to_source.md]

FOLDER holds .onnx files at any depth: unpacked packages of the index, or exports of one's own; its first
folder below names the producer of a file, and the smallest come first. None is downloaded here and none is
committed. Each file and tool runs in a process of its own, forked of one that has loaded the frameworks; a
row of JSON a file and tool, so that a run that was stopped goes on. Peers run in PYTHON, an environment that
has torch, onnx, onnx2torch, onnx2pytorch and onnx2fx: their outputs are compared with ONNX Runtime's without
optimisation, on the inputs that triport's are, and right up to LEAST, or up to twice what triport's source
for PyTorch is off by where a rounding makes more than that. `--to ""` runs the peers alone.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.forked import Record, forked

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GLOG_v", "3")

OURS = ("pytorch", "mindspore")
PEERS = ("onnx2torch", "onnx2pytorch", "onnx2fx")
EXPORTS = "timm_"  # folders of files that were exported for this, counted and not listed
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
LIMIT_S = 600
# of the largest value: what users call right
LEAST = 1e-4


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--rows", type=Path, default=Path("zoo_onnx.jsonl"))
    parser.add_argument("--peers", help="the Python that has the peers")
    parser.add_argument("--to", default=",".join(OURS))
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="for one file and tool")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    if arguments.table:
        text = table_of(records_in(arguments.table))
        if arguments.markdown:
            page = arguments.markdown.read_text()
            head, tail = page.partition(BEGIN)[0], page.partition(END)[2]
            arguments.markdown.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")
        else:
            print(text)
    else:
        tools = [*filter(None, arguments.to.split(",")), *(PEERS if arguments.peers else ())]
        run_all(arguments.folders, arguments.rows, tools, arguments)


def records_in(rows: Path) -> list[Record]:
    """Return the rows so far; of two of a file and tool the later one is meant."""
    if not rows.exists():
        return []
    found = {(r["file"], r["tool"]): r for r in map(json.loads, rows.read_text().splitlines())}
    return list(found.values())


def files_of(folders: list[Path]) -> Iterator[tuple[str, Path]]:
    """Yield each file once, by its bytes, and what the table calls it."""
    seen: set[str] = set()
    for folder in folders:
        for path in sorted(folder.rglob("*.onnx"), key=lambda each: (each.stat().st_size, each)):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            below = path.relative_to(folder)
            names = (f"{below.parts[0]}/{path.name}", f"{below.parts[0]}/{path.parent.name}/{path.name}")
            # another file of that name may be in the same package
            name = next((each for each in names if each not in seen), below.as_posix())
            if digest not in seen:
                seen |= {digest, name}
                yield name, path


def run_all(folders: list[Path], rows: Path, tools: list[str], asked: argparse.Namespace) -> None:
    """Add a row for each file and tool that has none."""
    end = time.monotonic() + 60 * asked.minutes
    load_all(tools)
    done = {(r["file"], r["tool"]) for r in records_in(rows)}
    peers = Peers(asked.peers, asked.limit_s) if asked.peers else None
    for name, path in files_of(folders):
        with tempfile.TemporaryDirectory() as kept:
            feeds = Path(kept) / "feeds.npz"
            for tool in tools:
                if (name, tool) in done or time.monotonic() > end:
                    continue
                record = {"file": name, "tool": tool, **_run(path, tool, feeds, asked, peers)}
                with rows.open("a") as file:
                    file.write(json.dumps(record) + "\n")
                print(f"{name} {tool}: {record['verdict']} {record.get('why', '')}"[:200], flush=True)
    if peers is not None:
        peers.close()


def _run(path: Path, tool: str, feeds: Path, asked: argparse.Namespace, peers: Peers | None) -> Record:
    """Return what a process of its own says of a file and a tool."""
    if peers is None or tool in OURS:
        return forked(ours, (path, tool), asked.limit_s)
    if not feeds.exists():
        written = forked(save_feeds, (path, feeds), asked.limit_s)
        if not feeds.exists():
            return {**written, "verdict": "not run"}
    return peers.judge(path, tool, feeds)


class Peers:
    """The process that has the other tools loaded, and is asked over its standard input."""

    def __init__(self, python: str, limit_s: float) -> None:
        """Start it; `limit_s` seconds are what one file and tool may take."""
        beside = Path(__file__).with_name("zoo_onnx_peers.py")
        pipe = subprocess.PIPE
        command = [python, str(beside), str(limit_s)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def judge(self, path: Path, tool: str, feeds: Path) -> Record:
        """Return its verdict."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([str(path), tool, str(feeds)]) + "\n")
        record: Record = json.loads(self.process.stdout.readline())
        return record

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def load_all(tools: list[str]) -> None:
    """Load what the processes that are forked need; nothing is computed here, so that no thread is lost."""
    import onnx.reference  # noqa: F401
    import onnx_ir  # noqa: F401
    import onnxruntime

    import triport.parity.imported.convert  # noqa: F401
    from triport.converters.environment import import_framework

    for tool in {*tools} & {*OURS}:
        import_framework(tool)
    onnxruntime.set_default_logger_severity(4)


def ours(path: Path, tool: str) -> Record:
    """Return what triport makes of a file: its verdict, and how long it took without and with the proof."""
    import onnx

    from triport.parity.imported.convert import imported
    from triport.reference_models.errors import TriportError

    proto = onnx.load(path, load_external_data=False)
    about: Record = {
        "producer": f"{proto.producer_name} {proto.producer_version}".strip(),
        "opset": max([e.version for e in proto.opset_import if e.domain in ("", "ai.onnx")], default=0),
        "nodes": len(proto.graph.node),
    }
    began = time.monotonic()

    def progress(step: str) -> None:
        if step.startswith("comparing"):  # the source is written
            about["convert_s"] = round(time.monotonic() - began, 2)

    try:
        _, done = imported(path, tool, "net", progress)  # type: ignore[arg-type]
    except TriportError as error:
        return {**about, "verdict": "refused", "why": str(error).removeprefix(f"{path}: ")[:400]}
    worst = max(done.trials, key=lambda t: (not t.passed, t.max_rel))
    return {
        **about,
        "verdict": "right" if done.is_equal else "found different" if done.is_different else "not proven",
        "max_rel": worst.max_rel,
        "judged_by": worst.judged_by,
        "why": "" if done.is_equal else f"{done.first_divergence}; {worst.why}",
        "lines": done.source_lines,
        "own_nodes": done.nodes,
        "classes": done.classes,
        "total_s": round(time.monotonic() - began, 2),
    }


def save_feeds(path: Path, feeds: Path) -> Record:
    """Write the inputs that a file is compared on, ONNX Runtime's outputs, and how near is right."""
    import numpy as np

    from triport.converters.onnx_import.reading import read_model
    from triport.parity.imported.convert import feeds_of
    from triport.parity.imported.judge import UnoptimisedRuntime
    from triport.parity.imported.key_lengths import KeyLengths
    from triport.parity.imported.references import written_out
    from triport.parity.imported.runs import run
    from triport.parity.judge.difference import difference

    runtime = UnoptimisedRuntime.of(path)
    arrays: dict[str, Any] = {}
    near, network = LEAST, own_network(path)

    def runs(feed: dict[str, Any]) -> bool:
        with contextlib.suppress(Exception):
            return network is None or bool(run(network, "pytorch", list(feed.values())))
        return False

    for index, feed in enumerate(feeds_of(path, read_model(path), runtime, KeyLengths.of_file(path), runs)):
        arrays |= {f"{index}.in.{place:03d}": array for place, array in enumerate(feed.values())}
        exact = written_out(path)(feed)  # its own Sigmoid is off where results are small
        wanted = exact if exact is not None else runtime.run(feed)
        arrays |= {f"{index}.out.{place:03d}": array for place, array in enumerate(wanted)}
        found = run(network, "pytorch", list(feed.values())) if network is not None else []
        near = max(near, 2 * max(map(difference, found, wanted), default=0.0))
    np.savez(feeds, near=near, **arrays)
    return {"verdict": "written"}


def own_network(path: Path) -> Any:
    """Return triport's torch.nn.Module of a file, None where there is none."""
    import triport
    from triport.reference_models.errors import TriportError

    try:
        return triport.from_onnx(path, check=False).torch()
    except TriportError:
        return None


def table_of(records: list[Record]) -> str:
    """Return the counts, real files one by one, exports by exporter, and why what is not right is not."""
    tools = [t for t in (*OURS, *PEERS) if any(r["tool"] == t for r in records)]
    exports = [r for r in records if r["file"].startswith(EXPORTS)]
    files = [r for r in records if not r["file"].startswith(EXPORTS)]
    lines = [*_counts(files, tools), "", *_rows(files, tools)]
    for exporter in dict.fromkeys(r["file"].partition("/")[0] for r in exports):
        of_it = [r for r in exports if r["file"].partition("/")[0] == exporter]
        lines += ["", f"{exporter}, networks that were exported by it:", "", *_counts(of_it, tools)]
    if exports:
        lines += ["", _networks(exports)]
    reasons = [
        f"- {r['file']}, {r['tool']}: {r['verdict']}: {' '.join(r.get('why', '').split())}"
        for r in records
        if r["tool"] in OURS and r["verdict"] != "right"
    ]
    return "\n".join([*lines, "", *reasons])


def _networks(exports: list[Record]) -> str:
    """Return how many networks were exported, and how many of them by more than one exporter."""
    by = Counter(name for _, name in {tuple(r["file"].split("/", 1)) for r in exports})
    return f"These are {len(by)} networks, of which {sum(n > 1 for n in by.values())} by both exporters."


def _counts(records: list[Record], tools: list[str]) -> list[str]:
    """Return how many files each tool was run on and what came of it, and the median of lines a node."""
    run = [[r for r in records if r["tool"] == t] for t in tools]
    lines = ["| | " + " | ".join(tools) + " |", "|---" * (len(tools) + 1) + "|"]
    lines.append("| files | " + " | ".join(str(len(of_tool)) for of_tool in run) + " |")
    for verdict in (
        "right",
        "refused",
        "failed",
        "not proven",
        "found different",
        "silently wrong",
        "not run",
    ):
        counts = [sum(r["verdict"] == verdict for r in of_tool) for of_tool in run]
        if any(counts):
            lines.append(f"| {verdict} | " + " | ".join(map(str, counts)) + " |")
    shares = [[r["lines"] / max(r["nodes"], 1) for r in of_tool if "lines" in r] for of_tool in run]
    medians = [f"{statistics.median(each):.2f}" if each else "" for each in shares]
    return [*lines, "| lines of source a node of the file, median | " + " | ".join(medians) + " |"]


def _rows(records: list[Record], tools: list[str]) -> list[str]:
    """Return the files one by one."""
    by = {(r["file"], r["tool"]): r for r in records}
    lines = ["| file | producer, opset | nodes | lines | " + " | ".join(tools) + " |"]
    lines.append("|---" * (len(tools) + 4) + "|")
    for file in sorted({r["file"] for r in records}):
        first = next((by[file, t] for t in OURS if (file, t) in by), {})
        about = f"{first.get('producer', '')}, {first.get('opset', '')}"
        cells = [_cell(by.get((file, t))) for t in tools]
        lines.append(
            f"| {file} | {about} | {first.get('nodes', '')} | {first.get('lines', '')} | "
            + " | ".join(cells)
            + " |"
        )
    return lines


def _cell(record: Record | None) -> str:
    if record is None:
        return ""
    seconds = record.get("convert_s")
    error = record.get("max_rel")
    shown = f" {error:.0e}" if isinstance(error, float) and error < 1e9 else ""
    return f"{record['verdict']}{shown}" + (f", {seconds:.1f} s" if seconds is not None else "")


if __name__ == "__main__":
    main()
