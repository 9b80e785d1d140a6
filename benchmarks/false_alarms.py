"""Does parity ever call equal runtimes different? Every model, three seeds, sizes and batch sizes.

python benchmarks/false_alarms.py [--models NAME,NAME] [--minutes M] [--results FILE] [--table]

Weights and input are of the seed. PyTorch's float32 and MindSpore are judged on every combination; the
ONNX files made from both, and every module in all four, on the three in which seed, size and batch size
have the same place in their lists. A line per input goes to FILE, and what is in it is not run again, so
that a run that was stopped goes on. `--table` prints what FILE holds: how many judgements, how many false
alarms, and how often over the noise the worst of them was.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from converters import environment

environment.prepare()

from converters.convert import exporter_for
from parity.batches import random_batch
from parity.compare import compare
from parity.layers.reference import Reference
from parity.layers.trace import layers_of
from parity.noise import NOISE_FACTOR, nudged_batches, spread, tolerance_of
from parity.random_weights import random_parameters
from parity.runners.mindspore import MindSporeRunner
from parity.runners.onnx import OnnxRunner
from parity.runners.pytorch import PyTorchRunner
from reference_models.spec import ModelSpec, all_models

SEEDS = (0, 1, 2)
BATCH_SIZES = (1, 2, 3)
SIZES_PX = (64, 75, 97)
# what its stem and its three reductions leave something of
SIZES_OF = {"inception_v4": (139, 150, 163), "res2net_digits": (32, 33, 47)}
# an exporter keeps what it allocates: over this, go on in a fresh process
LIMIT_KB = 6 << 20


def judgements(spec: ModelSpec, seed: int, done: set[tuple]) -> Iterator[dict[str, Any]]:
    """Yield every judgement of a model's weights of one seed that is not done."""
    sizes = SIZES_OF.get(spec.name, SIZES_PX)
    keys = [(spec.name, seed, size, count) for size, count in itertools.product(sizes, BATCH_SIZES)]
    if all(key in done for key in keys):
        return
    parameters = random_parameters(spec, seed=seed)
    exact = PyTorchRunner(spec, spec.num_classes, parameters, dtype="float64")
    rounded = PyTorchRunner(spec, spec.num_classes, parameters)
    runners = {"pytorch": rounded, "mindspore": MindSporeRunner(spec, spec.num_classes, parameters)}
    for key in keys:
        if key in done:
            continue
        _, _, size, count = key
        batch = random_batch(spec, count, seed, size)
        logits = exact.run(batch)
        draws = (rounded.run(nudged, order) for nudged, order in nudged_batches(batch, seed))
        noise = spread(draws, float(np.abs(logits).max()))
        diagonal = sizes.index(size) == BATCH_SIZES.index(count) == SEEDS.index(seed)
        judged: dict[str, Any] = dict(runners)
        reference = Reference(exact, rounded, batch, seed=seed) if diagonal else None
        if diagonal:
            there = replace(spec, input_size_px=size)
            for source in ("mindspore", "pytorch"):
                model = exporter_for(source).export(there, spec.num_classes, parameters).SerializeToString()
                judged[f"onnxruntime (from {source})"] = OnnxRunner(model, keep_model=True)
        results = {}
        for name, runner in judged.items():
            found = compare(logits, runner.run(batch), tolerance_of(noise))
            layers = layers_of(runner, reference) if reference else None
            results[name] = {
                "needed": found.needed_tolerance,
                "passed": found.passed,
                **(
                    {
                        "modules": len(layers.steps),
                        "modules_passed": layers.passed,
                        "worst_module": max(step.error / step.tolerance for step in layers.steps),
                    }
                    if layers
                    else {}
                ),
            }
        yield {"key": key, "noise": noise, "tolerance": tolerance_of(noise), "results": results}


def print_table(records: list[dict[str, Any]]) -> None:
    """Print, by runtime, judgements, false alarms, and the largest needed tolerance by the noise."""
    rows = defaultdict(list)
    for record in records:
        for name, result in record["results"].items():
            rows[name].append((record, result))
    models = {record["key"][0] for record in records}
    print(f"{len(models)} of {len(all_models())} models, {len(records)} inputs, {NOISE_FACTOR:g} x noise\n")
    columns = ["runtime", "judgements", "false alarms", "worst needed / noise", "worst needed / allowed"]
    print(f"| {' | '.join([*columns, 'modules', 'networks with a false alarm', 'worst module'])} |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, found in rows.items():
        modules = [result for _, result in found if "modules" in result]
        print(
            f"| {name} | {len(found)} | {sum(not result['passed'] for _, result in found)} "
            f"| {max(result['needed'] / record['noise'] for record, result in found):.1f} "
            f"| {max(result['needed'] / record['tolerance'] for record, result in found):.2f} "
            f"| {sum(result['modules'] for result in modules)} "
            f"| {sum(not result['modules_passed'] for result in modules)} "
            f"| {max((result['worst_module'] for result in modules), default=0):.2f} |"
        )


def main() -> None:
    """Run what is not done, or print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", help="only these")
    parser.add_argument("--minutes", type=float, default=np.inf, help="stop after the model at work then")
    parser.add_argument("--results", type=Path, default=Path("false_alarms.jsonl"))
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    records = []
    if options.results.exists():
        records = [json.loads(line) for line in options.results.read_text().splitlines()]
    if options.table:
        print_table(records)
        return
    started = time.monotonic()
    done = {tuple(record["key"]) for record in records}
    names = options.models.split(",") if options.models else list(all_models())
    for spec in sorted((all_models()[name] for name in names), key=lambda spec: spec.num_parameters):
        for seed in SEEDS:
            with options.results.open("a") as lines:
                for record in judgements(spec, seed, done):
                    lines.write(json.dumps(record) + "\n")
                    lines.flush()
                    failed = [
                        n
                        for n, r in record["results"].items()
                        if not (r["passed"] and r.get("modules_passed", True))
                    ]
                    print(f"{time.monotonic() - started:6.0f} s", *record["key"], failed or "", flush=True)
                    done.add(tuple(record["key"]))
            gc.collect()
            minutes = (time.monotonic() - started) / 60
            if minutes > options.minutes:
                return
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > LIMIT_KB:
                rest = str(options.minutes - minutes)
                only = ["--models", options.models] if options.models else []
                here = [sys.executable, __file__, "--minutes", rest, "--results", str(options.results), *only]
                os.execv(sys.executable, here)


if __name__ == "__main__":
    main()
