"""What a person and what a program read of a parity check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from .check import ModelReport, Pair
from .compare import DEFAULT_TOLERANCE, NOISE_FACTOR


def json_of(reports: Sequence[ModelReport]) -> dict[str, Any]:
    """Return the reports as `--json` prints them; what is infinite or NaN becomes None."""
    return {
        "models": [
            {
                "model": report.model,
                "passed": report.passed,
                "weights": report.weights,
                "input_shape": list(report.input_shape),
                "noise": _finite(report.noise),
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
    table.add_column("candidate")
    for column in ("max abs", "max rel", "needed", "allowed", "top-1"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for pair in report.pairs:
        result = pair.comparison
        table.add_row(
            pair.candidate,
            _scientific(result.max_abs),
            _scientific(result.max_rel),
            _scientific(result.needed_tolerance),
            _scientific(result.tolerance),
            f"{100 * result.top1_agreement:.0f} %",
            "[green]equal[/]" if result.passed else "[bold red]DIFFERS[/]",
        )
    return table


def caption_of(report: ModelReport) -> str:
    """Return what the tolerance came from: the model's own float32 noise."""
    noise = f"float32 noise of this model {_scientific(report.noise)}"
    if any(pair.comparison.tolerance > DEFAULT_TOLERANCE for pair in report.pairs):
        return f"{noise}: above {DEFAULT_TOLERANCE / NOISE_FACTOR:.2e}, so the tolerance is wider than usual"
    return noise


def verdict_of(reports: Sequence[ModelReport]) -> str:
    """Return one line: how many models are equal, and which are not."""
    failed = [report for report in reports if not report.passed]
    if not failed:
        pairs = sum(len(report.pairs) for report in reports)
        models = "1 model" if len(reports) == 1 else f"all {len(reports)} models"
        return f"Equal: {models}, {pairs} comparisons within tolerance"
    worst = [
        f"{report.model} ({', '.join(pair.candidate for pair in report.pairs if not pair.comparison.passed)})"
        for report in failed
    ]
    return f"NOT equal: {len(failed)} of {len(reports)} models: {'; '.join(worst)}"


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
        "passed": result.passed,
        "seconds": round(pair.seconds, 3),
        "versions": dict(pair.versions),
    }


def _finite(value: float) -> float | None:
    """Return `value`, or None where JSON has no number for it."""
    return float(value) if math.isfinite(value) else None


def _scientific(value: float) -> str:
    return f"{value:.1e}" if math.isfinite(value) else str(float(value))
