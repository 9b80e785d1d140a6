"""What the values of a registered model's manifest must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from triport.publishing.rules import (
    COUNT,
    DATE,
    DIGEST,
    ERROR,
    FILE,
    FILES,
    HASH,
    LICENSE,
    LINE,
    NAME,
    VERSION,
    VERSIONS,
    integer,
    items,
    line,
    nullable,
    number,
    one_of,
    record,
    table,
    text,
)
from triport.reference_models.spec import RUNTIMES


def _figure(value: Any, place: str) -> Iterator[str]:
    """Follow the rule of an accuracy, which is published or measured."""
    kind = value.get("kind") if isinstance(value, dict) else None
    yield from (_MEASURED if kind == "measured" else _PUBLISHED)(value, place)


_PERCENT = number(0, 100)
_SIZE_PX = integer(1, 10_000)
_SHARE = number(0, 1)
_DATASET = record(name=LINE, type=text(r"[\w-]{1,100}"), split=nullable(one_of("validation")))
_PUBLISHED = record(
    kind=one_of("published"),
    metric=one_of("top-1 accuracy", "top-5 accuracy"),
    percent=_PERCENT,
    dataset=_DATASET,
    weights=NAME,
    source=LINE,
    context=LINE,
    date=DATE,
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
    sha256=HASH,
    date=DATE,
)
_SOURCE = record(
    file=FILE,
    format=LINE,
    runtime=one_of(*RUNTIMES),
    dialect=NAME,
    size=COUNT,
    sha256=HASH,
    said_to_be=nullable(NAME),
    proof=nullable(LINE),
    not_proven=nullable(LINE),
    dropped=items(record(name=LINE, reason=LINE)),
)
_PREPROCESS = record(
    resize_px=_SIZE_PX,
    crop_px=_SIZE_PX,
    interpolation=one_of("bilinear", "bicubic"),
    mean=items(number(-1e6, 1e6), 3, 3),
    std=items(number(1e-6, 1e6), 3, 3),
    library=one_of("pil", "mindspore", "opencv"),
    channels=one_of("rgb", "bgr"),
    stated_by=LINE,
)
_PARITY = record(
    reference=one_of("pytorch-float64", "mindspore-float32"),
    weights=LINE,
    input_shape=items(_SIZE_PX, 4, 4),
    inputs=LINE,
    noise=nullable(ERROR),
    largest_logit=number(1e-30, 1e30),
    files=table(FILE, HASH),
    pairs=items(
        record(
            {"but_for": record(functions=items(LINE, 1, 20), how=LINE, off=LINE)},
            candidate=LINE,
            device=text(r"[\w:]{1,20}"),
            max_abs=ERROR,
            max_rel=ERROR,
            tolerance=ERROR,
            top1_agreement=_SHARE,
            passed=one_of(True, False),
            versions=table(LINE, LINE),
        ),
        1,
        20,
    ),
    not_run=items(record(what=LINE, why=LINE), 0, 10),
)
_SAMPLE = record(
    pixels=record(
        dtype=one_of("uint8"), shape=items(_SIZE_PX, 3, 3), base64=text(r"[A-Za-z0-9+/]{4,40000000}={0,2}")
    ),
    logits=items(number(-1e30, 1e30), 1),
    reference=one_of("pytorch-float64", "mindspore-float32"),
    tolerance=ERROR,
)
_TENSOR = record(
    canonical=LINE,
    source=LINE,
    files=table(FILE, LINE),
    shape=items(integer(0, 2**40), 0, 8),
    dtype=text(r"\w{1,20}"),
    sha256=HASH,
)
RULE = record(
    digest=DIGEST,
    schema=integer(1, 1000),
    triport=VERSION,
    model=NAME,
    family=NAME,
    weights=nullable(NAME),
    timm=nullable(NAME),
    same_weights_as=items(record(model=NAME, why=LINE), 0, 100),
    num_classes=integer(1, 10**6),
    classes=items(line(1), 1),
    classes_stated_by=LINE,
    license=LICENSE,
    date=DATE,
    source=_SOURCE,
    preprocess=_PREPROCESS,
    checks=record(
        inspection=one_of("no problem found"),
        round_trip=items(record(file=FILE, tensors=COUNT, result=one_of("bit-equal")), 1, 100),
        parity=one_of("equal"),
    ),
    parity=_PARITY,
    accuracy=items(_figure, 0, 100),
    sample=_SAMPLE,
    versions=VERSIONS,
    names=items(_TENSOR, 1),
    files=FILES,
)
