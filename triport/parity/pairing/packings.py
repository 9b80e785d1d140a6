"""Plans of what is packed in more ways than shapes tell: by groups, dealt out row by row, in stacks.

The shapes say what is cut into blocks of which length. The rows may lie otherwise: a block may be of several
heads, which stand in any order; rows of a gate and of its value may alternate.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from triport.converters.naming.step import Step
from triport.converters.naming.steps import Regroup, Reshape, Transpose
from triport.reference_models.errors import counted

from .pieces import Cut, Parameters, Plan, Views, key_of, squeezed
from .sides import SideParameter

USUAL_HEADS = (128, 64, 32, 16, 8, 4, 2)
_MOST_PLANS, _MOST_OF_LARGE = 80, 32
_MOST_PARTS = 4  # of a layer, whose rows alternate
_MOST_STACKED = 3  # matrices of one expert, packed in one tensor

Sides = tuple[Parameters, Parameters]
T = TypeVar("T")


def stacked_views(parameters: Parameters, others: Parameters) -> Views:
    """Return views of stacks as one matrix below the other, where the other side has the matrices apart.

    So with rows that the other side has apart, as vectors. A stack of experts' weights may have a gate and
    its value packed besides, along either axis.
    """
    counts, other = (Counter(key_of(one.shape) for one in side.values()) for side in (parameters, others))
    found: dict[str, tuple[Step, ...]] = {}
    for name, one in parameters.items():
        shape = squeezed(one.shape)
        if len(shape) not in (2, 3) or other[key_of(shape)] >= counts[key_of(shape)]:
            continue
        if len(shape) == 2:
            if other[shape[1:]] - counts[shape[1:]] >= shape[0]:
                found[name] = (Reshape(one.shape, (shape[0] * shape[1],)),)
            continue
        for parts, stack, cut in itertools.product(range(1, _MOST_STACKED + 1), (0, 1, 2), (0, 1, 2)):
            (rest,) = {0, 1, 2} - {stack, cut} if stack != cut else (None,)
            if rest is None or shape[cut] % parts:
                continue
            key = key_of((shape[cut] // parts, shape[rest]))
            if len(key) == 2 and other[key] - counts[key] >= shape[stack] * parts:
                found[name] = _below_each_other(one.shape, (stack, cut, rest))
                break
    return found


def _below_each_other(shape: Sequence[int], axes: tuple[int, int, int]) -> tuple[Step, ...]:
    """Return the steps that lay the matrices of a stack one below the other."""
    steps: list[Step] = []
    sizes = squeezed(shape)
    if sizes != tuple(shape):
        steps.append(Reshape(tuple(shape), sizes))
    if axes != (0, 1, 2):
        steps.append(Transpose(axes))
    stack, cut, rest = (sizes[axis] for axis in axes)
    return (*steps, Reshape((stack, cut, rest), (stack * cut, rest)))


def otherwise_packed(sides: Sides, plan: Plan, is_small: bool) -> Iterator[Plan]:
    """Yield plans in which the blocks that a plan cuts lie otherwise, those with the fewest changes first.

    Args:
        sides: the parameters, as the plan's views show them.
        plan: with the cuts that the shapes ask for.
        is_small: whether every length may be tried.
    """
    most = _MOST_PLANS if is_small else _MOST_OF_LARGE
    yield from itertools.islice(_combined(plan, _choices(sides, plan, is_small), 1), most)


def differently_packed(
    sides: Sides, plan: Plan, lengths: Sequence[tuple[int, int]], is_small: bool
) -> Iterator[Plan]:
    """Yield plans in which tensors of two lengths or more lie otherwise, whether the plan cuts them or not.

    Args:
        sides: the parameters, as the plan's views show them.
        plan: with the cuts that the shapes ask for.
        lengths: each an axis of matrices, and how long it is.
        is_small: whether every length may be tried.
    """
    choices = _choices(sides, plan, is_small)
    settled = {
        one.shape[0]
        for side, blocks in zip(sides, plan.blocks, strict=True)
        for name, one in side.items()
        if one.shape and (name in blocks or _is_of_words(one))
    }
    for length in [length for axis, length in lengths if not axis and length not in settled]:
        alternating = itertools.islice(alternating_plans(sides, plan, [(0, length)]), 2)
        heads = [length // head for head in USUAL_HEADS if length % head == 0 and length > head]
        blocked = (blocked_plan(sides, plan, 0, length, count) for count in heads)
        choices.append([plan, *alternating, *blocked])
    most = _MOST_PLANS if is_small else _MOST_OF_LARGE
    yield from itertools.islice(_combined(plan, choices, 2), most)


def _is_of_words(one: SideParameter) -> bool:
    return one.leaf is not None and one.leaf.seeding == "embedding"


def _choices(sides: Sides, plan: Plan, is_small: bool) -> list[list[Plan]]:
    """Return, for each length of a block, the plan and what may be instead, the likeliest first."""
    lengths = {block for blocks in plan.blocks for _, block in blocks.values()}
    return [
        [
            plan,
            *_dealt(sides, plan, length),
            *_turned_squares(sides, plan, length),
            *(_finer(sides, plan, length, head) for head in _heads(length, is_small)),
        ]
        for length in sorted(lengths)
    ]


def _combined(plan: Plan, choices: Sequence[Sequence[Plan]], least: int) -> Iterator[Plan]:
    """Yield plans in which at least so many choices are not the plan's own, the likeliest first."""
    sizes = [len(options) for options in choices]
    for total in range(least, sum(sizes) - len(sizes) + 1):
        for places in _places(sizes, total):
            changed = [options[at] for options, at in zip(choices, places, strict=True) if at]
            if len(changed) >= least:
                yield _together(plan, changed)


def _places(sizes: Sequence[int], total: int) -> Iterator[tuple[int, ...]]:
    """Yield places in lists of these sizes that add up to a total."""
    if not sizes:
        if not total:
            yield ()
        return
    for first in range(min(sizes[0] - 1, total) + 1):
        for rest in _places(sizes[1:], total - first):
            yield (first, *rest)


def _heads(length: int, is_small: bool) -> list[int]:
    every = [one for one in range(length // 2, 0, -1) if length % one == 0]
    usual = [one for one in USUAL_HEADS if one in every]
    return [*usual, *(one for one in every if one not in usual)] if is_small else usual


def _finer(sides: Sides, plan: Plan, length: int, head: int) -> Plan:
    """Return a plan whose blocks of a length are cut into smaller ones."""
    cuts = []
    for parameters, blocks, of_side in zip(sides, plan.blocks, (plan.a, plan.b), strict=True):
        finer = {
            name: Cut(axis, squeezed(parameters[name].shape)[axis] // head)
            for name, (axis, block) in blocks.items()
            if block == length
        }
        cuts.append({**of_side, **{name: cut for name, cut in finer.items() if cut.count > 1}})
    return replace(plan, a=cuts[0], b=cuts[1], what=f"blocks of {length} as blocks of {head}")


def _turned_squares(sides: Sides, plan: Plan, length: int) -> Iterator[Plan]:
    """Yield plans in which one side's square matrices are cut along the other axis: they may be turned."""
    for place, of_side in ((1, plan.b), (0, plan.a)):
        cuts = {}
        for name, (axis, block) in plan.blocks[place].items():
            shape = squeezed(sides[place][name].shape)
            if block == length < shape[0] and len(shape) == 2 and shape[0] == shape[1]:
                cuts[name] = Cut(1 - axis, shape[0] // length)
        if cuts:
            what = f"square matrices of the {('first', 'second')[place]} network transposed"
            made = {**of_side, **cuts}
            yield replace(plan, b=made, what=what) if place else replace(plan, a=made, what=what)


def _dealt(sides: Sides, plan: Plan, length: int) -> Iterator[Plan]:
    """Yield plans in which rows of packed tensors alternate, where the other side has the blocks apart."""
    classes: dict[tuple[int, int], list[str]] = defaultdict(list)
    for place, (parameters, blocks) in enumerate(zip(sides, plan.blocks, strict=True)):
        for name, (axis, block) in blocks.items():
            count = squeezed(parameters[name].shape)[axis] // block
            if block == length and count > 1:
                classes[place, count].append(name)
    if len({place for place, _ in classes}) > 1:
        return
    for (place, count), names in classes.items():
        axes = {name: plan.blocks[place][name][0] for name in names}
        # what is a stack of packed tensors holds each part once for each of them
        for parts in [one for one in range(2, _MOST_PARTS + 1) if count % one == 0]:
            whole = parts * length
            views = {
                name: Regroup(axis, (length, parts), (1, 0))
                if count == parts
                else Regroup(axis, (count // parts, length, parts), (0, 2, 1))
                for name, axis in axes.items()
            }
            yield _with_views(sides, plan, place, views, f"rows of {whole} that alternate")


def _with_views(sides: Sides, plan: Plan, place: int, views: Mapping[str, Regroup], what: str) -> Plan:
    """Return a plan with views more, of the squeezed shapes of a side."""
    before = (plan.views_a, plan.views_b)[place]
    made = {
        name: (*before.get(name, ()), *_on_squeezed(sides[place][name].shape, step))
        for name, step in views.items()
    }
    if place:
        return replace(plan, views_b={**before, **made}, what=what)
    return replace(plan, views_a={**before, **made}, what=what)


def _on_squeezed(shape: Sequence[int], step: Regroup) -> tuple[Step, ...]:
    """Return a step along an axis of a squeezed shape as one along the same axis of the shape."""
    axes = [axis for axis, size in enumerate(shape) if size != 1]
    return (replace(step, axis=axes[step.axis]),)


def _together(plan: Plan, changed: Sequence[Plan]) -> Plan:
    """Return a plan with the changes of several, each of other tensors."""
    found = plan
    for one in changed:
        found = replace(
            found,
            a={**found.a, **_changes(plan.a, one.a)},
            b={**found.b, **_changes(plan.b, one.b)},
            views_a={**found.views_a, **_changes(plan.views_a, one.views_a)},
            views_b={**found.views_b, **_changes(plan.views_b, one.views_b)},
        )
    return replace(found, what=", ".join(one.what for one in changed))


def _changes(before: Mapping[str, T], after: Mapping[str, T]) -> dict[str, T]:
    return {name: one for name, one in after.items() if before.get(name) != one}


def alternating_plans(sides: Sides, first: Plan, lengths: Sequence[tuple[int, int]]) -> Iterator[Plan]:
    """Yield plans in which rows of layers alternate on one side alone.

    Args:
        sides: the parameters, as the plan's views show them.
        first: with the cuts that the shapes ask for.
        lengths: each an axis of matrices, and how long it is.
    """
    for (axis, length), parts, place in itertools.product(lengths, range(2, _MOST_PARTS + 1), (1, 0)):
        if length % parts or length == parts:
            continue
        cuts = [blocks_along(side, axis, length, parts) for side in sides]
        views = {
            name: Regroup(cut.axis, (length // parts, parts), (1, 0))
            for name, cut in cuts[place].items()
            if name not in (first.a, first.b)[place]
        }
        plan = replace(first, a={**cuts[0], **first.a}, b={**cuts[1], **first.b})
        what = f"rows of {counted(parts, 'part')} of {length} that alternate"
        yield _with_views(sides, plan, place, views, what)


def blocked_plan(sides: Sides, first: Plan, axis: int, length: int, count: int) -> Plan:
    """Return the plan in which so many blocks of channels may be in any order."""
    cuts = [blocks_along(side, axis, length, count) for side in sides]
    what = f"{counted(count, 'block')} of {length} channels in any order"
    return replace(first, a={**cuts[0], **first.a}, b={**cuts[1], **first.b}, what=what)


def blocks_along(parameters: Parameters, axis: int, length: int, count: int) -> dict[str, Cut]:
    """Return cuts of the weights that have this length on an axis, and of the vectors that have it."""
    found = {}
    for name, one in parameters.items():
        shape = squeezed(one.shape)
        place = axis if len(shape) > 1 else 0
        if shape and shape[place] == length:
            found[name] = Cut(place, count)
    return found
