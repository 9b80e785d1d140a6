"""In a file's metadata: what triport wrote there, and what others write."""

from __future__ import annotations

from collections.abc import Iterator

from triport.converters.formats import Checkpoint
from triport.converters.provenance import MODEL_KEY, NUM_CLASSES_KEY
from triport.converters.statements.arguments import is_preparation
from triport.converters.statements.statement import Statement, said_in


def read(checkpoint: Checkpoint) -> Iterator[Statement]:
    """Yield what the metadata of a .safetensors, .onnx or our own .pth and .ckpt says."""
    metadata = checkpoint.metadata
    if MODEL_KEY in metadata:
        yield Statement(f"metadata {MODEL_KEY}", "our model", metadata[MODEL_KEY])
    if metadata.get(NUM_CLASSES_KEY, "").isdecimal():
        yield Statement(f"metadata {NUM_CLASSES_KEY}", "classes", int(metadata[NUM_CLASSES_KEY]))
    others = {key: value for key, value in metadata.items() if not key.startswith("triport.")}
    yield from said_in(others, others, "metadata ")
    for key, value in others.items():
        if is_preparation(key.rpartition(".")[2].lower()):
            yield Statement(f"metadata {key}", "preparation", value)
