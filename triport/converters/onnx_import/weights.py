"""The weights' file: safetensors, as both frameworks' own readers expect it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .reading import ImportRefusedError


def write_weights(path: Path, arrays: Mapping[str, np.ndarray], target: str) -> None:
    """Write tensors by name, those of wide dtypes first, so that each is aligned; `path` is replaced."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt" if target == "pytorch" else "ms"}}
    position = 0
    ordered = sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize)
    for name, array in ordered:
        kind = _KINDS.get(str(array.dtype))
        if kind is None:
            raise ImportRefusedError(
                f"tensor '{name}' is of {array.dtype}, which a weights' file cannot hold"
            )
        entries[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [position, position + array.nbytes],
        }
        position += array.nbytes
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for _, array in ordered:
            is_plain = array.dtype.kind in "fiu"
            little = array.astype(array.dtype.newbyteorder("<"), copy=False) if is_plain else array
            file.write(np.ascontiguousarray(little).reshape(-1).view(np.uint8).data)


_KINDS = {
    "float32": "F32",
    "float64": "F64",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "bool": "BOOL",
    "complex64": "C64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}
