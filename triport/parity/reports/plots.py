"""Errors as plots for a page: a dot each on a logarithmic axis, and the line of what is allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from triport.parity.layers.judge import LayerReport
from triport.parity.training.tensors import TensorResult

WIDTH, HEIGHT, MARGIN = 1000, 300, 46
# what an error of zero is drawn at, and the top of what is drawn
LOWEST, HIGHEST = 1e-9, 1e1


@dataclass(frozen=True, slots=True)
class Dot:
    """One module, tensor or step in a plot; `title` is what the pointer shows."""

    x: float
    y: float
    passed: bool
    title: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Errors in their order; `allowed` is the points of the tolerance's line, `parting` what is ringed."""

    dots: tuple[Dot, ...]
    allowed: str
    ticks: tuple[tuple[float, str], ...]
    parting: Dot | None = None
    label: str = ""


def plot_of_layers(layers: LayerReport) -> Plot:
    """Return a plot of the modules' errors, in the order in which they run."""
    titles = [
        f"{step.name} ({step.kind}): output {'of another shape' if step.shapes else number(step.error)}, "
        f"input {'of another shape' if step.given_shapes else number(step.given_error)}, "
        f"noise {number(step.noise)}, allowed {number(step.tolerance)}"
        for step in layers.steps
    ]
    errors = [(step.error, step.tolerance) for step in layers.steps]
    parting = layers.parting.step.name if layers.parting else ""
    at = next((index for index, step in enumerate(layers.steps) if step.name == parting), None)
    return _plot(titles, errors, at, parting)


def plot_of_tensors(results: Sequence[TensorResult]) -> Plot:
    """Return a plot of a training check's tensors, or of its losses step by step; the worst is ringed."""
    titles = [
        f"{result.name}: off by {number(result.error)}, noise {number(result.noise)}, "
        f"allowed {number(result.tolerance)}"
        for result in results
    ]
    errors = [(result.error, result.tolerance) for result in results]
    shares = [error / tolerance for error, tolerance in errors]
    worst = max(range(len(shares)), key=shares.__getitem__)
    failed = not results[worst].passed
    return _plot(titles, errors, worst if failed else None, results[worst].name if failed else "")


def number(value: float) -> str:
    """Return a value as the page prints it."""
    if math.isnan(value):
        return "not known"
    return f"{value:.1e}" if math.isfinite(value) else str(float(value))


def _plot(
    titles: Sequence[str], errors: Sequence[tuple[float, float]], ringed: int | None, label: str
) -> Plot:
    count = max(len(errors) - 1, 1)
    dots, allowed = [], []
    for index, (title, (error, tolerance)) in enumerate(zip(titles, errors, strict=True)):
        x = round(MARGIN + (WIDTH - 2 * MARGIN) * index / count, 1)
        dots.append(Dot(x, _y(error), error <= tolerance, title))
        allowed.append(f"{x},{_y(tolerance)}")
    exponents = range(round(math.log10(LOWEST)), round(math.log10(HIGHEST)) + 1, 2)
    ticks = tuple((_y(10.0**exponent), f"1e{exponent}") for exponent in exponents)
    return Plot(tuple(dots), " ".join(allowed), ticks, None if ringed is None else dots[ringed], label)


def _y(error: float) -> float:
    """Return where an error is drawn, on a logarithmic axis that grows upwards."""
    bounded = HIGHEST if not math.isfinite(error) else min(max(error, LOWEST), HIGHEST)
    share = (math.log10(bounded) - math.log10(LOWEST)) / (math.log10(HIGHEST) - math.log10(LOWEST))
    return round(HEIGHT - MARGIN / 2 - share * (HEIGHT - MARGIN), 1)
