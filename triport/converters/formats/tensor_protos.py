"""Reads a TensorProto of an ONNX file: where its values are, checked before any of them is read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as made_by

from triport.converters.formats.external_data import ExternalData
from triport.converters.formats.source import FormatError
from triport.converters.formats.tensors import ITEM_BYTES, FileTensor, Tensor, checked_shape, short
from triport.converters.formats.wire import FIXED32, FIXED64, LENGTH, VARINT, Field, WireReader
from triport.reference_models.errors import counted

ONNX_TYPES = {
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
_NOT_READ = {8: "STRING", 18: "FLOAT8E4M3FNUZ", 20: "FLOAT8E5M2FNUZ", 21: "UINT4", 22: "INT4"}
_NOT_READ |= {23: "FLOAT4E2M1", 24: "FLOAT8E8M0", 25: "UINT2", 26: "INT2"}
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


@dataclass
class _Stated:
    """The fields of a TensorProto as they stand in the file; `place` is its data_location."""

    name: str
    dims: list[int] = made_by(default_factory=list)
    code: int = 0
    place: int = 0
    raw: Field | None = None
    typed: list[Field] = made_by(default_factory=list)
    external: dict[str, str] = made_by(default_factory=dict)


class TensorReader:
    """Reads the tensors of one file, whose external data are followed."""

    def __init__(self, reader: WireReader, external: ExternalData) -> None:
        self.reader = reader
        self.source = reader.source
        self.external = external

    def read(self, tensor: Field, given: str | None) -> tuple[str, Tensor | str]:
        """Return a TensorProto's name, and the tensor or why it cannot be read."""
        path, stated = self.source.path, self._stated(tensor, given)
        name, external, raw = stated.name, stated.external, stated.raw
        dtype = ONNX_TYPES.get(stated.code)
        if dtype is None:
            return name, f"of ONNX type {_NOT_READ.get(stated.code, stated.code)}, which is not supported"
        shape = checked_shape(stated.dims, dtype, path, name)
        if stated.place == 1:
            return name, self.external.tensor(name, shape, dtype, external)
        if stated.place or external:
            raise FormatError(
                f"{path}: tensor '{short(name)}' is half external: it names a file of its values, and has "
                f"data_location {stated.place}, not 1: which of the two is meant cannot be known"
            )
        if raw is not None and stated.typed:
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
        return name, self._typed(name, shape, dtype, stated.typed)

    def _stated(self, tensor: Field, given: str | None) -> _Stated:
        """Return the fields of a TensorProto, none of which may come twice where that has no meaning."""
        reader, path = self.reader, self.source.path
        stated = _Stated(given or "")
        for field in reader.fields(tensor.value, tensor.value + tensor.length, "a tensor"):
            if field.number == 1 and field.wire in (VARINT, LENGTH):
                stated.dims += reader.varints(field, "a tensor's dims", 64)
                if len(stated.dims) > 64:
                    raise FormatError(
                        f"{path}: a tensor at byte {tensor.start:,} has more than 64 dims, which is not read"
                    )
            elif field.number == 2 and field.wire == VARINT:
                stated.code = field.value
            elif field.number == 8 and given is None:
                stated.name = reader.text(field, "a tensor's name")
            elif field.number == 9 and field.wire == LENGTH:
                if stated.raw is not None:
                    raise FormatError(f"{path}: tensor at byte {tensor.start:,} has raw_data twice: damaged")
                stated.raw = field
            elif field.number == 13 and field.wire == LENGTH:
                key, value = read_entry(reader, field, "external_data")
                if key in stated.external or len(stated.external) > 10:
                    raise FormatError(
                        f"{path}: a tensor's external data states '{short(key)}' twice, or more than ten "
                        f"things: refused"
                    )
                stated.external[key] = value
            elif field.number == 14 and field.wire == VARINT:
                stated.place = field.value
            elif field.number in (*_FIXED_FIELDS, *_VARINT_FIELDS):
                if len(stated.typed) == _MAX_TYPED_VALUES:
                    raise FormatError(
                        f"{path}: a tensor has more than {_MAX_TYPED_VALUES:,} values one by one"
                    )
                stated.typed.append(field)
            elif field.number == 3:
                raise FormatError(
                    f"{path}: tensor at byte {tensor.start:,} is a segment of another: not supported"
                )
        return stated

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
                f"{what} has {counted(len(payload) // item, 'value')} or more; expected {count:,}: damaged"
            )
        return ArrayTensor(np.frombuffer(payload, numpy_dtype(dtype)).reshape(shape))


def read_tensor(reader: WireReader, tensor: Field) -> Tensor | None:
    """Return a TensorProto's tensor, None where it is not supported.

    Raises:
        FormatError: it is damaged.
    """
    _, found = TensorReader(reader, ExternalData(reader.source.path)).read(tensor, "")
    return None if isinstance(found, str) else found


def read_entry(reader: WireReader, entry: Field, what: str) -> tuple[str, str]:
    """Return a StringStringEntryProto's key and value."""
    texts = {1: "", 2: ""}
    if entry.wire != LENGTH:
        raise FormatError(f"{reader.source.path}: {what} at byte {entry.start:,} is no message: damaged")
    for field in reader.fields(entry.value, entry.value + entry.length, what):
        if field.number in texts:
            texts[field.number] = reader.text(field, what, 1 << 20)
    return texts[1], texts[2]
