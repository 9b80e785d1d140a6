"""Sizes that tell by what code decides: whole numbers that know what they would be at every batch size.

A network runs once with such numbers in place of the sizes of its tensors. Whatever Python does with them, a
comparison says at which other batch sizes it would turn out otherwise. Where they become a plain number or a
text (`{n: 2}`, `f"{n}"`), what is decided then is not seen: the numbers in reach may be sizes. Where Python
takes its value without a word, as `row[n]` does, `marks_of_sizes.py` says so.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

from .marked_code import codes_within
from .whole_numbers import whole_numbers

LARGEST = 1024  # the first size that is not looked at
MOST_KINDS = 16
_DEEPEST = 60
_SHORT = 100
_LARGEST = 1 << 62
SIZES = np.arange(LARGEST)
STANDS_BETWEEN = True


class Notes:
    """By what the code that is not a framework's decides.

    Attributes:
        conditions: what each is at every size, as bytes, and where it stands.
        hidden: where a size became what is not seen, and at which sizes that may matter.
        unseen: what is not followed: a size became a plain number, which may be computed with.
    """

    def __init__(self) -> None:
        self.conditions: dict[bytes, None] = {}
        self.hidden: dict[int, None] = {}
        self.unseen: dict[str, None] = {}
        self._is_quiet = False

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Note nothing of numbers that become plain: what they do there is known."""
        before, self._is_quiet = self._is_quiet, True
        try:
            yield
        finally:
            self._is_quiet = before

    def condition(self, table: np.ndarray) -> None:
        """Note what has a few values."""
        if _own_frame() is not None:
            kinds = np.unique(table[1:], return_inverse=True)[1].astype(np.uint16)
            if kinds.any():
                self.conditions.setdefault(kinds.tobytes())

    def plain(self, table: np.ndarray, how: str = "") -> None:
        """Note that a size is now plain: by one of few values, or by the numbers in reach."""
        frame = None if self._is_quiet else _own_frame()
        if frame is None:
            return
        if len(np.unique(table[1:])) <= MOST_KINDS:
            self.condition(table)
            return
        numbers = list(dict.fromkeys(_in_reach(frame)))
        for are_there in (operator.eq, operator.gt):
            for number in numbers:
                found = np.flatnonzero(are_there(table[1:], number))
                if len(found):
                    self.hidden.setdefault(int(found[0]) + 1)
        if how:
            is_ours = str(frame.f_globals.get("__name__")).startswith("triport.")
            at = "" if is_ours else f" in {frame.f_code.co_name}, line {frame.f_lineno}"
            self.unseen.setdefault(how + at)

    def computed(self, table: np.ndarray) -> None:
        """Note where a number leaves the line on which it begins: a graph may hold it as a number."""
        if _own_frame() is not None:
            with np.errstate(all="ignore"):
                line = table[1] + (SIZES[1:] - 1) * (table[2] - table[1])
                apart = np.flatnonzero(~np.isclose(table[1:], line, equal_nan=True))
            if len(apart):
                self.hidden.setdefault(int(apart[0]) + 1)

    def ways(self) -> list[np.ndarray]:
        """Return the sizes of each way that the code has."""
        if not self.conditions:
            return [SIZES[1:]]
        rows = np.stack([np.frombuffer(one, np.uint16) for one in self.conditions], axis=1)
        ways = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
        return [np.flatnonzero(ways == way) + 1 for way in range(ways.max() + 1)]

    def sizes(self) -> list[int]:
        """Return the smallest size of each way that the code has, and then the next of each.

        At the smallest it may still be the same, as min(n, 4) is at 4.
        """
        if not self.conditions:
            return []
        ways = self.ways()
        firsts = sorted(int(one[0]) for one in ways)
        return [*firsts, *sorted(int(one[1]) for one in ways if len(one) > 1)]


class Telling:
    """A number with what it is at every batch size."""

    table: np.ndarray
    notes: Notes

    def __hash__(self) -> int:
        self.notes.plain(self.table, "a key")
        return super().__hash__()

    def __str__(self) -> str:
        self.notes.plain(self.table, "a text")
        return super().__repr__()

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        self.notes.plain(self.table, "a text")
        return format(_plain(self), spec)

    def __bool__(self) -> bool:
        self.notes.condition(self.table != 0)
        return bool(_plain(self))

    def __int__(self) -> int:
        with np.errstate(all="ignore"):
            self.notes.plain(np.trunc(self.table), "int()")
        return int(_plain(self))

    def __float__(self) -> float:
        self.notes.plain(self.table, "float()")
        return float(_plain(self))

    def __array__(self, *given: Any, **named: Any) -> np.ndarray:
        self.notes.plain(self.table, "an array")
        return np.array(_plain(self))

    def __reduce__(self) -> Any:
        return type(_plain(self)), (_plain(self),)


class TellingSize(Telling, int):
    """A whole number."""


class Noted(int):
    """A whole number that was asked for, and is what it is."""


class TellingPart(Telling, float):
    """A number that is not whole."""


class TellingSizes(tuple):
    """A few numbers that may tell, with what PyTorch's have besides."""

    def numel(self) -> int:
        """Return the product."""
        return math.prod(self)


def telling(value: Any, table: np.ndarray, notes: Notes) -> Any:
    """Return a number that tells, or the plain one if it is the same at every size."""
    if isinstance(value, bool | np.bool_) or bool(np.all(table[1:] == table[1])):
        return value
    found: Any = (TellingSize if isinstance(value, int | np.integer) else TellingPart)(value)
    found.table, found.notes = table, notes
    return found


def _plain(value: Any) -> Any:
    """Return what a number is here."""
    if isinstance(value, TellingSize):
        return int.__add__(value, 0)
    return float.__add__(value, 0.0) if isinstance(value, TellingPart) else value


def plain(value: Any, how: str) -> Any:
    """Return a number as it is here, which is noted."""
    if isinstance(value, Telling):
        value.notes.plain(value.table, how)
    return _plain(value)


def lifted(function: Callable[..., Any], *given: Any) -> Any:
    """Return what a function of numbers gives, and what it would give of those at other sizes."""
    notes = next(tellings(given)).notes
    value = function(*at_size(given, None))
    rows = []
    for size in range(LARGEST):
        try:
            rows.append(function(*at_size(given, size)))
        except (ArithmeticError, ValueError, TypeError):
            rows.append(math.nan)
    if isinstance(value, tuple):
        parts = [one if isinstance(one, tuple) else (one,) * len(value) for one in rows]
        return tuple(telling(one, _table(part), notes) for one, *part in zip(value, *parts, strict=True))
    if isinstance(value, int | float | np.integer | np.floating):
        found = telling(value, _table(rows), notes)
        if isinstance(found, Telling):
            notes.plain(found.table) if len(np.unique(found.table[1:])) <= MOST_KINDS else notes.computed(
                found.table
            )
        return found
    if isinstance(value, bool | np.bool_):
        notes.condition(np.array([one is True for one in rows]))
        return value
    notes.plain(next(tellings(given)).table, f"a {type(value).__name__}")
    return value


def tellings(given: Any) -> Iterator[Telling]:
    """Yield the numbers that tell among values, tuples and lists."""
    for one in given:
        if isinstance(one, Telling):
            yield one
        elif isinstance(one, tuple | list):
            yield from tellings(one)


def at_size(given: Any, size: int | None) -> Any:
    """Return what was given as it is at a size; None is as it is here."""
    if isinstance(given, Telling):
        return _plain(given) if size is None else given.table[size].item()
    if isinstance(given, tuple | list):
        return (list if isinstance(given, list) else tuple)(at_size(one, size) for one in given)
    return given


def _table(rows: Sequence[Any]) -> np.ndarray:
    """Return the numbers at each size; what no machine number holds is an infinity."""
    found = np.array(rows)
    return (
        np.array([one if abs(one) < _LARGEST else math.inf for one in rows])
        if found.dtype == object
        else found
    )


def _computing(name: str, of: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *others: Any) -> Any:
        if not all(isinstance(other, int | float) for other in others):
            if isinstance(others[0], list | tuple | str | bytes | bytearray):
                self.notes.plain(self.table, "how long a row is")
            return NotImplemented
        return lifted(of, self, *others)

    return method


def _comparing(of: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented
        with np.errstate(all="ignore"):
            self.notes.condition(of(self.table, other.table if isinstance(other, Telling) else other))
        return of(_plain(self), _plain(other))

    return method


_TWO = ("add", "sub", "mul", "floordiv", "truediv", "mod", "pow", "and_", "or_", "xor", "lshift", "rshift")
for _name in _TWO:
    _of = getattr(operator, _name)
    for _kind in (TellingSize, TellingPart):
        setattr(_kind, f"__{_name.strip('_')}__", _computing(_name, _of))
        setattr(
            _kind, f"__r{_name.strip('_')}__", _computing(_name, lambda one, other, of=_of: of(other, one))
        )
for _name, _of in {
    **{name: getattr(operator, name) for name in ("neg", "pos", "abs", "invert")},
    **{name: getattr(math, name) for name in ("trunc", "floor", "ceil")},
    **{"round": round, "divmod": divmod},
}.items():
    for _kind in (TellingSize, TellingPart):
        setattr(_kind, f"__{_name}__", _computing(_name, _of))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    for _kind in (TellingSize, TellingPart):
        setattr(_kind, f"__{_name}__", _comparing(getattr(operator, _name)))


def _own_frame() -> FrameType | None:
    """Return the frame that asked, None if it is a framework's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_between(frame):
        frame = frame.f_back
    return frame if frame is not None and not is_framework(frame.f_globals.get("__name__") or "") else None


def _is_between(frame: FrameType) -> bool:
    """Whether a frame is of what stands between code that decides and Python."""
    return bool(frame.f_globals.get("STANDS_BETWEEN"))


def is_framework(module: str) -> bool:
    """Whether a module is of what networks are made with, and not of their own code."""
    return module.partition(".")[0] in ("mindspore", "torch", "numpy", "builtins")


def _in_reach(frame: FrameType | None) -> Iterator[int]:
    """Yield the numbers in the code that runs, in what it calls by name, and in what that holds."""
    for _ in range(_DEEPEST):
        name = (frame.f_globals.get("__name__") or "") if frame is not None else "triport."
        is_between = frame is not None and _is_between(frame)
        if frame is None or (name.startswith("triport.") and not is_between):  # which called the network
            return
        if not is_framework(name) and not is_between:
            yield from _numbers_of_code(frame.f_code)
            named = [frame.f_globals.get(one) for one in frame.f_code.co_names]
            for held in (*named, *frame.f_locals.values()):
                yield from _numbers_held(held)
        frame = frame.f_back


def _numbers_of_code(code: CodeType) -> Iterator[int]:
    for one in codes_within(code):
        for held in one.co_consts:
            if not isinstance(held, CodeType):
                yield from _numbers_held(held)


def _numbers_held(held: Any) -> Iterator[int]:
    """Yield the numbers of a plain value, of an object's attributes, or of a function's code."""
    if isinstance(held, Telling):
        return
    if isinstance(held, str):
        yield from whole_numbers(held) if any(map(str.isdigit, held)) and len(held) < _SHORT else ()
    elif isinstance(held, int | float | dict | tuple | list | set | frozenset | range):
        yield from whole_numbers(held)
    elif isinstance(code := getattr(getattr(held, "__wrapped__", held), "__code__", None), CodeType):
        yield from _numbers_of_code(code)
    elif not isinstance(held, ModuleType) and not is_framework(type(held).__module__):
        kept = {**getattr(type(held), "__dict__", {}), **getattr(held, "__dict__", {})}
        plain = (int, float, str, dict, tuple, list, set, frozenset, range)
        yield from (
            number for one in kept.values() if isinstance(one, plain) for number in whole_numbers(one)
        )
