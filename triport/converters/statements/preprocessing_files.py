"""How images are prepared, as hubs keep it beside weights.

timm's config.json and transformers' preprocessor_config.json are taken as their own libraries take them, or
refused: a resize that bends images, for one, is no preprocessing of those that are known here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from triport.converters.provenance import MAX_SIDE, ProvenanceError, three
from triport.converters.statements.config_file import NAME, config_beside
from triport.reference_models.spec import Preprocess

Known = Literal["stated", "assumed", "unknown"]

TRANSFORMERS_NAME = "preprocessor_config.json"
_INTERPOLATIONS: Mapping[Any, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}  # Pillow's


class Preparation(NamedTuple):
    """How images are prepared, and how that is known: `by` says what states it, or what was assumed."""

    preprocess: Preprocess | None
    known: Known
    by: str

    def __str__(self) -> str:
        return f"{self.known}: {self.by}"


def stated_beside(path: str | Path, size_px: int) -> Preparation | None:
    """Return what the files beside a file of weights state; None where they state nothing.

    Args:
        path: the file of weights.
        size_px: the side of the network's images, where the files do not say it.

    Raises:
        ProvenanceError: it is stated, and is none that is known here.
    """
    config = config_beside(path).get("pretrained_cfg")
    if isinstance(config, dict):
        return Preparation(_read(_of_timm, config, path, size_px, NAME), "stated", f"{NAME} beside the file")
    config = config_beside(path, TRANSFORMERS_NAME)
    if "image_mean" in config or "image_processor_type" in config or "feature_extractor_type" in config:
        found = _read(_of_transformers, config, path, size_px, TRANSFORMERS_NAME)
        return Preparation(found, "stated", f"{TRANSFORMERS_NAME} beside the file")
    return None


def _read(read: Any, config: dict[str, Any], path: str | Path, size_px: int, name: str) -> Preprocess:
    try:
        found: Preprocess = read(config, size_px)
        return found
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        expected = (
            "mean, std, bilinear or bicubic, crop_pct and input_size"
            if name == NAME
            else "a shortest edge, a crop, Pillow's bilinear or bicubic, image_mean and image_std"
        )
        what = "pretrained_cfg in the " if name == NAME else ""
        raise ProvenanceError(
            f"{path}: the {what}{name} beside it states a preprocessing that is not known here ({error}). "
            f"Expected {expected}; move the {name} away, or say whose weights these are with --model"
        ) from error


def _of_timm(config: dict[str, Any], size_px: int) -> Preprocess:
    """Return what timm's pretrained_cfg states, as timm's own transforms_imagenet_eval takes it."""
    channels, *_, side = config.get("input_size", (3, size_px, size_px))
    if channels != 3:
        raise ValueError(f"input_size {config['input_size']!r}, of {channels} channels")
    size = int(side)
    interpolation = config.get("interpolation", "bicubic")
    if interpolation not in ("bilinear", "bicubic"):
        raise ValueError(f"interpolation {interpolation!r}")
    if config.get("crop_mode", "center") != "center":
        raise ValueError(f"crop_mode {config['crop_mode']!r}")
    share = float(config.get("crop_pct", 0.875))
    _check_sizes(size, share)
    return Preprocess(
        resize_px=math.floor(size / share),
        crop_px=size,
        interpolation=interpolation,
        mean=three(config["mean"]),
        std=three(config["std"], divide=True),
        library="pil",
    )


def _of_transformers(config: dict[str, Any], size_px: int) -> Preprocess:
    """Return what transformers' preprocessor_config.json states.

    Source: https://github.com/huggingface/transformers/blob/main/src/transformers/models/convnext/
    image_processing_convnext.py for crop_pct, and image_transforms.py for the rest.
    """
    for key in ("do_resize", "do_rescale", "do_normalize"):
        if not config.get(key, True):
            raise ValueError(f"{key} {config[key]!r}")
    scale = float(config.get("rescale_factor", 1 / 255))
    if not math.isclose(scale, 1 / 255, rel_tol=1e-6) or config.get("rescale_offset"):
        raise ValueError(f"rescale_factor {scale}, rescale_offset {config.get('rescale_offset')!r}")
    interpolation = _INTERPOLATIONS.get(config.get("resample"))
    if interpolation is None:
        raise ValueError(f"resample {config.get('resample')!r}")
    resize, crop = _sizes(config, size_px)
    _check_sizes(crop, crop / resize)
    mean, std = three(config["image_mean"]), three(config["image_std"], divide=True)
    return Preprocess(resize, crop, interpolation, mean, std, "pil")


def _sizes(config: dict[str, Any], size_px: int) -> tuple[int, int]:
    """Return the shorter side after resizing, and the crop's side."""
    size = config.get("size", size_px)
    edge = size.get("shortest_edge") if isinstance(size, dict) else size
    if type(edge) is not int:
        raise ValueError(
            f"size {size!r}, which has no shortest_edge: such a resize changes an image's proportions, and "
            "is not known here"
        )
    share = config.get("crop_pct")
    if share is not None:
        if edge >= 384:
            raise ValueError(f"crop_pct {share!r} with a size of {edge}, which bends images")
        return int(edge / float(share)), int(edge)
    if not config.get("do_center_crop"):
        raise ValueError("no center crop, so that images that are not square stay so")
    crop = config.get("crop_size", edge)
    if isinstance(crop, dict):
        if crop["height"] != crop["width"]:
            raise ValueError(f"crop_size {crop!r}")
        crop = crop["height"]
    return int(edge), int(crop)


def _check_sizes(size: int, share: float) -> None:
    if not 0.1 <= share <= 1 or not 0 < size < MAX_SIDE:
        raise ValueError(f"crop_pct {share}, input_size {size}")
