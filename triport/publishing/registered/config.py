"""config.json: the model in the keys that timm and transformers read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from triport.converters.formats.tensors import short
from triport.reference_models.spec import ModelSpec, Preprocess

from .files import CONFIG_FILE


def crop_fraction(preprocess: Preprocess) -> float:
    """Return timm's crop_pct: the shortest number from which it computes the same size to resize to."""
    crop, resize = preprocess.crop_px, preprocess.resize_px
    for digits in range(1, 12):
        fraction = round(crop / resize, digits)
        # timm rounds the quotient down
        if fraction and math.floor(crop / fraction) == resize:
            return fraction
    return crop / (resize + 0.5)


def config_of(
    spec: ModelSpec, num_classes: int, classes: Sequence[str], preprocess: Preprocess
) -> dict[str, Any]:
    """Return the values of config.json."""
    layers = spec.layers()
    timm = spec.timm_name
    size = spec.input_size_px
    return {
        "architecture": timm or spec.name,
        "architectures": [spec.name],
        "num_classes": num_classes,
        "label_names": list(classes),
        "id2label": {str(index): name for index, name in enumerate(classes)},
        "label2id": {name: index for index, name in enumerate(classes)},
        "pretrained_cfg": {
            "architecture": timm or spec.name,
            "custom_load": False,
            "input_size": [3, size, size],
            "fixed_input_size": False,
            "interpolation": preprocess.interpolation,
            "crop_pct": crop_fraction(preprocess),
            "crop_mode": "center",
            "mean": list(preprocess.mean),
            "std": list(preprocess.std),
            "num_classes": num_classes,
            "pool_size": None,
            "first_conv": layers[0].path,
            "classifier": layers[-1].path,
        },
        "triport": {
            "model": spec.name,
            "family": spec.family,
            "in_timm": timm is not None,
            "input_size": [3, size, size],
            "preprocess": {
                "resize_px": preprocess.resize_px,
                "crop_px": preprocess.crop_px,
                "interpolation": preprocess.interpolation,
                "library": preprocess.library,
                "channels": preprocess.channels,
                "mean": list(preprocess.mean),
                "std": list(preprocess.std),
            },
        },
    }


def config_problems(text: str, expected: str) -> Iterator[str]:
    """Yield where a config.json is not the one that the manifest makes, by its keys."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        yield f"{CONFIG_FILE}: is no JSON that can be read"
        return
    problems = list(islice(_differences(found, json.loads(expected), ""), 20))
    yield from (f"{CONFIG_FILE}: {problem}" for problem in problems)
    if not problems:
        yield f"{CONFIG_FILE}: has another form than triport writes: a key is there twice, or spaces differ"


def _differences(found: Any, expected: Any, place: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in [key for key in found if key not in expected]:
            yield f"{short(f'{place}{key}')} is there, which the manifest does not say"
        for key, value in expected.items():
            if key not in found:
                yield f"{place}{key} is missing"
            else:
                yield from _differences(found[key], value, f"{place}{key}.")
    elif type(found) is not type(expected) or found != expected:
        is_, says = short(repr(found), 100), short(repr(expected), 100)
        yield f"{place.rstrip('.')} is {is_}, the manifest says {says}"
