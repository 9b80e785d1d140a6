"""Files beside one another: by how much what each computes is apart from what the first computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from .check import Function, ModelReport, Pair
from .compare import Comparison, compare
from .further import FurtherResult


def beside(first: Path, second: Path, reports: tuple[ModelReport, ModelReport]) -> Pair:
    """Return how far the second file is from the first, as one more pair.

    An ONNX file computes what ONNX Runtime makes of it, any other what PyTorch in float64 makes of its
    weights. What is allowed is the first's.

    Args:
        first: the file that is the reference.
        second: the other.
        reports: on each, on the same inputs.
    """
    a, b = (report.function for report in reports)
    assert a is not None and b is not None
    device = reports[1].pairs[0].device
    why = why_not_comparable(reports)
    if why:
        never = Comparison(np.inf, np.inf, np.inf, a.allowed, 0.0, False)
        return Pair(str(first), str(second), device, never, 0.0, {}, notes=(why,))
    return Pair(
        str(first),
        str(second),
        device,
        compare(a.logits, b.logits, a.allowed),
        0.0,
        {},
        further=tuple(_further(a, b)),
        notes=_other_models(reports),
    )


def why_not_comparable(reports: tuple[ModelReport, ModelReport]) -> str:
    """Return why what two files compute cannot be compared; empty where it can."""
    a, b = (report.function for report in reports)
    assert a is not None and b is not None
    models = [report.model for report in reports]
    if a.num_classes != b.num_classes:
        return (
            f"the first is of {models[0]} with {a.num_classes} classes, the second of {models[1]} with "
            f"{b.num_classes}"
        )
    if a.batch.shape != b.batch.shape or not np.array_equal(a.batch, b.batch):
        return (
            f"the first is of {models[0]}, which takes images of {a.batch.shape[-1]} px, the second of "
            f"{models[1]}, which takes others"
        )
    return ""


def _other_models(reports: tuple[ModelReport, ModelReport]) -> tuple[str, ...]:
    first, second = (report.model for report in reports)
    return () if first == second else (f"the first is of {first}, the second of {second}",)


def _further(a: Function, b: Function) -> list[FurtherResult]:
    """Judge the second by what the first computes on each further input that both take."""
    theirs = {str(one.given): output for one, output in zip(b.expected, b.further, strict=True)}
    found = []
    for expected, ours in zip(a.expected, a.further, strict=True):
        output = theirs.get(str(expected.given))
        if isinstance(ours, np.ndarray) and output is not None and ours.shape == expected.logits.shape:
            found.append(replace(expected, logits=ours.astype(np.float64)).judged(output))
    return found
