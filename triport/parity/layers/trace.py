"""One way to look into any runner: its calls under the reference's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from triport.parity.noise import FLOAT32, Calibration
from triport.parity.runners import Runner
from triport.parity.runners.calls import Call, Feed, Visit
from triport.parity.runners.mindspore import MindSporeRunner
from triport.parity.runners.onnx import OnnxRunner
from triport.parity.runners.onnx_graphs import described, nodes_after
from triport.parity.runners.pytorch import PyTorchRunner
from triport.parity.runners.quantised import is_quantised, without_rounding
from triport.reference_models.errors import TriportError

from . import onnx_taps
from .judge import Judge, LayerReport
from .pairs import paired_paths
from .reference import Reference

_WHY_NOT = {
    "onnx": "the graph has no tensor of their outputs, or none that is theirs alone",
    "mindspore": "no Cell has the same parameters, or the same name and kind",
    "pytorch": "they were not called",
}


def layers_of(
    runner: Runner,
    reference: Reference,
    *,
    alone: bool = False,
    calibration: Calibration = FLOAT32,
    tolerance: float | None = None,
) -> LayerReport:
    """Compare every step that a runner can be asked for; with `alone`, each is fed the reference's input."""
    judge = Judge(reference, calibration, tolerance)
    trace(runner, reference, judge.visit, reference.feed() if alone else None)
    return judge.report(isolated=alone, why_not=_WHY_NOT[runner.runtime])


def following(runner: Runner, reference: Reference, layers: LayerReport) -> str:
    """Return what comes after the last module that was compared: its path, and the nodes of an ONNX graph."""
    last = f"what follows the last, {layers.steps[-1].name}"
    if not isinstance(runner, OnnxRunner):
        return last
    model = runner.loaded()
    taps = onnx_taps.taps_of(
        (without_rounding(model) if is_quantised(model) else model).graph, reference.steps
    )
    nodes = nodes_after(model.graph, taps[layers.steps[-1].name].output, runner.output)
    return f"{last}: {described(nodes)}" if nodes else last


def trace(runner: Runner, reference: Reference, visit: Visit, feed: Feed | None = None) -> None:
    """Tell `visit` of every step of the runner's that has a counterpart in the reference."""
    if isinstance(runner, OnnxRunner):
        run = partial(run_tapped, runner, reference.batch)
        onnx_taps.trace(runner.loaded(), reference.steps, visit, run, feed)
    elif isinstance(runner, PyTorchRunner):
        runner.trace(reference.batch, visit, feed)
    elif isinstance(runner, MindSporeRunner):
        ours = paired_paths(reference.modules, runner.modules())

        def renamed(call: Call) -> None:
            if call.path in ours:
                visit(replace(call, path=ours[call.path]))

        def fed(path: str, number: int) -> np.ndarray | None:
            return feed(ours[path], number) if feed and path in ours else None

        runner.trace(reference.batch, renamed, fed if feed else None)
    else:
        raise TriportError(f"--layers cannot look into {runner.runtime}")


def run_tapped(
    runner: OnnxRunner, batch: np.ndarray, model: bytes, feeds: Mapping[str, np.ndarray], wanted: list[str]
) -> Mapping[str, np.ndarray]:
    """Return tensors of a tapped form of the runner's model; see `onnx_taps.Run`."""
    return runner.run_tensors(model, feeds, batch, wanted)
