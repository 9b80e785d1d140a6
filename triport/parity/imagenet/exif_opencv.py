"""How OpenCV 4.11 finds out how an image is turned: the first APP1 segment of a JPEG file, a PNG file's eXIf.

It does not ask whether the segment is called Exif, nor for the type of the value: two bytes are read where
a short lies. Anything that cannot be read leaves the image as it is.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_TAG = 0x0112
_PREFIX = b"Exif\0\0"
_ENTRY_BYTES = 12
# texts whose places are read on the way; one outside the data ends the reading
_TEXTS = (0x010E, 0x010F, 0x0110)


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, of a file that Pillow has loaded; 1 where there is none."""
    found = _orientation_in(_tiff_of(image))
    return found if 1 <= found <= 8 else 1


def _tiff_of(image: Image.Image) -> bytes:
    if image.format == "PNG":
        return bytes(image.info.get("exif", b"")).removeprefix(_PREFIX)
    segments = getattr(image, "applist", [])
    first = next((data for name, data in segments if name == "APP1"), b"")
    return bytes(first[len(_PREFIX) :])


def _orientation_in(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None or struct.unpack_from(f"{order}H", tiff, 2)[0] != 42:
            return 1
        at = struct.unpack_from(f"{order}I", tiff, 4)[0]
        count = struct.unpack_from(f"{order}H", tiff, at)[0]
        for place in range(at + 2, at + 2 + count * _ENTRY_BYTES, _ENTRY_BYTES):
            tag, _, size, offset = struct.unpack_from(f"{order}HHII", tiff, place)
            if tag == _TAG:
                return int(struct.unpack_from(f"{order}H", tiff, place + 8)[0])
            if tag in _TEXTS and size > 4 and offset + size > len(tiff):
                return 1
    except struct.error:
        pass
    return 1
