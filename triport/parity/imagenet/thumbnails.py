"""Small pictures for pages, within the page itself."""

from __future__ import annotations

import base64
import io

from .dataset import Sample
from .decoding import read_sample
from .preprocess import decode

_SIDE_PX = 96


def thumbnail(sample: Sample) -> str:
    """Return a sample's image as an address that has it within."""
    image = decode(read_sample(sample), sample)
    image.thumbnail((_SIDE_PX, _SIDE_PX))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
