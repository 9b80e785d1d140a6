"""What each library makes of an image file's bytes: most files give all three the same pixels, some do not.

PIL is `Image.open(file).convert("RGB")`, as torchvision and timm do it. "opencv" is `cv2.imread(file)` and
"mindspore" is `vision.Decode()`. These are not here: where they are known to give other pixels, these are
computed from Pillow's, and where that is not known to be exact, the file is refused. Asked were
opencv-python-headless 4.11 and MindSpore 2.10 (tests/opencv_facts.py, benchmarks/preprocessing.py):

- cv2.imread turns JPEG and PNG files as their EXIF orientation says; the others do not.
- 16-bit grey PNG files become white in Pillow, which clips; the others take the high byte.
- CMYK JPEG files: each library has a formula of its own. Adobe's hold inverted values: Pillow and OpenCV take
  every file for Adobe's, MindSpore only those that say so.
- OpenCV reads WebP; MindSpore does not. Neither takes a PNG file without its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .exif_opencv import orientation_of

if TYPE_CHECKING:
    from PIL import Image

_JPEG = ("JPEG", "MPO")
_FORMATS = {"opencv": (*_JPEG, "PNG", "WEBP"), "mindspore": (*_JPEG, "PNG")}
_PNG_END = b"IEND\xae\x42\x60\x82"
_NAMES = {"opencv": "cv2.imread", "mindspore": "MindSpore's Decode"}


class OtherPixelsError(ValueError):
    """A library is not known to give the pixels that could be computed here."""


def rgb_of(image: Image.Image, data: bytes, libraries: Iterable[str], pil: Any) -> dict[str, Image.Image]:
    """Return the RGB image that each library makes of a file that Pillow has opened.

    Args:
        image: the file as Pillow has opened it.
        data: the file's bytes.
        libraries: "pil", "opencv", "mindspore".
        pil: the module PIL.Image.

    Raises:
        OtherPixelsError: a library does not read the file, or is not known to give these pixels.
    """
    mode = image.mode
    # decoding happens here; a truncated file fails
    plain = image.convert("RGB")
    found = {}
    for library in libraries:
        if library == "pil":
            found[library] = plain
            continue
        _check_format(library, image.format, data)
        own = plain
        if mode.startswith("I;16"):
            own = _high_bytes(image, pil)
        elif mode == "CMYK":
            own = pil.fromarray(_from_cmyk(library, image))
        elif mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
            raise OtherPixelsError(
                f"what {_NAMES[library]} makes of {image.format} of mode {mode} is not known"
            )
        found[library] = _turned(image, own, pil) if library == "opencv" else own
    return found


def _check_format(library: str, found: str | None, data: bytes) -> None:
    if found not in _FORMATS[library]:
        raise OtherPixelsError(
            f"it is {found}, of which {_NAMES[library]} is not known to make the same as Pillow"
        )
    if found == "PNG" and _PNG_END not in data:
        raise OtherPixelsError(f"the PNG file is cut, and {_NAMES[library]} does not read it")


def _high_bytes(image: Image.Image, pil: Any) -> Image.Image:
    """Return 16-bit grey values as their high bytes."""
    return pil.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")


def _from_cmyk(library: str, image: Image.Image) -> np.ndarray:
    """Return (H, W, 3) uint8 of a CMYK file, whose values Pillow has inverted."""
    held = 255 - np.asarray(image).astype(np.int32)
    if library == "mindspore" and "adobe" not in image.info:
        held = 255 - held
    colours, key = held[:, :, :3], held[:, :, 3:]
    if library == "mindspore":
        return (colours * key // 255).astype(np.uint8)
    return (key - ((255 - colours) * key >> 8)).astype(np.uint8)


def _turned(image: Image.Image, own: Image.Image, pil: Any) -> Image.Image:
    """Return an image turned as OpenCV turns it."""
    step = {
        2: pil.Transpose.FLIP_LEFT_RIGHT,
        3: pil.Transpose.ROTATE_180,
        4: pil.Transpose.FLIP_TOP_BOTTOM,
        5: pil.Transpose.TRANSPOSE,
        6: pil.Transpose.ROTATE_270,
        7: pil.Transpose.TRANSVERSE,
        8: pil.Transpose.ROTATE_90,
    }.get(1 if image.format == "WEBP" else orientation_of(image))
    return own if step is None else own.transpose(step)
