"""The one sentence that a diagnosis ends in, with the figure that proves it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from triport.parity.check import Pair
from triport.parity.one_output import ONE_OUTPUT

from .finding import Finding
from .sides import Sides

_WORDS = {
    "weights": "the weights",
    "graph": "the graph",
    "precision": "the precision",
    "preprocessing": "the preprocessing",
    "classes": "the order of the classes",
}


def conclusion_of(sides: Sides, findings: Sequence[Finding]) -> str:
    """Say what it is, by how much it moves the outputs, and what it costs where images were scored."""
    causes = [one for one in findings if one.same is False and one.aspect != "accuracy"]
    accuracy = next((one for one in findings if one.aspect == "accuracy"), None)
    cost = f" {_capital(accuracy.sentence)}." if accuracy is not None else ""
    outputs = _outputs(sides)
    if not causes:
        rest = (
            "What is left is outside of the files: the images, their labels, or the program that counts "
            "(`evaluate --compare-preprocessing` tries what programs get wrong)."
        )
        return f"Nothing that was compared differs between the two files: {outputs}. {rest}{cost}"
    names = [_WORDS[one.aspect] for one in causes]
    # weights and graphs act through the outputs alone: where these are equal they are no cause of anything
    seen = any(one.aspect in ("preprocessing", "classes") for one in causes) or not _are_equal(sides)
    what = "It is" if seen else "What differs is"
    if len(causes) == 1:
        alone = all(one.same is not None for one in findings)
        only = ", and nothing else that was compared" if alone else ""
        return f"{what} {names[0]}{only}: {causes[0].sentence}. On equal inputs {outputs}.{cost}"
    joined = ", ".join(names[:-1]) + f" and {names[-1]}"
    sentences = "; ".join(f"({number}) {one.sentence}" for number, one in enumerate(causes, 1))
    return f"Several things differ, {joined}: {sentences}. On equal inputs {outputs}.{cost}"


def _are_equal(sides: Sides) -> bool:
    """Whether the outputs are within tolerance on every input that was run."""
    pair = sides.computed.reports[0].pairs[0]
    needed, allowed = _needed(pair)
    return needed <= allowed and not any(one.failed for one in pair.further)


def _needed(pair: Pair) -> tuple[float, float]:
    """Return what the input needs that needs most of what is allowed, and what that is."""
    needed, allowed = pair.comparison.needed_tolerance, pair.comparison.tolerance
    for further in pair.further:
        if further.images and further.worst.share > needed / allowed:
            needed, allowed = further.worst.needed_tolerance, further.worst.tolerance
    return needed, allowed


def _outputs(sides: Sides) -> str:
    """Say by how much the outputs are apart, on the input that needs most of what is allowed."""
    report = sides.computed.reports[0]
    pair = report.pairs[0]
    needed, allowed = _needed(pair)
    if not np.isfinite(needed):
        why = "; ".join(pair.notes) or "some are NaN or Inf, or all of the first are 0"
        return f"the outputs cannot be compared: {why}"
    failed = [one for one in pair.further if one.failed]
    if failed:
        return f"the outputs cannot be compared with {failed[0].input}: {failed[0].failed}"
    alike = f"; {ONE_OUTPUT}" if report.is_one else ""
    if needed == 0:
        return f"the outputs do not differ at all{alike}"
    verdict = "are equal: they" if needed <= allowed else "are not equal: they"
    return (
        f"the outputs {verdict} differ by {needed:.1e} of the largest, and noise allows {allowed:.1e}{alike}"
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
