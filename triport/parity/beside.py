"""Files beside one another: by how much what each computes is apart from what the first computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from triport.reference_models.errors import counted

from .check import Function, ModelReport, Pair
from .further import FurtherResult
from .judge.comparison import Comparison, compare_outputs, deciding


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
        never = Comparison(np.inf, np.inf, np.inf, max(a.allowed.values()), 0.0, False)
        return Pair(str(first), str(second), device, never, 0.0, {}, notes=(why,))
    compared = compare_outputs(a.outputs, b.outputs, a.allowed, a.unsure)
    further = _further(a, b)
    return Pair(
        str(first),
        str(second),
        device,
        compared[deciding(compared)],
        0.0,
        {},
        further=tuple(further),
        notes=(*_other_models(reports), *_not_compared(a, further)),
        outputs=compared,
    )


def why_not_comparable(reports: tuple[ModelReport, ModelReport]) -> str:
    """Return why what two files compute cannot be compared; empty where it can."""
    a, b = (report.function for report in reports)
    assert a is not None and b is not None
    models = [report.model for report in reports]
    classes = [next(iter(one.outputs.values())).shape[-1] for one in (a, b)]
    if classes[0] != classes[1]:
        return (
            f"the first is of {models[0]} with {counted(classes[0], 'class', 'classes')}, the second of "
            f"{models[1]} with {classes[1]}"
        )
    if a.feed.keys() != b.feed.keys() or not all(
        np.array_equal(array, b.feed[name]) for name, array in a.feed.items()
    ):
        size = next(iter(a.feed.values())).shape[-1]
        return (
            f"the first is of {models[0]}, which takes images of {size} px, the second of {models[1]}, "
            f"which takes others"
        )
    return ""


def _other_models(reports: tuple[ModelReport, ModelReport]) -> tuple[str, ...]:
    first, second = (report.model for report in reports)
    return () if first == second else (f"the first is of {first}, the second of {second}",)


def _not_compared(a: Function, further: Sequence[FurtherResult]) -> tuple[str, ...]:
    """Return in words the further inputs on which the files were not compared."""
    compared = {one.input for one in further}
    missing = [given for one in a.expected if (given := str(one.given)) not in compared]
    return (f"not compared with {' and '.join(missing)}, which not both of them take",) if missing else ()


def _further(a: Function, b: Function) -> list[FurtherResult]:
    """Judge the second by what the first computes on each further input that both take."""
    theirs = {str(one.given): output for one, output in zip(b.expected, b.further, strict=True)}
    found = []
    for expected, ours in zip(a.expected, a.further, strict=True):
        output = theirs.get(str(expected.given))
        if ours is None or isinstance(ours, str) or output is None:
            continue
        if all(ours[name].shape == array.shape for name, array in expected.outputs.items()):
            exact = {name: array.astype(np.float64) for name, array in ours.items()}
            found.append(replace(expected, outputs=exact).verdict(output))
    return found
