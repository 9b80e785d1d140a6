"""How two files say that their images are prepared, where they do not say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields

from triport.converters.formats import Checkpoint, short
from triport.converters.identification.fit import Fit
from triport.converters.provenance import ProvenanceError
from triport.converters.statements import statements_of
from triport.converters.statements.preparation import Preparation, preparation_of, stated_by
from triport.converters.statements.statement import entry_parts
from triport.reference_models.spec import Preprocess

_NUMBER = re.compile(r"[-+]?\d*\.?\d+(?:e[-+]?\d+)?")
_SIZE_PX = 224  # of networks that are not known, where a config.json does not say it
_WORDS = {"resize_px": "resizing to", "crop_px": "images of", "channels": "channels in the order"}

_OF_PIXELS = ("mean", "std")
_MOST_OF_ONE = 3  # what is more is said of pixels from 0 to 255, not from 0 to 1

# as numbers where there are any, and in words
_Said = tuple[tuple[float, ...] | str, str]


def stated_otherwise(left: Checkpoint, right: Checkpoint, fits: tuple[Fit, Fit] | None) -> Iterator[str]:
    """Yield what two files state of their images and do not state alike; what is assumed is not stated.

    Args:
        left: a file.
        right: another.
        fits: how both meet one model; None where they are of none.
    """
    first, second = fits if fits is not None else (None, None)
    mine, theirs = _prepared(left, first), _prepared(right, second)
    if mine is not None and theirs is not None:
        for one in fields(Preprocess):
            a, b = (getattr(side.preprocess, one.name) for side in (mine, theirs))
            if a != b:
                word = _WORDS.get(one.name, one.name)
                here, there = (f"{_shown(x)} in {one.path}" for x, one in ((a, left), (b, right)))
                yield f"{word} {here} ({mine.by}), {there} ({theirs.by})"
    compared = mine is not None and theirs is not None
    said = _words_of(left, None if compared else mine), _words_of(right, None if compared else theirs)
    for key in [key for key in said[0] if key in said[1]]:
        a, b = (one[key] for one in said)
        if not {value for value, _ in a} & {value for value, _ in b}:
            yield f"{key} {short(a[0][1], 60)} in {left.path}, {short(b[0][1], 60)} in {right.path}"


def _prepared(checkpoint: Checkpoint, fit: Fit | None) -> Preparation | None:
    """Return how images are prepared, if that is stated and can be read."""
    try:
        if fit is None:
            found = stated_by(checkpoint.metadata, checkpoint.path, _SIZE_PX)
        else:
            found = preparation_of(checkpoint, fit.spec, fit.dialect.name)
    except ProvenanceError:
        return None
    return found if found is not None and found.known == "stated" and found.preprocess is not None else None


def _words_of(checkpoint: Checkpoint, prepared: Preparation | None) -> dict[str, list[_Said]]:
    """Return what a file's own words say of images, by the word, for each place where it stands."""
    places: dict[tuple[str, str], list[str]] = {}
    for statement in statements_of(checkpoint):
        if statement.about == "preparation":
            parts = entry_parts(statement.where.rpartition(" ")[2])
            key = parts[-1].removeprefix("image_")
            places.setdefault((key, ".".join(parts)), []).append(str(statement.value))
    found: dict[str, list[_Said]] = {}
    for (key, _), texts in places.items():
        numbers = tuple(float(number) for text in texts for number in _NUMBER.findall(text.lower()))
        if key in _OF_PIXELS and max(numbers, default=0) > _MOST_OF_ONE:
            numbers = tuple(number / 255 for number in numbers)
        said = tuple(round(number, 4) for number in numbers) or texts[0].strip().lower()
        found.setdefault(key, []).append((said, ", ".join(texts)))
    if prepared is not None and not found.keys() & {*_OF_PIXELS}:
        for key in _OF_PIXELS:
            values = getattr(prepared.preprocess, key)
            found[key] = [(tuple(round(number, 4) for number in values), _shown(values))]
    return found


def _shown(value: object) -> str:
    return "/".join(f"{number:.4g}" for number in value) if isinstance(value, tuple) else str(value)
