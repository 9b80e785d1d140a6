"""Runs a folder's files: on the manifest's sample, and on an image that nobody could know before."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.environment import MissingRuntimeError
from triport.converters.formats.tensors import short
from triport.converters.published import MANIFEST, MODEL_FILE
from triport.parity.batches import random_batch
from triport.parity.device import DeviceError
from triport.parity.judge.comparison import compare
from triport.reference_models.spec import RUNTIMES, get_model

from .folder import MINDSPORE_FILE, OPTIMIZED_FILE, PYTORCH_FILE
from .form import Found
from .runtimes import run
from .sample import read_sample
from .texts import preprocess_of

_RUN = {"pytorch": PYTORCH_FILE, "mindspore": MINDSPORE_FILE, "onnx": MODEL_FILE}


def samples_run(
    folder: Path,
    values: Mapping[str, Any],
    runtimes: Sequence[str],
    device: str,
    progress: Callable[[str], None],
) -> Iterator[Found]:
    """Yield one result a runtime and file.

    The sample's logits must be the manifest's. A forged graph can know the sample, so every file also
    computes another image, drawn here, and must agree with the first file that did.
    """
    if not runtimes:
        return
    try:
        images, expected = read_sample(values["sample"], preprocess_of(values))
        seed = secrets.randbelow(2**32)
        drawn = random_batch(get_model(values["model"]), 1, seed)
        both = np.concatenate([images, drawn])
    except (ValueError, KeyError) as error:
        yield Found("sample", "failed", "", (f"{MANIFEST}: its sample cannot be read: {error}",))
        return
    tolerance = float(values["sample"]["tolerance"])
    apart = 2 * max(float(pair["tolerance"]) for pair in values["parity"]["pairs"])
    first: tuple[str, np.ndarray] | None = None
    files = [(runtime, _RUN[runtime]) for runtime in RUNTIMES]
    for runtime, file in [*files, ("onnx", OPTIMIZED_FILE)]:
        if runtime not in runtimes:
            continue
        progress(f"running {file}")
        name = f"sample: {file}"
        try:
            logits, version = run(runtime, folder / file, values["model"], device, both)
            found = compare(expected, logits[:1], tolerance)
            beside = None if first is None else compare(first[1], logits[1:], apart)
        except MissingRuntimeError as error:
            yield Found(name, "not run", str(error).splitlines()[0])
            continue
        except DeviceError:
            raise
        except Exception as error:  # whatever a forged file makes a runtime raise is a finding
            yield Found(name, "failed", "", (f"{file}: cannot be run: {short(str(error), 500)}",))
            continue
        detail = f"{version}: {found.max_rel:.1e} of the largest logit, allowed {tolerance:.1e}"
        problems = [] if found.passed else [f"{file}: the sample's logits differ: {detail}"]
        if first is not None and beside is not None and not beside.passed:
            problems.append(
                f"{file}: differs from {first[0]} on an image drawn here (seed {seed}): "
                f"{beside.max_rel:.1e} of the largest logit, allowed {apart:.1e}"
            )
        # a file that is wrong on the sample says nothing of the others
        first = first or (None if problems else (file, logits[1:]))
        yield Found(name, "failed" if problems else "passed", detail, tuple(problems))
