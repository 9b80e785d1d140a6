"""What is fuzzed: one function per reader, which takes the bytes of a file and raises if a promise is broken.

The promises: an input is read or refused with a TriportError of printable text; within a second of CPU time
and 64 MiB of memory; a tensor has the bytes that its shape and dtype say; and where the format's own
library accepts the same file, it finds the same values. Nothing here needs a fuzzer: the tests call
these functions with seeds and old findings.
"""

from __future__ import annotations

import functools
import io
import resource
import struct
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from triport.converters.formats import Checkpoint, open_checkpoint
from triport.converters.formats.source import CHUNK_BYTES
from triport.reference_models.errors import TriportError

MAX_SECONDS = 1.0
MAX_EXTRA_KIB = 64 * 1024
STORAGE = bytes(range(64))

T = TypeVar("T")
Values = Mapping[str, tuple[tuple[int, ...], bytes]]


class BrokenPromiseError(AssertionError):
    """A reader did what it must not do."""


@functools.cache
def _folder() -> Path:
    """Return a folder in memory where there is one, with a data file for ONNX models."""
    shared = Path("/dev/shm")
    holder = tempfile.TemporaryDirectory(prefix="triport-fuzz-", dir=shared if shared.is_dir() else None)
    _folder.holder = holder  # type: ignore[attr-defined]  # removed when the process ends
    folder = Path(holder.name)
    (folder / "data.bin").write_bytes(STORAGE)
    return folder


def _read(data: bytes, only: str) -> Values | None:
    """Open a file with this content and read every tensor; None where it is refused.

    Raises:
        BrokenPromiseError: time, memory or sizes are out of bounds.
        Exception: any other error of a reader is a finding.
    """
    return _within_bounds(data, lambda path: _values(open_checkpoint(path), only))


def _within_bounds(data: bytes, action: Callable[[Path], T]) -> T | None:
    """Do something with a file of this content; None where it is refused.

    Raises:
        BrokenPromiseError: time, memory or the message are out of bounds.
        Exception: any other error is a finding.
    """
    path = _folder() / "x"
    path.write_bytes(data)
    start, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        return action(path)
    except TriportError as error:
        message = str(error)
        printable = all(character.isprintable() or character == "\n" for character in message)
        if len(message) > 3000 or str(path) not in message or not printable:
            raise BrokenPromiseError(
                f"an error that does not name the file, is far too long, or not printable: {message!r}"
            ) from error
        return None
    finally:
        seconds = time.process_time() - start
        extra = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
        if seconds > MAX_SECONDS or extra > MAX_EXTRA_KIB:
            raise BrokenPromiseError(f"took {seconds:.1f} s and {extra / 1024:.0f} MiB for {len(data)} bytes")


def _values(checkpoint: Checkpoint, only: str) -> Values | None:
    values = {}
    for name, tensor in checkpoint.tensors.items():
        pieces = list(tensor.chunks())
        found = b"".join(pieces)
        if len(found) != tensor.nbytes or any(len(piece) > CHUNK_BYTES for piece in pieces):
            raise BrokenPromiseError(f"{name!r} {tensor}: {len(found)} bytes, expected {tensor.nbytes}")
        values[name] = tensor.shape, found
    return values if checkpoint.format == only and not checkpoint.dropped else None


def _compare(ours: Values, theirs: Values) -> None:
    """Raise unless the format's own library found the same tensors."""
    if ours != theirs:
        wrong = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
        raise BrokenPromiseError(
            f"{wrong[0]!r}: {ours.get(wrong[0])}, the library reads {theirs.get(wrong[0])}"
        )


def ckpt(data: bytes) -> None:
    """MindSpore's .ckpt, against protobuf with MindSpore's schema."""
    ours = _read(data, "ckpt")
    if ours is None or b"crc_num" in data:
        return
    message = _checkpoint_message()()
    message.ParseFromString(data)  # what we accept, protobuf must accept
    theirs: dict[str, tuple[tuple[int, ...], bytes]] = {}
    for value in message.value:
        dims = tuple(value.tensor.dims)
        before = theirs.get(value.tag, (dims, b""))[1]
        theirs[value.tag] = dims, before + value.tensor.tensor_content
    # an old scalar is written [0]
    theirs = {
        name: ((), raw) if dims == (0,) and raw else (dims, raw) for name, (dims, raw) in theirs.items()
    }
    if not any("." in name for name in theirs):  # others may be training state
        _compare({name: value for name, value in ours.items() if name in theirs}, theirs)


@functools.cache
def _checkpoint_message() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    messages = {
        "Tensor": (("dims", 3, 3, ""), ("tensor_type", 2, 9, ""), ("tensor_content", 2, 12, "")),
        "Value": (("tag", 2, 9, ""), ("tensor", 1, 11, ".fuzz.Tensor")),
        "Checkpoint": (("value", 3, 11, ".fuzz.Value"),),
    }
    file = descriptor_pb2.FileDescriptorProto(name="fuzz.proto", package="fuzz", syntax="proto2")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, (title, label, kind, type_name) in enumerate(fields, 1):
            entry = message.field.add(name=title, number=number, type=kind, label=label)
            if type_name:
                entry.type_name = type_name
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("fuzz.Checkpoint"))


def safetensors(data: bytes) -> None:
    """Safetensors, against the library."""
    ours = _read(data, "safetensors")
    if ours is None:
        return
    import safetensors

    try:
        theirs = {
            name: (tuple(entry["shape"]), bytes(entry["data"]))
            for name, entry in safetensors.deserialize(data)
        }
    except safetensors.SafetensorError:
        return  # stricter than we are: that is no wrong tensor
    if not any("." in name for name in theirs):
        _compare({name: value for name, value in ours.items() if name in theirs}, theirs)


def onnx(data: bytes) -> None:
    """ONNX, against onnx: initializers inline and in a data file."""
    ours = _read(data, "onnx")
    if ours is None:
        return
    import onnx as library
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper

    try:
        model = library.load_model_from_string(data)
    except DecodeError:
        return  # a field that weights do not need is damaged
    for tensor in model.graph.initializer:
        if tensor.data_location == tensor.EXTERNAL or tensor.name not in ours:
            continue
        try:
            array = numpy_helper.to_array(tensor)
        except (ValueError, TypeError):
            continue
        _compare({tensor.name: ours[tensor.name]}, {tensor.name: (array.shape, array.tobytes())})


def graph(data: bytes) -> None:
    """ONNX: its graph in the normal form, or refused; a graph is always the same as itself."""
    from triport.converters.graphs.difference import differences
    from triport.converters.graphs.reader import flow_of_file

    def read(path: Path) -> None:
        checkpoint = open_checkpoint(path)
        if checkpoint.runtime == "onnx":
            flow = flow_of_file(checkpoint, {name: name for name in checkpoint.tensors if "." in name}, 8)
            alike = [] if flow is None else differences(flow, flow, "itself")
            wrong = [one for one in alike if "more than once" not in one]
            if wrong:
                raise BrokenPromiseError(f"a graph differs from itself: {wrong[0]}")

    _within_bounds(data, read)


def pth(data: bytes) -> None:
    """PyTorch's .pth: the zip. What is accepted, zipfile must accept, checksums included."""
    ours = _read(data, "pth")
    if ours is not None and data[:2] == b"PK":
        try:
            archive = zipfile.ZipFile(io.BytesIO(data))
        except NotImplementedError:  # "version needed to extract", a number that changes nothing
            return
        for name in archive.namelist():
            if name.endswith(("data.pkl", "byteorder")):
                archive.read(name)


def pickle(data: bytes) -> None:
    """PyTorch's .pth: `data` is its pickle, in a sound zip with one storage of 64 bytes."""
    holder = io.BytesIO()
    with zipfile.ZipFile(holder, "w") as archive:
        archive.writestr("x/data.pkl", data)
        archive.writestr("x/data/0", STORAGE)
    _read(holder.getvalue(), "pth")


def legacy_pth(data: bytes) -> None:
    """PyTorch's .pth as it was before torch 1.6; `data` follows the magic number."""
    from triport.converters.formats.legacy_pth import MAGIC

    _read(MAGIC + data, "pth")


def legacy_tar(data: bytes) -> None:
    """PyTorch's .pth as it was before torch 0.1.10: `data` are the four entries of a sound tar.

    The lengths of the first three come first, as two bytes each.
    """
    holder = io.BytesIO()
    lengths = struct.unpack("<3H", data[:6].ljust(6, b"\0"))
    position = 6
    with tarfile.open(fileobj=holder, mode="w") as archive:
        for name, length in zip(("sys_info", "pickle", "tensors", "storages"), (*lengths, None), strict=True):
            end = None if length is None else position + length
            piece = data[position:end]
            position += len(piece)
            entry = tarfile.TarInfo(name)
            entry.size = len(piece)
            archive.addfile(entry, io.BytesIO(piece))
    _read(holder.getvalue(), "pth")


def source(data: bytes) -> None:
    """ONNX: its graph as source for both frameworks, in which no text of the file is code."""
    from fuzz.imported import source

    source(data)


def other(data: bytes) -> None:
    """What is no checkpoint: only its message matters."""
    _read(data, "")


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (ckpt, safetensors, onnx, graph, pth, pickle, legacy_pth, legacy_tar, source, other)
}
