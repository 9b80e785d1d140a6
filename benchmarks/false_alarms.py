"""Does parity ever call equal runtimes different? Every model, three seeds, sizes and batch sizes.

python benchmarks/false_alarms.py [--every] [--precision P] [--models NAME,NAME] [--results FILE] [--table]

Weights and input are of the seed. Nine inputs a model, in which each two of a seed, a size and a batch
size meet once; `--every`: all 27. PyTorch's float32 and MindSpore are judged on each; the ONNX files made
from both, and every module in all four, in the network and alone, on the three in which seed, size and
batch size have the same place in their lists (`--light`: on the first of these). There the further inputs of
`parity` are judged too, each image by itself. `--precision`: PyTorch
and MindSpore in that, where they can, and the ONNX files in int8. A line per input goes to FILE, and what is
in it is not run again, so that a run that was stopped goes on. `--table` prints what FILE holds: how many
judgements, how many false alarms, and how often over the noise the worst of them was.
"""

from __future__ import annotations

import gc
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from triport.converters import environment
from triport.converters.networks.registered import of_model

environment.prepare()

from benchmarks.model_by_model import Record, arguments, records_in, run
from triport.converters.onnx_export import exporter_for
from triport.converters.onnx_export.written_model import INPUT, LOGITS
from triport.parity.batches import random_batch
from triport.parity.further import FurtherReference, Main, computed, expected_of
from triport.parity.inputs import further_inputs
from triport.parity.judge.comparison import compare
from triport.parity.judge.tolerance import CALIBRATIONS
from triport.parity.layers.reference import StepReference
from triport.parity.layers.trace import layers_of
from triport.parity.noise import noise_of, rounded_runner
from triport.parity.onnx_graphs.quantised import quantised
from triport.parity.runtimes import runtimes_with
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.parity.runtimes.onnx import OnnxRunner
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import ModelSpec, all_models

SEEDS = (0, 1, 2)
BATCH_SIZES = (1, 2, 3)
SIZES_PX = (64, 75, 97)
# what its stem and its three reductions leave something of
SIZES_OF = {"inception_v4": (139, 150, 163), "res2net_digits": (32, 33, 47)}


# what is judged beside the logits
KINDS = ("modules", "alone", "further")


def inputs_of(spec: ModelSpec, seed: int, *, every: bool) -> Iterator[tuple[int, int]]:
    """Yield size in pixels and batch size: of a Latin square the three of the seed, or all nine."""
    for i, j in itertools.product(range(3), range(3)):
        if every or SEEDS[(2 * i - j) % 3] == seed:
            yield SIZES_OF.get(spec.name, SIZES_PX)[i], BATCH_SIZES[j]


def judgements(
    spec: ModelSpec, seed: int, done: set[tuple], *, every: bool, light: bool, precision: str
) -> Iterator[Record]:
    """Yield every judgement of a model's weights of one seed that is not done."""
    sizes = SIZES_OF.get(spec.name, SIZES_PX)
    keys = [(spec.name, seed, size, count, precision) for size, count in inputs_of(spec, seed, every=every)]
    if all(key in done for key in keys):
        return
    parameters = random_parameters(spec, seed=seed)
    network = of_model(spec)
    calibration = CALIBRATIONS[precision]
    exact = PyTorchRunner(network, parameters, dtype="float64")
    rounded = rounded_runner(network, parameters, precision, seed)
    makers = {"pytorch": PyTorchRunner, "mindspore": MindSporeRunner}
    runners: dict[str, Any] = {
        runtime: make(network, parameters, precision=precision)
        for runtime, make in makers.items()
        if runtime in runtimes_with(precision)
    }
    for key in keys:
        if key in done:
            continue
        _, _, size, count, _ = key
        diagonal = sizes.index(size) == BATCH_SIZES.index(count) == SEEDS.index(seed)
        diagonal = diagonal and not (light and seed != SEEDS[0])
        if not runners and not diagonal:
            continue  # ONNX alone computes so
        feed = {INPUT: random_batch(spec, count, seed, size)}
        logits = exact.run(feed)[LOGITS]
        noise = noise_of(rounded, feed, seed, {LOGITS: logits})[LOGITS].size
        tolerance = calibration.tolerance_of(noise)
        judged = dict(runners)
        references = {}
        if diagonal:
            references["modules"] = StepReference(exact, rounded, feed, seed=seed)
            references["alone"] = StepReference(exact, rounded, feed, seed=seed, alone=True)
        if diagonal and "onnx" in runtimes_with(precision):
            there = replace(spec, input_size_px=size)
            for source in ("mindspore", "pytorch"):
                model = exporter_for(source).export(there, spec.num_classes, parameters)
                if precision == "int8":
                    model = quantised(model, feed)
                judged[f"onnxruntime (from {source})"] = OnnxRunner(
                    model.SerializeToString(), network, keep_model=True, precision=precision
                )
        main = Main({LOGITS: logits}, {LOGITS: tolerance}, network.rows)
        expected = [
            expected_of(further, exact, rounded, main, calibration, None, seed)
            for further in (further_inputs(network, feed, precision, seed) if diagonal else ())
        ]
        results = {}
        for name, runner in judged.items():
            found = compare(logits, runner.run(feed)[LOGITS], tolerance)
            results[name] = {"needed": found.needed_tolerance, "passed": found.passed}
            if expected:
                results[name]["further"] = _further(runner, expected)
            for how, reference in references.items():
                layers = layers_of(runner, reference, alone=how == "alone", calibration=calibration)
                worst = max(layers.steps, key=lambda step: step.error / step.tolerance)
                results[name][how] = {
                    "compared": len(layers.steps),
                    "parting": None if layers.parting is None else str(layers.parting),
                    "worst": worst.error / worst.tolerance,
                    "worst_name": f"{worst.name} ({worst.kind})",
                }
        yield {"key": key, "noise": noise, "tolerance": tolerance, "results": results}


def _further(runner: Any, expected: list[FurtherReference]) -> dict[str, Any]:
    """Return how a runner does on the further inputs that it takes."""
    outputs = [(one, computed(runner, one.given)) for one in expected]
    found = [one.verdict(output) for one, output in outputs if output is not None]
    images = [(result, image) for result in found for image in result.images]
    result, worst = max(images, key=lambda pair: pair[1].needed_tolerance / pair[1].tolerance)
    return {
        "compared": len(images),
        "parting": "; ".join(f"further: {one.input} {one.failed}" for one in found if not one.passed) or None,
        "worst": worst.needed_tolerance / worst.tolerance,
        "worst_name": f"{result.input}, {worst.what}",
    }


def is_alarm(result: dict[str, Any]) -> bool:
    """Whether anything of a runtime that is right was called wrong."""
    return not result["passed"] or any(result.get(how, {}).get("parting") for how in KINDS)


def print_table(records: list[Record]) -> None:
    """Print, by runtime, judgements, false alarms, and the largest needed tolerance by the noise."""
    rows = defaultdict(list)
    for record in records:
        for name, result in record["results"].items():
            rows[name].append((record, result))
    models = {record["key"][0] for record in records}
    # a key's precision is its last
    factors = {record["key"][-1]: CALIBRATIONS[record["key"][-1]].factor for record in records}
    allowed = ", ".join(f"{factor:g} x the noise of {name}" for name, factor in factors.items())
    print(f"{len(models)} of {len(all_models())} models, {len(records)} inputs, allowed: {allowed}\n")
    print("| logits | judgements | false alarms | worst needed / noise | worst needed / allowed |")
    print("|---|--:|--:|--:|--:|")
    for name, found in rows.items():
        print(
            f"| {name} | {len(found)} | {sum(not result['passed'] for _, result in found)} "
            f"| {max(result['needed'] / record['noise'] for record, result in found):.1f} "
            f"| {max(result['needed'] / record['tolerance'] for record, result in found):.2f} |"
        )
    print(
        "\n| modules | networks | modules compared | networks with a false alarm | worst needed / allowed |"
    )
    print("|---|--:|--:|--:|--:|")
    for how, name in itertools.product(KINDS, rows):
        found = [result[how] for _, result in rows[name] if how in result]
        if found:
            label = name + {"alone": ", each alone", "further": ", images of further inputs"}.get(how, "")
            alarms = sum(result["parting"] is not None for result in found)
            compared, worst = sum(result["compared"] for result in found), max(r["worst"] for r in found)
            print(f"| {label} | {len(found)} | {compared} | {alarms} | {worst:.2f} |")
    for record in records:
        for name, result in record["results"].items():
            if is_alarm(result):
                partings = [result[how]["parting"] for how in KINDS if how in result]
                print("-", *record["key"], name, *(parting for parting in partings if parting))


def main() -> None:
    """Run what is not done, or print the table."""
    parser = arguments(__doc__, "false_alarms.jsonl")
    parser.add_argument("--every", action="store_true", help="every combination")
    parser.add_argument("--light", action="store_true", help="modules and ONNX on one input a model")
    parser.add_argument("--precision", choices=CALIBRATIONS, default="float32")
    options = parser.parse_args()

    def work(spec: ModelSpec, done: set[tuple]) -> Iterator[Record]:
        for seed in SEEDS:
            yield from judgements(
                spec, seed, done, every=options.every, light=options.light, precision=options.precision
            )
            gc.collect()

    def line(record: Record) -> str:
        failed = [name for name, result in record["results"].items() if is_alarm(result)]
        return " ".join(map(str, [*record["key"], *failed]))

    if options.table:
        print_table(records_in(options.results))
    else:
        run(options, work, line)


if __name__ == "__main__":
    main()
