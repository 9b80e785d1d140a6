"""Whose weights a source holds, how their images are prepared, and what their publisher measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triport.converters.formats import Checkpoint
from triport.converters.formats.tensors import short
from triport.converters.identification.fit import Fit
from triport.converters.identification.published_weights import published_as
from triport.converters.statements.preparation import preparation_of
from triport.parity.imagenet.subject import profile_for, published_figure
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import ModelSpec, Preprocess, Weights

_IMAGENET = {"name": "ImageNet-1k", "type": "imagenet-1k", "split": "validation"}


class OriginError(TriportError):
    """What is said of the source does not fit it."""


@dataclass(frozen=True, slots=True)
class WeightsOrigin:
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


def origin_of(checkpoint: Checkpoint, found: Fit, sha256: str, name: str | None) -> WeightsOrigin:
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
    return WeightsOrigin(weights, known.proof if known else None, named, preprocess, stated_by)


def _preprocessing(
    checkpoint: Checkpoint, found: Fit, name: str | None, weights: Weights | None, named: Weights | None
) -> tuple[Preprocess, str]:
    """Return how images are prepared, and who says so."""
    spec = found.spec
    if weights is not None:
        return weights.preprocess, f"Stated by the publisher of {weights.name}, whose file the source is"
    prepared = preparation_of(checkpoint, spec, found.dialect.name)
    stated = prepared.preprocess if prepared.known == "stated" else None
    if named is not None:
        said = f"Assumed: that of {named.name}, which the source was said to be"
        other = stated not in (None, named.preprocess)
        return named.preprocess, said + (f" (the source file itself states {stated})" if other else "")
    if stated is not None:
        return stated, f"Stated by {prepared.by}"
    by_names = published_figure(checkpoint, found, name).weights
    preprocess = profile_for(checkpoint, spec, by_names, name).preprocess
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


CLASSES_GIVEN = "named by whoever published this folder"
CLASSES_BESIDE = "those of the config.json beside the source"


def classes_stated_by(given: bool, num_classes: int, weights: Weights | None, *, beside: bool = False) -> str:
    """Return where the classes' names are from, in words: a card's sentence ends with it."""
    if given:
        return CLASSES_GIVEN
    if beside:
        return CLASSES_BESIDE
    if num_classes != 1000:
        return "their numbers, because nobody names them"
    return (
        "ImageNet-1k's" if weights else "assumed to be ImageNet-1k's, in its order, because there are 1,000"
    )


def read_classes(path: Path | None, num_classes: int, beside: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return a name for each output, every one different.

    Args:
        path: a file with one name a line; None takes `beside`, ImageNet's for 1,000 classes, numbers.
        num_classes: outputs of the weights.
        beside: what a config.json beside the weights calls the outputs; empty where nothing does.

    Raises:
        OriginError: the file cannot be read, has another number of names or others than `beside`, or a name
            cannot be printed.
    """
    where = f"--classes {path}" if path is not None else "the config.json beside the source"
    if path is not None:
        try:
            names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise OriginError(f"--classes {path}: cannot be read: {error}") from None
        if len(names) != num_classes or not all(names):
            raise OriginError(
                f"--classes {path}: has {sum(map(bool, names))} names, the weights have "
                f"{num_classes} outputs; expected one name a line"
            )
        place = next(
            (place for place, pair in enumerate(zip(names, beside, strict=False)) if pair[0] != pair[1]), None
        )
        if place is not None:
            raise OriginError(
                f"--classes {path}: calls output {place} {short(names[place])}, and the config.json beside "
                f"the source {short(beside[place])}. Mend the one that is wrong, or publish without that file"
            )
    elif beside:
        names = list(beside)
    elif num_classes == 1000:
        from triport.parity.imagenet.classes import class_names

        names = list(class_names())
    else:
        names = [str(index) for index in range(num_classes)]
    unprintable = next((name for name in names if not name.isprintable() or len(name) > 900), None)
    if unprintable is not None:
        raise OriginError(f"{where}: {short(unprintable)} is no name of a class that can be printed")
    # a label must tell its class: ImageNet has two cranes
    counts = Counter(names)
    return tuple(f"{name} ({index})" if counts[name] > 1 else name for index, name in enumerate(names))
