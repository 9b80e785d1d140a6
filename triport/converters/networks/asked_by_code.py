"""At which sizes a network's own code goes another way: seen as it runs with sizes that tell."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from .telling_sizes import SIZES, Notes, TellingSizes, codes_within, is_framework, shadowed, telling

START = 8
_FAR = 9
_SIZE_WORDS = {"shape", "size", "numel", "nelement", "nbytes", "stride", "len", "getattr"}
_MOST_RUNS = 4
_MOST_WAYS = 24
_MOST_HIDDEN = 12
_MOST_NAMED = 6

Shape = tuple[int, ...]
Tell = Callable[[Shape], Shape]


class AskedSizes(NamedTuple):
    """Sizes at which code may go another way, and why these may not be all; "" if they are."""

    sizes: tuple[int, ...]
    unseen: str = ""


def asked_by_code(
    parts: Sequence[Any], run: Callable[[int, Tell], None], tried: Sequence[int], most: int, cheap: int
) -> AskedSizes:
    """Run a network with sizes that tell, and again at those at which its code goes another way.

    Args:
        parts: the network and all that it is made of; what they keep of a run is put back.
        run: runs it at a size; each size of a tensor is what the function that it gets says.
        tried: the sizes that are tried anyway.
        most: the largest that can be; runs are at few of these.
        cheap: the largest at which a run takes no time.
    """
    notes, seen = Notes(), set[int]()
    waiting, unseen = [START if cheap >= 2 * START else 2], ""
    while waiting and len(seen) < _MOST_RUNS:
        size = waiting.pop(0)
        seen.add(size)
        try:
            _run_telling(parts, run, size, cheap, notes)
        except Exception as error:  # whatever the network or its framework raises
            if not unseen and _asks_for_sizes(parts):
                unseen = f"step by step its code does not run ({type(error).__name__})"
        waiting = [one for one in notes.sizes() if one not in {*seen, *tried} and one <= most]
    for size in _changes(parts):
        notes.hidden.setdefault(size)
    ways = [size for size in notes.sizes() if size not in tried]
    others = [size for size in notes.hidden if size not in {*tried, *ways}]
    found = [*ways[:_MOST_WAYS], *others[:_MOST_HIDDEN]]
    left = [str(size) for size in (*ways, *others) if size not in found or size > most]
    if notes.unseen:
        unseen = f"its code makes a size a plain number ({', '.join([*notes.unseen][:3])})"
    elif left:
        unseen = f"its code may go another way at {', '.join(left[:_MOST_NAMED])}"
        unseen += f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    return AskedSizes(tuple(size for size in found if size <= most), unseen)


def _run_telling(
    parts: Sequence[Any], run: Callable[[int, Tell], None], size: int, cheap: int, notes: Notes
) -> None:
    """Run at larger sizes first: that says how the sizes of tensors depend on it."""
    ats = [size, 2 * size, *((_FAR * size,) if _FAR * size <= cheap else ())]
    seen: list[list[Shape]] = []

    def tell(shape: Shape) -> Shape:
        others = [next(places, ()) for places in before]
        if any(len(other) != len(shape) for other in others):
            others = [tuple(one * at // size if one == size else one for one in shape) for at in ats[1:]]
        columns = zip(shape, *others, strict=True)
        return TellingSizes(telling(one, _through(ats, (one, *more)), notes) for one, *more in columns)

    for at in reversed(ats):
        noted: list[Shape] = []

        def note(shape: Shape, noted: list[Shape] = noted) -> Shape:
            noted.append(shape)
            return shape

        before = [iter(one) for one in reversed(seen)]
        function = tell if at == size else note
        with ExitStack() as stack:
            stack.enter_context(kept(parts))
            stack.enter_context(shadowed(_modules(parts), function))
            run(at, function)
        seen.append(noted)


def _through(ats: Sequence[int], values: Sequence[int]) -> np.ndarray:
    """Return whole numbers on the lines through these, at every size."""
    table = np.empty_like(SIZES)
    for first in range(len(ats) - 1):
        (low, high), (one, other) = ats[first : first + 2], values[first : first + 2]
        line = one + (SIZES - low) * (other - one) // (high - low)
        table[(low if first else 0) <= SIZES] = line[(low if first else 0) <= SIZES]
    return table


@contextmanager
def kept(parts: Iterable[Any]) -> Iterator[None]:
    """Put back what is kept of a run."""
    held = [(one, dict(vars(one))) for one in parts]
    many = [
        (value, type(value)(value))
        for _, kept in held
        for value in kept.values()
        if type(value) in (list, dict, set)
    ]
    try:
        yield
    finally:
        for one, kept in held:
            vars(one).clear()
            vars(one).update(kept)
        for value, before in many:
            value.clear()
            (value.extend if isinstance(value, list) else value.update)(before)


def own_kinds(parts: Iterable[Any]) -> list[type]:
    """Return the classes of a network that are not its framework's."""
    kinds = {kind: None for one in parts for kind in type(one).__mro__}
    return [kind for kind in kinds if kind is not object and not is_framework(kind.__module__)]


def _modules(parts: Iterable[Any]) -> list[ModuleType]:
    """Return the modules of a network's classes and of what it holds, and those that these import from."""
    kinds = [*own_kinds(parts), *(type(value) for one in parts for value in vars(one).values())]
    own = [sys.modules[kind.__module__] for kind in kinds if kind.__module__ in sys.modules]
    named = [held for one in own if _is_own(one) for held in vars(one).values()]
    names = dict.fromkeys(str(getattr(held, "__module__", "")) for held in named if callable(held))
    used = [sys.modules[name] for name in names if name in sys.modules]
    used += [held for held in named if isinstance(held, ModuleType)]
    return [one for one in dict.fromkeys([*own, *used]) if _is_own(one)]


def _is_own(module: ModuleType) -> bool:
    """Whether a module is neither of a framework, nor of Python or of this package."""
    name = module.__name__
    known = {"triport", *sys.stdlib_module_names} - {"__main__"}
    return not is_framework(name) and name.partition(".")[0] not in known


def _asks_for_sizes(parts: Iterable[Any]) -> bool:
    """Whether a network's own code, and what it calls by name, has a word for the size of a tensor."""
    return any(not _SIZE_WORDS.isdisjoint(code.co_names) for code, _ in _own_codes(parts))


def _changes(parts: Iterable[Any]) -> Iterator[int]:
    """Yield the places at which rows of numbers have another one for the first time, and those behind.

    What takes a size for a place in a list does not say so.
    """
    if not _asks_for_sizes(parts):
        return
    held = [value for one in parts for value in vars(one).values()]
    for code, named in _own_codes(parts):
        held += [*code.co_consts, *named]
    for row in held:
        if isinstance(row, list | tuple) and all(isinstance(one, int | float) for one in row):
            first = next((place for place in range(1, len(row)) if row[place] != row[0]), None)
            yield from () if first is None else (first, first + 1)


def _own_codes(parts: Iterable[Any]) -> Iterator[tuple[CodeType, list[Any]]]:
    """Yield the code of a network's methods, and of what these call by name, with all that it names."""
    waiting: list[Any] = [held for kind in own_kinds(parts) for held in vars(kind).values()]
    seen: set[Any] = set()
    while waiting:
        held = waiting.pop()
        if isinstance(held, property | staticmethod | classmethod):
            held = held.fget if isinstance(held, property) else held.__func__
        function = inspect.unwrap(held) if callable(held) else held
        if not isinstance(function, FunctionType) or function in seen or function.__name__ == "__init__":
            continue
        seen.add(function)
        for code in codes_within(function.__code__):
            named = [function.__globals__.get(name) for name in code.co_names]
            named += [cell.cell_contents for cell in function.__closure__ or ()]
            yield code, named
            waiting += [one for one in named if not is_framework(str(getattr(one, "__module__", "")))]
