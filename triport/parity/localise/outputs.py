"""The first layer at whose output a foreign ONNX file is not the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triport.converters.networks.registered import of_model
from triport.parity.calls import Call
from triport.parity.layers import onnx_taps
from triport.parity.layers.judge import relative
from triport.parity.layers.reference import Reference
from triport.parity.noise import CALIBRATIONS, rounded_runner
from triport.parity.runtimes.onnx import OnnxRunner
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.reference_models.network import Arrays
from triport.reference_models.spec import ModelSpec

SHOWN = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A module whose output is wrong, while those of the layers before it, which feed it, are right."""

    module: str
    feeding: tuple[str, ...]
    error: float
    allowed: float

    def __str__(self) -> str:
        before = ", ".join(self.feeding[-SHOWN:]) or "the input"
        more = f" and {len(self.feeding) - SHOWN} more" if len(self.feeding) > SHOWN else ""
        return (
            f"first parts at {self.module} (output {self.error:.1e}, allowed {self.allowed:.1e}): "
            f"the fault is in it or between it and what feeds it: {before}{more}"
        )


def first_part(
    spec: ModelSpec,
    num_classes: int,
    parameters: Mapping[str, np.ndarray],
    feed: Arrays,
    *,
    seed: int,
    precision: str,
    file: Path,
    outputs: Mapping[str, str],
    feeding: Mapping[str, tuple[str, ...]],
    tell: Callable[[str], None] = lambda step: None,
) -> Part | None:
    """Return where the file first parts from PyTorch in float64; None where no layer's output does.

    Args:
        spec: the model.
        num_classes: outputs.
        parameters: by canonical name.
        feed: what both are fed.
        seed: of the noise's draws.
        precision: the file's.
        file: the ONNX file.
        outputs: module path -> the tensor of the file that holds its output.
        feeding: module path -> the modules of `outputs` that feed it.
        tell: is told each step.
    """
    tell("noise of each layer")
    network = of_model(spec, num_classes)
    exact = PyTorchRunner(network, parameters, dtype="float64")
    rounded = rounded_runner(network, parameters, precision, seed)
    reference = Reference(exact, rounded, feed, seed=seed)
    del exact, rounded
    tell("the file's layers")
    runner = OnnxRunner(file, network, keep_model=True, precision=precision)
    steps = [step for step in reference.steps if step.path in outputs]
    taps = {step.name: onnx_taps.Tap(outputs[step.path], outputs[step.path]) for step in steps}
    errors: dict[str, float] = {}

    def visit(call: Call) -> None:
        errors[call.name] = relative(reference.output(call.name), call.output, reference.largest(call.name))

    onnx_taps.trace(runner.loaded(), reference.steps, runner.inputs(), visit, runner.tapped(feed), taps=taps)
    for step in steps:
        allowed = CALIBRATIONS[precision].tolerance_of(reference.noise(step))
        if not errors[step.name] <= allowed:
            return Part(step.name, feeding[step.path], errors[step.name], allowed)
    return None
