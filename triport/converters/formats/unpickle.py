"""Pickles read as data: the opcodes are interpreted, nothing is imported, called or constructed.

Calls on a short list become plain data here: dicts, lists, tuples, numbers, texts, and `PickledTensor`,
which only describes a tensor. An instance of another class, and the result of another call, becomes an
`Opaque`, which can be part of no tensor.

Source: the opcodes' descriptions in CPython 3.11 Lib/pickletools.py; torch/_utils.py and
torch/serialization.py of torch 2.13 for what training scripts write.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from triport.converters.formats.allowed_calls import CALLS, call, is_attack, is_ordinary, opaque_call
from triport.converters.formats.numpy_arrays import numpy_state
from triport.converters.formats.pickle_bytes import PickleBytes
from triport.converters.formats.pickled_values import (
    FUNCTION,
    Global,
    Opaque,
    PickledTensor,
    checked_key,
    describe,
)
from triport.converters.formats.rebuilt_tensors import TENSOR_CALLS
from triport.converters.formats.references import ReferenceRefusedError, TorchReferences
from triport.converters.formats.source import FormatError

MAX_PICKLE_BYTES = (
    1 << 30
)  # those of tensors have a few hundred kilobytes, those of NumPy arrays have the values
# of all pickles of a file: takes a quarter of a second, and each may leave an object of 100 bytes behind
MAX_STEPS = 500_000
STEPS_A_TENSOR = 40
_MAX_MEMO = 1 << 32  # what the binary opcodes can name; larger numbers could be made to collide as keys
_MAX_COPIED = 1 << 20  # items and bytes, beyond as many as the pickle has bytes
_MAX_MARKS = 1000
_MAX_TOLD = 20


class _Mark:
    """Where a MARK opcode stood on the stack."""


_MARK = _Mark()


class Unpickler(PickleBytes):
    """Interprets one pickle after another in a stretch of bytes.

    Attributes:
        position: where the next pickle starts.
        references: what its references to outside stand for.
        not_run: the functions that the pickles call, as far as they are out of the ordinary.
    """

    def __init__(
        self,
        data: bytes,
        path: str,
        what: str,
        start: int = 0,
        steps: int | None = None,
        references: Callable[[Any], Any] | None = None,
    ) -> None:
        """Interpret pickles.

        Args:
            data: the bytes.
            path: the file, for errors.
            what: what the bytes are in the file, for errors.
            start: where the first pickle starts.
            steps: how many may be taken; None is as many as any file may.
            references: gives what a reference to outside the pickles stands for, or raises
                ReferenceRefusedError; None is those of torch.save.
        """
        super().__init__(data, path, what, start)
        self.references: Any = TorchReferences() if references is None else references
        self.not_run: list[str] = []
        self._copied = 0
        self.steps_left = MAX_STEPS if steps is None else steps

    def load(self) -> Any:
        """Return what the next pickle describes, as plain data; `position` is then after it.

        Raises:
            FormatError: it is damaged, calls what is not allowed, or exceeds a bound.
        """
        data, size = self.data, len(self.data)
        stack: list[Any] = []
        memo: dict[int, Any] = {}
        marks: list[int] = []  # where the MARKs are on the stack
        while self.steps_left:
            self.steps_left -= 1
            start = self.position
            if start >= size:
                raise self._end_error()
            opcode = data[start]
            self.position = start + 1
            try:
                if opcode in _READS:
                    stack.append(_READS[opcode](self))
                elif opcode in _MEMO:
                    is_get, read = _MEMO[opcode]
                    index = len(memo) if read is None else read(self)
                    if is_get:
                        stack.append(memo[index])
                    elif 0 <= index < _MAX_MEMO and stack[-1] is not _MARK:
                        memo[index] = stack[-1]
                    else:
                        raise IndexError
                elif opcode == 0x28:  # MARK
                    if len(marks) == _MAX_MARKS:
                        raise self._limit(f"nests deeper than {_MAX_MARKS}", start)
                    marks.append(len(stack))
                    stack.append(_MARK)
                elif opcode in _MARKED:
                    at = marks.pop()
                    if stack[at] is not _MARK:
                        raise IndexError
                    items = stack[at + 1 :]
                    del stack[at:]
                    _MARKED[opcode](self, stack, items, start)
                elif opcode in _ACTIONS:
                    _ACTIONS[opcode](self, stack, start)
                elif opcode == 0x2E:  # STOP
                    return stack.pop()
                else:
                    raise self._error(f"has an opcode {opcode:#04x} that no checkpoint needs", start)
            except (IndexError, KeyError, TypeError, ValueError, struct.error, AttributeError):
                raise self._error(f"cannot be followed at opcode {opcode:#04x}", start) from None
        raise self._limit("takes far more steps than any state dict", self.position)

    def _refused(self, function: Any, position: int) -> FormatError:
        return FormatError(
            f"{self.path}: {self.what} calls {function} (byte {position:,}), which has no place in a "
            f"checkpoint: refused, and nothing was run. Do not load this file elsewhere; get the weights "
            f"from a source that you trust"
        )

    def _call(self, function: Any, arguments: Any, position: int) -> Any:
        """Return what a call stands for."""
        if isinstance(function, Opaque):
            return Opaque(function.kind)  # of what getattr or functools.partial would give
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise self._refused(describe(function), position)
        if is_attack(function):
            raise self._refused(function, position)
        if function in CALLS:
            # a memoised list or text can be copied by every few bytes of the pickle
            self._copied += sum(
                len(item) for item in arguments if isinstance(item, list | tuple | dict | str | bytes)
            )
            if self._copied > _MAX_COPIED + len(self.data):
                raise self._limit(f"copies the same items {self._copied:,} times", position)
        elif not (function in TENSOR_CALLS or is_ordinary(function) or str(function) in self.not_run):
            self.not_run = [*self.not_run, str(function)][:_MAX_TOLD]
        return call(function, arguments)

    def _set_items(self, target: Any, items: list[Any]) -> None:
        if isinstance(target, Opaque):
            target = target.attributes
        if type(target) is not dict or len(items) % 2:
            raise TypeError
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[checked_key(key)] = value


_READS: dict[int, Callable[[Unpickler], Any]] = {
    ord("N"): lambda u: None,
    0x88: lambda u: True,
    0x89: lambda u: False,
    ord("I"): Unpickler._decimal,
    ord("L"): Unpickler._decimal,
    ord("J"): lambda u: int.from_bytes(u._take(4), "little", signed=True),
    ord("K"): Unpickler._byte,
    ord("M"): lambda u: u._number(2),
    0x8A: lambda u: u._long(1),
    0x8B: lambda u: u._long(4),
    ord("F"): lambda u: float(u._line()),
    ord("G"): lambda u: struct.unpack(">d", u._take(8))[0],
    ord("S"): Unpickler._quoted,
    ord("T"): lambda u: u._python2_text(4),
    ord("U"): lambda u: u._python2_text(1),
    ord("V"): Unpickler._line,
    ord("X"): lambda u: u._text(4),
    0x8C: lambda u: u._text(1),
    0x8D: lambda u: u._text(8),
    ord("B"): lambda u: u._bytes(4),
    ord("C"): lambda u: u._bytes(1),
    0x8E: lambda u: u._bytes(8),
    0x96: lambda u: u._bytes(8),
    ord(")"): lambda u: (),
    ord("]"): lambda u: [],
    ord("}"): lambda u: {},
    0x8F: lambda u: [],
    ord("c"): Unpickler._global,
}

# whether it is a get, and how the index is read
_MEMO: dict[int, tuple[bool, Callable[[Unpickler], int] | None]] = {
    ord("g"): (True, lambda u: int(u._line())),
    ord("h"): (True, Unpickler._byte),
    ord("j"): (True, lambda u: u._number(4)),
    ord("p"): (False, lambda u: int(u._line())),
    ord("q"): (False, Unpickler._byte),
    ord("r"): (False, lambda u: u._number(4)),
    0x94: (False, None),
}


def _append(stack: list[Any], items: list[Any]) -> None:
    target = stack[-1]
    if isinstance(target, Opaque):
        return
    if type(target) is not list:
        raise TypeError
    target.extend(items)


def _instance(unpickler: Unpickler, stack: list[Any], kind: Any, arguments: list[Any], start: int) -> None:
    """INST and OBJ, which Python 2 wrote for classes of the old style."""
    stack.append(_new(unpickler, kind, tuple(arguments), start))


def _new(unpickler: Unpickler, kind: Any, arguments: Any, start: int) -> Any:
    """Return what an instance of a class stands for."""
    if isinstance(kind, Opaque):
        return Opaque(kind.kind)
    if not isinstance(kind, Global):
        raise unpickler._refused(describe(kind), start)
    if kind in CALLS or kind in TENSOR_CALLS or is_attack(kind):
        return unpickler._call(kind, arguments, start)
    return opaque_call(kind, arguments if isinstance(arguments, tuple) else ())


_MARKED: dict[int, Callable[[Unpickler, list[Any], list[Any], int], None]] = {
    ord("t"): lambda u, stack, items, at: stack.append(tuple(items)),
    ord("l"): lambda u, stack, items, at: stack.append(items),
    ord("d"): lambda u, stack, items, at: (stack.append({}), u._set_items(stack[-1], items))[1],  # type: ignore[func-returns-value]
    ord("e"): lambda u, stack, items, at: _append(stack, items),
    ord("u"): lambda u, stack, items, at: u._set_items(stack[-1], items),
    0x90: lambda u, stack, items, at: _append(stack, items),
    0x91: lambda u, stack, items, at: stack.append(items),
    ord("1"): lambda u, stack, items, at: None,
    ord("i"): lambda u, stack, items, at: _instance(u, stack, u._global(), items, at),
    ord("o"): lambda u, stack, items, at: _instance(u, stack, items[0], items[1:], at),
}


def _proto(unpickler: Unpickler, stack: list[Any], start: int) -> None:
    version = unpickler._byte()
    if version > 5:
        raise unpickler._limit(f"is of protocol {version}; known are 0 to 5", start)


def _skip_frame(unpickler: Unpickler, stack: list[Any], start: int) -> None:
    unpickler._take(8)


def _pop(unpickler: Unpickler, stack: list[Any], start: int) -> None:
    if stack.pop() is _MARK:
        raise IndexError


def _duplicate(unpickler: Unpickler, stack: list[Any], start: int) -> None:
    if stack[-1] is _MARK:
        raise IndexError
    stack.append(stack[-1])


def _tuple(count: int) -> Callable[[Unpickler, list[Any], int], None]:
    def action(unpickler: Unpickler, stack: list[Any], start: int) -> None:
        items = tuple(stack[-count:])
        if len(items) != count or _MARK in items:
            raise IndexError
        del stack[-count:]
        stack.append(items)

    return action


def _set_item(unpickler: Unpickler, stack: list[Any], start: int) -> None:
    value, key = stack.pop(), stack.pop()
    unpickler._set_items(stack[-1], [key, value])


def _stack_global(unpickler: Unpickler, stack: list[Any], start: int) -> None:
    name, module = stack.pop(), stack.pop()
    if type(name) is not str or type(module) is not str:
        raise TypeError
    stack.append(Global(module, name))


def _reduce(unpickler: Unpickler, stack: list[Any], start: int) -> None:
    arguments, function = stack.pop(), stack.pop()
    stack.append(unpickler._call(function, arguments, start))


def _new_object(unpickler: Unpickler, stack: list[Any], start: int) -> None:
    arguments, kind = stack.pop(), stack.pop()
    stack.append(_new(unpickler, kind, arguments, start))


def _new_object_with_names(unpickler: Unpickler, stack: list[Any], start: int) -> None:
    stack.pop()
    _new_object(unpickler, stack, start)


def _build(unpickler: Unpickler, stack: list[Any], start: int) -> None:
    state = stack.pop()  # an object's attributes; an OrderedDict's are state_dict()'s _metadata
    target = stack[-1]
    if target is _MARK:
        raise IndexError
    if isinstance(target, PickledTensor):  # torch would let it change the values
        raise unpickler._limit("sets the state of a tensor, which torch.save does not write", start)
    if isinstance(target, Opaque):
        numpy_state(target, state)
        if isinstance(state, tuple) and len(state) == 4 and target.kind.name == "partial":
            state = {FUNCTION: state[0], **(state[2] if type(state[2]) is dict else {})}
        # an object with __slots__ has a pair: its __dict__, and the slots
        parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        for part in parts:
            if type(part) is dict:
                unpickler._set_items(target, [word for pair in part.items() for word in pair])


def _persistent_text(unpickler: Unpickler, stack: list[Any], start: int) -> None:
    """What protocol 0 makes of a reference: a text, by which nobody finds the values again."""
    raise FormatError(
        f"{unpickler.path}: {unpickler.what} is of protocol 0, in which the places of tensors' values are "
        f"lost: torch.load cannot read it either. Save it anew, without pickle_protocol"
    )


def _persistent(unpickler: Unpickler, stack: list[Any], start: int) -> None:
    """What the pickle refers to outside itself."""
    try:
        stack.append(unpickler.references(stack.pop()))
    except ReferenceRefusedError as problem:
        raise unpickler._error(str(problem), start) from None


_ACTIONS: dict[int, Callable[[Unpickler, list[Any], int], None]] = {
    0x80: _proto,
    0x95: _skip_frame,
    ord("0"): _pop,
    ord("2"): _duplicate,
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("a"): lambda u, stack, at: _append(stack, [stack.pop()]),
    ord("s"): _set_item,
    0x93: _stack_global,
    ord("R"): _reduce,
    0x81: _new_object,
    0x92: _new_object_with_names,
    ord("b"): _build,
    ord("P"): _persistent_text,
    ord("Q"): _persistent,
}
