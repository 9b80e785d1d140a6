"""ONNX files, as far as they carry weights: initializers, external data, Constant nodes, metadata.

Read by position: the graph itself is not loaded. A graph is written by the exporters, not here.
Source: onnx/onnx.proto3 of onnx 1.23.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NoReturn

from triport.converters.formats.external_data import ExternalData
from triport.converters.formats.source import FormatError, SourceFile
from triport.converters.formats.tensors import (
    FLOATS,
    ITEM_BYTES,
    MAX_TENSORS,
    Checkpoint,
    Dropped,
    FileTensor,
    Tensor,
    checked_shape,
    short,
)
from triport.converters.formats.views import check_expansion
from triport.converters.formats.wire import FIXED32, FIXED64, LENGTH, VARINT, Field, WireReader

FORMAT = "onnx"
WRITES: dict[str, tuple[str, ...]] = {}
OPTIONS: tuple[str, ...] = ()

_MODEL_FIELDS = {1: VARINT, 2: LENGTH, 3: LENGTH, 4: LENGTH, 5: VARINT, 6: LENGTH, 7: LENGTH, 8: LENGTH}
_MODEL_FIELDS |= {14: LENGTH, 20: LENGTH, 25: LENGTH, 26: LENGTH}
_MAX_MODEL_FIELDS = 100_000
_TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8_e4m3fn",
    19: "float8_e5m2",
}
# the typed field that each type uses where there is no raw_data: number -> item size, 0 for varints
_FIXED_FIELDS = {4: 4, 10: 8}
_VARINT_FIELDS = (5, 7, 11)
_TYPED_FIELD = {
    "float32": 4,
    "complex64": 4,
    "float64": 10,
    "complex128": 10,
    "int64": 7,
    "uint32": 11,
    "uint64": 11,
}
_INT32_DATA = 5
_MAX_TYPED_VALUES = 1 << 20
_MAX_NODE_INPUTS = 100_000
# what exporters call the results of nodes: /layer1/Identity_output_0, onnx::Conv_12, 12, Identity_3
_GENERATED_NAME = re.compile(r"[/:]|^(\d+|Identity.*|)$")
_WITH_GRAPHS = ("If", "Loop", "Scan", "SequenceMap")


def sniff(source: SourceFile) -> bool:
    """Return whether a file's outermost fields are a ModelProto's.

    Those of a TensorFlow SavedModel could be: a version, which is 1, and a text that is none.
    """
    seen: set[int] = set()
    version = 0
    try:
        for count, field in enumerate(WireReader(source).fields(0, source.size, "the model")):
            if _MODEL_FIELDS.get(field.number) != field.wire or count > _MAX_MODEL_FIELDS:
                return False
            seen.add(field.number)
            version = field.value if field.number == 1 else version
    except FormatError:  # truncated: `open` says so
        return 1 in seen
    return 7 in seen or (1 in seen and (version, seen) != (1, {1, 2}))


def open(source: SourceFile) -> Checkpoint:
    """Read where the graph's tensors are.

    Raises:
        FormatError: the file is damaged, or its external data is missing or not allowed.
    """
    reader = WireReader(source)
    graph = None
    metadata: dict[str, str] = {}
    producer = []
    functions = 0
    for field in reader.fields(0, source.size, "the model"):
        if field.number == 7 and field.wire == LENGTH:
            if graph is not None:
                raise FormatError(f"{source.path}: has two graphs: the file is damaged or malicious")
            graph = field
        elif field.number == 25:
            functions += 1
        elif field.number in (2, 3):
            producer.append(reader.text(field, "the producer's name"))
        elif field.number == 14:
            key, value = _entry(reader, field, "metadata_props")
            metadata[key] = value
    if graph is None:
        raise FormatError(f"{source.path}: has no graph: the ONNX file is truncated or damaged; get it again")
    graph_reader = _GraphReader(reader)
    graph_reader.read(graph)
    notes = []
    if graph_reader.inner_graphs:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(graph_reader.inner_graphs.items()))
        notes.append(f"tensors in the inner graphs of nodes are not read ({kinds})")
    if graph_reader.copies:
        notes.append(
            f"{graph_reader.copies} of {len(graph_reader.tensors)} tensors have the values of another one, "
            f"which stand in the file once (Identity nodes)"
        )
    if functions:
        notes.append(f"tensors in the model's {functions} functions are not read")
    return Checkpoint(
        source.path,
        FORMAT,
        "onnx",
        graph_reader.tensors,
        metadata,
        tuple(graph_reader.dropped),
        tuple(notes),
        producer=short(" ".join(producer)) or None,
        files=tuple(graph_reader.external.paths),
    )


def write(
    path: str | os.PathLike[str], runtime: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> NoReturn:
    """Refuse: an ONNX file is a graph, and weights alone are none."""
    raise FormatError(f"{os.fspath(path)}: an ONNX file needs a graph; use an exporter")


class _GraphReader:
    """Gathers the tensors of one graph."""

    def __init__(self, reader: WireReader) -> None:
        self.reader = reader
        self.source = reader.source
        self.tensors: dict[str, Tensor] = {}
        self.dropped: list[Dropped] = []
        self.inner_graphs: Counter[str] = Counter()
        self.copies = 0
        self._identities: dict[str, str] = {}  # what each copies, by the name of the copy
        self.external = ExternalData(reader.source.path)

    def read(self, graph: Field) -> None:
        """Read all initializers and Constant nodes, and the names that Identity nodes give to them."""
        for field in self.reader.fields(graph.value, graph.value + graph.length, "the graph"):
            if field.number == 5 and field.wire == LENGTH:
                self._add(*self._tensor(field, None), "an initializer")
            elif field.number == 1 and field.wire == LENGTH:
                self._node(field)
            elif field.number == 15:
                raise FormatError(
                    f"{self.source.path}: has a sparse initializer, which is not supported; make it dense"
                )
        self._name_copies()
        self.external.check_overlaps()
        check_expansion(self.source, self.tensors, self.external.size)

    def _add(self, name: str, tensor: Tensor | str, what: str) -> None:
        """Keep a tensor, or the reason why it is left out."""
        if name in self.tensors:
            raise FormatError(
                f"{self.source.path}: '{short(name)}' is {what} and was there before: damaged or malicious"
            )
        if len(self.tensors) + len(self.dropped) == MAX_TENSORS:
            raise FormatError(f"{self.source.path}: has more than {MAX_TENSORS:,} tensors, which is not read")
        if isinstance(tensor, str):
            self.dropped.append(Dropped(name, tensor))
        else:
            self.tensors[name] = tensor

    def _node(self, node: Field) -> None:
        """Take a Constant node's value, under the name of its output; note what an Identity node copies."""
        kind = domain = ""
        inputs: list[Field] = []
        outputs: list[Field] = []
        attributes: list[Field] = []
        for field in self.reader.fields(node.value, node.value + node.length, "a node"):
            if field.number == 4:
                kind = self.reader.text(field, "a node's op_type")
                if kind not in ("Constant", "Identity"):
                    self.inner_graphs.update([kind] if kind in _WITH_GRAPHS else [])
                    return
            elif field.number in (1, 2):
                names = inputs if field.number == 1 else outputs
                if len(names) == _MAX_NODE_INPUTS:
                    raise FormatError(
                        f"{self.source.path}: a node has more than {_MAX_NODE_INPUTS:,} inputs or outputs, "
                        f"which is not read"
                    )
                names.append(field)
            elif field.number == 7:
                domain = self.reader.text(field, "a node's domain")
            elif field.number == 5 and field.wire == LENGTH and len(attributes) < 100:
                attributes.append(field)
        if not kind or not outputs or domain not in ("", "ai.onnx"):
            return
        name = self.reader.text(outputs[0], f"the output of {kind}")
        if kind == "Identity":
            if len(inputs) == 1:
                self._identities[name] = self.reader.text(inputs[0], "the input of Identity")
            return
        for attribute in attributes:
            for field in self.reader.fields(
                attribute.value, attribute.value + attribute.length, "an attribute"
            ):
                if field.number == 5 and field.wire == LENGTH:
                    _, tensor = self._tensor(field, name)
                    if not isinstance(tensor, str) and (tensor.dtype not in FLOATS or not tensor.shape):
                        tensor = "a Constant node's number, part of the graph"
                    self._add(name, tensor, "a Constant")

    def _name_copies(self) -> None:
        """Add the tensors that stand in the file once and have further names by Identity nodes.

        An exporter does so with parameters of equal values. Names that it made up itself are no parameter's.
        """
        generated: dict[str, Tensor] = {}
        for name, original in self._identities.items():  # a graph's nodes stand in the order of its edges
            tensor = self.tensors.get(original) or generated.get(original)
            if tensor is None:
                continue
            if _GENERATED_NAME.search(name):
                generated[name] = tensor
            else:
                self._add(name, tensor, "the output of an Identity")
                self.copies += 1

    def _tensor(self, tensor: Field, given: str | None) -> tuple[str, Tensor | str]:
        """Return a TensorProto's name, and the tensor or why it cannot be read."""
        reader, path = self.reader, self.source.path
        dims: list[int] = []
        name, code, place = given or "", 0, 0
        raw: Field | None = None
        typed: list[Field] = []
        external: dict[str, str] = {}
        for field in reader.fields(tensor.value, tensor.value + tensor.length, "a tensor"):
            if field.number == 1 and field.wire in (VARINT, LENGTH):
                dims += reader.varints(field, "a tensor's dims", 64)
                if len(dims) > 64:
                    raise FormatError(
                        f"{path}: a tensor at byte {tensor.start:,} has more than 64 dims: damaged"
                    )
            elif field.number == 2 and field.wire == VARINT:
                code = field.value
            elif field.number == 8 and given is None:
                name = reader.text(field, "a tensor's name")
            elif field.number == 9 and field.wire == LENGTH:
                if raw is not None:
                    raise FormatError(f"{path}: tensor at byte {tensor.start:,} has raw_data twice: damaged")
                raw = field
            elif field.number == 13 and field.wire == LENGTH:
                key, value = _entry(reader, field, "external_data")
                if key in external or len(external) > 10:
                    raise FormatError(
                        f"{path}: a tensor's external data states '{short(key)}' twice: malicious"
                    )
                external[key] = value
            elif field.number == 14 and field.wire == VARINT:
                place = field.value
            elif field.number in (*_FIXED_FIELDS, *_VARINT_FIELDS):
                if len(typed) == _MAX_TYPED_VALUES:
                    raise FormatError(
                        f"{path}: a tensor has more than {_MAX_TYPED_VALUES:,} values one by one"
                    )
                typed.append(field)
            elif field.number == 3:
                raise FormatError(
                    f"{path}: tensor at byte {tensor.start:,} is a segment of another: not supported"
                )
        dtype = _TYPES.get(code)
        if dtype is None:
            return name, f"of ONNX type {code}, which is not supported"
        shape = checked_shape(dims, dtype, path, name)
        if place == 1:
            return name, self.external.tensor(name, shape, dtype, external)
        if place or external:
            raise FormatError(
                f"{path}: tensor '{short(name)}' is half external (data_location {place}): malicious"
            )
        if raw is not None and typed:
            raise FormatError(f"{path}: tensor '{short(name)}' has raw_data and typed data: damaged")
        if raw is not None or not math.prod(shape):
            ranges = ((raw.value, raw.length),) if raw is not None else ()
            found = FileTensor(self.source, shape, dtype, ranges)
            if sum(length for _, length in ranges) != found.nbytes:
                raise FormatError(
                    f"{path}: tensor '{short(name)}' {dtype}{list(shape)} needs {found.nbytes:,} bytes, its "
                    f"raw_data "
                    f"has {raw.length if raw else 0:,}: damaged"
                )
            return name, found
        return name, self._typed(name, shape, dtype, typed)

    def _typed(self, name: str, shape: tuple[int, ...], dtype: str, typed: list[Field]) -> Tensor:
        """Return a tensor whose values stand in a typed field (float_data, int64_data ...)."""
        path = self.source.path
        number = _TYPED_FIELD.get(dtype, _INT32_DATA)
        what = f"{path}: tensor '{short(name)}' {dtype}{list(shape)}"
        if any(field.number != number for field in typed):
            raise FormatError(f"{what} has its values in field {typed[0].number}; expected {number}: damaged")
        count = math.prod(shape)
        if number in _FIXED_FIELDS:
            wire = FIXED32 if number == 4 else FIXED64
            if any(field.wire not in (LENGTH, wire) for field in typed):
                raise FormatError(f"{what} has values of a wrong wire type: damaged")
            ranges = tuple((field.value, field.length) for field in typed)
            tensor = FileTensor(self.source, shape, dtype, ranges)
            found = sum(field.length for field in typed)
            if found != tensor.nbytes:
                raise FormatError(f"{what} needs {tensor.nbytes:,} bytes, its values have {found:,}: damaged")
            return tensor
        return self._from_varints(what, shape, dtype, typed, count)

    def _from_varints(
        self, what: str, shape: tuple[int, ...], dtype: str, typed: Iterable[Field], count: int
    ) -> Tensor:
        """Return a tensor whose values are varints; float16 and bfloat16 are bit patterns there."""
        import numpy as np

        from triport.converters.formats.tensors import ArrayTensor, numpy_dtype

        item = ITEM_BYTES[dtype]
        payload = bytearray()
        for field in typed:
            if field.wire not in (VARINT, LENGTH):
                raise FormatError(f"{what} has values of a wrong wire type: damaged")
            if field.wire == VARINT:
                payload += (field.value & (2 ** (8 * item) - 1)).to_bytes(item, "little")
            else:
                for values in self.reader.packed_varints(field, what):
                    payload += values.astype(f"<u{item}").tobytes()
                    if len(payload) > count * item:
                        break
            if len(payload) > count * item:
                break
        if len(payload) != count * item:
            raise FormatError(
                f"{what} has {len(payload) // item:,} values or more; expected {count:,}: damaged"
            )
        return ArrayTensor(np.frombuffer(payload, numpy_dtype(dtype)).reshape(shape))


def read_tensor(reader: WireReader, tensor: Field) -> Tensor | None:
    """Return a TensorProto's tensor, None where it is not supported.

    Raises:
        FormatError: it is damaged.
    """
    _, found = _GraphReader(reader)._tensor(tensor, "")
    return None if isinstance(found, str) else found


def _entry(reader: WireReader, entry: Field, what: str) -> tuple[str, str]:
    """Return a StringStringEntryProto's key and value."""
    texts = {1: "", 2: ""}
    if entry.wire != LENGTH:
        raise FormatError(f"{reader.source.path}: {what} at byte {entry.start:,} is no message: damaged")
    for field in reader.fields(entry.value, entry.value + entry.length, what):
        if field.number in texts:
            texts[field.number] = reader.text(field, what, 1 << 20)
    return texts[1], texts[2]
