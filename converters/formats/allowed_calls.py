"""What a pickle may call, as plain data: the allowlist of unpickle.py.

A call on CALLS becomes a dict, list, text or `PickledTensor`; one on OPAQUE_CALLS becomes an `Opaque`,
of which only the class is known. There is nothing else.
Source: torch/_utils.py of torch 2.13, torch_npu/utils/storage.py, and what training scripts save.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from converters.formats.tensors import short


@dataclass(frozen=True)
class Global:
    """The name of a class or function, not looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return short(f"{self.module}.{self.name}")


@dataclass(frozen=True, eq=False)
class Opaque:
    """An object that is not made: known are its class, and the attributes and items that the pickle sets."""

    kind: Global
    arguments: Any = ()
    state: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Storage:
    """Where tensors' values lie.

    Attributes:
        key: the record's name.
        dtype: of its elements; None where each tensor says it.
        count: of its elements.
        start: first element, where it is a view of the record.
    """

    key: str
    dtype: str | None
    count: int
    start: int = 0


@dataclass(frozen=True)
class PickledTensor:
    """A tensor as a pickle describes it: a view of a storage, in elements."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


STORAGES: dict[Global, str | None] = {
    Global("torch", f"{name}Storage"): dtype
    for name, dtype in {
        "Double": "float64",
        "Float": "float32",
        "Half": "float16",
        "BFloat16": "bfloat16",
        "Long": "int64",
        "Int": "int32",
        "Short": "int16",
        "Char": "int8",
        "Byte": "uint8",
        "Bool": "bool",
        "ComplexFloat": "complex64",
        "ComplexDouble": "complex128",
    }.items()
}
STORAGES |= {Global("torch.cuda", key.name): dtype for key, dtype in STORAGES.items()}
STORAGES[Global("torch.storage", "UntypedStorage")] = None
STORAGES[Global("torch", "UntypedStorage")] = None

TORCH_DTYPES = {
    "float64": "float64",
    "double": "float64",
    "float32": "float32",
    "float": "float32",
    "float16": "float16",
    "half": "float16",
    "bfloat16": "bfloat16",
    "float8_e4m3fn": "float8_e4m3fn",
    "float8_e5m2": "float8_e5m2",
    "int64": "int64",
    "long": "int64",
    "int32": "int32",
    "int": "int32",
    "int16": "int16",
    "short": "int16",
    "int8": "int8",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
    "bool": "bool",
    "complex64": "complex64",
    "complex128": "complex128",
}

# calls whose result is not needed for weights: their arguments are read, nothing is made of them
OPAQUE_CALLS = {
    Global(module, name)
    for module, names in {
        "torch": ("Size", "device", "Generator", "tensor"),
        "torch._utils": (
            "_rebuild_qtensor",
            "_rebuild_sparse_tensor",
            "_rebuild_meta_tensor_no_storage",
            "_rebuild_nested_tensor",
            "_rebuild_device_tensor_from_numpy",
            "_rebuild_device_tensor_from_cpu_tensor",
            "_rebuild_wrapper_subclass",
        ),
        "torch.serialization": ("_get_layout",),
        "torch.random": ("Generator",),
        "torch_npu.npu._format": ("Format",),
        "numpy": ("dtype", "ndarray"),
        "numpy.core.multiarray": ("scalar", "_reconstruct"),
        "numpy._core.multiarray": ("scalar", "_reconstruct"),
        "numpy.core.numeric": ("_frombuffer",),
        "numpy._core.numeric": ("_frombuffer",),
        "argparse": ("Namespace",),
        "pathlib": ("Path", "PurePath", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
        "datetime": ("datetime", "date", "time", "timedelta", "timezone"),
        "decimal": ("Decimal",),
        "fractions": ("Fraction",),
        "uuid": ("UUID",),
        "copyreg": ("_reconstructor", "__newobj__", "__newobj_ex__"),
        "copy_reg": ("_reconstructor", "__newobj__"),
        "collections": ("Counter", "defaultdict", "deque"),
        "types": ("SimpleNamespace",),
        "builtins": ("complex", "slice", "range", "float", "int", "str", "bool"),
        "__builtin__": (
            "complex",
            "slice",
            "xrange",
            "range",
            "float",
            "int",
            "str",
            "bool",
            "long",
            "unicode",
        ),
    }.items()
    for name in names
}


_MAX_KEY = 2**53


def checked_key(key: Any) -> Any:
    """Return a dict's key, if hashing it is no adventure: no long tuple, and no numbers made to collide."""
    kind = type(key)
    if kind is str or kind is bytes or kind is Global or kind is float or kind is bool or key is None:
        return key
    if kind is int:
        return key if abs(key) < _MAX_KEY else f"<int of {key.bit_length()} bits>"
    return f"<{describe(key)}>"


def describe(value: Any) -> str:
    """Return what a value is, in words short enough for a message."""
    if isinstance(value, Global):
        return str(value)
    if isinstance(value, Opaque):
        return f"{value.kind} instance"
    return type(value).__name__


def _rebuilt(storage: Any, offset: Any, size: Any, stride: Any, dtype: str | None = None) -> PickledTensor:
    """Return the tensor that torch's _rebuild_tensor would."""
    if isinstance(size, Opaque):
        size = size.arguments[0]
    if not isinstance(storage, Storage) or type(offset) is not int or type(size) is not tuple:
        raise TypeError
    if type(stride) is not tuple or len(stride) != len(size) or {type(n) for n in (*size, *stride)} - {int}:
        raise TypeError
    dtype = dtype or storage.dtype
    if dtype is None:
        raise TypeError
    return PickledTensor(storage, dtype, offset, size, stride)


def _tensor_v3(arguments: tuple[Any, ...]) -> PickledTensor:
    dtype = arguments[6]
    if not isinstance(dtype, Global) or dtype.module != "torch":
        raise TypeError
    storage, offset, size, stride = arguments[:4]
    return _rebuilt(storage, offset, size, stride, TORCH_DTYPES[dtype.name])


def _tensor_from_type(arguments: tuple[Any, ...]) -> Any:
    function, kind, inner = arguments[:3]
    known = (
        Global("torch", "Tensor"),
        Global("torch.nn.parameter", "Parameter"),
        Global("torch.nn.parameter", "Buffer"),
    )
    if kind not in known or not isinstance(inner, tuple):
        return Opaque(kind if isinstance(kind, Global) else Global("?", "?"), inner)
    return CALLS[function](inner)


def _dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if not arguments:
        return {}
    pairs = list(arguments[0].items()) if isinstance(arguments[0], dict) else arguments[0]
    return {checked_key(key): value for key, value in pairs}


def _sequence(arguments: tuple[Any, ...]) -> list[Any]:
    if arguments and type(arguments[0]) not in (list, tuple):
        raise TypeError
    return list(arguments[0]) if arguments else []


def _encoded(arguments: tuple[Any, ...]) -> bytes:
    text, encoding = arguments
    if encoding not in ("latin1", "latin-1"):
        raise ValueError
    return text.encode("latin-1")


def _bytes_like(arguments: tuple[Any, ...]) -> bytes:
    if not arguments:
        return b""
    if isinstance(arguments[0], bytes):
        return arguments[0]
    if isinstance(arguments[0], str) and arguments[1:] in (("latin-1",), ("latin1",)):
        return arguments[0].encode("latin-1")
    raise TypeError


CALLS: dict[Global, Callable[[tuple[Any, ...]], Any]] = {
    Global("torch._utils", "_rebuild_tensor"): lambda a: _rebuilt(*a[:4]),
    Global("torch._utils", "_rebuild_tensor_v2"): lambda a: _rebuilt(*a[:4]),
    Global("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    # saved from an NPU: the storage in the file is the CPU's (torch_npu/utils/storage.py)
    Global("torch_npu.utils.storage", "_rebuild_npu_tensor"): lambda a: _rebuilt(*a[:4]),
    Global("torch._utils", "_rebuild_parameter"): lambda a: a[0],
    Global("torch._utils", "_rebuild_parameter_with_state"): lambda a: a[0],
    Global("torch._tensor", "_rebuild_from_type_v2"): _tensor_from_type,
    Global("torch.nn.parameter", "Parameter"): lambda a: a[0],
    Global("torch", "Size"): lambda a: tuple(_sequence(a)),
    Global("collections", "OrderedDict"): _dict,
    Global("builtins", "dict"): _dict,
    Global("__builtin__", "dict"): _dict,
    Global("builtins", "list"): _sequence,
    Global("__builtin__", "list"): _sequence,
    Global("builtins", "tuple"): lambda a: tuple(_sequence(a)),
    Global("__builtin__", "tuple"): lambda a: tuple(_sequence(a)),
    # a set's elements would be hashed, and no weight lies in one
    Global("builtins", "set"): _sequence,
    Global("__builtin__", "set"): _sequence,
    Global("builtins", "frozenset"): _sequence,
    Global("__builtin__", "frozenset"): _sequence,
    Global("builtins", "bytearray"): _bytes_like,
    Global("__builtin__", "bytearray"): _bytes_like,
    Global("builtins", "bytes"): _bytes_like,
    Global("_codecs", "encode"): _encoded,
}
