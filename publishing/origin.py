"""Whose weights a source holds, how their images are prepared, and what accuracy may be claimed of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from converters.formats import Checkpoint
from converters.formats.tensors import short
from converters.identify import Fit
from converters.provenance import stated_preprocessing
from converters.published_weights import published_as
from parity.imagenet.subject import profile_for, published_weights
from reference_models.errors import TriportError
from reference_models.spec import RUNTIMES, ModelSpec, Preprocess, Weights

_DEVICE = re.compile(r"(?:cpu|cuda|npu)(?::\d{1,3})?")
_IMAGENET = {"name": "ImageNet-1k", "type": "imagenet-1k", "split": "validation"}


class OriginError(TriportError):
    """What is said of the source does not fit it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where weights come from.

    Attributes:
        weights: the published weights that they are proven to be; None where nothing proves it.
        proof: how it is known that they are, in words.
        said_to_be: the published weights that the user named, proven or not.
        preprocess: how images become the network's input.
        stated_by: who says so, or on what ground it is assumed; a card's sentence begins with it.
    """

    weights: Weights | None
    proof: str | None
    said_to_be: Weights | None
    preprocess: Preprocess
    stated_by: str


def origin_of(checkpoint: Checkpoint, found: Fit, sha256: str, name: str | None) -> Origin:
    """Return where a source comes from.

    Names and shapes prove nothing, nor does what the user says: only the file's hash.

    Args:
        checkpoint: the source.
        found: the model that it is of.
        sha256: of the source.
        name: what the user called it: a model or published weights.

    Raises:
        OriginError: the file is known to be other weights than it is said to be, or the weights take images
            of another size than the model's graph here.
        TriportError: publishers differ in their preprocessing, and nothing tells whose weights these are.
    """
    spec = found.spec
    named = next((weights for weights in spec.weights if weights.name == name), None)
    known = published_as(sha256)
    said = named.name if named else spec.name
    if known is not None and (known.spec.name != spec.name or named not in (None, known.weights)):
        raise OriginError(
            f"{checkpoint.path}: {known.proof}: it is {known.weights.name}, weights of {known.spec.name}, "
            f"and not {said}. Say --model {known.weights.name}"
        )
    weights = known.weights if known else None
    preprocess, stated_by = _preprocessing(checkpoint, found, name, weights, named)
    if preprocess.crop_px != spec.input_size_px:
        raise OriginError(
            f"{said}: its images are {preprocess.crop_px} px, and the "
            f"graph of {spec.name} here takes {spec.input_size_px} px: it cannot be published with them"
        )
    return Origin(weights, known.proof if known else None, named, preprocess, stated_by)


def _preprocessing(
    checkpoint: Checkpoint, found: Fit, name: str | None, weights: Weights | None, named: Weights | None
) -> tuple[Preprocess, str]:
    """Return how images are prepared, and who says so."""
    spec = found.spec
    if weights is not None:
        return weights.preprocess, f"Stated by the publisher of {weights.name}, whose file the source is"
    stated = stated_preprocessing(checkpoint.metadata, checkpoint.path)
    if named is not None:
        said = f"Assumed: that of {named.name}, which the source was said to be"
        other = stated not in (None, named.preprocess)
        return named.preprocess, said + (f" (the source file itself states {stated})" if other else "")
    if stated is not None:
        return stated, "Stated by the source file"
    by_names = published_weights(checkpoint, found, name)
    preprocess = profile_for(checkpoint, spec, by_names, name)
    if by_names:
        return preprocess, f"Assumed: that of {by_names.name}, whose publisher's names the source has"
    if spec.weights:
        return preprocess, f"Assumed: that of every publisher of {spec.name}"
    return preprocess, "Assumed: triport's default, because nobody states it"


def figures_of_publisher(spec: ModelSpec, weights: Weights | None) -> Iterator[dict[str, Any]]:
    """Yield what the publisher measured with these weights; nothing where the weights are not proven."""
    for accuracy in weights.accuracies if weights else ():
        for metric, value in (
            ("top-1 accuracy", accuracy.top1_percent),
            ("top-5 accuracy", accuracy.top5_percent),
        ):
            if weights is not None and value is not None:
                yield {
                    "kind": "published",
                    "metric": metric,
                    "percent": value,
                    "dataset": _IMAGENET
                    if spec.num_classes == 1000
                    else {"name": accuracy.context, "type": spec.name, "split": None},
                    "weights": weights.name,
                    "source": accuracy.source,
                    "context": accuracy.context,
                    "date": accuracy.date,
                }


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
        OriginError: the file cannot be read, or is of another model or preprocessing.
    """
    name, path = given.rpartition("=")[::2]
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        images, runtime, device = int(found["images"]), str(found["runtime"]), str(found["device"])
        values = {f"top-{n} accuracy": float(found[f"top{n}_percent"]) for n in (1, 5)}
        interval = [float(bound) for bound in found["top1_interval_percent"]]
        if not all(0 <= value <= 100 for value in (*values.values(), *interval)) or len(interval) != 2:
            raise ValueError("percentages are from 0 to 100, an interval has two")
        if runtime not in RUNTIMES or not _DEVICE.fullmatch(device) or images < 1:
            raise ValueError(f"images, runtime and device are {images}, {runtime:.40}, {device:.40}")
        precision = str(found.get("precision", "float32"))
        measured, prepared = found["model"], found["preprocess"]
        file = str(found.get("weights_sha256") or "")
    except OSError as error:
        raise OriginError(f"--accuracy {path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise OriginError(f"--accuracy {path}: is not what `evaluate --json` writes: {error!r}") from None
    if precision != "float32":
        raise OriginError(f"--accuracy {path}: was measured in {short(precision)}; the weights are float32")
    if measured != model:
        raise OriginError(f"--accuracy {path}: was measured on {short(str(measured))}, not on {model}")
    if file != sha256:
        raise OriginError(
            f"--accuracy {path}: "
            + (
                f"was measured on a file with the SHA-256 {short(file, 64)}"
                if file
                else "does not say on which file"
            )
            + f", and the source's is {sha256}: run `evaluate` on the source itself"
        )
    if json.dumps(asdict(preprocess)) != json.dumps(prepared):
        raise OriginError(
            f"--accuracy {path}: was measured with other preprocessing than {preprocess}: run `evaluate` "
            f"with --model, naming the weights"
        )
    name = name or f"{images} images"
    if any(sign in name for sign in "`|<>[]") or not name.isprintable() or len(name) > 100:
        raise OriginError(f"--accuracy {given!r}: a data set's name is plain text")
    return [
        {
            "kind": "measured",
            "metric": metric,
            "percent": value,
            "interval_percent": interval if metric.startswith("top-1") else None,
            "dataset": {"name": name, "type": "imagefolder", "split": None},
            "images": images,
            "runtime": runtime,
            "device": device,
            "sha256": sha256,
            "date": date,
        }
        for metric, value in values.items()
    ]


def read_classes(path: Path | None, num_classes: int) -> tuple[str, ...]:
    """Return a name for each output, every one different.

    Args:
        path: a file with one name a line; None takes ImageNet's for 1,000 classes, numbers otherwise.
        num_classes: outputs of the weights.

    Raises:
        OriginError: the file cannot be read, or has another number of names.
    """
    if path is not None:
        try:
            names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise OriginError(f"--classes {path}: cannot be read: {error}") from None
        unprintable = next((name for name in names if not name.isprintable() or len(name) > 900), None)
        if unprintable is not None:
            raise OriginError(
                f"--classes {path}: {short(unprintable)} is no name of a class that can be printed"
            )
        if len(names) != num_classes or not all(names):
            raise OriginError(
                f"--classes {path}: has {sum(map(bool, names))} names, the weights have "
                f"{num_classes} outputs; expected one name a line"
            )
    elif num_classes == 1000:
        from parity.imagenet.classes import class_names

        names = list(class_names())
    else:
        names = [str(index) for index in range(num_classes)]
    # a label must tell its class: ImageNet has two cranes
    counts = Counter(names)
    return tuple(f"{name} ({index})" if counts[name] > 1 else name for index, name in enumerate(names))
