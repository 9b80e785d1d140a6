"""Write an ONNX file from a graph without weights and tensors that are read piece by piece.

A file over protobuf's limit of 2 GiB has its weights in a second file beside it, as every runtime reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from triport.converters.formats import Tensor, open_checkpoint, replacing, same_payload
from triport.converters.formats.wire import LENGTH, varint
from triport.reference_models.errors import TriportError, counted, listed

from .written_model import take_declared

if TYPE_CHECKING:
    import onnx

# protobuf refuses messages from 2 GiB on; what is not weights is small
MAX_MESSAGE_BYTES = (1 << 31) - (1 << 24)
# as ONNX Runtime maps external data best
ALIGNMENT = 4096
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9  # field numbers of ModelProto, GraphProto and TensorProto


class OnnxWriteError(TriportError):
    """A file does not read back as it was written."""


def write_model(
    path: Path, model: onnx.ModelProto, tensors: Mapping[str, Tensor], *, limit: int = MAX_MESSAGE_BYTES
) -> None:
    """Write a graph and its weights, and compare what was written bit for bit.

    Nothing is kept in memory but the graph and a piece of a tensor, and no file is left where anything fails.

    Args:
        path: the file; over the limit its weights are in `path` with ".data" behind its name.
        model: a checked graph whose parameters are inputs; they are taken out of them.
        tensors: each parameter by its name.
        limit: bytes of weights up to which one file holds all.

    Raises:
        OnnxWriteError: a tensor does not read back as it was written.
    """
    declared = take_declared(model)
    outside = sum(tensor.nbytes for tensor in tensors.values()) > limit
    data = path.with_name(f"{path.name}.data")
    if outside and data.exists() and not _is_data_of(data, path):
        raise OnnxWriteError(
            f"{data}: is there already, and the weights of {path.name} go there. Move it away"
        )
    with replacing(path) as temporary, replacing(data) if outside else nullcontext() as beside:
        if beside is not None:
            _write_beside(beside, declared, tensors)
        _write_message(temporary, model, declared, {} if outside else tensors)
        _check_written(temporary, tensors)
        if beside is not None:
            for one in declared:
                one.external_data[0].value = data.name
            _write_message(temporary, model, declared, {})
            _check_declared(temporary, declared)


def _write_beside(path: Path, declared: list[onnx.TensorProto], tensors: Mapping[str, Tensor]) -> None:
    """Write the weights into a file of their own, and into their declarations where they are."""
    import onnx

    with path.open("wb") as file:
        for one in declared:
            file.write(bytes(-file.tell() % ALIGNMENT))
            one.data_location = onnx.TensorProto.EXTERNAL
            length = tensors[one.name].nbytes
            for key, value in (("location", path.name), ("offset", file.tell()), ("length", length)):
                entry = one.external_data.add()
                entry.key, entry.value = key, str(value)
            file.writelines(tensors[one.name].chunks())


def _write_message(
    path: Path, model: onnx.ModelProto, declared: list[onnx.TensorProto], tensors: Mapping[str, Tensor]
) -> None:
    """Write the message as protobuf does, field after field, with each tensor's bytes in its place."""
    before, after = _around(model, _GRAPH)
    nodes, rest = _around(model.graph, _INITIALIZER)
    lengths = [_length(one, tensors) for one in declared]
    constants = [one.SerializeToString(deterministic=True) for one in model.graph.initializer]
    framed = [*lengths, *map(len, constants)]
    size = len(nodes) + sum(len(_head(_INITIALIZER, length)) + length for length in framed) + len(rest)
    with path.open("wb") as file:
        file.write(before + _head(_GRAPH, size) + nodes)
        for length, one in zip(lengths, declared, strict=True):
            file.write(_head(_INITIALIZER, length) + one.SerializeToString(deterministic=True))
            if one.name in tensors:
                file.write(_head(_RAW_DATA, tensors[one.name].nbytes))
                file.writelines(tensors[one.name].chunks())
        file.writelines(_head(_INITIALIZER, len(constant)) + constant for constant in constants)
        file.write(rest + after)


def _length(one: onnx.TensorProto, tensors: Mapping[str, Tensor]) -> int:
    """Return how many bytes an initializer takes with its values."""
    payload = tensors[one.name].nbytes if one.name in tensors else None
    return int(one.ByteSize()) + (0 if payload is None else len(_head(_RAW_DATA, payload)) + payload)


def _head(number: int, length: int) -> bytes:
    """Return what stands before the bytes of a field."""
    return varint(number << 3 | LENGTH) + varint(length)


def _around(message: onnx.ModelProto | onnx.GraphProto, number: int) -> tuple[bytes, bytes]:
    """Return a message's fields before the one with that number, and those after it, as bytes."""
    before, after = type(message)(), type(message)()
    before.CopyFrom(message)
    after.CopyFrom(message)
    for field, _ in message.ListFields():
        for part, belongs in ((before, field.number < number), (after, field.number > number)):
            if not belongs:
                part.ClearField(field.name)
    return before.SerializeToString(deterministic=True), after.SerializeToString(deterministic=True)


def _is_data_of(data: Path, path: Path) -> bool:
    """Whether a file has the weights of the ONNX file that is replaced."""
    try:
        return data.resolve() in {Path(one).resolve() for one in open_checkpoint(path).files}
    except (TriportError, OSError):
        return False


def _check_declared(path: Path, declared: list[onnx.TensorProto]) -> None:
    """Read the file again and compare where it says that each parameter lies."""
    import onnx

    written = {one.name: one for one in onnx.load(path, load_external_data=False).graph.initializer}
    wrong = [one.name for one in declared if written.get(one.name) != one]
    if wrong:
        raise OnnxWriteError(
            f"{counted(len(wrong), 'tensor is', 'tensors are')} not where the file says:\n{listed(wrong)}"
        )


def _check_written(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Read the file again and compare every parameter's bytes."""
    written = open_checkpoint(path).tensors
    wrong = [
        name for name in tensors if name not in written or not same_payload(written[name], tensors[name])
    ]
    if wrong:
        raise OnnxWriteError(
            f"{counted(len(wrong), 'tensor does', 'tensors do')} not read back as they were "
            f"written:\n{listed(wrong)}"
        )
