"""Compares a folder's files in the runtimes that are here with PyTorch in float64, or with MindSpore."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from converters.identify import Fit
from converters.published import MODEL_FILE
from parity.check import GIVEN_FILE, ModelReport, Pair, check_model
from parity.compare import compare
from parity.noise import FLOAT32, nudged_batches, spread
from parity.reference import REFERENCE, WITHOUT_TORCH
from parity.runners.mindspore import MindSporeRunner
from parity.runners.onnx import OnnxRunner
from parity.runners.pytorch import PyTorchRunner

from .folder import OPTIMIZED_FILE

Tell = Callable[[str], None]

FOLDED = "onnxruntime (BatchNorm folded)"
# a network whose float32 is so far from itself proves nothing: the models here are at 1e-6 (docs/parity.md)
LARGEST_NOISE = 1e-3
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


def check_with_pytorch(
    found: Fit,
    parameters: Mapping[str, np.ndarray],
    batch: np.ndarray,
    folder: Path,
    absent: Collection[str],
    tell: Tell,
) -> tuple[ModelReport, np.ndarray]:
    """Return the report of every runtime that is not absent, and the reference's logits (N, classes)."""
    onnx = "onnx" not in absent
    report = check_model(
        found.spec,
        parameters,
        batch,
        num_classes=found.num_classes,
        runtimes=[runtime for runtime in ("pytorch", "mindspore") if runtime not in absent],
        onnx_file=folder / MODEL_FILE if onnx else None,
        progress=lambda step, done, total: tell(step),
    )
    reference = PyTorchRunner(found.spec, found.num_classes, parameters, dtype="float64").run(batch)
    pairs = list(report.pairs)
    if onnx:
        tolerance = report.pairs[0].comparison.tolerance
        pairs.append(_in_onnxruntime(REFERENCE, FOLDED, folder / OPTIMIZED_FILE, batch, reference, tolerance))
    return replace(report, pairs=tuple(map(_lasting, pairs))), reference


def check_without_pytorch(
    found: Fit,
    parameters: Mapping[str, np.ndarray],
    batch: np.ndarray,
    folder: Path,
    absent: Collection[str],
    tell: Tell,
) -> tuple[ModelReport, np.ndarray]:
    """Return the report of ONNX Runtime on both files against MindSpore in float32, and MindSpore's logits.

    What float32 itself makes is told from MindSpore alone: the input moved by one rounding.
    """
    tell(WITHOUT_TORCH)
    runner = MindSporeRunner(found.spec, found.num_classes, parameters)
    reference = runner.run(batch)
    largest = float(np.abs(reference).max())
    tell("noise of float32")
    noise = spread((runner.run(moved) for moved, _ in nudged_batches(batch, 0, FLOAT32.draws)), largest)
    tolerance = FLOAT32.tolerance_of(noise)
    del runner
    pairs = []
    for name, file in ((GIVEN_FILE, MODEL_FILE), (FOLDED, OPTIMIZED_FILE)):
        if "onnx" not in absent:
            tell(name)
            pairs.append(_in_onnxruntime(WITHOUT_TORCH, name, folder / file, batch, reference, tolerance))
    report = ModelReport(found.spec.name, "", batch.shape, noise, tuple(map(_lasting, pairs)), 0.0)
    return report, reference


def _in_onnxruntime(
    against: str, name: str, file: Path, batch: np.ndarray, reference: np.ndarray, tolerance: float
) -> Pair:
    runner = OnnxRunner(file)
    comparison = compare(reference, runner.run(batch), tolerance)
    return Pair(against, name, runner.device, comparison, 0.0, runner.versions())


def _lasting(pair: Pair) -> Pair:
    """Return a pair without what the environment says, which is not part of the result."""
    kept = {name: text for name, text in pair.versions.items() if name not in os.environ}
    return replace(pair, versions=kept)
