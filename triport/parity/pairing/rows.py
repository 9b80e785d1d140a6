"""Rows of names and steps, from matches of pieces: what is transposed, packed or in another order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from triport.converters.naming.constant_steps import Insert, Remove, Repeat, Unify
from triport.converters.naming.pair_names import Row
from triport.converters.naming.step import Step
from triport.converters.naming.steps import Concatenate, Reorder, Split, Transpose, reshaped

from .pieces import Parameters, squeezed
from .state import Match, Matching


def rows_of(matching: Matching) -> tuple[list[Row], list[str]]:
    """Return the rows that the matches make, and what is wrong with those that make none.

    Every piece of the parameters of a row is matched within the row, or there is no row.
    """
    a, b = matching.parameters
    rows: list[Row] = []
    problems: list[str] = []
    for group in _connected(matching.matches.values()):
        names_a, names_b = ({getattr(match, side).name for match in group} for side in "ab")
        pieces = sum(_count(group, name, "a") for name in names_a)
        if pieces != len(group) or sum(_count(group, name, "b") for name in names_b) != len(group):
            problems.append(f"{', '.join(sorted(names_a))}: only parts of it have a counterpart")
            continue
        if len({match.order for match in group}) > 1:
            problems.append(f"{', '.join(sorted(names_a))}: its parts are transposed, each otherwise")
            continue
        row = _viewed(_stacked(group, a, b) or _row(group, a, b), matching)
        if row is None:
            problems.append(f"{', '.join(sorted(names_a))}: is packed and seen otherwise at once")
            continue
        rows.append(row)
    places = {name: place for place, name in enumerate(a)}
    return sorted(rows, key=lambda row: places[row.a[0]]), problems


def _viewed(row: Row, matching: Matching) -> Row | None:
    """Return a row of what the networks keep, of one of what its pieces are of; None: there is none."""
    views_a, views_b = matching.views
    if not any(name in views_a for name in row.a) and not any(name in views_b for name in row.b):
        return row
    if len(row.a) > 1 or len(row.b) > 1:
        return None
    before = views_a.get(row.a[0], ())
    after = [step.inverse for step in reversed(views_b.get(row.b[0], ()))]
    return Row(row.a, row.b, (*before, *row.steps, *after), row.reason)


def without_counterpart(name: str, kind: str, shape: Sequence[int], on_a: bool) -> Row:
    """Return the row of a parameter that the other side lacks, and that does nothing with this value."""
    if on_a:
        return Row((name,), (), (Remove(0, kind, tuple(shape)),), f"the other side lacks it: {kind}")
    return Row((), (name,), (Insert(0, kind, tuple(shape)),), f"the other side lacks it: {kind}")


def with_aliases(row: Row, a: Parameters, b: Parameters) -> Row:
    """Return a row with all names of tensors that a side has twice, as tied weights."""
    if len(row.a) != 1 or len(row.b) != 1:
        return row
    more_a, more_b = a[row.a[0]].aliases, b[row.b[0]].aliases
    before: tuple[Step, ...] = (Unify(len(more_a) + 1),) if more_a else ()
    after: tuple[Step, ...] = (Repeat(len(more_b) + 1),) if more_b else ()
    return Row((*row.a, *more_a), (*row.b, *more_b), (*before, *row.steps, *after), row.reason)


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


def _count(group: Sequence[Match], name: str, side: str) -> int:
    return next(piece.cut.count for match in group if (piece := getattr(match, side)).name == name)


def _row(group: Sequence[Match], a: Parameters, b: Parameters) -> Row:
    """Return the row of a group: squeezed, concatenated, transposed, put in order, split, shaped again."""
    order = group[0].order
    by_b = {(match.b.name, match.b.block): match for match in group}
    names_b = [name for name in b if any(match.b.name == name for match in group)]
    blocks_b = [by_b[name, block] for name in names_b for block in range(_count(group, name, "b"))]
    # in the order in which the other side has them, so that there is less to put in order
    names_a = list(dict.fromkeys(match.a.name for match in blocks_b))
    places = {
        (name, block): place
        for place, (name, block) in enumerate(
            (name, block) for name in names_a for block in range(_count(group, name, "a"))
        )
    }
    found = [places[match.a.name, match.a.block] for match in blocks_b]
    first_a, first_b = group[0].a, group[0].b
    steps: list[Step] = []
    shapes_a, shapes_b = [a[name].shape for name in names_a], [b[name].shape for name in names_b]
    plain = order == tuple(range(len(order)))
    if plain and len(names_a) == len(names_b) == 1 and found == sorted(found):
        same = shapes_a[0] == shapes_b[0]
        moved = () if same else (reshaped(shapes_a[0], shapes_b[0]),)
        return Row(tuple(names_a), tuple(names_b), moved, group[0].reason)
    steps += _squeezing(shapes_a)
    if len(names_a) > 1:
        sizes = [squeezed(shape)[first_a.cut.axis] for shape in shapes_a]
        steps.append(Concatenate(first_a.cut.axis, tuple(sizes)))
    if not plain:
        steps.append(Transpose(order))
    if found != sorted(found):
        steps.append(Reorder(first_b.cut.axis, _compressed(found)))
    if len(names_b) > 1:
        sizes = [squeezed(shape)[first_b.cut.axis] for shape in shapes_b]
        steps.append(Split(first_b.cut.axis, tuple(sizes)))
    steps += [step.inverse for step in _squeezing(shapes_b)]
    return Row(tuple(names_a), tuple(names_b), tuple(steps), group[0].reason)


def _stacked(group: Sequence[Match], a: Parameters, b: Parameters) -> Row | None:
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
        steps += [*_squeezing([before]), turn]
        (before,) = turn.shapes([squeezed(before)])
    if sheet != tuple(before):
        steps.append(reshaped(before, sheet))
    steps.append(Concatenate(axis, (1,) * len(group)))
    if stack != tuple(shape):
        steps.append(reshaped(stack, shape))
    names = tuple(one.name for one, _ in pairs)
    if is_a:
        inverse = tuple(step.inverse for step in reversed(steps))
        return Row((whole.name,), names, inverse, group[0].reason)
    return Row(names, (whole.name,), tuple(steps), group[0].reason)


def _squeezing(shapes: Sequence[tuple[int, ...]]) -> list[Step]:
    """Return the step that takes axes of one out, where there are any."""
    first = shapes[0]
    if squeezed(first) == tuple(first):
        return []
    return [reshaped(first, squeezed(first))]


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


def left_of(parameters: Parameters, rows: Iterable[Row], side: str) -> tuple[str, ...]:
    """Return the names that stand in no row."""
    used = {name for row in rows for name in getattr(row, side)}
    return tuple(name for name in parameters if name not in used)
