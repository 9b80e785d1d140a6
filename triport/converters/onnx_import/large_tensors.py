"""An ONNX file as a ModelProto without its large tensors' bytes, which are read once, by position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from triport.converters.formats.source import FormatError, SourceFile
from triport.converters.formats.tensor_protos import ONNX_TYPES
from triport.converters.formats.tensors import FileTensor
from triport.converters.formats.wire import LENGTH, Field, WireReader, varint

_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9  # field numbers of ModelProto, GraphProto and TensorProto
_LARGE = 1 << 16  # bytes; more elements than are read as sizes, whatever their dtype


def read_parts(path: Path) -> tuple[Any, dict[str, FileTensor]]:
    """Return the ModelProto of a file, and the initializers whose bytes it lacks, by name.

    Raises:
        OSError: the file cannot be read.
        google.protobuf.message.DecodeError: it is no ONNX file.
    """
    import onnx

    try:
        source = SourceFile(path)
        parts, places = _parts(source)
    except FormatError:  # it is odd: protobuf says whether it can be read
        return onnx.load_model(path, load_external_data=False), {}
    proto = onnx.ModelProto.FromString(b"".join(parts))
    tensors = {place: proto.graph.initializer[place] for place in places}
    are_told_apart = len({each.name for each in proto.graph.initializer}) == len(proto.graph.initializer)
    large = {}
    for place, tensor in tensors.items():
        raw, dtype = places[place], ONNX_TYPES.get(tensor.data_type)
        found = FileTensor(source, tuple(tensor.dims), dtype or "uint8", ((raw.value, raw.length),))
        is_whole = dtype is not None and min(tensor.dims, default=0) > 0 and found.nbytes == raw.length
        if is_whole and are_told_apart and tensor.data_location == onnx.TensorProto.DEFAULT:
            large[tensor.name] = found
        else:
            tensor.raw_data = source.read(raw.value, raw.length)
    source.check_unchanged()
    return proto, large


def put_back(proto: Any, large: dict[str, FileTensor]) -> None:
    """Give the initializers their bytes, and take them out of those that lack them."""
    for tensor in proto.graph.initializer:
        if tensor.name in large:
            tensor.raw_data = b"".join(large.pop(tensor.name).chunks())


def _parts(source: SourceFile) -> tuple[list[bytes], dict[int, Field]]:
    """Return the bytes of a model without those of large initializers, and where these are, by their numbers.

    Raises:
        FormatError: the file cannot be read so.
    """
    reader = WireReader(source)
    graphs = [field for field in reader.fields(0, source.size, "the model") if field.number == _GRAPH]
    if len(graphs) != 1 or graphs[0].wire != LENGTH:
        raise FormatError(f"{source.path}: has not one graph")
    (graph,) = graphs
    end, done, count = graph.value + graph.length, graph.value, 0
    parts: list[bytes] = []
    places: dict[int, Field] = {}
    for field in reader.fields(graph.value, end, "the graph"):
        if field.number != _INITIALIZER:
            continue
        if field.wire != LENGTH:
            raise FormatError(f"{source.path}: an initializer is none")
        raw = _raw_data(reader, field)
        if raw is not None:
            after = raw.value + raw.length
            kept = field.length - (after - raw.start)
            parts += [source.read(done, field.start - done), _key(_INITIALIZER, kept)]
            parts.append(source.read(field.value, raw.start - field.value))
            places[count], done = raw, after
        count += 1
    parts.append(source.read(done, end - done))
    head = source.read(0, graph.start) + _key(_GRAPH, sum(map(len, parts)))
    return [head, *parts, source.read(end, source.size - end)], places


def _raw_data(reader: WireReader, tensor: Field) -> Field | None:
    """Return the one field of a TensorProto that holds its bytes, None where they are few or stated oddly."""
    if tensor.length <= _LARGE:
        return None
    fields = reader.fields(tensor.value, tensor.value + tensor.length, "a tensor")
    found = [each for each in fields if each.number == _RAW_DATA]
    return found[0] if len(found) == 1 and found[0].wire == LENGTH and found[0].length > _LARGE else None


def _key(number: int, length: int) -> bytes:
    """Return what stands before a field of that many bytes."""
    return varint(number << 3 | LENGTH) + varint(length)
