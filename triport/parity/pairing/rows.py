"""Rows of names and steps, from matches of pieces: what is transposed, packed or in another order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from triport.converters.naming.constant_steps import Insert, Remove, Repeat, Unify
from triport.converters.naming.pair_names import PairRow
from triport.converters.naming.step import Step
from triport.converters.naming.step_texts import Only
from triport.converters.naming.steps import Concatenate, Reorder, Split, Transpose, reshaped

from .filled import count_of, with_lacked
from .pieces import Parameters, Piece, squeezed
from .state import Match, Matching


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that matches make.

    `problems` says what is wrong with those that make none, `constants` which pieces of the first side are
    left out because they do nothing with a value, by that value.
    """

    rows: list[PairRow]
    problems: list[str]
    constants: dict[Piece, float]


def rows_of(matching: Matching) -> Rows:
    """Return the rows that the matches make.

    Every piece of the parameters of a row is matched within the row, or does nothing; else there is no row.
    """
    found = Rows([], [], {})
    for group in _connected(matching.matches.values()):
        names = ", ".join(sorted({match.a.name for match in group}))
        filled = with_lacked(group, matching)
        if filled is None:
            found.problems.append(f"{names}: only parts of it have a counterpart")
        elif len({match.order for match in group}) > 1:
            found.problems.append(f"{names}: its parts are transposed, each otherwise")
        else:
            a, b = filled.parameters
            row = _stacked(filled.matches, a, b) or _row(filled.matches, a, b)
            if row is None:
                found.problems.append(f"{names}: is cut along one axis here and along another there")
                continue
            found.rows.append(filled.named(_viewed(row, matching)))
            found.constants.update(filled.constants)
    places = {name: place for place, name in enumerate(matching.parameters[0])}
    found.rows.sort(key=lambda row: places[row.a[0]])
    return found


def _viewed(row: PairRow, matching: Matching) -> PairRow:
    """Return a row of what the networks keep, of one of what its pieces are of."""
    views_a, views_b = matching.views
    if not any(name in views_a for name in row.a) and not any(name in views_b for name in row.b):
        return row
    before = [
        step for place, name in enumerate(row.a) for step in _of_one(views_a.get(name, ()), place, row.a)
    ]
    after = [
        step
        for place, name in enumerate(row.b)
        for step in _of_one([one.inverse for one in reversed(views_b.get(name, ()))], place, row.b)
    ]
    return PairRow(row.a, row.b, (*before, *row.steps, *after), row.reason)


def _of_one(steps: Iterable[Step], place: int, names: Sequence[str]) -> list[Step]:
    """Return steps of the tensor at a place as steps of all of them."""
    return list(steps) if len(names) == 1 else [Only(place, 1, step) for step in steps]


def without_counterpart(name: str, kind: str, shape: Sequence[int], on_a: bool) -> PairRow:
    """Return the row of a parameter that the other side lacks, and that does nothing with this value."""
    if on_a:
        return PairRow((name,), (), (Remove(0, kind, tuple(shape)),), f"the other side lacks it: {kind}")
    return PairRow((), (name,), (Insert(0, kind, tuple(shape)),), f"the other side lacks it: {kind}")


def with_aliases(row: PairRow, a: Parameters, b: Parameters) -> PairRow:
    """Return a row with all names of tensors that a side has twice, as tied weights."""
    if len(row.a) != 1 or len(row.b) != 1:
        return row
    more_a, more_b = a[row.a[0]].aliases, b[row.b[0]].aliases
    before: tuple[Step, ...] = (Unify(len(more_a) + 1),) if more_a else ()
    after: tuple[Step, ...] = (Repeat(len(more_b) + 1),) if more_b else ()
    return PairRow((*row.a, *more_a), (*row.b, *more_b), (*before, *row.steps, *after), row.reason)


def _connected(matches: Iterable[Match]) -> list[list[Match]]:
    """Return the matches in groups that share a parameter."""
    by_name: dict[tuple[str, str], list[Match]] = defaultdict(list)
    waiting = list(matches)
    for match in waiting:
        by_name["a", match.a.name].append(match)
        by_name["b", match.b.name].append(match)
    seen: set[int] = set()
    groups = []
    for first in waiting:
        if id(first) in seen:
            continue
        group, queue = [], [first]
        seen.add(id(first))
        while queue:
            match = queue.pop()
            group.append(match)
            for other in (*by_name["a", match.a.name], *by_name["b", match.b.name]):
                if id(other) not in seen:
                    seen.add(id(other))
                    queue.append(other)
        groups.append(group)
    return groups


def _row(group: Sequence[Match], a: Parameters, b: Parameters) -> PairRow | None:
    """Return the row of a group: squeezed, concatenated, transposed, put in order, split, shaped again.

    None where one axis is cut on either side, and not the same one.
    """
    order = group[0].order
    by_b = {(match.b.name, match.b.block): match for match in group}
    names_b = [name for name in b if any(match.b.name == name for match in group)]
    blocks_b = [by_b[name, block] for name in names_b for block in range(count_of(group, name, "b"))]
    # in the order in which the other side has them, so that there is less to put in order
    names_a = list(dict.fromkeys(match.a.name for match in blocks_b))
    places = {
        (name, block): place
        for place, (name, block) in enumerate(
            (name, block) for name in names_a for block in range(count_of(group, name, "a"))
        )
    }
    found = [places[match.a.name, match.a.block] for match in blocks_b]
    shapes_a, shapes_b = [a[name].shape for name in names_a], [b[name].shape for name in names_b]
    plain = order == tuple(range(len(order)))
    if plain and len(names_a) == len(names_b) == 1 and found == sorted(found):
        same = shapes_a[0] == shapes_b[0]
        moved = () if same else (reshaped(shapes_a[0], shapes_b[0]),)
        return PairRow(tuple(names_a), tuple(names_b), moved, group[0].reason)
    rank = max(len(squeezed(shape)) for shape in (*shapes_a, *shapes_b))
    axes = _axes(group, rank)
    if axes is None:
        return None
    axis_a, axis_b = axes
    sheets_a, sheets_b = _sheets(shapes_a, axis_a, rank), _sheets(shapes_b, axis_b, rank)
    steps = _reshaping(shapes_a, sheets_a)
    if len(names_a) > 1:
        steps.append(Concatenate(axis_a, tuple(sheet[axis_a] for sheet in sheets_a)))
    if not plain:
        steps.append(Transpose(order))
    if found != sorted(found):
        steps.append(Reorder(axis_b, _compressed(found)))
    if len(names_b) > 1:
        steps.append(Split(axis_b, tuple(sheet[axis_b] for sheet in sheets_b)))
    steps += _reshaping(sheets_b, shapes_b)
    return PairRow(tuple(names_a), tuple(names_b), tuple(steps), group[0].reason)


def _axes(group: Sequence[Match], rank: int) -> tuple[int, int] | None:
    """Return along which axis of so many either side is cut; a side that is whole follows the other."""
    order = group[0].order
    cut_a, cut_b = (
        {piece.cut.axis for match in group if (piece := getattr(match, side)).cut.count > 1} for side in "ab"
    )
    if len(cut_a) > 1 or len(cut_b) > 1:
        return None
    if rank > len(order):
        # blocks of one element along the axis, which have lost it: nothing is transposed
        axes = cut_a | cut_b
        return (*axes, *axes) if len(axes) == 1 and order == tuple(range(len(order))) else None
    axis_b = next(iter(cut_b), order.index(next(iter(cut_a), 0)))
    axis_a = next(iter(cut_a), order[axis_b])
    return (axis_a, axis_b) if order[axis_b] == axis_a else None


def _sheets(shapes: Sequence[tuple[int, ...]], axis: int, rank: int) -> list[tuple[int, ...]]:
    """Return shapes without axes of one, but for the one that is cut."""
    found = [squeezed(shape) for shape in shapes]
    return [shape if len(shape) == rank else (*shape[:axis], 1, *shape[axis:]) for shape in found]


def _reshaping(before: Sequence[tuple[int, ...]], after: Sequence[tuple[int, ...]]) -> list[Step]:
    """Return the steps from each of these shapes to another: one for all of them where that does."""
    steps = [None if old == new else reshaped(old, new) for old, new in zip(before, after, strict=True)]
    first = steps[0]
    if all(step == first for step in steps):
        return [] if first is None else [first]
    return [Only(place, 1, step) for place, step in enumerate(steps) if step is not None]


def _stacked(group: Sequence[Match], a: Parameters, b: Parameters) -> PairRow | None:
    """Return the row of whole tensors of which the other side has a stack; None where there is none."""
    is_a = len({match.a.name for match in group}) == 1
    pairs = [(match.b, match.a) if is_a else (match.a, match.b) for match in group]
    pairs.sort(key=lambda pair: pair[1].block)
    whole = pairs[0][1]
    apart, together = (b, a) if is_a else (a, b)
    shape = together[whole.name].shape
    stack, axis = squeezed(shape), whole.cut.axis
    shapes = {apart[one.name].shape for one, _ in pairs}
    order = group[0].order
    if len({other.name for _, other in pairs}) > 1 or any(one.cut.count > 1 for one, _ in pairs):
        return None
    if len(shapes) > 1 or len(group) < 2 or stack[axis] != whole.cut.count:
        return None
    sheet = (*stack[:axis], 1, *stack[axis + 1 :])
    before = shapes.pop()
    steps: list[Step] = []
    if order != tuple(range(len(order))):
        turn = Transpose(order).inverse if is_a else Transpose(order)
        steps += [*_reshaping([before], [squeezed(before)]), turn]
        (before,) = turn.shapes([squeezed(before)])
    if sheet != tuple(before):
        steps.append(reshaped(before, sheet))
    steps.append(Concatenate(axis, (1,) * len(group)))
    if stack != tuple(shape):
        steps.append(reshaped(stack, shape))
    names = tuple(one.name for one, _ in pairs)
    if is_a:
        inverse = tuple(step.inverse for step in reversed(steps))
        return PairRow((whole.name,), names, inverse, group[0].reason)
    return PairRow(names, (whole.name,), tuple(steps), group[0].reason)


def _compressed(order: Sequence[int]) -> tuple[int, ...]:
    """Return the order of fewer, larger blocks where blocks stay together."""
    for count in range(2, len(order)):
        size, rest = divmod(len(order), count)
        if rest:
            continue
        groups = [order[place : place + size] for place in range(0, len(order), size)]
        if all(
            group[0] % size == 0 and list(group) == list(range(group[0], group[0] + size)) for group in groups
        ):
            return tuple(group[0] // size for group in groups)
    return tuple(order)


def left_of(parameters: Parameters, rows: Iterable[PairRow], side: str) -> tuple[str, ...]:
    """Return the names that stand in no row."""
    used = {name for row in rows for name in getattr(row, side)}
    return tuple(name for name in parameters if name not in used)
