"""Whether images are prepared alike for both files, and which class each output is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from triport.converters.names import head_weight
from triport.converters.statements.config_file import labels_beside
from triport.converters.statements.preparation import Preparation, preparation_of
from triport.reference_models.errors import counted
from triport.reference_models.spec import Preprocess

from .finding import Finding
from .sides import Sides
from .weights import ChangedTensor, sentence_of

# how the fields of a preprocessing are called where a user gives them
_WORDS = {"resize_px": "resize", "crop_px": "crop"}


def preparations(sides: Sides) -> tuple[Preparation, Preparation]:
    """Return how images are prepared for each of the files, as it states or as is assumed."""
    first, second = (
        preparation_of(checkpoint, fit.spec, fit.dialect.name)
        for checkpoint, fit in zip((sides.tensors.left, sides.tensors.right), sides.fits, strict=True)
    )
    return first, second


def preparation_finding(sides: Sides) -> Finding:
    """Say in which respects images are prepared otherwise."""
    both = preparations(sides)
    first, second = both
    assumed = [f"{name}: {one}" for name, one in zip(sides.names, both, strict=True) if one.known != "stated"]
    if first.preprocess is None or second.preprocess is None:
        return Finding("preprocessing", None, f"the preprocessing is not known ({'; '.join(assumed)})")
    mine, theirs = _worded(first.preprocess), _worded(second.preprocess)
    differing = [f"{key} {mine[key]} and {theirs[key]}" for key in mine if mine[key] != theirs[key]]
    known = f" ({'; '.join(assumed)})" if assumed else ""
    if differing:
        plain = [name for name, one in zip(sides.names, both, strict=True) if _is_plain(one.preprocess)]
        forgotten = f"; for {plain[0]} pixels are not normalised" if len(plain) == 1 else ""
        sentence = f"images are prepared otherwise: {', '.join(differing)}{forgotten}{known}"
        return Finding("preprocessing", False, sentence, tuple(differing))
    return Finding("preprocessing", True, f"images are prepared in one way: {first.preprocess}{known}")


def _is_plain(preprocess: Preprocess | None) -> bool:
    """Whether pixels are not normalised: a mean and a deviation that change nothing, or were forgotten."""
    return preprocess is not None and set(preprocess.mean) == {0} and set(preprocess.std) == {1}


def profile(preprocess: Preprocess) -> str:
    """Return a preprocessing in the words of --profile."""
    return ",".join(f"{key}={value}" for key, value in _worded(preprocess).items())


def classes_finding(sides: Sides, changed: list[ChangedTensor]) -> Finding:
    """Say whether output i is one class in both files: by the last layer's rows, and the names beside it."""
    names = [labels_beside(one.path) for one in (sides.tensors.left, sides.tensors.right)]
    moved = [one for one in changed if one.aspect == "classes"]
    if moved:
        sentence = sentence_of(moved, len(sides.tensors.mine), len(changed))
        return Finding("classes", False, sentence, tuple(map(str, moved)))
    if all(names) and names[0] != names[1]:
        places = [place for place, pair in enumerate(zip(*names, strict=False)) if pair[0] != pair[1]]
        first = places[0] if places else min(map(len, names))
        sentence = f"the lists of class names beside the files differ, first at output {first}"
        return Finding("classes", False, sentence, figures={"differing": len(places)})
    count = sides.fits[0].num_classes
    weight = head_weight(sides.fits[0].spec)
    if any(one.difference.name == weight and one.aspect != "precision" for one in changed):
        sentence = f"which class each of {count} outputs is cannot be told: the last layer has other weights"
        return Finding("classes", None, sentence)
    known = "their names, where both files have any, too" if all(names) else "no list of names beside both"
    return Finding("classes", True, f"the last layer has its {counted(count, 'row')} in one order; {known}")


def _worded(preprocess: Preprocess) -> dict[str, str]:
    return {_WORDS.get(key, key): _value(value) for key, value in asdict(preprocess).items()}


def _value(value: Any) -> str:
    return "/".join(f"{one:.6g}" for one in value) if isinstance(value, tuple | list) else str(value)
