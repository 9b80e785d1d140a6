"""Accuracies that `evaluate --json` wrote, and what must be so before they are those of a source."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from triport.converters.formats.tensors import short
from triport.parity.imagenet.wilson import wilson_interval
from triport.reference_models.errors import TriportError, counted
from triport.reference_models.spec import RUNTIMES, Preprocess

_TOP1, _TOP5 = "top-1 accuracy", "top-5 accuracy"
# half of the last digit that a person keeps: 76.13 %, and 75.8 to 76.5
_ROUNDED_PERCENT, _ROUNDED_BOUND = 0.00501, 0.0501
_DEVICE = re.compile(r"(?:cpu|cuda|npu)(?::\d{1,3})?")


class MeasurementError(TriportError):
    """A measurement cannot be read, or is of something else."""


@dataclass(frozen=True, slots=True)
class _Measurement:
    """What the file says; `sha256` is that of the weights' file, empty where it does not say."""

    model: str
    sha256: str
    precision: str
    preprocess: Any
    images: int
    runtime: str
    device: str
    percent: dict[str, float]
    interval_percent: list[float]


def measured_figures(
    given: str, model: str, sha256: str, preprocess: Preprocess, date: str | None
) -> list[dict[str, Any]]:
    """Return the figures of a file that `evaluate --json` wrote.

    Args:
        given: "FILE" or "DATA SET=FILE".
        model: what it must have been measured on.
        sha256: of the source, which must have been measured.
        preprocess: how its images must have been prepared.
        date: of the publication, where one is given.

    Raises:
        MeasurementError: the file cannot be read, or is of another file, model or preprocessing.
    """
    name, path = given.rpartition("=")[::2]
    found = _read(path)
    problem = _problem(found, model, sha256, preprocess)
    if problem is not None:
        raise MeasurementError(f"--accuracy {path}: {problem}")
    name = name or f"{counted(found.images, 'image')}"
    if any(sign in name for sign in "`|<>[]") or not name.isprintable() or len(name) > 100:
        raise MeasurementError(f"--accuracy {given!r}: a data set's name is plain text")
    return [
        {
            "kind": "measured",
            "metric": metric,
            "percent": percent,
            "interval_percent": found.interval_percent if metric.startswith("top-1") else None,
            "dataset": {"name": name, "type": "imagefolder", "split": None},
            "images": found.images,
            "runtime": found.runtime,
            "device": found.device,
            "sha256": sha256,
            "date": date,
        }
        for metric, percent in found.percent.items()
    ]


def _read(path: str) -> _Measurement:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        measurement = _Measurement(
            model=str(found["model"]),
            sha256=str(found.get("weights_sha256") or ""),
            precision=str(found.get("precision", "float32")),
            preprocess=found["preprocess"],
            images=int(found["images"]),
            runtime=str(found["runtime"]),
            device=str(found["device"]),
            percent={f"top-{n} accuracy": float(found[f"top{n}_percent"]) for n in (1, 5)},
            interval_percent=[float(bound) for bound in found["top1_interval_percent"]],
        )
    except OSError as error:
        raise MeasurementError(f"--accuracy {path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        reason = short(f"{type(error).__name__}: {error}", 200)
        raise MeasurementError(f"--accuracy {path}: is not what `evaluate --json` writes: {reason}") from None
    values = (*measurement.percent.values(), *measurement.interval_percent)
    if (
        not all(0 <= value <= 100 for value in values)
        or len(measurement.interval_percent) != 2
        or measurement.runtime not in RUNTIMES
        or not _DEVICE.fullmatch(measurement.device)
        or not 1 <= measurement.images < 2**40
    ):
        raise MeasurementError(
            f"--accuracy {path}: is not what `evaluate --json` writes: a count, percentage, runtime or "
            "device cannot be"
        )
    wrong = contradiction(measurement.percent, measurement.images, measurement.interval_percent)
    if wrong is not None:
        raise MeasurementError(f"--accuracy {path}: is not what `evaluate --json` writes: {wrong}")
    return measurement


def contradiction(percent: Mapping[str, float], images: int, interval_percent: Sequence[float]) -> str | None:
    """Return why percentages of `images` cannot be so, whatever they were rounded to; None where they can.

    Args:
        percent: by metric, top-1 and maybe top-5.
        images: how many were counted.
        interval_percent: stated for top-1.
    """
    counts = {metric: value * images / 100 for metric, value in percent.items()}
    for metric, count in counts.items():
        if abs(percent[metric] - 100 * round(count) / images) > _ROUNDED_PERCENT:
            return f"{metric} of {percent[metric]} % is that of no whole number of {counted(images, 'image')}"
    if counts.get(_TOP5, images) < counts[_TOP1] - 0.5:
        return f"{_TOP5} is lower than {_TOP1}"
    expected = [100 * bound for bound in wilson_interval(round(counts[_TOP1]), images)]
    if any(abs(one - other) > _ROUNDED_BOUND for one, other in zip(interval_percent, expected, strict=True)):
        return f"the interval of {round(counts[_TOP1])} of {images} is not {list(interval_percent)}"
    return None


def _problem(found: _Measurement, model: str, sha256: str, preprocess: Preprocess) -> str | None:
    """Return why a measurement is not that of the source, None where it is."""
    if found.precision != "float32":
        return f"was measured in {short(found.precision)}; the weights are float32"
    if found.model != model:
        return f"was measured on {short(found.model)}, not on {model}"
    if found.sha256 != sha256:
        what = (
            f"was measured on a file with the SHA-256 {short(found.sha256, 64)}"
            if found.sha256
            else "does not say on which file it was measured"
        )
        return f"{what}, and the source's is {sha256}: run `evaluate` on the source itself"
    if json.dumps(asdict(preprocess)) != json.dumps(found.preprocess):
        return (
            f"was measured with other preprocessing than {preprocess}: run `evaluate` with --model, naming "
            "the weights"
        )
    return None
