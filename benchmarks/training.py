"""Do MindSpore and PyTorch train alike? Gradients, BatchNorm statistics and ten steps of SGD of every model.

python benchmarks/training.py [--models NAME,NAME] [--minutes M] [--results FILE] [--table]

As `parity MODEL --gradients --steps 10` judges it: four images of 64 pixels a side, or the least that the
network takes. A line per model goes to FILE, and what is in it is not run again. `--table` prints what
FILE holds, a model a row: for each thing that was compared the largest share of its tolerance that
MindSpore needed, and in which run its steps passed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from triport.converters import environment

environment.prepare()

from benchmarks.model_by_model import Record, arguments, records_in, run
from triport.converters.networks.registered import SIZE_AXIS, of_model
from triport.converters.onnx_export.written_model import BATCH_AXIS
from triport.parity.subjects.random_weights import random_parameters
from triport.parity.training.check import Training, check_training
from triport.parity.training.report import parts_of
from triport.reference_models.spec import ModelSpec, all_models

STEPS = 10
BATCH_SIZE = 4
SIZE_PX = 64
# what its stem and its three reductions leave something of
SIZES_OF = {"inception_v4": 139, "res2net_digits": 32}


def trained(spec: ModelSpec, done: set[tuple]) -> Iterator[Record]:
    """Yield how a model trains, unless that is done."""
    if (spec.name,) in done:
        return
    started = time.monotonic()
    size_px = SIZES_OF.get(spec.name, SIZE_PX)
    how = Training({BATCH_AXIS: BATCH_SIZE, SIZE_AXIS: size_px}, steps=STEPS)
    report = check_training(of_model(spec), random_parameters(spec), how)
    yield {
        "key": [spec.name],
        "passed": report.passed,
        "learning_rate": report.recipe.learning_rate,
        "seconds": round(time.monotonic() - started, 1),
        "pairs": {
            pair.candidate: {
                "passed": pair.passed,
                "momentum": pair.statistics.momentum,
                "variance": pair.statistics.variance,
                "run": pair.steps.run if pair.steps else None,
                **{
                    what: max(result.error / result.tolerance for result in results)
                    for what, results in parts_of(pair)
                },
            }
            for pair in report.pairs
        },
    }


def print_table(records: list[Record]) -> None:
    """Print a row a model, the median and the most of each column, and how many pass."""
    after = (f"{kind} after {STEPS} steps" for kind in ("weights", "statistics"))
    whats = ["loss", "gradients", "statistics", "losses", *after]
    records = list(
        {tuple(record["key"]): record for record in records}.values()
    )  # the last of a model counts
    print(f"| model | {' | '.join(whats)} | run | momentum, variance |")
    print(f"|---|{'--:|' * (len(whats) + 1)}---|")
    for record in records:
        pair = record["pairs"]["mindspore"]
        shares = " | ".join(f"{pair[what]:.2f}" for what in whats)
        print(
            f"| {record['key'][0]} | {shares} | {pair['run']} | {pair['momentum']:.3f}, {pair['variance']} |"
        )
    print("\n| MindSpore's share of the tolerance | median | most | where |\n|---|--:|--:|---|")
    for what in whats:
        found = sorted((record["pairs"]["mindspore"][what], record["key"][0]) for record in records)
        print(f"| {what} | {found[len(found) // 2][0]:.2f} | {found[-1][0]:.2f} | {found[-1][1]} |")
    for candidate in ("pytorch", "mindspore"):
        passed = sum(record["pairs"][candidate]["passed"] for record in records)
        print(f"\n{candidate}: {passed} of {len(records)} models train alike ({len(all_models())} in all)")


def main() -> None:
    """Run what is not done, or print the table."""
    options = arguments(__doc__, "training.jsonl").parse_args()
    if options.table:
        print_table(records_in(options.results))
    else:
        run(options, trained, lambda record: f"{record['key'][0]} {'' if record['passed'] else 'DIFFERS'}")


if __name__ == "__main__":
    main()
