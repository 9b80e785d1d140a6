"""config.json: the model in the keys that timm and transformers read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from triport.converters.formats.tensors import short
from triport.reference_models.spec import ModelSpec, Preprocess

from .folder import CONFIG_FILE

# Models here whose graph timm defines under another name; timm takes the names in model.safetensors.
_TIMM_NAMES = {
    "res2net50": "res2net50_26w_4s",
    "res2net101": "res2net101_26w_4s",
    "res2net50_v1b": "res2net50d",
    "res2net101_v1b": "res2net101d",
    "resnetv2_50_timm": "resnetv2_50",
    "resnetv2_101_timm": "resnetv2_101",
    "regnet_x_400mf_torchvision": "regnetx_004_tv",
    "regnet_y_800mf_torchvision": "regnety_008_tv",
    "regnet_y_8_0gf_torchvision": "regnety_080_tv",
}
_NOT_IN_TIMM = {"res2net152", "res2net152_v1b", "res2net_digits", "resnetv2_50", "resnetv2_101"}


def timm_name(spec: ModelSpec) -> str | None:
    """Return what timm calls a model's graph, None where it has none that computes the same."""
    if spec.name in _TIMM_NAMES:
        return _TIMM_NAMES[spec.name]
    if spec.name in _NOT_IN_TIMM or spec.name.endswith(
        ("_mindcv", "_mindspore_models", "_mindspore_tutorial")
    ):
        return None
    if spec.family == "regnet":
        _, kind, size = spec.name.split("_", 2)
        giga = size.endswith("gf")
        number = float(size.removesuffix("gf").removesuffix("mf").replace("_", "."))
        return f"regnet{kind}_{round(number * 10 if giga else number / 100):03d}"
    return spec.name


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
    timm = timm_name(spec)
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
