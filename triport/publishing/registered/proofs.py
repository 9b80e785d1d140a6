"""What a source must pass before it is published: inspection, round trip, parity in every runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from triport.converters.comparison import compare_files
from triport.converters.convert import parameters_of
from triport.converters.formats import Checkpoint, file_sha256
from triport.converters.formats.tensors import short
from triport.converters.identification.fit import Fit
from triport.converters.identification.identify import identify
from triport.converters.inspection import inspect_file
from triport.converters.provenance import FOLDED_KEY
from triport.converters.published import MODEL_FILE
from triport.converters.statistics import fresh_statistics
from triport.parity.batches import random_batch
from triport.publishing.compared import check_report
from triport.publishing.outcome import NotPublishableError
from triport.reference_models.errors import listed
from triport.reference_models.spec import RUNTIMES, Preprocess

from .candidates import (
    CANDIDATES,
    compared_with,
    reference_without,
    run_candidates,
)
from .runtimes import why_missing
from .sample import normalised, sample_entry, sample_pixels
from .texts import parity_entry


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


class ParityProof(NamedTuple):
    """What the manifest says of parity, and its sample."""

    entry: dict[str, Any]
    sample: dict[str, Any]


def parity_of(
    checkpoint: Checkpoint,
    found: Fit,
    preprocess: Preprocess,
    folder: Path,
    source: str,
    progress: Callable[[str], None],
) -> ParityProof:
    """Run the files in every runtime that is installed; what is not is named in the manifest.

    Raises:
        NotPublishableError: a runtime differs from the reference, or there is none but the reference.
    """
    parameters = parameters_of(checkpoint, found)
    pixels = sample_pixels(found.spec.input_size_px)
    batch = np.concatenate([normalised(pixels, preprocess), random_batch(found.spec, 1)])
    absent = {runtime: why for runtime in RUNTIMES if (why := why_missing(runtime)) is not None}
    not_run = [
        {"what": candidate, "why": absent[runtime]}
        for candidate, runtime in CANDIDATES.items()
        if runtime in absent
    ]
    if not compared_with(reference_without(absent)) - {one["what"] for one in not_run}:
        reasons = listed(f"{one['what']}: {one['why']}" for one in not_run)
        raise NotPublishableError(
            f"{source}: no runtime is here that its files could be compared in\n{reasons}\n"
            "Nothing was written"
        )
    report, reference = run_candidates(
        found, parameters, batch, folder, absent.keys(), lambda step: progress(f"parity: {step}")
    )
    report = replace(
        report,
        weights=short(source),
        inputs="the manifest's sample and noise",
        files={MODEL_FILE: file_sha256(folder / MODEL_FILE)},
    )
    check_report(str(source), report)
    largest = float(np.abs(reference).max())
    # the sample may differ by as much as both images, in absolute terms
    of_sample = report.pairs[0].comparison.tolerance * largest / float(np.abs(reference[0]).max())
    sample = sample_entry(pixels, reference[0], of_sample, report.pairs[0].reference)
    return ParityProof(parity_entry(report, largest, not_run), sample)
