"""What a program reads of a parity check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from triport.parity.check import ModelReport, Pair
from triport.parity.further import FurtherResult
from triport.parity.judge.tolerance import CALIBRATIONS
from triport.parity.layers.judge import LayerReport, StepResult
from triport.reference_models.result import SCHEMA_VERSION

from .terminal import notes_of


def json_of(reports: Sequence[ModelReport]) -> dict[str, Any]:
    """Return the reports as `--json` prints them; what is infinite or NaN becomes None.

    "files" has every file beside the first, where there are several; the pairs of "models" have none.
    """
    beside = [_pair_json(pair) for report in reports for pair in report.pairs if pair.of_files]
    return {
        "schema_version": SCHEMA_VERSION,
        **({"files": beside} if beside else {}),
        "models": [
            {
                "model": report.model,
                "passed": bool(report.candidates) and all(pair.passed for pair in report.candidates),
                "weights": report.weights,
                "input_shape": list(report.input_shape),
                **(
                    {"input_shapes": {name: list(shape) for name, shape in report.input_shapes.items()}}
                    if len(report.input_shapes) > 1
                    else {}
                ),
                "inputs": report.inputs,
                "seed": report.seed,
                "precision": report.precision,
                "noise": _finite(report.noise),
                "noise_factor": CALIBRATIONS[report.precision].factor,
                "files": dict(report.files),
                "not_run": list(report.not_run),
                "gives_one_output": report.is_one,
                "pairs": [_pair_json(pair) for pair in report.candidates],
            }
            for report in reports
        ],
    }


def _pair_json(pair: Pair) -> dict[str, Any]:
    result = pair.comparison
    return {
        "reference": pair.reference,
        "candidate": pair.candidate,
        "device": pair.device,
        "max_abs": _finite(result.max_abs),
        "max_rel": _finite(result.max_rel),
        "needed_tolerance": _finite(result.needed_tolerance),
        "tolerance": _finite(result.tolerance),
        "top1_agreement": result.top1_agreement,
        "passed": pair.passed,
        "seconds": round(pair.seconds, 3),
        "versions": dict(pair.versions),
        "further": [_further_json(result) for result in pair.further],
        "notes": notes_of(pair),
        **({"but_for_kernels_of": list(pair.but_for.functions)} if pair.but_for else {}),
        **({"output": pair.decides, "outputs": _outputs_json(pair)} if pair.decides else {}),
        **({"layers": _layers_json(pair.layers)} if pair.layers else {}),
        **({"isolated": _layers_json(pair.isolated)} if pair.isolated else {}),
    }


def _outputs_json(pair: Pair) -> list[dict[str, Any]]:
    return [
        {
            "output": name,
            "max_abs": _finite(found.max_abs),
            "max_rel": _finite(found.max_rel),
            "needed_tolerance": _finite(found.needed_tolerance),
            "tolerance": _finite(found.tolerance),
            "top1_agreement": found.top1_agreement,
            "passed": found.passed,
        }
        for name, found in pair.outputs.items()
    ]


def _further_json(result: FurtherResult) -> dict[str, Any]:
    return {
        "input": result.input,
        "input_shape": list(result.input_shape),
        "images": [
            {
                "image": image.what,
                "needed_tolerance": _finite(image.needed_tolerance),
                "tolerance": image.tolerance,
                "passed": image.passed,
            }
            for image in result.images
        ],
        "failed": result.failed or None,
        "passed": result.passed,
    }


def _layers_json(layers: LayerReport) -> dict[str, Any]:
    parting = layers.parting
    return {
        "passed": layers.passed,
        "first": None
        if parting is None
        else {"module": parting.step.name, "inside": parting.inside, "after": parting.after},
        "modules": [_step_json(step) for step in layers.steps],
        "not_compared": [*layers.not_compared, *(step.name for step in layers.given_otherwise)],
        "why_not_compared": layers.why_not or None,
        "given_another_shape": {step.name: step.given_shapes for step in layers.given_otherwise},
        "of_no_kind": list(layers.of_no_kind),
        "behind_the_last": layers.behind or None,
    }


def _step_json(step: StepResult) -> dict[str, Any]:
    return {
        "module": step.name,
        "kind": step.kind,
        "input_error": _finite(step.given_error),
        "output_error": _finite(step.error),
        "noise": _finite(step.noise),
        "tolerance": step.tolerance,
        "passed": step.passed,
        "worst_channels": [[channel, _finite(error)] for channel, error in step.worst_channels],
    }


def _finite(value: float) -> float | None:
    """Return `value`, or None where JSON has no number for it."""
    return float(value) if math.isfinite(value) else None
