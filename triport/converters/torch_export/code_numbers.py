"""The whole numbers in the code of a Module: what it may compare a size with, once that is a plain number."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

# the bytes of a tensor are a plain number, and no condition on its sizes
_UNSEEN = frozenset(("nbytes", "untyped_storage"))


def code_numbers(module: Any) -> list[int]:
    """Return the numbers in a Module and in its methods, the largest first; torch's own count for nothing."""
    found = {number for code in _codes(module) for number in _numbers_of(code.co_consts)}
    for one in module.modules():
        if not _is_torchs(type(one)):
            held = (*vars(one).values(), *vars(type(one)).values())
            found.update(_numbers_of(tuple(value for value in held if not isinstance(value, FunctionType))))
    return sorted(found, reverse=True)


def reads_unseen(module: Any) -> bool:
    """Whether a Module's code asks for sizes in bytes, or has texts of digits to compare them with."""
    return any(
        not _UNSEEN.isdisjoint(code.co_names)
        or any(isinstance(held, str) and held.isdecimal() for held in code.co_consts)
        for code in _codes(module)
    )


def _codes(module: Any) -> Iterator[CodeType]:
    """Yield the code of each method of the user's, and the functions within."""
    kinds = {kind for one in module.modules() for kind in type(one).__mro__}
    waiting = [
        held.__code__
        for kind in kinds
        if not _is_torchs(kind)
        for held in vars(kind).values()
        if isinstance(held, FunctionType) and held.__name__ != "__init__"
    ]
    while waiting:
        code = waiting.pop()
        yield code
        waiting += [held for held in code.co_consts if isinstance(held, CodeType)]


def _is_torchs(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("torch", "builtins")


def _numbers_of(held: Any, depth: int = 4) -> Iterator[int]:
    """Yield the numbers that constants, tables and texts of digits have."""
    if isinstance(held, bool) or not depth:
        return
    if isinstance(held, int):
        yield held
    elif isinstance(held, str) and held.isdecimal() and len(held) < 5:
        yield int(held)
    elif isinstance(held, dict):
        yield from _numbers_of((*held, *held.values()), depth - 1)
    elif isinstance(held, tuple | list | set | frozenset):
        for one in held:
            yield from _numbers_of(one, depth - 1)
