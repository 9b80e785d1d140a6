"""What marked code calls: rows, keys and Python's own functions that are given numbers that tell.

What each would take at every size is compared, and is a condition. Where that cannot be told, the number is
noted as one that became plain.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import operator
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from .marked_code import CALLED, CONTAINED, FORMATTED, PUT, TAKEN, Marks
from .telling_sizes import LARGEST, MOST_KINDS, Notes, Telling, at_size, is_framework, lifted, plain, tellings

Tell = Callable[[tuple[int, ...]], tuple[int, ...]]
Values = Callable[[Any], np.ndarray]

STANDS_BETWEEN = True
_CACHED = type(functools.lru_cache(len))
_FRAMEWORKS = ("mindspore", "torch", "numpy")
_MOST_VALUES = 1 << 20
_ROWS = (list, tuple, str, bytes, range)
_LOGS = {print, warnings.warn}
_RUN_CODE = {map, filter, functools.reduce, sorted, max, min}
# what asks a number itself for what it needs of it
_TELL = {
    *(sum, abs, round, divmod, pow, isinstance, issubclass, repr, format, hash, all, any, setattr, hasattr),
    *(list, tuple, set, frozenset, dict, zip, enumerate, id, type, iter, next, reversed, slice, bool, str),
    *(callable, functools.partial, itertools.accumulate, itertools.product, itertools.chain, getattr),
    *(getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "truediv", "mod", "pow", "neg")),
    *(getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")),
    *_RUN_CODE,
}
_KEEP = {
    *(list.append, list.extend, list.index, list.count, list.remove, tuple.index, tuple.count),
    *(set.add, set.update, dict.update, dict.keys, dict.values, dict.items, str.join, str.format),
}
_BY_KEY = {dict.get, dict.pop, dict.setdefault, dict.__getitem__, dict.__contains__, set.__contains__}
_BY_PLACE = {list.pop, *(kind.__getitem__ for kind in _ROWS)}


def marks_telling(tell: Tell, notes: Notes, values: Values) -> Marks:
    """Return the marks; how long a row is, is what `tell` says, and `values` gives those of a tensor."""

    def length(many: Any) -> int:
        shape = getattr(many, "shape", None)
        return shape[0] if isinstance(shape, tuple) and shape else tell((len(many),))[0]

    instead: dict[Any, Callable[..., Any]] = {
        len: length,
        range: _range,
        int: functools.partial(_whole, int),
        float: functools.partial(_whole, float),
    }

    def called(function: Any, *given: Any, **named: Any) -> Any:
        if _is_in(function, instead):
            return instead[function](*given, **named)
        if _is_in(function, _RUN_CODE):
            given = tuple(instead[one] if _is_in(one, instead) else one for one in given)
        if "prim::If" in (script := str(getattr(function, "graph", ""))) or "prim::Loop" in script:
            notes.unseen.setdefault("TorchScript decides within")
        found = _called(_uncached(function), *given, **named)
        return _told(found, tell) if _home(function) in _FRAMEWORKS else found

    return {
        TAKEN: functools.partial(_taken, values=values),
        PUT: _Put,
        CONTAINED: _contained,
        FORMATTED: _formatted,
        CALLED: called,
    }


def _uncached(function: Any) -> Any:
    """Return what runs each time and step by step, of what keeps its results or is compiled."""
    if isinstance(function, _CACHED):
        return function.__wrapped__
    if isinstance(getattr(function, "__func__", None), _CACHED):
        return functools.partial(function.__func__.__wrapped__, function.__self__)
    is_wrapped = isinstance(function, FunctionType) and hasattr(function, "__wrapped__")
    if (
        is_wrapped
        and is_framework(function.__globals__["__name__"])
        and not is_framework(function.__module__)
    ):
        return inspect.unwrap(function)
    return function


def _told(found: Any, tell: Tell) -> Any:
    """Return what a framework gives, in numbers that tell; how many tensors or numbers it is, is noted."""
    if type(found) is int:
        return tell((found,))[0]
    if isinstance(found, np.ndarray):
        _note_plain(tell(found.shape), "the shape of an array")
    elif type(found) in (tuple, list) and found:
        if all(type(one) is int for one in found):
            return type(found)(tell(tuple(found)))
        if any(hasattr(type(one), "shape") for one in found):
            _note_plain(tell((len(found),)), "how many tensors there are")
    return found


def _is_in(one: Any, many: Any) -> bool:
    """Whether a function is among others; what has no hash is not."""
    return callable(one) and getattr(type(one), "__hash__", None) is not None and one in many


def _whole(kind: type, *given: Any, **named: Any) -> Any:
    """Make a number of another, as int and float do."""
    is_one = len(given) == 1 and isinstance(given[0], Telling) and not named
    return lifted(kind, *given) if is_one else kind(*given, **named)


def _range(*given: Any) -> range:
    """Return a range; how often a loop runs is a condition."""
    if any(True for _ in tellings(given)):
        plain(lifted(lambda *ends: len(range(*ends)), *given), "how often a loop runs")
    return range(*at_size(given, None))


def _taken(row: Any, place: Any, values: Values | None = None) -> Any:
    if isinstance(row, dict):
        return _looked_up(row, place, lambda: row[place])
    is_tensor = hasattr(type(row), "shape") and not isinstance(row, np.ndarray)
    if values is not None and is_tensor and isinstance(place, int):
        _note_place_in_tensor(row, place, values)
    elif any(True for _ in tellings([place])):
        _note_place(row, place)
    elif isinstance(place, slice) and isinstance(row, _ROWS):
        _note_cut(row, place)
    return row[place]


class _Put:
    """Stands for what something is put into, or taken out of."""

    def __init__(self, many: Any) -> None:
        self._many = many

    def __getitem__(self, place: Any) -> Any:
        return _taken(self._many, place)

    def __setitem__(self, place: Any, value: Any) -> None:
        self._change(place, lambda: operator.setitem(self._many, place, value))

    def __delitem__(self, place: Any) -> None:
        self._change(place, lambda: operator.delitem(self._many, place))

    def _change(self, place: Any, change: Callable[[], None]) -> None:
        told = next(tellings([place]), None)
        if told is not None and isinstance(self._many, dict):
            with told.notes.quiet():  # who asks for a key compares it with this one
                return change()
        if told is not None and isinstance(self._many, list):
            _note_plain([place], "a place in a row")
        return change()


def _looked_up(many: Any, key: Any, look: Callable[[], Any]) -> Any:
    """Look a key up: which of those that are there it is, is a condition."""
    told = next(tellings([key]), None)
    if told is not None:
        _note_key(many, key)
    for one in tellings([*many]) if told is None and isinstance(key, int | float) else ():
        operator.eq(one, key)  # which notes it
    if told is None:
        return look()
    with told.notes.quiet():
        return look()


def _note_place_in_tensor(row: Any, place: Any, values: Values) -> None:
    """Note what is at a place of a tensor that has as many at every size: a graph may hold it as a number."""
    shape = row.shape  # asked in every run, as each asks for the same sizes
    if not shape or isinstance(shape[0], Telling) or not isinstance(place, Telling):
        return
    if math.prod(shape) <= _MOST_VALUES:
        held = [one.tobytes() for one in values(row)]
        seen: dict[bytes, int] = {}
        kinds = _kinds(lambda at: seen.setdefault(held[at], len(seen)), place)
        place.notes.plain(kinds)
        place.notes.computed(kinds)


def _note_cut(row: Any, cut: slice) -> None:
    """Note where a row is cut: how much of it is left is a condition."""
    ends = (cut.start, cut.stop, cut.step)
    if any(True for _ in tellings(ends)):
        plain(lifted(lambda *at: len(row[slice(*at)]), *ends), "where a row ends")


def _note_place(row: Any, place: Any) -> None:
    if isinstance(row, (*_ROWS, np.ndarray)) or _is_row_of_layers(row):
        values: dict[Any, int] = {}

        def kind(*at: Any) -> int:
            (where,) = at
            found = row[where] if isinstance(row, (*_ROWS, np.ndarray)) else _nth(row, where)
            known = found if isinstance(found, int | float | str | bytes | np.generic) else id(found)
            return values.setdefault(known, len(values))

        _note_kinds(kind, place, "a place in a row")
    elif not hasattr(type(row), "shape"):
        _note_plain([place], "a place")


def _is_row_of_layers(row: Any) -> bool:
    """Whether it is a framework's list; a tensor is none."""
    return isinstance(row, Iterable) and hasattr(row, "__len__") and not hasattr(type(row), "shape")


def _nth(row: Any, place: Any) -> Any:
    """Return what is at a place of what can be looked at from its start, as a framework's list of layers."""
    return [*row][place]


def _note_key(many: Any, key: Any) -> None:
    keys = [*many]
    if any(True for _ in tellings(keys)):
        _note_kinds(lambda both: both[1].index(both[0]) if both[0] in both[1] else -1, (key, keys), "a key")
    else:
        places = {one: place for place, one in enumerate(keys)}
        _note_kinds(lambda one: places.get(one, -1), key, "a key")


def _note_kinds(kind: Callable[[Any], int], of: Any, how: str) -> None:
    """Note a condition: of which kind a value is at every size."""
    found = _kinds(kind, of)
    if len(np.unique(found[1:])) <= MOST_KINDS:
        next(tellings([of])).notes.condition(found)
    else:
        _note_plain([of], how)


def _kinds(kind: Callable[[Any], int], of: Any) -> np.ndarray:
    """Return of which kind a value is at every size; -2 where there is none."""
    found = np.full(LARGEST, -2)
    for size in range(LARGEST):
        try:
            found[size] = kind(at_size(of, size))
        except (LookupError, TypeError, ValueError):
            continue
    return found


def _note_plain(given: Any, how: str) -> None:
    for one in tellings(given):
        plain(one, how)


def _contained(one: Any, many: Any) -> bool:
    if isinstance(many, dict | set | frozenset):
        return bool(_looked_up(many, one, lambda: one in many))
    return one in many


def _formatted(one: Any, other: Any) -> Any:
    if isinstance(one, str | bytes):
        _note_plain([other], "a text")
        other = at_size(other, None)
    return one % other


def _called(function: Any, *given: Any, **named: Any) -> Any:
    """Call a function; of Python's own it is known what they do with a number, or noted."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, Telling) and not hasattr(function, "__code__"):
        return _of_number(owner, function.__name__, given, named)
    told = [*given, *named.values()]
    if not any(True for _ in tellings(told)):
        return function(*given, **named)
    home = _home(function)
    if home in ("math", "numpy"):
        return lifted(functools.partial(function, **named), *given)
    if _is_in(function, _LOGS) or home == "logging":
        return function(*at_size(given, None), **named)
    if home in sys.stdlib_module_names and not _is_in(function, _TELL):
        of = getattr(type(owner), getattr(function, "__name__", ""), None)
        if _is_in(of, _BY_KEY):
            return _looked_up(owner, told[0], lambda: function(*given, **named))
        _note_method(of, owner, function, told)
    return function(*given, **named)


def _note_method(of: Any, owner: Any, function: Any, told: Sequence[Any]) -> None:
    if _is_in(of, _KEEP):
        return
    if _is_in(of, _BY_PLACE):
        _note_place(owner, told[0])
    else:
        _note_plain(told, f"{getattr(function, '__name__', type(function).__name__)}()")


def _of_number(owner: Telling, name: str, given: Any, named: Any) -> Any:
    """Call a method of a number, which Python does not let tell."""
    return lifted(lambda one, *more: getattr(one, name)(*more, **named), owner, *given)


def _home(function: Any) -> str:
    """Return the module of a function, of its object or of that one's class, without what is within."""
    owner = getattr(function, "__self__", None)
    found = getattr(function, "__module__", None)
    if not isinstance(found, str):
        kind = owner if isinstance(owner, type) else type(owner)
        found = owner.__name__ if isinstance(owner, ModuleType) else kind.__module__
    return found.partition(".")[0]
