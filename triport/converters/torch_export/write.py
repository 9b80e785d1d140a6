"""An exported graph as an ONNX file: the parameters' bytes put in, checked, and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from triport.converters.mindir.write_onnx import WriteError, name_data
from triport.converters.onnx_export.written_model import IR_VERSIONS
from triport.converters.provenance import BUFFERS_KEY, VERSION_KEY
from triport.converters.versions.torch_onnx import held
from triport.reference_models.errors import counted, listed
from triport.version import __version__

from .exporters import Exported

EXTERNAL_DATA_BYTES = 1 << 31  # what a protobuf message may hold
EXTERNAL_FROM_BYTES = 1024  # smaller tensors stay in the graph, where shape inference reads them


def needs_data_file(exported: Exported, values: Mapping[str, Any]) -> bool:
    """Return whether the parameters are too large for one ONNX file."""
    names = exported.model.graph.initializers.keys() & values.keys()
    size = sum(values[name].numel() * values[name].element_size() for name in names)
    return size + (16 << 20) >= EXTERNAL_DATA_BYTES


def write(exported: Exported, values: Mapping[str, Any], path: Path, data: Path | None = None) -> None:
    """Write the graph with these values of the state dict; into `data`, beside it, where that is given."""
    graph = exported.model.graph
    for name, value in graph.initializers.items():
        if name in values:
            value.const_value = held(values[name].contiguous(), name)
    if data is None:
        path.write_bytes(ir.to_proto(exported.model).SerializeToString(deterministic=True))
        return
    ir.save(
        exported.model,
        path,
        format="protobuf",
        external_data=data.name,
        size_threshold_bytes=EXTERNAL_FROM_BYTES,
    )


def declare(
    exported: Exported,
    input_shapes: Sequence[Sequence[int | str]],
    output_shapes: Sequence[Sequence[int | str]],
    buffers: Sequence[str],
) -> None:
    """Let the graph state its free axes and buffers, and nothing that an exporter only noted for itself."""
    model = exported.model
    values = (*model.graph.inputs, *model.graph.outputs)
    for value, shape in zip(values, (*input_shapes, *output_shapes), strict=True):
        value.shape = ir.Shape(shape)
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
        for result in node.outputs:
            result.metadata_props.clear()
            if not result.is_graph_output():
                result.shape, result.type = None, None
    for value in (*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
        value.doc_string = None
    model.graph.metadata_props.clear()
    model.graph.doc_string = None
    model.doc_string = None
    model.metadata_props.clear()
    model.metadata_props[VERSION_KEY] = __version__
    if buffers:
        model.metadata_props[BUFFERS_KEY] = json.dumps(sorted(buffers))
    model.producer_name, model.producer_version = "triport", __version__
    model.ir_version = IR_VERSIONS.get(exported.opset, model.ir_version)


def finish(path: Path, data: Path | None, data_name: str | None, values: Mapping[str, Any]) -> None:
    """Check a written file in full, compare its parameters byte by byte, and name its data file.

    Raises:
        WriteError: they do not read back as they were written.
    """
    onnx.checker.check_model(str(path), full_check=True)
    read = ir.load(path).graph.initializers
    wrong = [
        name
        for name, value in read.items()
        if name in values and value.const_value is not None and not _is_equal(value.const_value, values[name])
    ]
    if wrong:
        raise WriteError(
            f"{counted(len(wrong), 'tensor does', 'tensors do')} not read back as they were "
            f"written\n{listed(wrong)}"
        )
    if data is not None and data_name is not None:
        model = onnx.load(path, load_external_data=False)
        external = [one for one in model.graph.initializer if one.external_data]
        inside = [one for one in model.graph.initializer if not one.external_data]
        del model.graph.initializer[:]
        model.graph.initializer.extend(external)
        name_data(model, path, data_name)
        model.graph.initializer.extend(inside)
        path.write_bytes(model.SerializeToString(deterministic=True))


def _is_equal(tensor: Any, value: Any) -> bool:
    expected = held(value.contiguous())
    return tuple(tensor.shape) == tuple(value.shape) and tensor.tobytes() == expected.tobytes()
