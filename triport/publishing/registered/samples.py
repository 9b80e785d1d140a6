"""Runs a folder's files: on the manifest's sample, and on an image that nobody could know before."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.published import MANIFEST, MODEL_FILE
from triport.parity.batches import random_batch
from triport.parity.judge.comparison import compare
from triport.publishing.folder import MINDSPORE_FILE, PYTORCH_FILE
from triport.publishing.form import CheckResult, not_asked_for, ran
from triport.reference_models.spec import RUNTIMES, get_model

from .files import OPTIMIZED_FILE
from .runtimes import run
from .sample import read_sample
from .texts import preprocess_of

_RUN = {"pytorch": PYTORCH_FILE, "mindspore": MINDSPORE_FILE, "onnx": MODEL_FILE}


@dataclass(frozen=True, slots=True)
class _Sample:
    """What every file is run on: the manifest's sample, and an image that nobody could know before.

    `first` has what the first right file makes of the image, by that file's name.
    """

    images: np.ndarray
    expected: np.ndarray
    tolerance: float
    apart: float
    seed: int
    first: dict[str, np.ndarray] = field(default_factory=dict)

    def found(self, path: Path, runtime: str, model: str, device: str) -> CheckResult:
        """Run a file, and return whether it computes the sample's logits and what the first file does."""
        logits, version = run(runtime, path, model, device, self.images)
        found = compare(self.expected, logits[:1], self.tolerance)
        detail = f"{version}: {found.max_rel:.1e} of the largest logit, allowed {self.tolerance:.1e}"
        problems = [] if found.passed else [f"{path.name}: the sample's logits differ: {detail}"]
        for other, theirs in self.first.items():
            beside = compare(theirs, logits[1:], self.apart)
            if not beside.passed:
                problems.append(
                    f"{path.name}: differs from {other} on an image drawn here (seed {self.seed}): "
                    f"{beside.max_rel:.1e} of the largest logit, allowed {self.apart:.1e}"
                )
        # a file that is wrong on the sample says nothing of the others
        if not self.first and not problems:
            self.first[path.name] = logits[1:]
        return CheckResult(
            f"sample: {path.name}", "failed" if problems else "passed", detail, tuple(problems)
        )


def samples_run(
    folder: Path,
    values: Mapping[str, Any],
    runtimes: Sequence[str],
    device: str,
    progress: Callable[[str], None],
) -> Iterator[CheckResult]:
    """Yield one result a file; a file whose runtime is not asked for is said not to be run.

    The sample's logits must be the manifest's. A forged graph can know the sample, so every file also
    computes another image, drawn here, and must agree with the first file that did.
    """
    files = [*((one, _RUN[one]) for one in RUNTIMES), ("onnx", OPTIMIZED_FILE)]
    yield from (not_asked_for(file, runtime) for runtime, file in files if runtime not in runtimes)
    if not runtimes:
        return
    try:
        images, expected = read_sample(values["sample"], preprocess_of(values))
        seed = secrets.randbelow(2**32)
        both = np.concatenate([images, random_batch(get_model(values["model"]), 1, seed)])
    except (ValueError, KeyError) as error:
        yield CheckResult("sample", "failed", "", (f"{MANIFEST}: its sample cannot be read: {error}",))
        return
    apart = 2 * max(float(pair["tolerance"]) for pair in values["parity"]["pairs"])
    sample = _Sample(both, expected, float(values["sample"]["tolerance"]), apart, seed)
    for runtime, file in files:
        if runtime in runtimes:
            progress(f"running {file}")
            yield ran(file, partial(sample.found, folder / file, runtime, values["model"], device))
