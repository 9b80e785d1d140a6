"""What must hold of a comparison, when a folder is made and again when its manifest is verified."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from triport.converters.published import MODEL_FILE
from triport.parity.check import ModelReport
from triport.parity.judge.tolerance import FLOAT32
from triport.parity.judge.words import share_of_largest
from triport.parity.reference import REFERENCE, WITHOUT_TORCH
from triport.parity.runtimes import Runner
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.parity.runtimes.onnx import OnnxRunner
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.reference_models.errors import listed
from triport.reference_models.network import Arrays, Network

from .outcome import NotPublishableError

# a network whose float32 is so far from itself proves nothing: the models here are at 1e-6 (docs/parity.md)
LARGEST_NOISE = 1e-3


def reference_runner(reference: str, network: Network, parameters: Arrays, graph: Path) -> Runner:
    """Return what computes the reference that a report was made with."""
    if reference == REFERENCE:
        return PyTorchRunner(network, parameters, dtype="float64")
    if reference == WITHOUT_TORCH:
        return MindSporeRunner(network, parameters)
    return OnnxRunner(graph, network, optimize=False)


def check_report(source: str, report: ModelReport, advice: str = "") -> None:
    """Raise NotPublishableError where a runtime differs, or equality would prove nothing.

    Args:
        source: what is published.
        report: of everything that could run.
        advice: what else to do where a runtime differs.
    """
    noise = max(report.noises.values())
    if not math.isfinite(noise) or noise > LARGEST_NOISE:
        far = share_of_largest(noise, "the largest value")
        raise NotPublishableError(
            f"{source}: with these weights float32 itself is off by {far}, so that "
            "runtimes agree would prove nothing. Nothing was written"
        )
    wrong = [
        f"{pair.candidate}: {share_of_largest(pair.comparison.max_rel, 'the largest value')}, allowed "
        f"{pair.comparison.tolerance:.1e}" + ("" if not pair.comparison.passed else ", on a further input")
        for pair in report.pairs
        if not pair.passed
    ]
    if wrong:
        raise NotPublishableError(
            f"{source}: {len(wrong)} of {len(report.pairs)} runtimes differ from "
            f"{report.pairs[0].reference}\n{listed(wrong)}{advice}\nNothing was written"
        )


def parity_problems(
    values: Mapping[str, Any],
    noises: Mapping[str, float],
    outputs_of: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> Iterator[str]:
    """Yield where a manifest's comparisons contradict its noise, or are of another graph.

    Args:
        values: of the manifest.
        noises: of each output.
        outputs_of: returns what a pair says of each output.
    """
    parity = values["parity"]
    for name, noise in noises.items():
        if noise > LARGEST_NOISE:
            yield f"says that float32 makes {noise:.1e} of the largest {name}: nothing is proven then"
    for pair in parity["pairs"]:
        outputs = outputs_of(pair)
        if set(outputs) != set(noises):
            yield f"{pair['candidate']} was compared in other outputs than the graph's"
            continue
        for name, one in outputs.items():
            if not (pair["passed"] and one["max_rel"] <= one["tolerance"]):
                yield f"{pair['candidate']} did not pass parity in {name}"
            yield from tolerance_problems(
                f"allows {one['tolerance']} in {name}", one["tolerance"], noises[name]
            )
        for package, version in pair["versions"].items():
            if _released(values["versions"].get(package, version)) != _released(version):
                yield f"{pair['candidate']} ran with {package} {version}, and its versions say otherwise"
    if parity["files"] != {MODEL_FILE: values["files"][MODEL_FILE]["sha256"]}:
        yield f"its parity is of another {MODEL_FILE}"


def _released(version: str) -> str:
    """Return a version without what a build adds: PyTorch 2.13.0 calls itself 2.13.0+cu130."""
    return version.partition("+")[0]


def tolerance_problems(said: str, tolerance: float, noise: float) -> Iterator[str]:
    """Yield where more is allowed than the noise gives reason for; `said` begins the sentence."""
    allowed = FLOAT32.tolerance_of(noise)
    if not tolerance <= allowed * (1 + 1e-6):
        yield f"{said}, and the network's noise only {allowed}"
