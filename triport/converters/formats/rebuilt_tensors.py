"""The functions by which a pickle makes tensors, as plain data: what each of their arguments says is used.

An argument or an entry of the metadata that is not known here makes the tensor one that cannot be read, and
a message says so: left unread, it could change the values (the lazy negative bit is such an entry).
Source: torch/_utils.py and torch/_tensor.py of torch 2.13, torch_npu/utils/storage.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from triport.converters.formats.pickled_values import (
    Global,
    Opaque,
    PickledTensor,
    Storage,
    UnreadableTensor,
    describe,
)
from triport.converters.formats.tensors import short
from triport.reference_models.errors import counted

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

_PLAIN_CLASSES = (
    Global("torch", "Tensor"),
    Global("torch.nn.parameter", "Parameter"),
    Global("torch.nn.parameter", "Buffer"),
)
_UNSIGNED = ("bool", "uint8", "uint16", "uint32", "uint64")
_DENSE = "Load the file in PyTorch, make the tensor a plain dense one, and torch.save the state dict again"


def unreadable(kind: Global, what: str, advice: str = _DENSE) -> UnreadableTensor:
    """Return a tensor that cannot be read: `what` follows its name in the message."""
    return UnreadableTensor(kind, f"{what}. {advice}")


def is_tensor_name(kind: Global) -> bool:
    """Return whether a class or function by its name makes tensors (TensorBase, DTensor, _rebuild_...)."""
    last = kind.name.rpartition(".")[2]
    return "tensor" in last.lower() or last.startswith("_rebuild_")


def _tensor(function: Global, arguments: tuple[Any, ...], most: int, dtype: str | None = None) -> Any:
    """Return the tensor of (storage, offset, size, stride, requires_grad, hooks[, dtype][, metadata])."""
    storage, offset, size, stride = arguments[:4]
    if isinstance(storage, Opaque):
        return unreadable(function, f"is a view of {storage.kind}, whose values triport does not know")
    if not isinstance(storage, Storage) or type(offset) is not int or type(size) is not tuple:
        raise TypeError
    if type(stride) is not tuple or len(stride) != len(size) or {type(n) for n in (*size, *stride)} - {int}:
        raise TypeError
    if len(arguments) > most:
        return unreadable(
            function,
            f"is made by {function} with {counted(len(arguments), 'argument')}, of which {most} are known "
            "here",
        )
    dtype = dtype or storage.dtype
    if dtype is None:
        raise TypeError
    return PickledTensor(storage, dtype, offset, size, stride)


def _with_metadata(function: Global, tensor: Any, metadata: Any) -> Any:
    """Return a tensor with the lazy bits that torch.save keeps in a dict: {'neg': True, 'conj': True}."""
    if isinstance(tensor, UnreadableTensor) or not metadata:
        return tensor
    if type(metadata) is not dict or any(type(value) is not bool for value in metadata.values()):
        return unreadable(function, f"has metadata of its own kind ({describe(metadata)})")
    unknown = [key for key in metadata if key not in ("neg", "conj")]
    if unknown:
        entry = short(unknown[0], 60) if isinstance(unknown[0], str) else describe(unknown[0])
        return unreadable(function, f"has the entry '{entry}' in its metadata, which triport does not know")
    negated, conjugated = metadata.get("neg", False), metadata.get("conj", False)
    if conjugated and not tensor.dtype.startswith("complex"):
        return unreadable(function, f"has the conjugate bit, but its values are {tensor.dtype}")
    if negated and tensor.dtype in _UNSIGNED:
        return unreadable(function, f"has the negative bit, but its values are {tensor.dtype}")
    return replace(tensor, negated=negated, conjugated=conjugated)


def _tensor_v1(function: Global, arguments: tuple[Any, ...]) -> Any:
    return _tensor(function, arguments, 4)


def _tensor_v2(function: Global, arguments: tuple[Any, ...]) -> Any:
    metadata = arguments[6] if len(arguments) > 6 else None
    return _with_metadata(function, _tensor(function, arguments, 7), metadata)


def _tensor_v3(function: Global, arguments: tuple[Any, ...]) -> Any:
    dtype = arguments[6]
    if not isinstance(dtype, Global) or dtype.module != "torch":
        raise TypeError
    if dtype.name not in TORCH_DTYPES:
        return unreadable(
            function,
            f"has the dtype {dtype}, which is not supported",
            "Convert it in PyTorch, as with .to(torch.float32), and torch.save the state dict again",
        )
    metadata = arguments[7] if len(arguments) > 7 else None
    tensor = _tensor(function, arguments, 8, TORCH_DTYPES[dtype.name])
    return _with_metadata(function, tensor, metadata)


def _tensor_of_npu(function: Global, arguments: tuple[Any, ...]) -> Any:
    # the storage in the file is the CPU's; the seventh argument is the NPU's memory format
    return _tensor(function, arguments, 7)


def _tensor_of_device(function: Global, arguments: tuple[Any, ...]) -> Any:
    data, dtype = arguments[:2]
    if isinstance(data, PickledTensor) and dtype == Global("torch", data.dtype) and len(arguments) == 4:
        return data
    return unreadable(function, "was saved from another device as values of another dtype")


def _parameter(function: Global, arguments: tuple[Any, ...]) -> Any:
    """Return the data of a Parameter; its requires_grad, hooks and Python attributes are no values."""
    if len(arguments) > 4 or not isinstance(arguments[0], PickledTensor | Opaque):
        raise TypeError
    return arguments[0]


def _tensor_from_type(function: Global, arguments: tuple[Any, ...]) -> Any:
    """Return a tensor of a Python subclass: as_subclass changes nothing about the values."""
    rebuild, kind, inner = arguments[:3]
    if not isinstance(kind, Global) or not isinstance(inner, tuple) or len(arguments) != 4:
        raise TypeError
    known = rebuild in TENSOR_CALLS and TENSOR_CALLS[rebuild] is not _tensor_from_type  # it does not nest
    tensor = rebuild_tensor(rebuild, inner) if known else None
    if not isinstance(tensor, PickledTensor):
        why = f": {tensor.problem}" if isinstance(tensor, UnreadableTensor) else f". {_DENSE}"
        made = "" if isinstance(tensor, UnreadableTensor) else f" that {describe(rebuild)} makes"
        return UnreadableTensor(kind, f"is a tensor of the class {kind}{made}{why}")
    return tensor if kind in _PLAIN_CLASSES else replace(tensor, kind=kind)


def _other(why: str, advice: str = _DENSE) -> Callable[[Global, tuple[Any, ...]], Any]:
    return lambda function, arguments: unreadable(function, why, advice)


TENSOR_CALLS: dict[Global, Callable[[Global, tuple[Any, ...]], Any]] = {
    Global("torch._utils", "_rebuild_tensor"): _tensor_v1,
    Global("torch._utils", "_rebuild_tensor_v2"): _tensor_v2,
    Global("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    Global("torch_npu.utils.storage", "_rebuild_npu_tensor"): _tensor_of_npu,
    Global("torch._utils", "_rebuild_device_tensor_from_cpu_tensor"): _tensor_of_device,
    Global("torch._utils", "_rebuild_parameter"): _parameter,
    Global("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    Global("torch.nn.parameter", "Parameter"): _parameter,
    Global("torch._tensor", "_rebuild_from_type"): _tensor_from_type,
    Global("torch._tensor", "_rebuild_from_type_v2"): _tensor_from_type,
    Global("torch._utils", "_rebuild_qtensor"): _other("is a quantised tensor, which is not supported"),
    Global("torch._utils", "_rebuild_sparse_tensor"): _other("is a sparse tensor, which is not supported"),
    Global("torch._utils", "_rebuild_nested_tensor"): _other("is a nested tensor, which is not supported"),
    Global("torch._utils", "_rebuild_meta_tensor_no_storage"): _other(
        "is on the meta device: the file has no values of it",
        "Save the model after its weights are loaded",
    ),
    Global("torch._utils", "_rebuild_wrapper_subclass"): _other(
        "is a wrapper of other tensors (a distributed or quantised one), which only its own class can join"
    ),
}


def rebuild_tensor(function: Global, arguments: tuple[Any, ...]) -> Any:
    """Return the tensor that a call of TENSOR_CALLS stands for, or one that says why it cannot be read."""
    try:
        return TENSOR_CALLS[function](function, arguments)
    except (IndexError, TypeError, ValueError):
        return unreadable(function, f"is made by {function} of arguments that triport does not know")
