"""In a file's metadata: what triport wrote there, and what others write."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triport.converters.formats import Checkpoint
from triport.converters.provenance import MODEL_KEY, NUM_CLASSES_KEY
from triport.converters.statements.arguments import is_preparation
from triport.converters.statements.statement import Statement, said_in

# of claims that the stored numbers are not the weights' own values
_OF_VALUES = frozenset(
    (
        *("quantization", "quantisation", "quantized", "quant", "scale", "scales", "zeropoint", "byteorder"),
        *("endian", "endianness", "byte", "compression", "compressed", "encoding", "delta", "diff"),
    )
)


def read(checkpoint: Checkpoint) -> Iterator[Statement]:
    """Yield what the metadata of a .safetensors, .onnx or our own .pth and .ckpt says."""
    metadata = checkpoint.metadata
    if MODEL_KEY in metadata:
        yield Statement(f"metadata {MODEL_KEY}", "our model", metadata[MODEL_KEY])
    if NUM_CLASSES_KEY in metadata:
        count = metadata[NUM_CLASSES_KEY]
        yield Statement(
            f"metadata {NUM_CLASSES_KEY}",
            "classes",
            int(count) if re.fullmatch("[0-9]{1,9}", count) else count,
        )
    others = {key: value for key, value in metadata.items() if not key.startswith("triport.")}
    yield from said_in(others, others, "metadata ")
    for key, value in others.items():
        word = key.rpartition(".")[2].lower()
        if is_preparation(word):
            yield Statement(f"metadata {key}", "preparation", value)
        elif not _OF_VALUES.isdisjoint(re.split(r"[^a-z]+", word)):
            yield Statement(f"metadata {key}", "unknown", value)
