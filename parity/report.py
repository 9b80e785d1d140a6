"""What a person and what a program read of a parity check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from reference_models.spec import RUNTIMES

from .check import ModelReport, Pair
from .layers.judge import LayerReport, StepResult
from .noise import CALIBRATIONS
from .runners.precision import runtimes_with


def json_of(reports: Sequence[ModelReport]) -> dict[str, Any]:
    """Return the reports as `--json` prints them; what is infinite or NaN becomes None."""
    return {
        "models": [
            {
                "model": report.model,
                "passed": report.passed,
                "weights": report.weights,
                "input_shape": list(report.input_shape),
                "inputs": report.inputs,
                "seed": report.seed,
                "precision": report.precision,
                "noise": _finite(report.noise),
                "noise_factor": CALIBRATIONS[report.precision].factor,
                "files": dict(report.files),
                "pairs": [_pair_json(pair) for pair in report.pairs],
            }
            for report in reports
        ]
    }


def table_of(report: ModelReport) -> Table:
    """Return one model's pairs as a table that fits 80 columns."""
    shape = " x ".join(str(n) for n in report.input_shape)
    device = next((pair.device for pair in report.pairs), "cpu")
    reference = next((pair.reference for pair in report.pairs), "")
    table = Table(
        title=f"{report.model}: {report.weights}, input {shape}, on {device}, against {reference}",
        caption=caption_of(report),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
    )
    table.add_column("candidate", no_wrap=True)
    for column in ("noise", "needed", "allowed", "room", "top-1"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for pair in report.pairs:
        result = pair.comparison
        table.add_row(
            pair.candidate,
            _scientific(report.noise),
            _scientific(result.needed_tolerance),
            _scientific(result.tolerance),
            headroom_of(pair),
            f"{100 * result.top1_agreement:.0f} %",
            "[green]equal[/]" if pair.passed else "[bold red]DIFFERS[/]",
        )
    return table


def caption_of(report: ModelReport) -> str:
    """Return where the tolerance came from, and what the layers say."""
    factor = CALIBRATIONS[report.precision].factor
    lines = [f"relative to the largest logit; allowed is {factor:g} x the noise of {report.precision}"]
    left_out = set(RUNTIMES) - set(runtimes_with(report.precision))
    if left_out:
        lines.append(f"not in {report.precision}: {', '.join(sorted(left_out))}")
    for pair in report.pairs:
        for layers in (pair.layers, pair.isolated):
            if layers is not None:
                lines.append(f"{pair.candidate}: {layers_line(layers)}")
    return "\n".join(lines)


def headroom_of(pair: Pair) -> str:
    """Return how often the needed tolerance fits into the allowed one."""
    result = pair.comparison
    if result.needed_tolerance == 0:
        return "inf"
    if not math.isfinite(result.needed_tolerance):
        return "0"
    ratio = result.tolerance / result.needed_tolerance
    return f"{ratio:.1f} x" if ratio >= 0.1 else f"{ratio:.0e} x"


def layers_line(layers: LayerReport) -> str:
    """Return what the modules say, in one line."""
    how = "each fed the reference's input, " if layers.isolated else ""
    if layers.parting is None:
        return f"{how}all {len(layers.steps)} modules within their own noise"
    step = layers.parting.step
    return (
        f"{how}first parts {layers.parting} "
        f"(input {_scientific(step.given_error)}, output {_scientific(step.error)}, "
        f"allowed {_scientific(step.tolerance)})"
    )


def layers_table(candidate: str, layers: LayerReport, rows: int = 8) -> Table | None:
    """Return the modules around the first that parts; None where none does."""
    if layers.parting is None:
        return None
    names = [step.name for step in layers.steps]
    at = names.index(layers.parting.step.name)
    table = Table(
        title=f"{candidate}: {layers_line(layers)}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
    )
    table.add_column("module")
    for column in ("input", "output", "noise", "allowed"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("worst channels")
    for step in layers.steps[max(0, at - rows // 2) : at + rows // 2]:
        table.add_row(
            f"[bold red]{step.name}[/]" if step.name == names[at] else step.name,
            _scientific(step.given_error),
            _scientific(step.error),
            _scientific(step.noise),
            _scientific(step.tolerance),
            ", ".join(f"{channel} ({_scientific(error)})" for channel, error in step.worst_channels[:3]),
        )
    return table


def verdict_of(reports: Sequence[ModelReport], *, files_differ: bool = False) -> str:
    """Return one line: how many models are equal, and which are not; or that the files they are of differ."""
    failed = [report for report in reports if not report.passed]
    subjects = len({(report.model, report.weights) for report in reports})
    if not failed:
        pairs = sum(len(report.pairs) for report in reports)
        models = "1 model" if subjects == 1 else f"all {subjects} models"
        if files_differ:
            shown = f"{pairs} comparisons within tolerance"
            return f"NOT equal: the files differ, by less than the logits show ({shown})"
        return f"Equal: {models}, {pairs} comparisons within tolerance"
    # a model that was checked on several inputs is as many checks
    what = "models" if subjects == len(reports) else "checks"
    worst = [
        f"{report.model}{'' if what == 'models' else ' at ' + ' x '.join(map(str, report.input_shape))} "
        f"({', '.join(pair.candidate for pair in report.pairs if not pair.passed)})"
        for report in failed
    ]
    return f"NOT equal: {len(failed)} of {len(reports)} {what}: {'; '.join(worst)}"


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
        **({"layers": _layers_json(pair.layers)} if pair.layers else {}),
        **({"isolated": _layers_json(pair.isolated)} if pair.isolated else {}),
    }


def _layers_json(layers: LayerReport) -> dict[str, Any]:
    parting = layers.parting
    return {
        "passed": layers.passed,
        "first": None
        if parting is None
        else {"module": parting.step.name, "inside": parting.inside, "after": parting.after},
        "modules": [_step_json(step) for step in layers.steps],
        "not_compared": list(layers.not_compared),
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


def _scientific(value: float) -> str:
    return f"{value:.1e}" if math.isfinite(value) else str(float(value))
