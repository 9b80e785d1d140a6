"""Whose weights a source holds, how their images are prepared, and what accuracy may be claimed of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from converters.convert import SHIPPED
from converters.formats import Checkpoint, file_sha256
from converters.identify import Fit
from converters.provenance import stated_preprocessing
from parity.imagenet.subject import profile_for, published_weights
from reference_models.errors import TriportError
from reference_models.spec import ModelSpec, Preprocess, Weights

# publishers put the first digits of a file's SHA-256 into its name: resnet50-11ad3fa6.pth
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.\w+$")
_IMAGENET = {"name": "ImageNet-1k", "type": "imagenet-1k", "split": "validation"}


class OriginError(TriportError):
    """What is said of the source does not fit it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where weights come from.

    Attributes:
        weights: the published weights that they are; None where nothing says so.
        same_file: whether the source's hash is the one in the published file's name.
        preprocess: how images become the network's input.
        stated_by: who says so.
    """

    weights: Weights | None
    same_file: bool
    preprocess: Preprocess
    stated_by: str


def origin_of(checkpoint: Checkpoint, found: Fit, sha256: str, name: str | None) -> Origin:
    """Return where a source comes from.

    Args:
        checkpoint: the source.
        found: the model that it is of.
        sha256: of the source.
        name: what the user called it: a model or published weights.

    Raises:
        OriginError: the weights take images of another size than the model's graph here.
        TriportError: publishers differ in their preprocessing, and nothing tells whose weights these are.
    """
    spec = found.spec
    by_hash = next((weights for weights in spec.weights if _is_file_of(weights, sha256)), None)
    weights = next((weights for weights in spec.weights if weights.name == name), None) or by_hash
    if weights is None and spec.name == SHIPPED.stem and sha256 == file_sha256(SHIPPED):
        weights = spec.weights[0]
    stated = stated_preprocessing(checkpoint.metadata, checkpoint.path)
    if weights is not None:
        preprocess, stated_by = weights.preprocess, weights.name
    elif stated is not None:
        preprocess, stated_by = stated, "the source file"
    else:
        by_names = published_weights(checkpoint, found, name)
        preprocess = profile_for(checkpoint, spec, by_names, name)
        stated_by = (
            f"{by_names.dialect}, whose names the source has"
            if by_names
            else f"every publisher of {spec.name}"
            if spec.weights
            else "nobody; this is triport's default"
        )
    if preprocess.crop_px != spec.input_size_px:
        raise OriginError(
            f"{weights.name if weights else spec.name}: its images are {preprocess.crop_px} px, and the "
            f"graph of {spec.name} here takes {spec.input_size_px} px: it cannot be published with them"
        )
    return Origin(weights, weights is not None and weights is by_hash, preprocess, stated_by)


def _is_file_of(weights: Weights, sha256: str) -> bool:
    digits = _HASH_IN_NAME.search(weights.url)
    return digits is not None and sha256.startswith(digits[1])


def published_figures(spec: ModelSpec, weights: Weights | None) -> Iterator[dict[str, Any]]:
    """Yield what the publisher measured with these weights; nothing where the weights are not known."""
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
    given: str, model: str, preprocess: Preprocess, date: str | None
) -> list[dict[str, Any]]:
    """Return the figures of a file that `evaluate --json` wrote.

    Args:
        given: "FILE" or "DATA SET=FILE".
        model: what it must have been measured on.
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
        measured, prepared = found["model"], found["preprocess"]
    except OSError as error:
        raise OriginError(f"--accuracy {path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise OriginError(f"--accuracy {path}: is not what `evaluate --json` writes: {error!r}") from None
    if measured != model:
        raise OriginError(f"--accuracy {path}: was measured on {measured}, not on {model}")
    if json.dumps(asdict(preprocess)) != json.dumps(prepared):
        raise OriginError(
            f"--accuracy {path}: was measured with other preprocessing than {preprocess}: run `evaluate` "
            f"with --model, naming the weights"
        )
    name = name or f"{images} images"
    if any(sign in name for sign in "\n\r`|<>"):
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
            names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise OriginError(f"--classes {path}: cannot be read: {error}") from None
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
