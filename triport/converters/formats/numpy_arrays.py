"""NumPy arrays in a pickle, as plain data: detectron2's .pkl, Paddle's .pdparams, torch.save of arrays.

An array is a call of `_reconstruct` and a state (version, shape, dtype, is_fortran, bytes), or, from pickle
protocol 5 on, a call of `_frombuffer`. Its dtype is a call and a state of its own.
Source: numpy/_core/src/multiarray/methods.c (array_reduce) and descriptor.c (arraydescr_reduce) of NumPy 2.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from triport.converters.formats.pickled_values import (
    Global,
    Opaque,
    PickledTensor,
    Storage,
    UnreadableTensor,
)
from triport.converters.formats.tensors import ITEM_BYTES, ArrayTensor, checked_shape, short

_DTYPES = {
    "f8": "float64",
    "f4": "float32",
    "f2": "float16",
    "i8": "int64",
    "i4": "int32",
    "i2": "int16",
    "i1": "int8",
    "u8": "uint64",
    "u4": "uint32",
    "u2": "uint16",
    "u1": "uint8",
    "b1": "bool",
    "c8": "complex64",
    "c16": "complex128",
}
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
_ARRAY = Global("numpy", "ndarray")
_ORDERS = ("<", ">", "|", "=")
_MAX_PLAIN_BYTES = 4096


@dataclass(frozen=True, eq=False)
class PickledDtype(Opaque):
    """A dtype: its code, and the byte order that its state says (one that is set later)."""

    code: str
    order: list[str]


@dataclass(frozen=True, eq=False)
class PickledArray(Opaque):
    """An array; `state` has (shape, dtype, is_fortran, bytes) once it is known."""

    state: list[tuple[Any, ...]]

    def __str__(self) -> str:
        if not self.state or not isinstance(self.state[0][1], PickledDtype):
            return "a NumPy array"
        shape, dtype = self.state[0][:2]
        return short(f"a NumPy array {_DTYPES.get(dtype.code, dtype.code[:8])}{list(shape[:8])}")


def numpy_call(function: Global, arguments: tuple[Any, ...]) -> Opaque | None:
    """Return what a call of NumPy stands for, if it makes a dtype, an array or a number."""
    if function == Global("numpy", "dtype") and arguments and type(arguments[0]) is str:
        code = arguments[0]
        order = [code[0]] if code[:1] in _ORDERS else []
        return PickledDtype(function, code[len(order) :], order)
    if function.module not in _MULTIARRAY:
        return None
    if function.name == "_reconstruct" and arguments[:1] == (_ARRAY,):
        return PickledArray(_ARRAY, [])
    if function.name == "_frombuffer" and len(arguments) == 4:
        data, dtype, shape, order = arguments
        return _stated(PickledArray(_ARRAY, []), shape, dtype, order == "F", data)
    if function.name == "scalar" and len(arguments) == 2:
        return _stated(PickledArray(Global("numpy", "generic"), []), (), arguments[0], False, arguments[1])
    return None


def numpy_state(target: Opaque, state: Any) -> None:
    """Give an array or a dtype the state that a pickle sets."""
    if isinstance(target, PickledArray) and type(state) is tuple and len(state) == 5 and not target.state:
        _stated(target, *state[1:])
    elif isinstance(target, PickledDtype) and type(state) is tuple and not target.order:
        target.order.extend(order for order in state[1:2] if order in _ORDERS)


def plain_value(array: PickledArray) -> Any:
    """Return a small array of numbers or texts as Python's own, a list where it has axes; else None."""
    import numpy as np

    shape, dtype, _, data = array.state[0] if array.state else ((), None, False, None)
    if not isinstance(dtype, PickledDtype) or not dtype.order or not isinstance(data, bytes):
        return None
    is_text = re.fullmatch(r"U[1-9]\d{0,3}", dtype.code) is not None
    if len(data) > _MAX_PLAIN_BYTES or not (is_text or dtype.code in _DTYPES):
        return None
    try:
        return np.frombuffer(data, np.dtype(dtype.order[0] + dtype.code)).reshape(shape).tolist()
    except (ValueError, UnicodeDecodeError):  # bytes that are not as many as it needs, or no characters
        return None


def arrays_as_tensors(root: Any, path: str) -> dict[str, ArrayTensor]:
    """Put tensors in the place of a file's arrays, if it has no real tensors; return the values by storage.

    Only dicts are looked at, two levels deep, which is where state dicts are.
    """
    inner = [root, *root.values()] if type(root) is dict else []
    tables = [one for one in inner if type(one) is dict]
    found = {type(value) for table in tables for value in table.values()}
    arrays: dict[str, ArrayTensor] = {}
    encoded: dict[int, bytes] = {}
    if PickledTensor in found or PickledArray not in found:
        return arrays
    for table in tables:
        for name, value in table.items():
            if isinstance(value, PickledArray) and isinstance(name, str):
                table[name] = _as_tensor(value, path, name, arrays, encoded)
    return arrays


def _as_tensor(
    array: PickledArray, path: str, name: str, arrays: dict[str, ArrayTensor], encoded: dict[int, bytes]
) -> PickledTensor | UnreadableTensor:
    """Return an array as a tensor of a storage of its own, whose values are added to `arrays`."""
    import numpy as np

    shape, dtype, is_fortran, data = array.state[0] if array.state else ((), None, False, None)
    code = dtype.code if isinstance(dtype, PickledDtype) and dtype.order[:1] != ["="] else ""
    raw = _bytes_of(data, encoded)
    if code not in _DTYPES or raw is None or not dtype.order:
        return UnreadableTensor(
            array.kind, f"is {array}, whose values are no plain numbers. Make numbers of it and save it again"
        )
    shape = checked_shape(shape, _DTYPES[code], path, name)
    count = math.prod(shape)
    if len(raw) != count * ITEM_BYTES[_DTYPES[code]]:
        return UnreadableTensor(
            array.kind, f"is {array} with {len(raw):,} bytes of values, which are not as many as it needs"
        )
    flat = np.frombuffer(raw, np.dtype(dtype.order[0] + code))
    key = f"NumPy array {len(arrays)}"
    arrays[key] = ArrayTensor(flat.reshape(shape, order="F" if is_fortran else "C"))
    return PickledTensor(Storage(key, _DTYPES[code], count), _DTYPES[code], 0, shape, (0,) * len(shape))


def _bytes_of(data: Any, encoded: dict[int, bytes]) -> bytes | None:
    """Return an array's bytes; Python 2 wrote them as a text, which many arrays may share."""
    if isinstance(data, bytes):
        return data
    if not isinstance(data, str):
        return None
    try:
        return encoded.get(id(data)) or encoded.setdefault(id(data), data.encode("latin-1"))
    except UnicodeEncodeError:
        return None


def _stated(array: PickledArray, shape: Any, dtype: Any, is_fortran: Any, data: Any) -> PickledArray:
    if type(shape) is tuple and all(type(size) is int for size in shape):
        array.state.append((shape, dtype, bool(is_fortran), data))
    return array
