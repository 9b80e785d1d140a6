"""Equal modules that can be exchanged with what weighs them: experts, together with the rows of their router.

Alone they cannot be exchanged, and no group of exchangeable parameters has them; but a map that has them in
another order, and the router's rows too, would be as right.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from .comparing import SAME_OUTPUTS, apart
from .sides import Side

_MOST_TRIES = 8
_NUMBER = re.compile(r"(?<![^.])(0|[1-9][0-9]{0,3})(?![^.])")

# by number of the module, its parameters by the rest of their names
Family = dict[int, dict[str, str]]


def exchanged_together(side: Side, feed: Sequence[np.ndarray]) -> tuple[str, ...]:
    """Return a sentence for each list of modules that can be exchanged with rows of another module's tensors.

    Args:
        side: has values of its own for each parameter, and has them again afterwards.
        feed: its inputs.
    """
    if not side.is_double:
        return ()
    said = []
    before: list[np.ndarray] = []
    values: Mapping[str, np.ndarray] = {}
    for prefix, family, owner in itertools.islice(_weighed(side), _MOST_TRIES):
        before, values = before or side.outputs(feed), values or side.values()
        rows = [name for name, one in side.parameters.items() if one.owner == owner]
        # an exchange of the first two, and one step round, make every order
        orders = ([1, 0, *range(2, len(family))], [*range(1, len(family)), 0])
        if all(_is_same(side, feed, before, _exchanged(values, family, rows, one)) for one in orders):
            said.append(
                f"interchangeable, as exchanging them shows: {prefix}0 to {prefix}{len(family) - 1}, each "
                f"with its place along the first axis of {' and '.join(rows)}"
            )
    return tuple(said)


def _weighed(side: Side) -> Iterator[tuple[str, Family, str]]:
    """Yield lists of modules with equal parameters, and a module that has a row for each of them."""
    for prefix, family in _families(side).items():
        shapes = [
            {rest: side.parameters[name].shape for rest, name in one.items()} for one in family.values()
        ]
        count = len(family)
        if count < 2 or sorted(family) != list(range(count)) or any(one != shapes[0] for one in shapes):
            continue
        owned = defaultdict(list)
        for name, one in side.parameters.items():
            if not name.startswith(prefix):
                owned[one.owner].append(one.shape[:1])
        for owner, lengths in owned.items():
            if all(length == (count,) for length in lengths):
                yield prefix, family, owner


def _families(side: Side) -> dict[str, Family]:
    found: dict[str, Family] = defaultdict(lambda: defaultdict(dict))
    for name in side.parameters:
        for number in _NUMBER.finditer(name):
            found[name[: number.start()]][int(number[0])][name[number.end() :]] = name
    return found


def _exchanged(
    values: Mapping[str, np.ndarray], family: Family, rows: Sequence[str], order: Sequence[int]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the values of modules, and of rows, in another order; and as they were."""
    moved = {
        family[to][rest]: values[name] for to, at in enumerate(order) for rest, name in family[at].items()
    }
    moved |= {name: values[name][order] for name in rows}
    return moved, {name: np.array(values[name]) for name in moved}


def _is_same(
    side: Side,
    feed: Sequence[np.ndarray],
    before: Sequence[np.ndarray],
    exchanged: tuple[dict[str, np.ndarray], dict[str, np.ndarray]],
) -> bool:
    moved, own = exchanged
    side.set_values({name: np.array(value) for name, value in moved.items()})
    found = apart(before, side.outputs(feed))
    side.set_values(own)
    return found <= SAME_OUTPUTS[True]
