"""What a file that triport wrote says of itself: model, origin, preprocessing, in `metadata`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from triport.reference_models.errors import TriportError
from triport.reference_models.spec import CHOICES, ModelSpec, Preprocess
from triport.version import __version__

MODEL_KEY = "triport.model"
NUM_CLASSES_KEY = "triport.num_classes"
SOURCE_DIALECT_KEY = "triport.source_dialect"
SOURCE_SHA256_KEY = "triport.source_sha256"
PREPROCESSING_KEY = "triport.preprocessing"
# "stated: ..." or "assumed: ...": whether the preprocessing is known of these weights, or taken for granted
PREPROCESSING_KNOWN_KEY = "triport.preprocessing_known"
FOLDED_KEY = "triport.folded"
VERSION_KEY = "triport.version"
# a sorted list in JSON: the names of the tensors that are buffers of a network in code, not trained
BUFFERS_KEY = "triport.buffers"
MAX_SIDE = 1 << 14  # pixels of an image's side, which no network comes near


class ProvenanceError(TriportError):
    """A file's metadata carries triport's keys and not what triport writes under them."""


def buffers_of(metadata: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the buffers that a file states; none if it states none, or no list of names."""
    try:
        found = json.loads(metadata.get(BUFFERS_KEY, "[]"))
    except (ValueError, RecursionError):
        return frozenset()
    return frozenset(one for one in found if isinstance(one, str)) if isinstance(found, list) else frozenset()


def provenance(
    spec: ModelSpec,
    num_classes: int,
    dialect: str,
    source_sha256: str | None = None,
    preprocess: Preprocess | None = None,
    preprocess_known: str = "",
) -> dict[str, str]:
    """Return the metadata of a converted file; what is not given is left out.

    Args:
        spec: the model.
        num_classes: that its head has.
        dialect: whose names the weights had at first, from `source_dialect`.
        source_sha256: of the source.
        preprocess: how images are prepared.
        preprocess_known: "stated: ...", "assumed: ..." or "unknown: ...".
    """
    metadata = {
        MODEL_KEY: spec.name,
        NUM_CLASSES_KEY: str(num_classes),
        SOURCE_DIALECT_KEY: dialect,
        VERSION_KEY: __version__,
    }
    if source_sha256 is not None:
        metadata[SOURCE_SHA256_KEY] = source_sha256
    if preprocess is not None:
        metadata[PREPROCESSING_KEY] = json.dumps(asdict(preprocess), sort_keys=True)
    if preprocess is not None or (preprocess_known and spec.weights):  # not that of the published ones
        metadata[PREPROCESSING_KNOWN_KEY] = preprocess_known
    return metadata


def source_dialect(metadata: Mapping[str, str], spec: ModelSpec, found: str) -> str:
    """Return whose names the weights had before the first conversion: `found` where a file does not say."""
    stated = metadata.get(SOURCE_DIALECT_KEY, found)
    return stated if any(dialect.name == stated for dialect in spec.dialects) else found


def stated_preprocessing(metadata: Mapping[str, str], path: object) -> Preprocess | None:
    """Return the preprocessing that a file states, None where it states none.

    Raises:
        ProvenanceError: it is not of the form that triport writes.
    """
    text = metadata.get(PREPROCESSING_KEY)
    if text is None:
        return None
    try:
        values: dict[str, Any] = json.loads(text)
        known = {field.name for field in fields(Preprocess)}
        if set(values) | {"channels"} != known:
            raise ValueError(f"expected the keys {', '.join(sorted(known))}")
        for key, words in CHOICES.items():
            if values.get(key, words[0]) not in words:
                raise ValueError(f"{key} {values[key]!r} is none of {', '.join(words)}")
        return Preprocess(
            resize_px=_side(values["resize_px"]),
            crop_px=_side(values["crop_px"]),
            interpolation=values["interpolation"],
            mean=three(values["mean"]),
            std=three(values["std"], divide=True),
            library=values["library"],
            channels=values.get("channels", "rgb"),
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise ProvenanceError(f"{path}: its metadata {PREPROCESSING_KEY} cannot be read: {error}") from error


def _side(value: Any) -> int:
    if int(value) != float(value) or not 0 < value < MAX_SIDE:
        raise ValueError(f"{value} is no number of pixels")
    return int(value)


def three(values: Any, *, divide: bool = False) -> tuple[float, float, float]:
    """Return the values of three channels; `divide` says that images are divided by them.

    Raises:
        ValueError: there are not three, or images cannot be prepared with them.
        TypeError: they are no numbers.
    """
    red, green, blue = (float(value) for value in values)
    for value in (red, green, blue):
        if not math.isfinite(value) or (divide and value <= 0):
            raise ValueError(f"{value} is no {'standard deviation' if divide else 'mean'}")
    return red, green, blue
