"""What the values of the manifest of a network of one's own must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from triport.parity.reference import REFERENCES
from triport.publishing.manifest import NETWORK_SCHEMA
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
    one_of,
    record,
    table,
    text,
)

LONGEST_NAME = 200  # of an input or output
_RUNTIME = one_of("pytorch", "mindspore", "onnx")


def _axis(value: Any, place: str) -> Iterator[str]:
    """Follow the rule of an axis: a size, or the name of a free one."""
    yield from (line(1, 100) if isinstance(value, str) else integer(0, 2**40))(value, place)


_SIGNATURE = items(
    record(name=line(1, LONGEST_NAME), dtype=text(r"\w{1,20}"), shape=items(_axis, 0, 32)), 1, 1000
)
_OUTPUT = record(max_abs=ERROR, max_rel=ERROR, tolerance=ERROR)
RULE = record(
    digest=DIGEST,
    schema=one_of(NETWORK_SCHEMA),
    triport=VERSION,
    network=NAME,
    nets=items(record(net=LINE, runtime=_RUNTIME, file=FILE), 1, 2),
    license=LICENSE,
    date=DATE,
    source=record(
        file=FILE,
        format=LINE,
        size=COUNT,
        sha256=HASH,
        dropped=items(record(name=LINE, reason=LINE)),
    ),
    preprocessing=nullable(line(1)),
    inputs=_SIGNATURE,
    outputs=_SIGNATURE,
    graph=record(exporter=LINE, opset=integer(1, 100), proof=LINE, notes=items(LINE, 0, 1000)),
    not_stored=items(LINE),
    map=nullable(record(standing=LINE, source=FILE, target=FILE, into=one_of("a", "b"))),
    parity=record(
        reference=one_of(*REFERENCES),
        noise=table(LINE, ERROR),
        files=table(FILE, HASH),
        pairs=items(
            record(
                {"but_for": LINE},
                candidate=LINE,
                device=text(r"[\w:]{1,20}"),
                outputs=table(LINE, _OUTPUT),
                further=items(LINE, 0, 100),
                passed=one_of(True, False),
                versions=table(LINE, LINE),
            ),
            1,
            20,
        ),
        not_run=items(LINE, 0, 1000),
    ),
    versions=VERSIONS,
    names=items(
        record(
            name=LINE,
            role=one_of("parameter", "constant"),
            files=table(FILE, LINE),
            shape=items(integer(0, 2**40), 0, 32),
            dtype=text(r"\w{1,20}"),
            sha256=HASH,
        )
    ),
    files=FILES,
)
