"""An ONNX graph's nodes, inputs and outputs, read by position: neither weights nor the onnx package are.

Source: onnx/onnx.proto3 of onnx 1.23.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from triport.converters.formats import Tensor, short
from triport.converters.formats.source import FormatError
from triport.converters.formats.tensor_protos import read_tensor
from triport.converters.formats.wire import FIXED32, LENGTH, VARINT, Field, WireReader, signed
from triport.converters.graphs.constants import MAX_CONSTANT

_MAX_TEXT = 4096
_MAX_VALUES = 4096  # of an attribute, and of a node's inputs


@dataclass(slots=True)
class Node:
    """A node as it stands in the file; `told` are its attributes, graphs and large tensors left out."""

    op: str = ""
    domain: str = ""
    name: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Described:
    """An input or output of a graph: its name, ONNX's number of its dtype, and its sizes, None where free."""

    name: str = ""
    dtype: int = 0
    sizes: list[int | None] = field(default_factory=list)


def read_graph(reader: WireReader) -> tuple[list[Node], list[Described], list[Described]]:
    """Return the nodes of a file's graph, its inputs and its outputs.

    Raises:
        FormatError: it is damaged.
    """
    source = reader.source
    nodes: list[Node] = []
    inputs: list[Described] = []
    outputs: list[Described] = []
    own: set[tuple[str, str]] = set()
    for outer in reader.fields(0, source.size, "the model"):
        if outer.number == 25 and outer.wire == LENGTH:
            own.add(_function(reader, outer))
        if outer.number != 7 or outer.wire != LENGTH:
            continue
        for part in _parts(reader, outer, "the graph"):
            if part.wire != LENGTH:
                continue
            if part.number == 1:
                nodes.append(_node(reader, part))
            elif part.number == 11:
                inputs.append(_described(reader, part))
            elif part.number == 12:
                outputs.append(_described(reader, part))
    for node in nodes:
        if (node.domain, node.op) in own:
            node.domain = f"function {node.domain}".rstrip()
    return nodes, inputs, outputs


def read_versions(reader: WireReader) -> tuple[int | None, dict[str, int]]:
    """Return which version of ONNX's format a file is of, and of each domain's operators.

    Raises:
        FormatError: it is damaged, or states two versions of one domain's operators.
    """
    found: dict[str, int] = {}
    version_of_format = None
    for outer in reader.fields(0, reader.source.size, "the model"):
        if outer.number == 1 and outer.wire == VARINT:
            version_of_format = outer.value
        if outer.number != 8 or outer.wire != LENGTH:
            continue
        domain, version = "", 0
        for part in _parts(reader, outer, "an opset"):
            if part.number == 1 and part.wire == LENGTH:
                domain = reader.text(part, "an opset's domain")
            elif part.number == 2 and part.wire == VARINT:
                version = part.value
        domain = "" if domain == "ai.onnx" else domain
        if found.setdefault(domain, version) != version:
            raise FormatError(
                f"{reader.source.path}: states opset {found[domain]} and opset {version} of "
                f"{short(domain) or 'ONNX itself'}: which operators are meant cannot be known"
            )
    return version_of_format, found


def _function(reader: WireReader, outer: Field) -> tuple[str, str]:
    """Return domain and name of a function of the model's own: it comes before an operator of that name."""
    name = domain = ""
    for part in _parts(reader, outer, "a function"):
        if part.number == 1 and part.wire == LENGTH:
            name = reader.text(part, "a function's name")
        elif part.number == 10 and part.wire == LENGTH:
            domain = reader.text(part, "a function's domain")
    return domain, name


def _parts(reader: WireReader, outer: Field, what: str) -> Iterator[Field]:
    return reader.fields(outer.value, outer.value + outer.length, what)


def _node(reader: WireReader, outer: Field) -> Node:
    node = Node()
    for part in _parts(reader, outer, "a node"):
        if part.wire != LENGTH:
            continue
        if part.number in (1, 2):
            names = node.inputs if part.number == 1 else node.outputs
            if len(names) == _MAX_VALUES:
                raise FormatError(
                    f"{reader.source.path}: a node at byte {outer.start:,} has more than "
                    f"{_MAX_VALUES:,} inputs or outputs, which is not read"
                )
            names.append(reader.text(part, "a value's name"))
        elif part.number == 3:
            node.name = reader.text(part, "a node's name")
        elif part.number == 4:
            node.op = reader.text(part, "a node's op_type")
        elif part.number == 7:
            node.domain = reader.text(part, "a node's domain")
        elif part.number == 5:
            name, value = _attribute(reader, part)
            if value is not None:
                node.told[name] = value
    return node


def _attribute(reader: WireReader, outer: Field) -> tuple[str, Any]:
    """Return an attribute's name and value; None where it is not read."""
    name, kind = "", 0
    found: dict[int, Any] = {}
    for part in _parts(reader, outer, "an attribute"):
        if part.number == 1 and part.wire == LENGTH:
            name = reader.text(part, "an attribute's name")
        elif part.number == 20 and part.wire == VARINT:
            kind = part.value
        elif part.number in _VALUES:
            several = part.number in (7, 8, 9)
            value = _VALUES[part.number](reader, part)
            if not several:
                found[part.number] = value
            elif len(found.setdefault(part.number, [])) + len(value or ()) <= _MAX_VALUES:
                found[part.number] += value or ()
    # files of before the type was written have one value alone
    number = _FIELD_OF_KIND.get(kind) or next(iter(found), 0)
    return name, found.get(number, [] if number in (7, 8, 9) else None)


def _number(reader: WireReader, part: Field) -> float | None:
    return float(struct.unpack("<f", reader.read(part.value, 4))[0]) if part.wire == FIXED32 else None


def _numbers(reader: WireReader, part: Field) -> list[float] | None:
    count = part.length // 4
    if count > _MAX_VALUES:
        return None
    return list(struct.unpack(f"<{count}f", reader.read(part.value, 4 * count)))


def _word(reader: WireReader, part: Field) -> str | None:
    if part.wire != LENGTH or part.length > _MAX_TEXT:
        return None
    return reader.read(part.value, part.length).decode(errors="replace")


def _small(reader: WireReader, part: Field) -> Tensor | None:
    tensor = read_tensor(reader, part) if part.wire == LENGTH else None
    return tensor if tensor is not None and tensor.count <= MAX_CONSTANT else None


_VALUES: dict[int, Callable[[WireReader, Field], Any]] = {
    2: _number,
    3: lambda reader, part: signed(part.value) if part.wire == VARINT else None,
    4: _word,
    5: _small,
    6: lambda reader, part: "a graph",
    7: _numbers,
    8: lambda reader, part: reader.varints(part, "an attribute's numbers", _MAX_VALUES),
    9: lambda reader, part: [_word(reader, part)],
}
# AttributeProto.type: the field that its value stands in
_FIELD_OF_KIND = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9}


def _described(reader: WireReader, outer: Field) -> Described:
    found = Described()
    for part in _parts(reader, outer, "a value"):
        if part.number == 1 and part.wire == LENGTH:
            found.name = reader.text(part, "a value's name")
        elif part.number == 2 and part.wire == LENGTH:
            found.dtype, found.sizes = _type(reader, part)
    return found


def _type(reader: WireReader, kind: Field) -> tuple[int, list[int | None]]:
    """Return the dtype in a TypeProto and its sizes: its tensor's shape's dims."""
    dtype = 0
    sizes: list[int | None] = []
    for tensor in _parts(reader, kind, "a type"):
        if tensor.number != 1 or tensor.wire != LENGTH:
            continue
        for shape in _parts(reader, tensor, "a type"):
            if shape.number == 1 and shape.wire == VARINT:
                dtype = shape.value
            if shape.number != 2 or shape.wire != LENGTH:
                continue
            for dim in _parts(reader, shape, "a shape"):
                if dim.number == 1 and dim.wire == LENGTH and len(sizes) < 64:
                    known = [
                        part.value
                        for part in _parts(reader, dim, "a size")
                        if part.number == 1 and part.wire == VARINT
                    ]
                    sizes.append(known[0] if known and 0 < known[0] < 1 << 31 else None)
    return dtype, sizes
