"""One run of `diagnose`: each thing that can differ, in the order in which one explains the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from triport.converters.comparison import compared

from .accuracy import Images, accuracy_finding
from .conclusion import conclusion_of
from .finding import Diagnosis, Finding
from .graph import graph_finding
from .precision import precision_finding
from .preparation import classes_finding, preparation_finding
from .sides import Sides, common_names, run_both
from .weights import ChangedTensor, changed_weights, lines, sentence_of, spoiled_sentence


@dataclass(frozen=True, slots=True)
class DiagnoseRequest:
    """What `diagnose` is asked: two files, and labelled images if there are any."""

    first: Path
    second: Path
    images: Images | None = None
    device: str = "cpu"
    seed: int = 0


def run(request: DiagnoseRequest, progress: Callable[[str], None] = lambda step: None) -> Diagnosis:
    """Find out why two files do not give the same results.

    Raises:
        TriportError: a file cannot be read, they have no model in common, or the images cannot be used.
    """
    progress("comparing the weights")
    tensors, fits = common_names(request.first, request.second)
    if spoiled := spoiled_sentence(tensors):
        conclusion = (
            f"It is the weights: {spoiled}. Nothing else was compared: such values hide what else may differ."
        )
        finding = Finding("weights", False, spoiled)
        return Diagnosis(str(request.first), str(request.second), fits[0].spec.name, (finding,), conclusion)
    sides = run_both(tensors, fits, device=request.device, seed=request.seed, progress=progress)
    changed = changed_weights(sides, compared(sides.tensors).differences)
    of = {aspect: [one for one in changed if one.aspect == aspect] for aspect in ("weights", "precision")}
    precision = precision_finding(sides, of["precision"], len(changed))
    findings = [
        _weights_finding(sides, of["weights"], len(changed)),
        graph_finding(sides, bool(changed), precision.same is False),
        precision,
        preparation_finding(sides),
        classes_finding(sides, changed),
    ]
    if request.images is not None:
        progress("scoring both on the images")
        findings.append(accuracy_finding(sides, request.images, request.device, progress))
    return Diagnosis(
        str(request.first),
        str(request.second),
        sides.fits[0].spec.name,
        tuple(findings),
        conclusion_of(sides, findings),
    )


def _weights_finding(sides: Sides, changed: list[ChangedTensor], differing: int) -> Finding:
    compared = len(sides.tensors.mine)
    if not changed:
        return Finding(
            "weights",
            True,
            f"all {compared} tensors are equal" + (", but for what is named below" if differing else ""),
        )
    return Finding(
        "weights",
        False,
        sentence_of(changed, compared, differing),
        lines(changed),
        {"tensors": len(changed)},
    )
