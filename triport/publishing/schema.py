"""What a manifest's values must be: types, ranges and keys, before anything believes them.

A rule is a function of a value and of its place, and yields what is wrong there; `MANIFEST_RULE` is of all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from triport.converters.formats.tensors import short
from triport.reference_models.spec import RUNTIMES

Rule = Callable[[Any, str], Iterator[str]]

_SHOWN = 60


def problems_of(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what of a manifest's values is not of the form that triport writes."""
    yield from MANIFEST_RULE(values, "")


def line(least: int = 0, most: int = 1000) -> Rule:
    """Return the rule of one line that can be printed."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, str) or not least <= len(value) <= most or not value.isprintable():
            yield _wrong(place, value, "one line of text")

    return check


def text(pattern: str) -> Rule:
    """Return the rule of a string that matches a pattern."""
    compiled = re.compile(pattern)

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            yield _wrong(place, value, "a text of the right form")

    return check


def number(low: float = -math.inf, high: float = math.inf) -> Rule:
    """Return the rule of a finite number in a range."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not _is_number(value) or not low <= value <= high:
            yield _wrong(
                place, value, "a number" if low == -math.inf else f"a number from {low:g} to {high:g}"
            )

    return check


def integer(low: int, high: int) -> Rule:
    """Return the rule of a whole number in a range."""

    def check(value: Any, place: str) -> Iterator[str]:
        if type(value) is not int or not low <= value <= high:
            yield _wrong(place, value, f"a whole number from {low} to {high}")

    return check


def one_of(*allowed: Any) -> Rule:
    """Return the rule of a value that is one of a few; True is not 1."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not any(type(value) is type(one) and value == one for one in allowed):
            yield _wrong(place, value, " or ".join(map(repr, allowed)))

    return check


def nullable(rule: Rule) -> Rule:
    """Return a rule that also allows null."""

    def check(value: Any, place: str) -> Iterator[str]:
        if value is not None:
            yield from rule(value, place)

    return check


def items(rule: Rule, least: int = 0, most: int = 10**6) -> Rule:
    """Return the rule of a list whose items follow a rule."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            many = (
                f"{least}" if least == most else f"{least} or more" if most == 10**6 else f"{least} to {most}"
            )
            yield _wrong(place, value, f"a list of {many}")
            return
        for index, item in enumerate(value):
            yield from rule(item, f"{place}[{index}]")

    return check


def record(**rules: Rule) -> Rule:
    """Return the rule of an object with just these keys."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield _wrong(place, value, "an object")
            return
        missing, others = sorted(rules.keys() - value.keys()), sorted(value.keys() - rules.keys())
        if missing:
            yield f"{_place(place)} lacks {', '.join(missing)}"
        if others:
            yield f"{_place(place)} has {', '.join(map(short, others[:10]))}, which triport does not write"
        for key, rule in rules.items():
            if key in value:
                yield from rule(value[key], f"{place}.{key}" if place else key)

    return check


def table(key: Rule, rule: Rule) -> Rule:
    """Return the rule of an object with keys of one kind and values of one kind."""

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield _wrong(place, value, "an object")
            return
        for name, item in value.items():
            yield from key(name, f"a key of {place}")
            yield from rule(item, f"{place}.{short(name)}")

    return check


def _figure(value: Any, place: str) -> Iterator[str]:
    """Follow the rule of an accuracy, which is published or measured."""
    kind = value.get("kind") if isinstance(value, dict) else None
    yield from (_MEASURED if kind == "measured" else _PUBLISHED)(value, place)


def _is_number(value: Any) -> bool:
    if type(value) is int:
        return abs(value) < 2**63
    return type(value) is float and math.isfinite(value)


def _wrong(place: str, value: Any, expected: str) -> str:
    try:
        shown = short(repr(value), _SHOWN) if isinstance(value, str | int | float | bool | None) else ""
    except ValueError:  # a number of more digits than Python prints
        shown = ""
    kinds = {dict: "an object", list: "a list", str: "a text", int: "a number of many digits"}
    return f"{_place(place)} is {shown or kinds.get(type(value), 'something else')}, expected {expected}"


def _place(place: str) -> str:
    return short(place, 200) or "the manifest"


_HASH = text(r"[0-9a-f]{64}")
_NAME = text(r"[\w.-]{1,100}")
_LINE = line()
_PERCENT = number(0, 100)
_SIZE_PX = integer(1, 10_000)
_COUNT = integer(0, 2**62)
_SHARE = number(0, 1)
_ERROR = number(0, 1e30)
_DATE = nullable(text(r"\d{4}(?:-\d{2}(?:-\d{2})?)?"))
_FILE = text(r"[\w.+-]{1,255}")
_DATASET = record(name=_LINE, type=text(r"[\w-]{1,100}"), split=nullable(one_of("validation")))
_PUBLISHED = record(
    kind=one_of("published"),
    metric=one_of("top-1 accuracy", "top-5 accuracy"),
    percent=_PERCENT,
    dataset=_DATASET,
    weights=_NAME,
    source=_LINE,
    context=_LINE,
    date=_DATE,
)
_MEASURED = record(
    kind=one_of("measured"),
    metric=one_of("top-1 accuracy", "top-5 accuracy"),
    percent=_PERCENT,
    interval_percent=nullable(items(_PERCENT, 2, 2)),
    dataset=_DATASET,
    images=integer(1, 2**40),
    runtime=one_of(*RUNTIMES),
    device=text(r"(?:cpu|cuda|npu)(?::\d{1,3})?"),
    sha256=_HASH,
    date=_DATE,
)
_SOURCE = record(
    file=_FILE,
    format=_LINE,
    runtime=one_of(*RUNTIMES),
    dialect=_NAME,
    size=_COUNT,
    sha256=_HASH,
    said_to_be=nullable(_NAME),
    proof=nullable(_LINE),
    not_proven=nullable(_LINE),
    dropped=items(record(name=_LINE, reason=_LINE)),
)
_PREPROCESS = record(
    resize_px=_SIZE_PX,
    crop_px=_SIZE_PX,
    interpolation=one_of("bilinear", "bicubic"),
    mean=items(number(-1e6, 1e6), 3, 3),
    std=items(number(1e-6, 1e6), 3, 3),
    library=one_of("pil", "mindspore", "opencv"),
    channels=one_of("rgb", "bgr"),
    stated_by=_LINE,
)
_PARITY = record(
    reference=one_of("pytorch-float64", "mindspore-float32"),
    weights=_LINE,
    input_shape=items(_SIZE_PX, 4, 4),
    inputs=_LINE,
    noise=nullable(_ERROR),
    largest_logit=number(1e-30, 1e30),
    files=table(_FILE, _HASH),
    pairs=items(
        record(
            candidate=_LINE,
            device=text(r"[\w:]{1,20}"),
            max_abs=_ERROR,
            max_rel=_ERROR,
            tolerance=_ERROR,
            top1_agreement=_SHARE,
            passed=one_of(True, False),
            versions=table(_LINE, _LINE),
        ),
        1,
        20,
    ),
    not_run=items(record(what=_LINE, why=_LINE), 0, 10),
)
_SAMPLE = record(
    pixels=record(
        dtype=one_of("uint8"), shape=items(_SIZE_PX, 3, 3), base64=text(r"[A-Za-z0-9+/]{4,40000000}={0,2}")
    ),
    logits=items(number(-1e30, 1e30), 1),
    reference=one_of("pytorch-float64", "mindspore-float32"),
    tolerance=_ERROR,
)
_TENSOR = record(
    canonical=_LINE,
    source=_LINE,
    files=table(_FILE, _LINE),
    shape=items(integer(0, 2**40), 0, 8),
    dtype=text(r"\w{1,20}"),
    sha256=_HASH,
)
MANIFEST_RULE = record(
    digest=text(r"sha256:[0-9a-f]{64}"),
    schema=integer(1, 1000),
    triport=text(r"[0-9A-Za-z.+-]{1,40}"),
    model=_NAME,
    family=_NAME,
    weights=nullable(_NAME),
    timm=nullable(_NAME),
    same_weights_as=items(record(model=_NAME, why=_LINE), 0, 100),
    num_classes=integer(1, 10**6),
    classes=items(line(1), 1),
    classes_stated_by=_LINE,
    license=text(r"[A-Za-z0-9.+-]{1,120}"),
    date=_DATE,
    source=_SOURCE,
    preprocess=_PREPROCESS,
    checks=record(
        inspection=one_of("no problem found"),
        round_trip=items(record(file=_FILE, tensors=_COUNT, result=one_of("bit-equal")), 1, 100),
        parity=one_of("equal"),
    ),
    parity=_PARITY,
    accuracy=items(_figure, 0, 100),
    sample=_SAMPLE,
    versions=table(text(r"\w{1,100}"), text(r"[\w.+-]{1,100}")),
    names=items(_TENSOR, 1),
    files=table(_FILE, record(size=_COUNT, sha256=_HASH, what=_LINE)),
)
