"""What a person and a program read of a training check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from triport.reference_models.errors import counted

from .result import TrainingPair, TrainingReport
from .tensors import TensorResult


def json_of(reports: Sequence[TrainingReport]) -> list[dict[str, Any]]:
    """Return what `parity --json` prints under "training"."""
    return [
        {
            "model": report.model,
            "passed": report.passed,
            "weights": report.weights,
            "input_shape": list(report.input_shape),
            **(
                {"input_shapes": {name: list(shape) for name, shape in report.input_shapes.items()}}
                if len(report.input_shapes) > 1
                else {}
            ),
            "objective": report.objective,
            "notes": list(report.notes),
            "recipe": {
                "label_smoothing": report.recipe.label_smoothing,
                "momentum": report.recipe.momentum,
                "weight_decay": report.recipe.weight_decay,
                "learning_rate": report.recipe.learning_rate,
            },
            "pairs": [_pair_json(pair) for pair in report.pairs],
        }
        for report in reports
    ]


def table_of(report: TrainingReport) -> Table:
    """Return one model's training as a table that fits 80 columns."""
    table = Table(
        title=escape(
            f"{report.model}: training, {report.weights}, {inputs_in_words(report)}, against pytorch-float64"
        ),
        caption=escape("\n".join([report.objective, *map(statistics_line, report.pairs), *report.notes])),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
    )
    table.add_column("candidate")
    table.add_column("what, and its worst")
    for column in ("noise", "needed", "allowed"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for pair in report.pairs:
        for what, results in parts_of(pair):
            worst = worst_of(results)
            failed = sum(not result.passed for result in results)
            table.add_row(
                escape(pair.candidate),
                what if len(results) == 1 else escape(f"{len(results)} {what}: {worst.name}"),
                f"{worst.noise:.1e}",
                f"{worst.error:.1e}",
                f"{worst.tolerance:.1e}",
                f"[bold red]{failed} DIFFER[/]" if failed else "[green]equal[/]",
            )
    return table


def inputs_in_words(report: TrainingReport) -> str:
    """Return the shapes of the inputs: "input 4 x 3 x 32 x 32", with names where there are several."""
    shapes = {name: " x ".join(map(str, shape)) for name, shape in report.input_shapes.items()}
    if len(shapes) < 2:
        return "input " + " x ".join(map(str, report.input_shape))
    return "inputs " + ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def parts_of(pair: TrainingPair) -> list[tuple[str, list[TensorResult]]]:
    """Return what was compared, each with its results."""
    parts = [
        ("loss", [pair.loss]),
        ("gradients", list(pair.gradients)),
        ("statistics", list(pair.statistics.results)),
    ]
    if pair.steps is not None:
        count = len(pair.steps.loss)
        losses = [
            TensorResult(f"step {index}", abs(loss - exact), drift, allowed)
            for index, (loss, exact, drift, allowed) in enumerate(
                zip(
                    pair.steps.loss,
                    pair.steps.reference_loss,
                    pair.steps.loss_drift,
                    pair.steps.loss_allowed,
                    strict=True,
                )
            )
        ]
        parts += [
            ("losses", losses),
            (f"weights after {counted(count, 'step')}", [pair.steps.weights]),
            (f"statistics after {counted(count, 'step')}", [pair.steps.statistics]),
        ]
    return [(what, results) for what, results in parts if results]


def worst_of(results: Sequence[TensorResult]) -> TensorResult:
    """Return the tensor that needs the largest share of its tolerance."""
    return max(results, key=lambda result: result.error / result.tolerance)


def statistics_line(pair: TrainingPair) -> str:
    """Return how a framework updates BatchNorm's statistics."""
    found = pair.statistics
    if not found.results:
        return f"{pair.candidate}: there is no BatchNorm"
    return (
        f"{pair.candidate}: BatchNorm takes {found.momentum:.3f} of the new batch, variance {found.variance}"
    )


def verdict_of(reports: Sequence[TrainingReport]) -> str:
    """Return one line: how many models train alike, and which do not."""
    failed = [report.model for report in reports if not report.passed]
    if failed:
        return f"Training differs in {len(failed)} of {len(reports)} models: {', '.join(failed)}"
    return f"Training is equal: {counted(len(reports), 'model')}" if len(reports) > 1 else "Training is equal"


def _pair_json(pair: TrainingPair) -> dict[str, Any]:
    found: dict[str, Any] = {
        "candidate": pair.candidate,
        "reference": "pytorch-float64",
        "device": pair.device,
        "passed": pair.passed,
        "loss": _tensor_json(pair.loss),
        "gradients": [_tensor_json(result) for result in pair.gradients],
        "statistics": {
            "momentum": _finite(pair.statistics.momentum),
            "variance": pair.statistics.variance,
            "tensors": [_tensor_json(result) for result in pair.statistics.results],
        },
        "versions": dict(pair.versions),
    }
    if pair.steps is not None:
        found["steps"] = {
            "run": pair.steps.run,
            "loss": [_finite(value) for value in pair.steps.loss],
            "reference_loss": [_finite(value) for value in pair.steps.reference_loss],
            "drift": [_finite(value) for value in pair.steps.loss_drift],
            "weights": _tensor_json(pair.steps.weights),
            "statistics": _tensor_json(pair.steps.statistics),
        }
    return found


def _tensor_json(result: TensorResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "error": _finite(result.error),
        "noise": _finite(result.noise),
        "tolerance": result.tolerance,
        "passed": result.passed,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
