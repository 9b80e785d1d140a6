"""Pairs of networks: what `pair` finds of each, beside what names, definition order and weightbridge reach.

MindCV 0.3.0 against torchvision and timm, PyTorch against PyTorch, networks that classify no images,
MindSpore's tutorial and ModelZoo, mindyolo and mindocr. Each pair runs in a process of its own, the small
ones first; a line of JSON a pair, so that a run that was stopped goes on. Every map that `pair` calls
proven is judged again by `pairs_truth.py`, and pairs that compute another function are run once more with
the difference removed (`pairs_mends.py`). Needs an environment of its own (docs/pairs.md says how).

    python benchmarks/pairs.py [--section NAME] [--pairs NAME,...] [--minutes M] [--configs DIR]
    python benchmarks/pairs.py --table [--markdown docs/pairs.md]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.model_by_model import records_in
from benchmarks.pairs_sections import Pair, all_pairs, in_order_of_running

SEED = 7  # of the judge's own values, which `pair` has not seen

Record = dict[str, Any]


def work(pair: Pair, configurations: Path | None) -> Record:
    """Pair two networks in this process, and say what each way reaches."""
    from benchmarks import pairs_networks as networks
    from benchmarks.pairs_peers import shapes_of

    try:
        nets = tuple(networks.build(net, configurations) for net in (pair.a, pair.b))
        if pair.mend:
            _mend(pair, nets)
        specs = pair.inputs or (networks.image_spec(networks.smallest_size_px((pair.a, pair.b), nets)),)
        feed = networks.feed_of(specs)
        for net in nets:
            networks.run(net, feed)
    except Exception as error:  # whatever a package's own code raises
        return {"stage": "not built", "why": f"{type(error).__name__}: {_short(error)}"}
    shapes = tuple(shapes_of(net) for net in nets)
    record: Record = {
        "inputs": list(specs),
        "parameters": sum(int(np_prod(shape)) for shape in shapes[0].values()),
        "stage": "paired",
    }
    found = _pair(pair, specs, nets, record)
    if found is not None and found.complete:
        # what a network keeps as it is built, such as the anchors of a detector, has its value already
        mapped = {name for row in found.names.rows for name in row.a}
        moved = {name: shape for name, shape in shapes[0].items() if name in mapped}
        record["judged"] = _judged(nets, found.names.forward, moved, feed)
    record["peers"] = {} if pair.mend else _peers(nets, shapes, found, feed)
    return record


def _pair(pair: Pair, specs: tuple[str, ...], nets: tuple[Any, Any], record: Record) -> Any:
    """Run `pair` and put what it returns, its seconds and the peak memory so far into the record."""
    import triport

    started = time.monotonic()
    try:
        found = triport.pair(*nets, inputs=list(specs))
    except Exception as error:  # an error of ours is what the table must show, of whatever kind
        record |= {"stage": "failed", "why": f"{type(error).__name__}: {_short(error)}"}
        found = None
    record["seconds"] = round(time.monotonic() - started, 1)
    record["peak_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20), 2)
    if found is not None:
        said = found.to_dict()
        record["steps"] = sorted({step.partition("(")[0] for row in said["names"] for step in row["steps"]})
        rows = sorted((row["a"], row["b"], row["steps"]) for row in said.pop("names"))
        record["rows"], record["map"] = len(rows), hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]
        record["left"] = {side: names[:3] for side, names in said["left"].items()}
        record["left_count"] = {side: len(names) for side, names in said.pop("left").items()}
        record["reasons"] = dict(list(said.pop("reasons", {}).items())[:3])
        record |= {key: value for key, value in said.items() if key not in ("a", "b", "seconds")}
    return found


def _judged(nets: tuple[Any, Any], forward: Any, shapes: Any, feed: Any) -> Record:
    """Return what the benchmark's own judge says of a map: `forward` makes b's values of a's."""
    from benchmarks.pairs_truth import judge, seeded_values

    try:
        values = seeded_values(shapes, SEED)
        return judge(*nets, values, forward(values), feed)
    except Exception as error:  # a map whose values do not fit is a fault too
        return {"verdict": "does not load", "error": None, "why": f"{type(error).__name__}: {_short(error)}"}


def _peers(nets: tuple[Any, Any], shapes: Any, found: Any, feed: Any) -> dict[str, Record]:
    """Return what each other way reaches: nothing, the map of `pair`, or another, and how far that is off."""
    from benchmarks.pairs_peers import WAYS, NoMapError

    ours = _one_to_one(found)
    told = {}
    for way, mapped in WAYS.items():
        started = time.monotonic()
        try:
            names = mapped(*shapes)
        except NoMapError as error:
            told[way] = {"verdict": "no complete map", "why": str(error)}
            continue
        finally:
            seconds = round(time.monotonic() - started, 1)
        told[way] = {"same_map": ours == names if ours is not None else None, "seconds": seconds}
        moved = _mover(names, shapes[1])
        told[way] |= _judged(nets, moved, shapes[0], feed)
    return told


def _mover(names: dict[str, str], shapes: Any) -> Any:
    return lambda values: {name: values[one].reshape(shapes[name]) for name, one in names.items()}


def _one_to_one(found: Any) -> dict[str, str] | None:
    """Return the map of `pair` by the names of the second network; None where a row is not one to one."""
    if found is None or not found.complete or not found.proven:
        return None
    rows = found.names.rows
    if any(len(row.a) != 1 or len(row.b) != 1 for row in rows):
        return None
    return {row.b[0]: row.a[0] for row in rows}


def _mend(pair: Pair, nets: tuple[Any, Any]) -> None:
    from benchmarks.pairs_mends import MENDS

    MENDS[pair.mend].apply(nets[1])


def np_prod(shape: tuple[int, ...]) -> int:
    """Return the number of elements of a shape."""
    count = 1
    for size in shape:
        count *= size
    return count


def _short(error: Exception) -> str:
    return " ".join(str(error).replace(f"{sys.prefix}{os.sep}", "").split())[:300]


def run(options: argparse.Namespace) -> None:
    """Run every pair that has no record yet."""
    _load()
    started = time.monotonic()
    done = {tuple(record["key"]) for record in records_in(options.results)}
    wanted = options.pairs.split(",") if options.pairs else None
    for pair in in_order_of_running():
        if pair.key in done or (options.section and pair.section != options.section):
            continue
        if wanted is not None and pair.a.partition(":")[2] not in wanted and pair.a not in wanted:
            continue
        if pair.millions > options.millions:
            continue
        if (time.monotonic() - started) / 60 > options.minutes:
            return
        record = {"key": pair.key, "by": pair.by, **_in_a_process(pair, options)}
        with options.results.open("a") as lines:
            lines.write(json.dumps(record) + "\n")
        print(f"{time.monotonic() - started:6.0f} s", _line(record), flush=True)


def _in_a_process(pair: Pair, options: argparse.Namespace) -> Record:
    """Run a pair in a process that begins with what takes long to load, and is killed beyond the limits."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        started = time.monotonic()
        worker = multiprocessing.get_context("fork").Process(target=_work, args=(pair, options, result))
        worker.start()
        beyond = stopped(worker, options.timeout, options.gigabytes)
        seconds = round(time.monotonic() - started)
        if not result.exists():
            return {"stage": "failed", "why": beyond or "its process died", "all_seconds": seconds}
        return {**json.loads(result.read_text()), "all_seconds": seconds}


def stopped(worker: Any, most_seconds: float, most_gigabytes: float) -> str | None:
    """Wait for a process, and kill it where it takes more than this; return of what it took too much."""
    last = time.monotonic() + most_seconds
    while worker.is_alive():
        if time.monotonic() > last:
            beyond = f"took over {most_seconds:.0f} s"
        elif _gigabytes(worker.pid) > most_gigabytes:
            beyond = f"took over {most_gigabytes:g} GB"
        else:
            worker.join(min(1, max(last - time.monotonic(), 0)))
            continue
        worker.kill()
        worker.join()
        return beyond
    return None


def _gigabytes(process: int) -> float:
    """Return how much memory a process holds; 0 where it has ended, or the system does not say."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / (1 << 30)


def _work(pair: Pair, options: argparse.Namespace, result: Path) -> None:
    """Write the record of one pair; what frameworks print goes nowhere."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        result.write_text(json.dumps(work(pair, options.configs)))
        os._exit(0)  # what MindSpore does when it ends adds nothing


def _load() -> None:
    """Load what every process begins with."""
    from benchmarks.pairs_networks import prepare

    prepare()
    import mindcv  # noqa: F401
    import timm  # noqa: F401
    import torchvision  # noqa: F401

    import triport.parity.pairing.derive  # noqa: F401


def _line(record: Record) -> str:
    from benchmarks.pairs_page import cells

    return " | ".join(cells(record))


def main() -> None:
    """Parse the command line; run, or print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--section", help="only this one")
    parser.add_argument("--pairs", help="only those with these first networks, with commas between")
    parser.add_argument("--configs", type=Path, help="mindyolo's folder of configurations")
    parser.add_argument("--results", type=Path, default=Path("out/pairs.jsonl"), metavar="FILE")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further pair then")
    parser.add_argument(
        "--millions", type=float, default=float("inf"), help="only networks of at most so many numbers"
    )
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one pair")
    parser.add_argument(
        "--gigabytes", type=float, default=float("inf"), help="of memory for one pair, where Linux says them"
    )
    parser.add_argument("--table", action="store_true", help="run nothing, print what FILE holds")
    parser.add_argument("--markdown", type=Path, help="put the tables into this page")
    options = parser.parse_args()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    if not options.table:
        run(options)
    from benchmarks.pairs_page import put, tables

    text = tables(records_in(options.results), all_pairs())
    print(f"\n{text}")
    if options.markdown:
        put(text, options.markdown)


if __name__ == "__main__":
    main()
