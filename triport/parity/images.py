"""A batch of real images, prepared as the publisher of the weights does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from triport.converters.formats import open_checkpoint
from triport.converters.identification.identify import identify
from triport.parity.imagenet.dataset.samples import SUFFIXES
from triport.parity.imagenet.preprocess import preprocess_file
from triport.parity.imagenet.subject import default_profile, profile_for, published_figure
from triport.reference_models.errors import TriportError, counted
from triport.reference_models.spec import ModelSpec, Preprocess


class ImagesError(TriportError):
    """The folder has not as many images as the batch."""


def images_of(folder: Path, count: int) -> list[Path]:
    """Return the first `count` image files at any depth of a folder, in the order of their paths.

    Raises:
        ImagesError: there are fewer, or no such folder.
    """
    if not folder.is_dir():
        raise ImagesError(f"--images {folder}: no such folder")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if len(found) < count:
        raise ImagesError(
            f"--images {folder}: expected {counted(count, 'image')} ({', '.join(sorted(SUFFIXES))}) for the "
            f"batch, found {len(found)}. Give a folder with more, or a smaller --batch-size"
        )
    return found[:count]


def image_batch(images: Sequence[Path], profile: Preprocess, size_px: int | None = None) -> np.ndarray:
    """Return (N, 3, size, size) float32; another size than the profile's scales its resize with its crop."""
    if size_px is not None and size_px != profile.crop_px:
        resize = max(size_px, round(profile.resize_px * size_px / profile.crop_px))
        profile = replace(profile, crop_px=size_px, resize_px=resize)
    return np.stack([preprocess_file(path, profile) for path in images])


def profile_of_subject(spec: ModelSpec, weights: Path | None, model: str | None) -> Preprocess:
    """Return how images are prepared for a weights file, or for a model with weights of no publisher.

    Raises:
        SubjectError: the file's publishers differ, and nothing tells whose weights these are.
    """
    if weights is None:
        return spec.weights[0].preprocess if spec.weights else default_profile(spec)
    checkpoint = open_checkpoint(weights)
    found = identify(checkpoint, model or spec.name)
    return profile_for(checkpoint, spec, published_figure(checkpoint, found, model).weights, model).preprocess
