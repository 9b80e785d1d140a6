"""Which faults does parity catch, and does it name the right module? A model per family.

python benchmarks/mutations.py [--models NAME,NAME] [--faults WORD] [--device D] [--json FILE]

Each fault of benchmarks/faults/ is put into the network in PyTorch, which is then judged against the
right one in float64: by its logits, and by its modules. Prints, per kind of fault, in how many of the
families where it is possible it was caught by each, and whether the module that was named is the one at
fault; and at the end every one that was not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.faults import FAULTS, Candidate
from triport.converters.networks.registered import of_model
from triport.converters.onnx_export.written_model import INPUT, LOGITS
from triport.parity.batches import random_batch
from triport.parity.judge.comparison import compare
from triport.parity.judge.tolerance import FLOAT32
from triport.parity.layers.judge import CallJudge
from triport.parity.layers.reference import StepReference
from triport.parity.noise import noise_of
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

CLASSES = 10
# a model of each family and a small input at which rounding up and down differ in its pools
MODELS = {
    "resnet50": 64,
    "resnetv2_50": 64,
    "res2net_digits": 64,
    "regnet_y_200mf": 64,
    "efficientnet_lite0": 64,
    "inception_v4": 150,
}


@dataclass(frozen=True)
class Result:
    """What became of a fault in a model; `named` is the module that parts first, with how."""

    model: str
    fault: str
    by_logits: bool
    by_layers: bool
    named_right: bool
    named: str
    expected: tuple[str, ...]
    needed: float
    tolerance: float


class Subject:
    """A model, its reference and its tolerance, against which every fault is judged."""

    def __init__(self, name: str, size_px: int, seed: int = 0, device: str = "cpu") -> None:
        self.spec, self.device = get_model(name), device
        self.parameters = random_parameters(self.spec, CLASSES, seed)
        self.batch = random_batch(self.spec, 2, seed, size_px)
        exact = PyTorchRunner(of_model(self.spec, CLASSES), self.parameters, dtype="float64")
        rounded = self.right("cpu")
        self.reference = StepReference(exact, rounded, {INPUT: self.batch}, seed=seed)
        self.logits = self.reference.outputs[LOGITS]
        noise = noise_of(rounded, {INPUT: self.batch}, seed, {LOGITS: self.logits})[LOGITS]
        self.tolerance = FLOAT32.tolerance_of(noise.size)

    def right(self, device: str) -> PyTorchRunner:
        """Return the right network, with weights of its own."""
        parameters = {name: array.copy() for name, array in self.parameters.items()}
        return PyTorchRunner(of_model(self.spec, CLASSES), parameters, device)

    def judge(self, fault: str) -> Result | None:
        """Return what became of a fault, None where the model has nothing to do it to."""
        runner = self.right(self.device)
        candidate = Candidate(
            self.spec, runner, self.reference.steps, self.reference.largest, self.batch.copy()
        )
        expected = FAULTS[fault](candidate)
        if expected is None:
            return None
        judge = CallJudge(self.reference)
        try:
            logits = runner.trace({INPUT: candidate.batch}, judge.visit)[LOGITS]
            found = compare(self.logits, logits, self.tolerance)
            needed, by_logits = found.needed_tolerance, not found.passed
        except RuntimeError:  # shapes that no longer fit: no logits at all
            needed, by_logits = np.inf, True
        parting = judge.report().parting
        named = "" if parting is None else parting.step.name
        right = named in expected or named.partition("#")[0] in expected
        return Result(
            self.spec.name,
            fault,
            by_logits,
            parting is not None,
            right,
            "" if parting is None else str(parting),
            tuple(sorted(expected)),
            needed,
            self.tolerance,
        )


@lru_cache(maxsize=1)
def subject(name: str, device: str = "cpu") -> Subject:
    """Return a model's subject; one is kept."""
    return Subject(name, MODELS[name], device=device)


def run(models: list[str], faults: list[str], device: str = "cpu") -> Iterator[Result]:
    """Yield the result of every fault in every model that it is possible in."""
    for name in models:
        for fault in faults:
            result = subject(name, device).judge(fault)
            if result is not None:
                yield result


def summary(results: list[Result]) -> Mapping[str, int]:
    """Return the counts over all."""
    return {
        "kinds": len({result.fault for result in results}),
        "faults": len(results),
        "caught by logits": sum(result.by_logits for result in results),
        "caught by layers": sum(result.by_layers for result in results),
        "caught by either": sum(result.by_logits or result.by_layers for result in results),
        "named right": sum(result.named_right for result in results),
    }


def main() -> None:
    """Print the table, the counts and what was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--faults", default="", help="only those with this in their name")
    parser.add_argument("--device", default="cpu", help="where the faulty network runs; the noise is a CPU's")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    faults = [name for name in FAULTS if options.faults in name]
    results = []
    for result in run(options.models.split(","), faults, options.device):
        results.append(result)
        if sys.stderr.isatty():
            print(f"\r\x1b[K{result.model}: {result.fault}", end="", file=sys.stderr)
    print("| fault | families | by logits | by layers | right module |\n|---|--:|--:|--:|--:|")
    for fault in faults:
        rows = [result for result in results if result.fault == fault]
        counts = [sum(getattr(r, key) for r in rows) for key in ("by_logits", "by_layers", "named_right")]
        print(f"| {fault} | {len(rows)} | {' | '.join(str(count) for count in counts)} |")
    print()
    for name, count in summary(results).items():
        print(f"{name}: {count}")
    for result in results:
        if not (result.by_logits and result.by_layers and result.named_right):
            print(
                f"- {result.model}, {result.fault}: logits {'differ' if result.by_logits else 'equal'} "
                f"({result.needed:.1e}, allowed {result.tolerance:.1e}); named {result.named or 'nothing'}; "
                f"expected {', '.join(result.expected[:4])}"
            )
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")


if __name__ == "__main__":
    main()
