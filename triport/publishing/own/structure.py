"""What the ONNX file of a network of one's own says of itself, and whether it is what the manifest says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from triport.converters.formats import short
from triport.converters.provenance import BUFFERS_KEY, VERSION_KEY, buffers_of
from triport.converters.published import MANIFEST, MODEL_FILE
from triport.publishing.graph_file import graph_problems


def signature_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return an ONNX file's inputs and outputs: name, dtype, and shape with names for free axes."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    stored = {tensor.name for tensor in model.graph.initializer}
    return {
        "inputs": [_value(one) for one in model.graph.input if one.name not in stored],
        "outputs": [_value(one) for one in model.graph.output],
    }


def _value(value: Any) -> dict[str, Any]:
    import onnx

    kind = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    return {
        "name": value.name,
        "dtype": str(dtype),
        "shape": [axis.dim_param or axis.dim_value or "?" for axis in kind.shape.dim],
    }


def signature_problems(folder: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the graph is broken, or not what the manifest says."""
    import onnx

    model = onnx.load(folder / MODEL_FILE, load_external_data=False)
    yield from graph_problems(MODEL_FILE, model)
    found = signature_of(folder / MODEL_FILE)
    for side in ("inputs", "outputs"):
        if found[side] != values[side]:
            yield (
                f"{MODEL_FILE}: its {side} are {short(str(found[side]), 300)}, {MANIFEST} says "
                f"{short(str(values[side]), 300)}"
            )
    opsets = [one.version for one in model.opset_import if one.domain in ("", "ai.onnx")]
    if opsets != [values["graph"]["opset"]]:
        yield f"{MODEL_FILE}: is of opset {opsets}, {MANIFEST} says {values['graph']['opset']}"
    for entry in model.metadata_props:
        if entry.key == BUFFERS_KEY:
            stored = {one.name for one in model.graph.initializer}
            if entry.value != json.dumps(sorted(buffers_of({entry.key: entry.value}) & stored)):
                yield f"{MODEL_FILE}: says that {short(entry.value)} are buffers, and has no such tensors"
        elif entry.key != VERSION_KEY:
            yield f"{MODEL_FILE}: its metadata has {short(entry.key)}, which triport does not write"
        elif entry.value != values["triport"]:
            yield f"{MODEL_FILE}: says that triport {short(entry.value)} wrote it"
