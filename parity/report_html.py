"""A parity check as one HTML page that a person reads at a glance and that can be kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .check import IMAGES_OF, ModelReport, Pair
from .layers.judge import LayerReport
from .localise import report as localise_report
from .localise.verdict import Localisation
from .pages import render
from .report import headroom_of, layers_line, verdict_of

WIDTH, HEIGHT, MARGIN = 1000, 300, 46
# what an error of zero is drawn at, and the top of what is drawn
LOWEST, HIGHEST = 1e-9, 1e1


@dataclass(frozen=True, slots=True)
class Dot:
    """One module in a plot; `title` is what the pointer shows."""

    x: float
    y: float
    passed: bool
    title: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Errors by module, in the order in which they run; `allowed` is the points of the tolerance's line."""

    dots: tuple[Dot, ...]
    allowed: str
    ticks: tuple[tuple[float, str], ...]
    parting: Dot | None
    label: str


def page_of(
    reports: Sequence[ModelReport],
    *,
    made: str | None = None,
    title: str = "Parity",
    localised: Localisation | None = None,
) -> str:
    """Return the page for the reports; the same reports give the same bytes.

    Args:
        reports: of one run.
        made: when and by what, if the page is to say so.
        title: of the page.
        localised: what differs between the two files that the reports are on.
    """
    return render(
        "parity.html",
        title=title,
        made=made,
        passed=bool(reports)
        and all(report.passed for report in reports)
        and (localised is None or localised.passed),
        verdict=verdict_of(reports),
        reports=reports,
        localised=localised,
        localised_verdict=localise_report.verdict_of(localised) if localised else "",
        versions=versions_of(reports),
        plots={
            (report_index, pair_index, kind): plot_of(layers)
            for report_index, report in enumerate(reports)
            for pair_index, pair in enumerate(report.pairs)
            for kind, layers in layers_of_pair(pair)
        },
        width=WIDTH,
        height=HEIGHT,
        margin=MARGIN,
        headroom_of=headroom_of,
        layers_line=layers_line,
        layers_of_pair=layers_of_pair,
        around=around,
        number=number,
        repeat=repeat_of,
    )


def layers_of_pair(pair: Pair) -> list[tuple[str, LayerReport]]:
    """Return the layer reports that a pair has, with what they are called."""
    found = [("modules in the network", pair.layers), ("modules apart", pair.isolated)]
    return [(kind, layers) for kind, layers in found if layers is not None]


def versions_of(reports: Sequence[ModelReport]) -> dict[str, str]:
    """Return the versions, precision flags and environment of every pair, those that differ joined."""
    found: dict[str, list[str]] = {}
    for report in reports:
        for pair in report.pairs:
            for name, value in pair.versions.items():
                if value not in found.setdefault(name, []):
                    found[name].append(value)
    return {name: ", ".join(values) for name, values in found.items()}


def repeat_of(report: ModelReport) -> str:
    """Return the command that repeats a model's check."""
    made = report.weights.startswith("random seed")
    what = report.model if made else next(iter(report.files), report.model)
    words = ["python cli.py parity", what, "--batch-size", str(report.input_shape[0])]
    words += ["--size", str(report.input_shape[-1])]
    if report.inputs.startswith(IMAGES_OF):
        words += ["--images", report.inputs.removeprefix(IMAGES_OF)]
    if report.seed is not None:
        words += ["--seed", str(report.seed)]
    if any(pair.layers for pair in report.pairs):
        words.append("--layers")
    if any(pair.isolated for pair in report.pairs):
        words.append("--isolate")
    return " ".join(words)


def around(layers: LayerReport, rows: int = 10) -> list:
    """Return the steps around the first that parts."""
    if layers.parting is None:
        return []
    at = [step.name for step in layers.steps].index(layers.parting.step.name)
    return list(layers.steps[max(0, at - rows // 2) : at + rows // 2])


def plot_of(layers: LayerReport) -> Plot:
    """Return a plot of the errors: one dot per module, its place fixed by its order and its error."""
    count = max(len(layers.steps) - 1, 1)
    dots, allowed = [], []
    parting = None
    for index, step in enumerate(layers.steps):
        x = MARGIN + (WIDTH - 2 * MARGIN) * index / count
        dot = Dot(
            round(x, 1),
            _y(step.error),
            step.passed,
            f"{step.name} ({step.kind}): output {number(step.error)}, input {number(step.given_error)}, "
            f"noise {number(step.noise)}, allowed {number(step.tolerance)}",
        )
        dots.append(dot)
        allowed.append(f"{dot.x},{_y(step.tolerance)}")
        if layers.parting is not None and step.name == layers.parting.step.name:
            parting = dot
    exponents = range(round(math.log10(LOWEST)), round(math.log10(HIGHEST)) + 1, 2)
    ticks = tuple((_y(10.0**exponent), f"1e{exponent}") for exponent in exponents)
    label = layers.parting.step.name if layers.parting else ""
    return Plot(tuple(dots), " ".join(allowed), ticks, parting, label)


def number(value: float) -> str:
    """Return a value as the page prints it."""
    return f"{value:.1e}" if math.isfinite(value) else str(float(value))


def _y(error: float) -> float:
    """Return where an error is drawn, on a logarithmic axis that grows upwards."""
    bounded = HIGHEST if not math.isfinite(error) else min(max(error, LOWEST), HIGHEST)
    share = (math.log10(bounded) - math.log10(LOWEST)) / (math.log10(HIGHEST) - math.log10(LOWEST))
    return round(HEIGHT - MARGIN / 2 - share * (HEIGHT - MARGIN), 1)
