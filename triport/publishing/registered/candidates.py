"""Compares a folder's files in the runtimes that are here with PyTorch in float64, or with MindSpore."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from triport.converters.identification.fit import Fit
from triport.converters.networks.registered import of_model
from triport.converters.onnx_export.written_model import INPUT
from triport.converters.published import MODEL_FILE
from triport.parity.batches import logits_of
from triport.parity.candidates import GIVEN_FILE, given_file
from triport.parity.check import ModelReport, Pair, check_model
from triport.parity.inputs import Inputs
from triport.parity.judge.comparison import compare
from triport.parity.options import Options
from triport.parity.reference import REFERENCE, WITHOUT_TORCH
from triport.parity.runtimes.onnx import OnnxRunner
from triport.publishing.compared import reference_runner

from .files import OPTIMIZED_FILE

Tell = Callable[[str], None]

FOLDED = "onnxruntime (BatchNorm folded)"
# every comparison that a manifest has, or names as not run, and its runtime
CANDIDATES = {"pytorch": "pytorch", "mindspore": "mindspore", GIVEN_FILE: "onnx", FOLDED: "onnx"}


def reference_without(absent: Collection[str]) -> str | None:
    """Return what the others are compared with where some runtimes are absent; None if nothing is left."""
    if "pytorch" not in absent:
        return REFERENCE
    return None if "mindspore" in absent else WITHOUT_TORCH


def compared_with(reference: str | None) -> set[str]:
    """Return every candidate for a comparison with `reference`, which is not compared with itself."""
    if reference is None:
        return set()
    return set(CANDIDATES) - ({"mindspore"} if reference == WITHOUT_TORCH else set())


def run_candidates(
    found: Fit,
    parameters: Mapping[str, np.ndarray],
    batch: np.ndarray,
    folder: Path,
    absent: Collection[str],
    tell: Tell,
) -> tuple[ModelReport, np.ndarray]:
    """Return the report of every runtime that is not absent, and the reference's logits (N, classes)."""
    onnx = "onnx" not in absent
    network = of_model(found.spec, found.num_classes)
    runtimes = tuple(runtime for runtime in ("pytorch", "mindspore") if runtime not in absent)
    options = Options(runtimes, skip_missing=True)
    report = check_model(
        network,
        parameters,
        Inputs({INPUT: batch}, ()),
        options,
        given=[given_file(network, parameters, folder / MODEL_FILE, options)] if onnx else [],
        progress=lambda step, done, total: tell(step),
    )
    against = report.pairs[0].reference
    reference = logits_of(reference_runner(against, network, parameters, folder / MODEL_FILE), batch)
    pairs = list(report.pairs)
    if onnx:
        tolerance = pairs[0].comparison.tolerance
        folded = OnnxRunner(folder / OPTIMIZED_FILE, network)
        comparison = compare(reference, logits_of(folded, batch), tolerance)
        pairs.append(Pair(against, FOLDED, folded.device, comparison, 0.0, folded.versions()))
    return replace(report, pairs=tuple(map(_lasting, pairs))), reference


def _lasting(pair: Pair) -> Pair:
    """Return a pair without what the environment says, which is not part of the result."""
    kept = {name: text for name, text in pair.versions.items() if name not in os.environ}
    return replace(pair, versions=kept)
