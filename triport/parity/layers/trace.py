"""One way to look into any runner: its calls under the reference's names."""

from __future__ import annotations

from dataclasses import replace

from triport.parity.judge.tolerance import FLOAT32, Calibration
from triport.parity.runtimes import Runner, runtime_called

from .judge import CallJudge, LayerReport
from .reference import StepReference


def layers_of(
    runner: Runner,
    reference: StepReference,
    *,
    alone: bool = False,
    calibration: Calibration = FLOAT32,
    tolerance: float | None = None,
) -> LayerReport:
    """Compare every step that a runner can be asked for; with `alone`, each is fed the reference's inputs."""
    judge = CallJudge(reference, calibration, tolerance)
    runner.trace(reference.inputs, judge.visit, reference.feed() if alone else None, reference.beside)
    runtime = runtime_called(runner.runtime)
    # a file of outputs has modules by name, or was to have them
    is_graph = not runner.modules() and runtime.LOADS != "recorded"
    why_not = runtime.NOT_COMPARED
    if is_graph and runner.runtime == "mindspore":
        why_not = "it is one graph"
    report = judge.report(isolated=alone, why_not=why_not)
    return replace(report, is_one_graph=is_graph and not report.steps)


def following(runner: Runner, reference: StepReference, layers: LayerReport) -> str:
    """Return what comes after the last module that was compared: its path, and the nodes of an ONNX graph."""
    last = layers.steps[-1].name
    nodes = runner.following(reference.beside, last)
    return f"what follows the last, {last}{f': {nodes}' if nodes else ''}"
