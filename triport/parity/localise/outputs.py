"""The first layer at whose output a foreign ONNX file is not the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from triport.parity.calls import CallStep, ModuleCall
from triport.parity.judge.divergence import first_divergence
from triport.parity.judge.tolerance import CALIBRATIONS
from triport.parity.judge.words import size_of
from triport.parity.layers import onnx_taps
from triport.parity.layers.judge import error_of
from triport.parity.layers.reference import StepReference
from triport.parity.noise import rounded_runner
from triport.parity.runtimes.onnx import OnnxRunner
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.reference_models.network import Arrays, Network

from .folded import FoldedComparison

SHOWN = 4


@dataclass(frozen=True, slots=True)
class FaultyModule:
    """A module whose output is wrong, while those of the layers before it, which feed it, are right."""

    module: str
    feeding: tuple[str, ...]
    error: float
    allowed: float

    def __str__(self) -> str:
        before = ", ".join(self.feeding[-SHOWN:]) or "the input"
        more = f" and {len(self.feeding) - SHOWN} more" if len(self.feeding) > SHOWN else ""
        return (
            f"the first difference is in {self.module} (output {size_of(self.error)}, allowed "
            f"{self.allowed:.1e}): the fault is in it or between it and what feeds it: {before}{more}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class RunSettings:
    """What the reference and the file are run with; `precision` is the file's, `seed` the noise's draws'."""

    network: Network
    parameters: Arrays
    feed: Arrays
    precision: str
    seed: int


def first_part(
    run: RunSettings, file: Path, found: FoldedComparison, tell: Callable[[str], None] = lambda step: None
) -> FaultyModule | None:
    """Return where the file first parts from PyTorch in float64; None where no layer's output does.

    Args:
        run: what both are run with.
        file: the ONNX file.
        found: which tensor of it holds each module's output, and what feeds it.
        tell: is told each step.
    """
    tell("noise of each layer")
    exact = PyTorchRunner(run.network, run.parameters, dtype="float64")
    rounded = rounded_runner(run.network, run.parameters, run.precision, run.seed)
    reference = StepReference(exact, rounded, run.feed, seed=run.seed)
    del exact, rounded
    tell("the file's layers")
    runner = OnnxRunner(file, run.network, keep_model=True, precision=run.precision)
    steps = [step for step in reference.steps if step.path in found.outputs]
    taps = {
        step.name: onnx_taps.StepTap(found.outputs[step.path], found.outputs[step.path]) for step in steps
    }
    errors: dict[str, float] = {}

    def visit(call: ModuleCall) -> None:
        errors[call.name] = error_of(reference.output(call.name), call.output, reference.largest(call.name))

    onnx_taps.trace(runner.loaded(), reference.steps, taps, visit, runner.tapped(run.feed))

    def allowed(step: CallStep) -> float:
        return CALIBRATIONS[run.precision].tolerance_of(reference.noise(step))

    first = first_divergence(steps, lambda step: errors[step.name] <= allowed(step))
    if first is None:
        return None
    at = first.at
    return FaultyModule(at.name, found.feeding[at.path], errors[at.name], allowed(at))
