"""Whether the two graphs compute the same, casts between floating-point types left aside."""

from __future__ import annotations

from triport.converters.graphs.casts import without_casts
from triport.converters.graphs.difference import differences
from triport.parity.reports.terminal import layers_line

from .finding import Finding
from .sides import Sides

_LISTED = 8


def graph_finding(sides: Sides, weights_differ: bool, rounded: bool) -> Finding:
    """Say where the graphs part: by what the files hold or state, and by what they compute.

    Args:
        sides: the files.
        weights_differ: whether any weight does, so that outputs that differ say nothing of the graph.
        rounded: whether either file computes in lower precision.
    """
    first, second = sides.flows
    name, other = sides.names
    computed = () if weights_differ or rounded else _computed(sides)
    if first is None or second is None:
        lacking = [path.name for path, flow in zip(sides.paths, sides.flows, strict=True) if flow is None]
        if computed:
            return Finding("graph", False, f"the graphs compute different functions: {computed[0]}", computed)
        what = "what both compute is equal"
        if weights_differ or rounded:
            cause = "tensors differ" if weights_differ else "one computes in lower precision"
            what = f"what both compute says nothing of them, since {cause}"
        hold = f"{lacking[0]} holds and states" if len(lacking) == 1 else "neither file holds or states"
        none = "none" if len(lacking) == 1 else "one"
        return Finding("graph", None, f"the graphs were not compared: {hold} {none}; {what}")
    held = differences(without_casts(second).flow, without_casts(first).flow, name)
    if held:
        more = f", and {len(held) - 1} more" if len(held) > 1 else ""
        where = f"; {computed[0]}" if computed else ""
        sentence = f"the graphs differ in {other}: {held[0]}{more}{where}"
        figures = {"differences": len(held)}
        return Finding("graph", False, sentence, tuple(held[:_LISTED]), figures)
    if computed:
        return Finding("graph", False, f"the graphs compute different functions: {computed[0]}", computed)
    return Finding("graph", True, "both files hold or state one graph")


def _computed(sides: Sides) -> tuple[str, ...]:
    """Return what parity finds wrong between two files of equal weights: the first module that parts."""
    report = sides.computed.reports[0]
    pair = report.pairs[0]
    if pair.passed:
        return ()
    lines = [layers_line(pair.layers)] if pair.layers and pair.layers.parting else []
    lines += [line for one in sides.computed.localised for line in one.graph]
    return tuple(lines) or ("their outputs are apart, and no module could be named",)
