"""What a file that triport wrote says of itself: model, origin, preprocessing, in `metadata`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from reference_models.errors import TriportError
from reference_models.spec import ModelSpec, Preprocess

MODEL_KEY = "triport.model"
NUM_CLASSES_KEY = "triport.num_classes"
SOURCE_DIALECT_KEY = "triport.source_dialect"
SOURCE_SHA256_KEY = "triport.source_sha256"
PREPROCESSING_KEY = "triport.preprocessing"
FOLDED_KEY = "triport.folded"
VERSION_KEY = "triport.version"

VERSION = "0.1.0"


class ProvenanceError(TriportError):
    """A file's metadata carries triport's keys and not what triport writes under them."""


def provenance(
    spec: ModelSpec,
    num_classes: int,
    source_dialect: str,
    source_sha256: str | None = None,
    preprocess: Preprocess | None = None,
) -> dict[str, str]:
    """Return the metadata of a converted file; the source's hash is left out where it is not given.

    The preprocessing is the one given, that of the source dialect's publisher, or else the model's first.
    """
    metadata = {
        MODEL_KEY: spec.name,
        NUM_CLASSES_KEY: str(num_classes),
        SOURCE_DIALECT_KEY: source_dialect,
        VERSION_KEY: VERSION,
    }
    if source_sha256 is not None:
        metadata[SOURCE_SHA256_KEY] = source_sha256
    weights = [w for w in spec.weights if w.dialect == source_dialect] or list(spec.weights)
    stated = preprocess or (weights[0].preprocess if weights else None)
    if stated is not None:
        metadata[PREPROCESSING_KEY] = json.dumps(asdict(stated), sort_keys=True)
    return metadata


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
        return Preprocess(
            resize_px=int(values["resize_px"]),
            crop_px=int(values["crop_px"]),
            interpolation=values["interpolation"],
            mean=_three(values["mean"]),
            std=_three(values["std"]),
            library=values["library"],
            channels=values.get("channels", "rgb"),
        )
    except (ValueError, TypeError) as error:
        raise ProvenanceError(f"{path}: its metadata {PREPROCESSING_KEY} cannot be read: {error}") from error


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
