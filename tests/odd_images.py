"""Image files of every kind that libraries read differently, or may: small, made from seeds."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageCms

HEIGHT, WIDTH = 20, 28
_ROWS, _COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH]
_PIXELS = np.stack(
    [_ROWS * 255 // (HEIGHT - 1), _COLUMNS * 255 // (WIDTH - 1), (_ROWS * 3 + _COLUMNS * 5) % 256], -1
).astype(np.uint8)
_ALPHA = (_COLUMNS * 255 // (WIDTH - 1)).astype(np.uint8)
_GREY16 = np.linspace(0, 65535, WIDTH).astype(np.uint16)[None].repeat(HEIGHT, 0)
_RGB = Image.fromarray(_PIXELS)
_RGBA = Image.fromarray(np.dstack([_PIXELS, _ALPHA]))


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def _turned(orientation: int, kind: str = "JPEG", **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return _saved(_RGB, kind, exif=exif, **options)


def _segment(order: str, kind: int, value: bytes, name: bytes = b"Exif\0\0") -> bytes:
    """Return an APP1 segment whose orientation has an unusual byte order, type or place."""
    entries = struct.pack(f"{order}HHHI", 1, 0x0112, kind, 1) + value.ljust(4, b"\0") + bytes(4)
    body = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, 8) + entries
    return b"\xff\xe1" + struct.pack(">H", len(name + body) + 2) + name + body


def _with_segments(*segments: bytes) -> bytes:
    """Return a JPEG file with segments after its JFIF header."""
    data = _saved(_RGB, "JPEG", quality=95)
    start = 4 + struct.unpack(">H", data[4:6])[0]
    return data[:start] + b"".join(segments) + data[start:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(pixels: np.ndarray, depth: int, colour: int, extra: bytes = b"") -> bytes:
    """Return a PNG file of rows as they are, with chunks of one's own."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    parts = [_chunk(b"IHDR", header), extra, _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _cmyk(transform: int | None) -> bytes:
    """Return a CMYK JPEG file: Adobe's CMYK (0), Adobe's YCCK (2), or of nobody (None)."""
    inks = np.dstack([_PIXELS, (_ROWS * 9 + _COLUMNS * 2) % 256]).astype(np.uint8)
    data = bytearray(_saved(Image.fromarray(inks, "CMYK"), "JPEG", quality=95))
    marker = data.index(b"\xff\xee")
    if transform is None:
        size = struct.unpack(">H", data[marker + 2 : marker + 4])[0]
        return bytes(data[:marker] + data[marker + 2 + size :])
    data[marker + 15] = transform
    return bytes(data)


_16 = _PIXELS.astype(">u2") * 257 + 31
_ALPHA16 = _ALPHA.astype(">u2") * 257
_PALETTE = _RGB.quantize(64)
_TWO = [_RGB.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
_GAMMA = _chunk(b"gAMA", struct.pack(">I", 100_000))
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

MAKERS: dict[str, Callable[[], bytes]] = {
    **{f"exif{n}.jpg": (lambda n=n: _turned(n, quality=95)) for n in range(1, 9)},  # type: ignore[misc]
    "exif_big_endian.jpg": lambda: _with_segments(_segment(">", 3, b"\0\6")),
    "exif_long.jpg": lambda: _with_segments(_segment("<", 4, b"\6")),
    "exif_big_endian_long.jpg": lambda: _with_segments(_segment(">", 4, b"\0\0\0\6")),
    "exif_byte.jpg": lambda: _with_segments(_segment("<", 1, b"\6")),
    "exif_after_xmp.jpg": lambda: _with_segments(
        _segment("<", 3, b"\1", b"http://ns.adobe.com/xap/1.0/\0"), _segment("<", 3, b"\6")
    ),
    "exif_of_no_orientation.jpg": lambda: _with_segments(_segment("<", 3, b"\x09")),
    "exif_cut.jpg": lambda: _with_segments(b"\xff\xe1\0\x14" + _segment("<", 3, b"\6")[4:22]),
    "exif6.png": lambda: _turned(6, "PNG"),
    "exif6.webp": lambda: _turned(6, "WEBP", lossless=True),
    "progressive.jpg": lambda: _saved(_RGB, "JPEG", progressive=True, quality=90),
    "not_subsampled.jpg": lambda: _saved(_RGB, "JPEG", subsampling=0, quality=90),
    "profile.jpg": lambda: _saved(_RGB, "JPEG", icc_profile=_SRGB),
    "grey.jpg": lambda: _saved(_RGB.convert("L"), "JPEG"),
    "cmyk.jpg": lambda: _cmyk(0),
    "ycck.jpg": lambda: _cmyk(2),
    "cmyk_of_nobody.jpg": lambda: _cmyk(None),
    "truncated.jpg": lambda: _saved(_RGB, "JPEG", quality=95)[:-200],
    "grey16.png": lambda: _saved(Image.fromarray(_GREY16), "PNG"),
    "grey16_alpha.png": lambda: _png(np.dstack([_GREY16, _ALPHA16]).astype(">u2"), 16, 4),
    "rgb16.png": lambda: _png(_16, 16, 2),
    "rgba16.png": lambda: _png(np.dstack([_16, _ALPHA16]).astype(">u2"), 16, 6),
    "grey.png": lambda: _saved(_RGB.convert("L"), "PNG"),
    "grey4.png": lambda: _png((_COLUMNS[:, ::2] * 9 % 256).astype(np.uint8), 4, 0),
    "grey_alpha.png": lambda: _saved(_RGBA.convert("LA"), "PNG"),
    "one_bit.png": lambda: _saved(_RGB.convert("1"), "PNG"),
    "rgba.png": lambda: _saved(_RGBA, "PNG"),
    "palette.png": lambda: _saved(_PALETTE, "PNG"),
    "palette_one_clear.png": lambda: _saved(_PALETTE, "PNG", transparency=3),
    "palette_alphas.png": lambda: _saved(_PALETTE, "PNG", transparency=bytes(range(0, 256, 4))),
    "palette4.png": lambda: _saved(_RGB.quantize(16), "PNG", bits=4),
    "rgb_one_clear.png": lambda: _saved(_RGB, "PNG", transparency=(0, 0, 0)),
    "gamma.png": lambda: _png(_PIXELS, 8, 2, _GAMMA),
    "animated.png": lambda: _saved(_RGB, "PNG", save_all=True, append_images=_TWO),
    "without_end.png": lambda: _saved(_RGB, "PNG")[:-12],
    "truncated.png": lambda: _saved(_RGB, "PNG")[:-120],
    "lossy.webp": lambda: _saved(_RGB, "WEBP", quality=80),
    "alpha.webp": lambda: _saved(_RGBA, "WEBP", quality=80),
    "animated.webp": lambda: _saved(_RGB, "WEBP", save_all=True, append_images=_TWO, lossless=True),
    "animated.gif": lambda: _saved(_PALETTE, "GIF", save_all=True, append_images=_TWO),
    "rgb.tif": lambda: _saved(_RGB, "TIFF"),
    "rgba.tif": lambda: _saved(_RGBA, "TIFF"),
    "float.tif": lambda: _saved(Image.fromarray((_GREY16 / 65535).astype(np.float32)), "TIFF"),
    "grey16.tif": lambda: _saved(Image.fromarray(_GREY16), "TIFF"),
    "rgb.bmp": lambda: _saved(_RGB, "BMP"),
}

# no library's pixels are promised of these: the opencv and the mindspore profile refuse them
REFUSED = {
    "opencv": {"truncated.jpg", "without_end.png", "truncated.png", "animated.gif", "rgb.bmp"}
    | {name for name in MAKERS if name.endswith(".tif")},
}
REFUSED["mindspore"] = REFUSED["opencv"] | {name for name in MAKERS if name.endswith(".webp")}
REFUSED["pil"] = {"truncated.jpg", "truncated.png"}
