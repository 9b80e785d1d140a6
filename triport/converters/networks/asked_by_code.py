"""At which sizes a network's own code goes another way: seen as it runs with sizes that tell."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from .marked_code import Marked, codes_within, noted_calls
from .marks_of_sizes import marks_telling
from .telling_sizes import SIZES, Noted, Notes, TellingSizes, is_framework, telling

START = 8
_FAR = 9
_SIZE_WORDS = {"shape", "size", "numel", "nelement", "nbytes", "stride", "len", "getattr"}
_MOST_RUNS = 6
_MOST_WAYS = 24
_MOST_HIDDEN = 12
_MOST_NAMED = 6

Shape = tuple[int, ...]
Tell = Callable[[Shape], Shape]


class AskedSizes(NamedTuple):
    """Sizes at which code may go another way, and why these may not be all; "" if they are."""

    sizes: tuple[int, ...]
    unseen: str = ""


class NetworkRuns(NamedTuple):
    """How a network runs.

    `run` runs it at a size, and each size of a tensor is what the function that it gets says; `values` gives
    those of a tensor, of which nobody is told.
    """

    run: Callable[[int, Tell], None]
    values: Callable[[Any], np.ndarray]


def asked_by_code(
    parts: Sequence[Any], runs: NetworkRuns, tried: Sequence[int], most: int, cheap: int
) -> AskedSizes:
    """Run a network with sizes that tell, and again at those at which its code goes another way.

    Args:
        parts: the network and all that it is made of; what they keep of a run is put back.
        runs: how it runs.
        tried: the sizes that are tried anyway.
        most: the largest that can be; runs are at few of these.
        cheap: the largest at which a run takes no time.
    """
    notes, seen, codes = Notes(), set[int](), dict[CodeType, None]()
    size: int | None = START if cheap >= 2 * START else 2
    failed = ""
    while size is not None and len(seen) < _MOST_RUNS:
        seen.add(size)
        try:
            _run_telling(parts, runs, size, cheap, notes, codes)
        except Exception as error:  # whatever the network or its framework raises
            if not failed and _asks_for_sizes(parts, codes):
                failed = f"step by step its code does not run ({type(error).__name__})"
        size = _way_not_followed(notes, seen, tried, most)
    if size is not None and not failed:
        failed = f"not every way of its code was followed: that of {size} was not"
    ways = [one for one in notes.sizes() if one not in tried]
    others = [one for one in notes.hidden if one not in {*tried, *ways}]
    found = [*ways[:_MOST_WAYS], *others[:_MOST_HIDDEN]]
    left = [str(one) for one in (*ways, *others) if one not in found or one > most]
    if notes.unseen:
        failed = (
            f"what its code does with a size is not followed everywhere: {', '.join([*notes.unseen][:3])}"
        )
    elif left:
        failed = f"its code may go another way at {', '.join(left[:_MOST_NAMED])}"
        failed += f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    return AskedSizes(tuple(one for one in found if one <= most), failed)


def _way_not_followed(notes: Notes, seen: set[int], tried: Sequence[int], most: int) -> int | None:
    """Return a size of a way in which no run was, and not all of which is tried; None if there is none."""
    for sizes in notes.ways():
        if seen.isdisjoint(found := sizes.tolist()):
            left = [one for one in found if one <= most]
            if not {*left} <= {*tried}:
                return next((one for one in left if one > 1), left[0])
    return None


def _run_telling(
    parts: Sequence[Any],
    runs: NetworkRuns,
    size: int,
    cheap: int,
    notes: Notes,
    codes: dict[CodeType, None],
) -> None:
    """Run with sizes that tell; `codes` are those that run marked: where others run, all is run once more."""
    if not codes:
        with kept(parts), noted_calls(_is_own, codes):
            runs.run(size, lambda shape: shape)
    for _ in range(_MOST_RUNS):
        ran = dict[CodeType, None]()
        marked = Marked([*codes])
        with noted_calls(_is_own, ran):
            _run_at_several(parts, runs, size, cheap, notes, marked)
        new = [code for code in ran if code not in marked.accounted]
        if not new:
            break
        codes |= dict.fromkeys(new)
    notes.unseen |= {f"the source of {name} is not there": None for name in marked.unread}
    notes.unseen |= {f"{name} is not followed": None for name in marked.missed(ran)}


def _run_at_several(
    parts: Sequence[Any],
    runs: NetworkRuns,
    size: int,
    cheap: int,
    notes: Notes,
    marked: Marked,
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
            return TellingSizes(map(Noted, shape))

        before = [iter(one) for one in reversed(seen)]
        function = tell if at == size else note
        with kept(parts), marked.running(marks_telling(function, notes, runs.values)):
            runs.run(at, function)
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


def _is_own(frame: FrameType) -> bool:
    """Whether a function that runs is neither of a framework, nor of Python or of this package."""
    if frame.f_code.co_name == "__getattribute__":  # is given a name alone; looking at what is given calls it
        return False
    name = str(frame.f_globals.get("__name__"))
    is_made = frame.f_code.co_filename == "<string>" and frame.f_code.co_name.startswith("__")  # by dataclass
    is_made |= name.startswith("namedtuple_")
    return not is_made and is_own_module(name)


def is_own_module(name: str) -> bool:
    """Whether a Python module is neither of a framework, nor of Python or of this package."""
    known = {"triport", *sys.stdlib_module_names} - {"__main__"}
    return not is_framework(name) and name.partition(".")[0] not in known


def _asks_for_sizes(parts: Iterable[Any], ran: Iterable[CodeType]) -> bool:
    """Whether a network's own code, what it calls by name or what ran has a word for a tensor's size."""
    codes = (*own_codes(parts), *(part for code in ran for part in codes_within(code)))
    return any(not _SIZE_WORDS.isdisjoint(code.co_names) for code in codes)


def own_codes(parts: Iterable[Any]) -> Iterator[CodeType]:
    """Yield the code of a network's methods, and of what these call by name."""
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
            yield code
            waiting += [one for one in named if not is_framework(str(getattr(one, "__module__", "")))]
