"""An ONNX file's graph in the normal form: its nodes are read one by one, its weights not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.formats import Checkpoint, Tensor, short
from converters.formats.source import FormatError, SourceFile
from converters.formats.wire import LENGTH, Field, WireReader
from converters.graphs.constants import MAX_CONSTANT, Constant, constant_from
from converters.graphs.flow import IMAGES, Flow, Step
from converters.graphs.operators import Parameter, Reading, Unread, read_node

if TYPE_CHECKING:
    import onnx

_MAX_NODE_BYTES = 1 << 16
_GRAPH, _NODE, _INITIALIZER, _INPUT, _OUTPUT = 7, 1, 5, 11, 12


class GraphError(FormatError):
    """A graph that cannot be followed: what is read comes from nowhere, or a node is damaged."""


def flow_of_file(checkpoint: Checkpoint, names: Mapping[str, str], size_px: int) -> Flow:
    """Return the graph of an ONNX file.

    Args:
        checkpoint: the file.
        names: canonical parameter name -> the file's.
        size_px: of the images, where the file leaves it free: what pads like "same" depends on it.

    Raises:
        FormatError: the file is damaged.
    """
    source = SourceFile(checkpoint.path)
    reader = WireReader(source)
    parameters = {theirs: ours for ours, theirs in names.items()}
    reading = Reading({})
    graph = next(field for field in reader.fields(0, source.size, "the model") if field.number == _GRAPH)
    fields = list(reader.fields(graph.value, graph.value + graph.length, "the graph"))
    for name, tensor in checkpoint.tensors.items():
        if name in parameters:
            reading.values[name] = Parameter(parameters[name], tensor.shape)
        elif tensor.count <= MAX_CONSTANT:
            reading.values[name] = _constant(tensor)
    size = _add_images(reading, reader, fields, size_px)
    for node in _nodes(source, reader, fields):
        _read(reading, node, parameters, checkpoint)
    outputs = []
    for field in fields:
        if field.number == _OUTPUT and field.wire == LENGTH:
            name = _first_text(reader, field)
            value = reading.values.get(name)
            if isinstance(value, Step):
                outputs.append(value)
    if not outputs:
        raise GraphError(f"{checkpoint.path}: no output of its graph depends on the images: damaged")
    return Flow(tuple(outputs), size)


def _constant(tensor: Tensor) -> Constant | Unread:
    if tensor.dtype == "bfloat16" or tensor.dtype.startswith("float8"):
        return Unread("")
    return constant_from(tensor.numpy())


def _add_images(
    reading: Reading, reader: WireReader, fields: list[Field], size_px: int
) -> tuple[int | None, int | None]:
    """Make the graph's inputs known; the first that is no parameter is the images."""
    import onnx

    size: tuple[int | None, int | None] = (None, None)
    images = 0
    for field in fields:
        if field.number != _INPUT or field.wire != LENGTH:
            continue
        if field.length > _MAX_NODE_BYTES:
            raise GraphError(f"{reader.source.path}: an input's description has {field.length:,} bytes: damaged")
        value = onnx.ValueInfoProto.FromString(reader.read(field.value, field.length))
        if value.name in reading.values:
            continue
        dims = [dim.dim_value or None for dim in value.type.tensor_type.shape.dim]
        origin = "" if not images else short(value.name)
        step = Step(IMAGES if not images else f"input {images + 1}", origin=origin)
        if len(dims) == 4 and dims[1] != 3 and dims[3] == 3:  # NHWC, as TensorFlow has it
            step.shape = (None, dims[1] or size_px, dims[2] or size_px, 3)
            size = size if images else (dims[1], dims[2])
        else:
            height, width = dims[2:4] if len(dims) == 4 else (None, None)
            step.shape = (None, 3, height or size_px, width or size_px)
            size = size if images else (height, width)
        reading.values[value.name] = step
        images += 1
    return size


def _nodes(source: SourceFile, reader: WireReader, fields: list[Field]) -> Iterator[onnx.NodeProto]:
    """Yield the nodes; of one that holds a weight, only its kind and the names of its outputs."""
    import onnx
    from google.protobuf.message import DecodeError

    for field in fields:
        if field.number != _NODE or field.wire != LENGTH:
            continue
        if field.length <= _MAX_NODE_BYTES:
            try:
                yield onnx.NodeProto.FromString(reader.read(field.value, field.length))
            except DecodeError:
                raise GraphError(f"{source.path}: a node at byte {field.start:,} cannot be read: damaged") from None
            continue
        node = onnx.NodeProto(op_type="a node with data")
        for part in reader.fields(field.value, field.value + field.length, "a node"):
            if part.number in (2, 4) and part.wire == LENGTH:
                text = reader.text(part, "a node's name")
                node.output.append(text) if part.number == 2 else setattr(node, "op_type", text)
        yield node


def _read(
    reading: Reading, node: onnx.NodeProto, parameters: Mapping[str, str], checkpoint: Checkpoint
) -> None:
    if node.output and node.output[0] in parameters:  # a Constant, or what stands behind an Identity
        name = node.output[0]
        reading.values[name] = Parameter(parameters[name], checkpoint.tensors[name].shape)
        return
    unknown = [name for name in node.input if name and name not in reading.values]
    for name in unknown:
        reading.values[name] = Unread(short(name))
    read_node(reading, node, _attributes(node))


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    from onnx import helper, numpy_helper

    found: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.type == attribute.TENSOR:
            tensor = attribute.t
            count = int(np.prod(tensor.dims)) if tensor.dims else 1
            # what external data or a lying shape would cost is not worth a number
            if tensor.data_location or not 0 <= count <= MAX_CONSTANT:
                continue
            try:
                found[attribute.name] = numpy_helper.to_array(tensor)
            except (ValueError, TypeError):
                continue
        elif attribute.type in (attribute.GRAPH, attribute.GRAPHS):
            found[attribute.name] = "a graph"
        else:
            value = helper.get_attribute_value(attribute)
            found[attribute.name] = value.decode(errors="replace") if isinstance(value, bytes) else value
    return found


def _first_text(reader: WireReader, field: Field) -> str:
    for part in reader.fields(field.value, field.value + field.length, "a value"):
        if part.number == 1 and part.wire == LENGTH:
            return reader.text(part, "a value's name")
    return ""
