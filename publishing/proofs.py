"""What a source must pass before it is published: inspection, round trip, parity in every runtime."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from converters.comparison import compare_files
from converters.convert import parameters_of
from converters.formats import Checkpoint, file_sha256
from converters.identify import Fit, identify
from converters.inspection import inspect_file
from converters.provenance import FOLDED_KEY
from converters.published import MODEL_FILE
from converters.statistics import fresh_statistics
from parity.batches import random_batch
from parity.check import ModelReport, Pair, check_model
from parity.compare import compare
from parity.reference import REFERENCE
from parity.runners.onnx import OnnxRunner
from parity.runners.pytorch import PyTorchRunner
from reference_models.errors import TriportError, listed
from reference_models.spec import Preprocess

from .folder import OPTIMIZED_FILE
from .sample import normalised, sample_entry, sample_pixels


class NotPublishableError(TriportError):
    """A check was made and not passed: nothing is published. Its exit code is 1."""


def inspected(source: Path, model: str, classes: Path | None) -> tuple[Checkpoint, Fit, str]:
    """Return the source as the model that it must be.

    Raises:
        NotPublishableError: something is wrong with its values or with its number of classes.
    """
    inspection = inspect_file(source, stats=True)
    checkpoint = inspection.checkpoint
    if FOLDED_KEY in checkpoint.metadata or not inspection.fits:
        identify(checkpoint, model)  # says what is wrong
    problems = list(inspection.problems)
    fresh, layers = fresh_statistics(checkpoint.tensors)
    if fresh and not inspection.untouched_norms:
        problems.append(
            f"the weights look untrained: the statistics of {len(fresh)} of {layers} BatchNorm layers are as "
            f"they are made (mean 0, variance 1), {fresh[0]} the first"
        )
    if problems:
        raise NotPublishableError(
            f"{source}: inspection found what must not be published\n{listed(problems)}\nNothing was written"
        )
    found = identify(checkpoint, model)
    if found.num_classes != found.spec.num_classes and classes is None:
        background = " (a background class first?)" if found.num_classes == found.spec.num_classes + 1 else ""
        raise NotPublishableError(
            f"{source}: has {found.num_classes} classes{background}, {found.spec.name} has "
            f"{found.spec.num_classes}. If that is right, say what they are with --classes FILE, one name a "
            f"line. Nothing was written"
        )
    return checkpoint, found, inspection.sha256


def round_trip(source: Path, file: Path) -> dict[str, Any]:
    """Compare a file that was written with the source, tensor by tensor."""
    done = compare_files(source, file)
    if not done.equal or done.model is None:
        raise NotPublishableError(
            f"{file.name}: does not hold the source's weights\n"
            f"{listed(f'{d.name}: {d.kind}' for d in done.differences)}\nNothing was written"
        )
    return {"file": file.name, "tensors": done.tensors, "result": "bit-equal"}


def parity_of(
    checkpoint: Checkpoint,
    found: Fit,
    preprocess: Preprocess,
    folder: Path,
    source: str,
    progress: Callable[[str], None],
) -> tuple[ModelReport, dict[str, Any], dict[str, Any]]:
    """Run the files in every runtime; return the report, and the manifest's result and sample.

    Raises:
        NotPublishableError: a runtime differs from the reference.
    """
    spec, classes = found.spec, found.num_classes
    parameters = parameters_of(checkpoint, found)
    pixels = sample_pixels(spec.input_size_px)
    batch = np.concatenate([normalised(pixels, preprocess), random_batch(spec, 1)])
    report = check_model(
        spec,
        parameters,
        batch,
        num_classes=classes,
        runtimes=("pytorch", "mindspore"),
        weights=source,
        onnx_file=folder / MODEL_FILE,
        inputs="the manifest's sample and noise",
        files={MODEL_FILE: file_sha256(folder / MODEL_FILE)},
        progress=lambda step, done, total: progress(f"parity: {step}"),
    )
    reference = PyTorchRunner(spec, classes, parameters, dtype="float64").run(batch)
    largest = float(np.abs(reference).max())
    tolerance = report.pairs[0].comparison.tolerance
    runner = OnnxRunner(folder / OPTIMIZED_FILE)
    comparison = compare(reference, runner.run(batch), tolerance)
    folded = Pair(
        REFERENCE, "onnxruntime (BatchNorm folded)", runner.device, comparison, 0.0, runner.versions()
    )
    # what the environment says is not part of the result
    pairs = [
        replace(pair, versions={name: text for name, text in pair.versions.items() if name not in os.environ})
        for pair in (*report.pairs, folded)
    ]
    report = replace(report, pairs=tuple(pairs))
    if not report.passed:
        wrong = [
            f"{pair.candidate}: {pair.comparison.max_rel:.1e} of the largest logit, allowed "
            f"{pair.comparison.tolerance:.1e}"
            for pair in report.pairs
            if not pair.comparison.passed
        ]
        raise NotPublishableError(
            f"{source}: {len(wrong)} of {len(report.pairs)} runtimes differ from PyTorch in float64\n"
            f"{listed(wrong)}\nNothing was written"
        )
    # the sample may differ by as much as both images, in absolute terms
    of_sample = tolerance * largest / float(np.abs(reference[0]).max())
    return report, parity_entry(report, largest), sample_entry(pixels, reference[0], of_sample)


def parity_entry(report: ModelReport, largest: float) -> dict[str, Any]:
    """Return the report without times, which differ from run to run."""
    return {
        "input_shape": list(report.input_shape),
        "noise": report.noise if math.isfinite(report.noise) else None,
        "largest_logit": largest,
        "pairs": [
            {
                "reference": pair.reference,
                "candidate": pair.candidate,
                "device": pair.device,
                "max_abs": pair.comparison.max_abs,
                "max_rel": pair.comparison.max_rel,
                "tolerance": pair.comparison.tolerance,
                "top1_agreement": pair.comparison.top1_agreement,
                "passed": pair.comparison.passed,
                "versions": dict(pair.versions),
            }
            for pair in report.pairs
        ],
    }
