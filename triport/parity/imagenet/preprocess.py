"""From an image file to the network's input, as the publisher of the weights did it.

Profile library "pil" is torchvision's and timm's pipeline, value for value; "mindspore" and
"opencv" decode as these do (`libraries.py`), resize without antialiasing (`resize_opencv.py`) and cut the
centre where MindSpore does.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from triport.reference_models.errors import TriportError
from triport.reference_models.spec import Preprocess

from .dataset.samples import printable
from .libraries import OtherPixelsError, rgb_of
from .resize_opencv import resize_bicubic, resize_bilinear
from .resize_pillow import resize_part

if TYPE_CHECKING:
    from PIL import Image


_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
# a resized image of more pixels is not made whole: thin images would need gigabytes
_MOST_PX = 1 << 24


class ImageError(TriportError):
    """An image file cannot be read."""


class ProfileError(TriportError):
    """A model has no preprocessing, or one that is not implemented."""


def preprocess_file(path: Path, profile: Preprocess) -> np.ndarray:
    """Return the network's input (3, crop, crop) float32 of an image file.

    Raises:
        ImageError: the file cannot be read or decoded whole.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{printable(str(path))}: not a readable image ({error.strerror})") from error
    return preprocess(decode(data, printable(str(path)), profile.library), profile)


def decode(data: bytes, what: object, library: str = "pil") -> Image.Image:
    """Return the RGB image that a library makes of an image file's bytes; `what` names it in messages.

    Raises:
        ImageError: they cannot be decoded whole.
    """
    return decode_for(data, what, (library,))[library]


def decode_for(data: bytes, what: object, libraries: Iterable[str]) -> dict[str, Image.Image]:
    """Return the RGB image that each library makes of an image file's bytes.

    Raises:
        ImageError: they cannot be decoded whole, or what one of the libraries makes of them is not known.
    """
    try:
        with _pil().open(io.BytesIO(data), formats=_formats()) as image:
            return rgb_of(image, data, libraries, _pil())
    except OtherPixelsError as error:
        raise ImageError(
            f"{what}: {error}. Remove it, or use --profile library=pil without --compare-preprocessing"
        ) from error
    except Exception as error:  # PIL's decoders raise OSError, SyntaxError, ValueError, struct.error ...
        why = str(error).partition(" <_io.")[0]  # an address in memory says nothing, and is never the same
        raise ImageError(f"{what}: not a readable image ({type(error).__name__}: {why})") from error


def preprocess(image: Image.Image, profile: Preprocess, out: np.ndarray | None = None) -> np.ndarray:
    """Return (3, crop, crop) float32 of an RGB image, written to `out`: resized, cut and normalised."""
    pixels = _cropped(image, profile)
    if out is None:
        out = np.empty((3, profile.crop_px, profile.crop_px), np.float32)
    if profile.channels == "bgr":
        pixels = pixels[:, :, ::-1]
    # each channel has 256 values: looking them up is float-identical to computing them. `take`
    # with a mode works in place and, unlike indexing, lets other threads run
    for channel, table in enumerate(_tables(profile.mean, profile.std)):
        np.take(table, pixels[:, :, channel], out=out[channel], mode="clip")
    return out


def _cropped(image: Image.Image, profile: Preprocess) -> np.ndarray:
    """Return the centre of the resized image, (crop, crop, 3) uint8."""
    if profile.crop_px > profile.resize_px:
        raise ProfileError(
            f"a {profile.crop_px} px square cannot be cut from a short side of {profile.resize_px} px"
        )
    width, height = _resized_size(image.width, image.height, profile)
    crop = profile.crop_px
    if profile.library == "pil":
        left, top = round((width - crop) / 2), round((height - crop) / 2)
        part = (left, top, left + crop, top + crop)
        if width * height > _MOST_PX and width >= image.width and height >= image.height:
            return resize_part(np.asarray(image), (width, height), part, profile.interpolation)
        filters = {"bilinear": _pil().Resampling.BILINEAR, "bicubic": _pil().Resampling.BICUBIC}
        resized = image.resize((width, height), filters[profile.interpolation])
        return np.asarray(resized.crop(part))
    left, top = (width - crop) // 2, (height - crop) // 2
    resize = {"bilinear": resize_bilinear, "bicubic": resize_bicubic}[profile.interpolation]
    return resize(np.asarray(image), width, height, (left, top, left + crop, top + crop))


def _resized_size(width: int, height: int, profile: Preprocess) -> tuple[int, int]:
    """Return (width, height) with the short side as the profile says and the other truncated."""
    short_px, short, long = profile.resize_px, min(width, height), max(width, height)
    if profile.library == "mindspore":
        # in single precision: one pixel less than exact for some sizes
        new_long = int(np.float32(np.float32(long) / np.float32(short)) * np.float32(short_px))
    else:
        new_long = int(short_px * long / short)
    return (short_px, new_long) if width <= height else (new_long, short_px)


def pillow_version() -> str:
    """Return the version of the library that decodes.

    Raises:
        TriportError: Pillow is not installed.
    """
    return str(_pil().__version__)


@cache
def _tables(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    values = np.arange(256, dtype=np.float32) / np.float32(255)
    return tuple((values - np.float32(m)) / np.float32(s) for m, s in zip(mean, std, strict=True))


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats that are decoded: some others Pillow hands to programs that a file could misuse."""
    _pil().init()
    return tuple(name for name in _FORMATS if name in _pil().OPEN)


@cache
def _pil() -> Any:
    """Return PIL's Image module.

    Raises:
        TriportError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise TriportError(
            f'Pillow cannot be loaded ({error}). Install it: pip install "triport[images]"'
        ) from error
    return Image
