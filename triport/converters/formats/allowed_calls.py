"""What a pickle's calls stand for, as plain data. Nothing is ever called.

A call on CALLS becomes a dict, list, tuple or text, one of TENSOR_CALLS a tensor, one of NumPy's an array.
Every other call becomes an `Opaque`, of which only the function's name is known, so that it can be part of
nothing. What a training script never saves (a call of os.system) makes the file one that is refused: not
because it would run, for nothing does, but because its user should know what it is.
Source: what training scripts save; CPython 3.11 Lib/pickletools.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from triport.converters.formats.numpy_arrays import numpy_call
from triport.converters.formats.pickled_values import Global, Opaque, checked_key
from triport.converters.formats.rebuilt_tensors import (
    TENSOR_CALLS,
    is_tensor_name,
    rebuild_tensor,
    unreadable,
)

# a call of what is in these starts programs, opens connections or runs code
_ATTACKS = {
    "os", "posix", "nt", "subprocess", "commands", "pty", "sys", "runpy", "importlib", "shutil", "socket",
    "ctypes", "webbrowser", "code", "pdb", "bdb", "timeit", "pip", "urllib.request", "http.client",
}  # fmt: skip
_ATTACKS_BY_BUILTIN = {
    "eval", "exec", "execfile", "compile", "open", "__import__", "input", "apply", "breakpoint"
}  # fmt: skip
_BUILTINS = ("builtins", "__builtin__")
# what Python and its libraries save that is no weight: no word is lost about it
_ORDINARY = {
    "argparse", "collections", "copy_reg", "copyreg", "datetime", "decimal", "enum", "fractions", "numpy",
    "pathlib", "random", "torch", "torch_npu", "types", "uuid", *_BUILTINS,
}  # fmt: skip


def is_attack(function: Global) -> bool:
    """Return whether a call of this name has no place in any checkpoint."""
    if function.module in _BUILTINS:
        return function.name.partition(".")[0] in _ATTACKS_BY_BUILTIN
    return function.module in _ATTACKS or function.module.partition(".")[0] in _ATTACKS


def is_ordinary(function: Global) -> bool:
    """Return whether a call of this name is so common that it need not be told."""
    return function.module.partition(".")[0] in _ORDINARY


def _dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if not arguments:
        return {}
    pairs = list(arguments[0].items()) if isinstance(arguments[0], dict) else arguments[0]
    return {checked_key(key): value for key, value in pairs}


def _default_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    return _dict(arguments[1:])


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


def opaque_call(function: Global, arguments: tuple[Any, ...]) -> Opaque:
    """Return what a call of an unknown function stands for: an object of which only the name is known."""
    made_by = function.name in ("_reconstructor", "__newobj__", "__newobj_ex__")
    if made_by and arguments and isinstance(arguments[0], Global):
        function, arguments = arguments[0], arguments[1:]
    if is_tensor_name(function):
        return unreadable(function, f"is of the kind {function}, which only its own code can read")
    return Opaque(function, arguments=arguments)


CALLS: dict[Global, Callable[[tuple[Any, ...]], Any]] = {
    Global("torch", "Size"): lambda a: tuple(_sequence(a)),
    Global("collections", "OrderedDict"): _dict,
    Global("collections", "defaultdict"): _default_dict,
    Global("_codecs", "encode"): _encoded,
}
for _module in _BUILTINS:
    CALLS |= {
        Global(_module, "dict"): _dict,
        Global(_module, "list"): _sequence,
        Global(_module, "tuple"): lambda a: tuple(_sequence(a)),
        # a set's elements would be hashed, and no weight lies in one
        Global(_module, "set"): _sequence,
        Global(_module, "frozenset"): _sequence,
        Global(_module, "bytearray"): _bytes_like,
        Global(_module, "bytes"): _bytes_like,
    }


def call(function: Global, arguments: tuple[Any, ...]) -> Any:
    """Return what a call stands for; an `Opaque` where its function or its arguments are not known."""
    if function in TENSOR_CALLS:
        return rebuild_tensor(function, arguments)
    if function in CALLS:
        try:
            return CALLS[function](arguments)
        except (TypeError, ValueError, AttributeError):  # list(map(...)): not what a state dict is made of
            return Opaque(function)
    found = numpy_call(function, arguments)
    return opaque_call(function, arguments) if found is None else found
