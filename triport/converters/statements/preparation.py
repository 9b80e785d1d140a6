"""How images are prepared for a file, whose published figure it could have, and how either is known.

What a file states, or a config.json beside it, or the user, is known; what its names only suggest is
assumed, and whoever prints it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from triport.converters.formats import FLOATS, Checkpoint, short
from triport.converters.identification.published_weights import known_digits, recognised
from triport.converters.provenance import (
    PREPROCESSING_KNOWN_KEY,
    SOURCE_DIALECT_KEY,
    stated_preprocessing,
)
from triport.converters.statements.preprocessing_files import Known, Preparation, stated_beside
from triport.reference_models.spec import ModelSpec, Weights

__all__ = ["Figure", "Known", "Preparation", "figure_of", "preparation_of", "stated_by"]


class Figure(NamedTuple):
    """The published weights whose figures a file could have; `weights` is None where there are none."""

    weights: Weights | None
    known: Known
    by: str


def preparation_of(
    checkpoint: Checkpoint, spec: ModelSpec, dialect: str, named: str | None = None
) -> Preparation:
    """Return how images are prepared for a file, and how that is known.

    Args:
        checkpoint: the file.
        spec: the model that it is of.
        dialect: whose names it has.
        named: published weights that the user named, or a model.

    Raises:
        ProvenanceError: what the file or config.json states cannot be read.
    """
    weights = next((one for one in spec.weights if one.name == named), None)
    if weights is not None:
        return Preparation(weights.preprocess, "stated", f"{weights.name}, which the user named")
    stated = stated_by(checkpoint.metadata, checkpoint.path, spec.input_size_px)
    taken = _whole_numbers(checkpoint)
    if taken is not None:
        though = f", though {stated.by} states otherwise" if stated is not None else ""
        return Preparation(
            None, "unknown", f"the graph takes images of {taken}, which nothing normalises{though}"
        )
    if stated is not None:
        return _by_whom(stated, spec)
    published = recognised(checkpoint.path, [spec])
    if published is not None:
        # true of what is converted from the file too, which hands this on
        digits = known_digits(published.weights)
        by = f"the publisher of {published.weights.name}, for the file whose SHA-256 begins with {digits[:8]}"
        return Preparation(published.weights.preprocess, "stated", by)
    dialect = checkpoint.metadata.get(SOURCE_DIALECT_KEY, dialect)
    weights = next((one for one in (*_of(spec, dialect), *spec.weights)), None)
    if weights is None:
        return Preparation(None, "unknown", f"triport knows no published weights of {spec.name}")
    from triport.converters.statements import statements_of

    options = [one.where for one in statements_of(checkpoint) if one.about == "preparation"]
    why = "nothing states it"
    if options:
        more = f" and {len(options) - 3} more" if len(options) > 3 else ""
        why = f"not taken from {', '.join(map(short, options[:3]))}{more}"
    return Preparation(weights.preprocess, "assumed", f"{why}, it is that of {weights.name}")


def _by_whom(stated: Preparation, spec: ModelSpec) -> Preparation:
    """Return what a file states, by itself alone where it names a publisher who states otherwise."""
    for weights in spec.weights:
        publisher = f"the publisher of {weights.name}"
        if stated.by.startswith(f"{publisher},") and stated.preprocess != weights.preprocess:
            return stated._replace(by=f"the file alone (not {publisher}, as it says)")
    return stated


def _whole_numbers(checkpoint: Checkpoint) -> str | None:
    """Return the dtype of the images that an ONNX file's graph takes, where it is none of prepared ones."""
    if checkpoint.runtime != "onnx":
        return None
    from triport.converters.graphs.reader import images_dtype  # imports numpy, which weights do without

    dtype = images_dtype(checkpoint)
    return None if dtype in ("", *FLOATS) else dtype


def stated_by(metadata: Mapping[str, str], path: str, size_px: int) -> Preparation | None:
    """Return what a file, or another beside it, states of how images are prepared; None where nothing does.

    Raises:
        ProvenanceError: it cannot be read.
    """
    stated = stated_preprocessing(metadata, path)
    how, _, by = metadata.get(PREPROCESSING_KNOWN_KEY, "").partition(": ")
    if stated is None:
        return Preparation(None, "unknown", by) if how == "unknown" else stated_beside(path, size_px)
    known: Known = "assumed" if how == "assumed" else "stated"
    return Preparation(stated, known, by or "the source file")


def figure_of(
    checkpoint: Checkpoint, spec: ModelSpec, num_classes: int, dialect: str, named: str | None = None
) -> Figure:
    """Return the published weights whose figures a file could have, and how that is known.

    No file proves by its names that it is the published one: at most this is assumed, and never where the
    file states another preprocessing or has another number of classes.

    Raises:
        ProvenanceError: what the file or config.json states cannot be read.
    """
    weights = next((one for one in spec.weights if one.name == named), None)
    if weights is not None:
        return Figure(weights, "stated", f"you named {weights.name}")
    if num_classes != spec.num_classes:
        return Figure(
            None, "unknown", f"{num_classes} classes, not the {spec.num_classes} of published weights"
        )
    prepared = preparation_of(checkpoint, spec, dialect)
    if prepared.known == "unknown" and spec.weights:
        return Figure(None, "unknown", prepared.by)
    dialect = checkpoint.metadata.get(SOURCE_DIALECT_KEY, dialect)
    published = _of(spec, dialect)
    for weights in published:
        if prepared.known != "stated" or prepared.preprocess == weights.preprocess:
            return Figure(
                weights, "assumed", f"the names are {dialect}'s; nothing proves that it is this file"
            )
    if not published:
        whose = f" with the names of {dialect}" if spec.weights else ""
        return Figure(None, "unknown", f"triport knows no published weights of {spec.name}{whose}")
    names = " and ".join(weights.name for weights in published)
    return Figure(
        None, "unknown", f"{prepared.by} states another preprocessing than that of {names}; --model names one"
    )


def _of(spec: ModelSpec, dialect: str) -> list[Weights]:
    return [weights for weights in spec.weights if weights.dialect == dialect]
