"""The page of a pair: figures, and the images whose best class differs, with thumbnails."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from triport.parity.pages import render

from .dataset import Sample, printable
from .decoding import read_sample
from .evaluate import Evaluation
from .pair import PairTally
from .preprocess import decode
from .report import pair_verdict, short_name

_SHOWN = 200
_THUMBNAIL_PX = 96


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its letter, what it was called on the command line, and its accuracy."""

    letter: str
    name: str
    evaluation: Evaluation


def pair_page(a: Side, b: Side, pair: PairTally) -> str:
    """Return the page as HTML that fetches nothing; the first 200 flips have thumbnails."""
    names = pair.dataset.class_names
    flips = []
    for flip in pair.flips[:_SHOWN]:
        sample = pair.dataset.samples[flip.position]
        flips.append(
            {
                "thumbnail": _thumbnail(sample),
                "image": printable(sample.name),
                "label": short_name(names[flip.label]),
                "a": short_name(names[flip.a]),
                "b": short_name(names[flip.b]),
                "a_right": flip.a == flip.label,
                "b_right": flip.b == flip.label,
            }
        )
    return render("pair.html", a=a, b=b, pair=pair, flips=flips, verdict=pair_verdict(pair))


def _thumbnail(sample: Sample) -> str:
    image = decode(read_sample(sample), sample)
    image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
