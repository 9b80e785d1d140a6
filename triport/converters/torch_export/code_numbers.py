"""The whole numbers in the code of a Module: what it may compare a size with, once that is a plain number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

from triport.converters.mindir.batch_values import whole_numbers

# the bytes of a tensor are a plain number, and no condition on its sizes
_UNSEEN = frozenset(("nbytes", "untyped_storage"))


def code_numbers(module: Any) -> list[int]:
    """Return the numbers in a Module and in its methods, the largest first; torch's own count for nothing."""
    found = {number for code in _codes(module) for number in _numbers_of(code.co_consts)}
    for one in module.modules():
        if not _is_torchs(type(one)):
            found.update(_numbers_of((*vars(one).values(), *vars(type(one)).values())))
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


def _numbers_of(values: Iterable[Any]) -> Iterator[int]:
    """Yield the numbers of constants and tables, and of texts of digits: in a sentence they mean nothing."""
    yield from whole_numbers([one for one in values if not isinstance(one, str) or one.isdecimal()])
