"""Plans: which parameters are cut or seen otherwise, so that both sides have the same pieces.

The first follows from the shapes. The others are tried where the outputs are not equal with it: what is
packed may be in another order, or head by head, and a dense layer may be given channels first or last.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from triport.converters.naming.step import Step
from triport.converters.naming.steps import Reshape, Transpose

from .flattening import biases_of
from .packings import (
    USUAL_HEADS,
    alternating_plans,
    blocked_plan,
    differently_packed,
    otherwise_packed,
    stacked_views,
)
from .pieces import Blocks, Cut, Key, Parameters, Plan, Views, key_of, squeezed, viewed
from .sides import SideParameter

_MOST_BLOCKS, _MOST_HEADS = 12, 200
# so few parameters that every length may be tried
SMALL = 300_000


def first_plan(a: Parameters, b: Parameters) -> Plan:
    """Return the cuts without which the two sides have other shapes; none where they have the same."""
    views_a, views_b = ({**stacked_views(*both), **_flattened(*both)} for both in ((a, b), (b, a)))
    seen_a, seen_b = viewed(a, views_a), viewed(b, views_b)
    lengths = _lengths(seen_a, seen_b)
    blocks = [
        _with_biases(side, other, {**_with_key(side, other), **_blocks_of(side, lengths)})
        for side, other in ((seen_a, seen_b), (seen_b, seen_a))
    ]
    cuts = [_cut(side, of_side) for side, of_side in zip((seen_a, seen_b), blocks, strict=True)]
    return Plan(cuts[0], cuts[1], "shapes", views_a, views_b, blocks=(blocks[0], blocks[1]))


def _flattened(parameters: Parameters, others: Parameters) -> Views:
    """Return views of kernels as matrices, and of what is added as vectors, where the other side has these.

    Heads may stand on an axis of their own. Of what is viewed so the other side has more, by itself or
    packed with others.
    """
    counts, other = (Counter(key_of(one.shape) for one in side.values()) for side in (parameters, others))

    def is_packed(shape: Sequence[int], axis: int, parts: int) -> bool:
        """Whether the other side has more of tensors that hold so many of a shape along an axis."""
        key = key_of((*shape[:axis], parts * shape[axis], *shape[axis + 1 :]))
        return other[key] > counts[key]

    found = {}
    for name, one in parameters.items():
        own = key_of(one.shape)
        is_whole = len(own) == 2 and any(
            is_packed(own, axis, parts) for axis in (0, 1) for parts in (2, 3, 4)
        )
        if is_whole or other[own] >= counts[own]:
            continue
        views = [view for view in _flat_views(one) if key_of(view[1]) != own]
        for parts, (steps, flat, axis) in itertools.product((1, 3, 2), views):
            if is_packed(flat, axis, parts):
                found[name] = steps
                break
    return found


def _flat_views(one: SideParameter) -> Iterator[tuple[tuple[Step, ...], tuple[int, ...], int]]:
    """Yield the steps that make a kernel a matrix, or a matrix of no known layer a vector, and its shape.

    Of several axes one is made, whose place comes last.
    """
    shape = one.shape
    if len(shape) == 2 and one.leaf is None:
        flat: tuple[int, ...] = (math.prod(shape),)
        yield (Reshape(shape, flat),), flat, 0
    # heads stand among what is taken or among what is returned, or before both
    for split in (1, 2) if len(shape) == 3 else (1,) if len(shape) > 3 else ():
        flat = (math.prod(shape[:split]), math.prod(shape[split:]))
        yield (Reshape(shape, flat),), flat, 2 - split
    # ... as may queries, keys and values
    if len(shape) == 3 or (len(shape) == 4 and one.leaf is None):
        places = tuple(range(len(shape) - 2))
        turned = (*shape[:-2], shape[-1], shape[-2])
        flat = (math.prod(turned[:-1]), turned[-1])
        yield (Transpose((*places, len(shape) - 1, len(shape) - 2)), Reshape(turned, flat)), flat, 0


def _with_biases(parameters: Parameters, others: Parameters, blocks: Blocks) -> dict[str, tuple[int, int]]:
    """Return blocks in which what is added to a packed weight is cut as the weight is.

    The lengths of vectors alone do not say so where one side lacks a bias. Where both have as many of a
    length, each is the other's whole.
    """
    found = dict(blocks)
    counts, other = (Counter(squeezed(one.shape) for one in side.values()) for side in (parameters, others))
    for name, (axis, block) in blocks.items():
        shape = squeezed(parameters[name].shape)
        length = shape[axis]
        is_uneven = counts[length,] != other[length,]
        if is_uneven and len(shape) > 1 and (not axis or length not in shape[:axis]):
            found |= {bias: (0, block) for bias in biases_of(parameters, name, length) if bias not in blocks}
    return found


def _with_key(parameters: Parameters, others: Parameters) -> dict[str, tuple[int, int]]:
    """Return packed biases of which the other side has those of queries and values: a key needs none."""
    counts, other = (Counter(one.shape for one in side.values()) for side in (parameters, others))
    packed = defaultdict(list)
    for name, one in parameters.items():
        width, more = divmod(one.size, 3)
        if len(one.shape) == 1 and not more and _has_weight(parameters, one, (one.size, width)):
            packed[width].append(name)
    return {
        name: (0, width)
        for width, names in packed.items()
        if len(names) == counts[3 * width,] - other[3 * width,]
        and 2 * len(names) == other[width,] - counts[width,]
        for name in names
    }


def _has_weight(parameters: Parameters, bias: SideParameter, key: Key) -> bool:
    return any(one.owner == bias.owner and key_of(one.shape) == key for one in parameters.values())


def packed_plan(a: Parameters, b: Parameters, parts: int, blocks_of: int | None = None) -> Plan | None:
    """Return cuts of what may be packed: (3d, d), and whatever else has 3d; None where there is none.

    Args:
        a: the parameters of one side.
        b: those of the other.
        parts: how many are packed: 3, or 4 gates.
        blocks_of: the length of the blocks, which may be in any order; None: d.
    """
    widths = _widths(a, b, parts)
    if not widths or (blocks_of is not None and any(width % blocks_of for width in widths)):
        return None
    first = first_plan(a, b)
    a, b = viewed(a, first.views_a), viewed(b, first.views_b)
    one_sided = bool(first.a or first.b)

    def cut(parameters: Parameters, found: Mapping[str, Cut]) -> dict[str, Cut]:
        cuts = dict(found)
        for name, one in parameters.items():
            shape = squeezed(one.shape)
            packed = next((axis for axis, size in enumerate(shape) if size // parts in widths), None)
            if len(shape) <= 2 and packed is not None and shape[packed] % parts == 0:
                width = shape[packed] // parts
                cuts[name] = Cut(packed, shape[packed] // (blocks_of or width))
            elif name in found and (width := _block(shape, found[name]) // parts) in widths:
                # several packed ones in one: the two biases of a recurrent layer
                cuts[name] = Cut(found[name].axis, shape[found[name].axis] // (blocks_of or width))
            elif blocks_of is not None and name in found:
                cuts[name] = Cut(found[name].axis, shape[found[name].axis] // blocks_of)
            elif blocks_of is not None and one_sided and len(shape) <= 2 and set(shape) <= widths and shape:
                cuts[name] = Cut(0, shape[0] // blocks_of)
        return {name: one for name, one in cuts.items() if one.count > 1}

    what = f"{parts} packed, blocks of {blocks_of or 'their width'}"
    return Plan(cut(a, first.a), cut(b, first.b), what, first.views_a, first.views_b)


def _block(shape: Sequence[int], cut: Cut) -> int:
    return shape[cut.axis] // cut.count


def _widths(a: Parameters, b: Parameters, parts: int) -> set[int]:
    """Return each d of which there is a packed (parts d, d)."""
    keys = [key_of(one.shape) for one in (*a.values(), *b.values())]
    return {key[1] for key in keys if len(key) == 2 and key[0] == parts * key[1]}


def _head_lengths(a: Parameters, b: Parameters) -> list[int]:
    """Return how long the heads of what is packed may be, the likeliest first."""
    common = math.gcd(*_widths(a, b, 3))
    lengths = [one for one in range(common // 2, 1, -1) if common % one == 0]
    return sorted(lengths, key=lambda one: one not in USUAL_HEADS)


def plans_of(a: Parameters, b: Parameters) -> list[Plan]:
    """Return every plan of cuts that these shapes allow, the plainest first."""
    found = [first_plan(a, b)]
    for parts in (3, 4):
        for blocks_of in (None, *_head_lengths(a, b)) if parts == 3 else (None,):
            plan = packed_plan(a, b, parts, blocks_of)
            if plan is not None and all((plan.a, plan.b) != (one.a, one.b) for one in found):
                found.append(plan)
    seen = viewed(a, found[0].views_a), viewed(b, found[0].views_b)
    return [*found, *otherwise_packed(seen, found[0], is_small(a, b)), *_both_packed(a, b, found)]


def is_small(a: Parameters, b: Parameters) -> bool:
    """Whether there are so few parameters that every length may be tried."""
    return sum(math.prod(one.shape) for side in (a, b) for one in side.values()) <= SMALL


def _both_packed(a: Parameters, b: Parameters, plans: Sequence[Plan]) -> list[Plan]:
    """Return plans of what is packed by three and by four: attention beside an LSTM, in small networks."""
    if not is_small(a, b):
        return []
    by_four = next((plan for plan in plans if plan.what.startswith("4 packed")), None)
    return [
        replace(
            plan,
            a={**by_four.a, **plan.a},
            b={**by_four.b, **plan.b},
            what=f"{plan.what}, and {by_four.what}",
        )
        for plan in plans
        if by_four is not None and plan.what.startswith("3 packed")
    ]


def turned_plans(a: Parameters, b: Parameters, first: Plan) -> Iterator[Plan]:
    """Yield the plan in which axes of one length may have changed places, where a tensor has such axes."""
    if any(can_be_turned(one.shape) for side in (a, b) for one in side.values()):
        yield replace(first, is_turned=True, what="axes of one length in any order")


def can_be_turned(shape: Sequence[int]) -> bool:
    """Whether a tensor keeps its shape when axes change places, though both sides may lay it out alike.

    Matrices are looked at in both ways anyhow.
    """
    sizes = squeezed(shape)
    return len(sizes) > 2 and len(set(sizes)) < len(sizes)


def blocked_plans(a: Parameters, b: Parameters, first: Plan) -> Iterator[Plan]:
    """Yield plans in which blocks of channels are in another order on the second side.

    One network concatenates two branches the other way round, or splits what a layer returns into other
    halves. Where there is much to run, only channels are cut that no layer returns together, or none takes.
    """
    seen = viewed(a, first.views_a), viewed(b, first.views_b)
    elements = packed_plan(a, b, 3, 1) if is_small(a, b) else None
    if elements is not None:
        yield elements
    lengths = _channels(seen)
    for axis, length in lengths:
        counts = [count for count in range(2, min(length, _MOST_BLOCKS) + 1) if length % count == 0]
        heads = [
            length // head
            for head in USUAL_HEADS
            if length % head == 0 and _MOST_BLOCKS < length // head <= _MOST_HEADS
        ]
        for count in (*counts, *heads):
            yield blocked_plan(seen, first, axis, length, count)
    yield from alternating_plans(seen, first, lengths)
    yield from mixed_plans(a, b, first)


def mixed_plans(a: Parameters, b: Parameters, first: Plan) -> Iterator[Plan]:
    """Yield plans in which tensors of two lengths or more lie otherwise: of attention, and of gates."""
    seen = viewed(a, first.views_a), viewed(b, first.views_b)
    yield from differently_packed(seen, first, _channels(seen), is_small(a, b))


def _channels(sides: tuple[Parameters, Parameters]) -> list[tuple[int, int]]:
    """Return axes of matrices, each with a length that it has; where there is much, on no other axis."""
    shapes = [squeezed(one.shape) for side in sides for one in side.values()]
    sizes = [{shape[axis] for shape in shapes if len(shape) > 1} for axis in (0, 1)]
    small = is_small(*sides)
    return [
        (axis, length)
        for axis in (1, 0)
        for length in sorted(sizes[axis] if small else sizes[axis] - sizes[1 - axis])
    ]


def _lengths(a: Parameters, b: Parameters) -> dict[tuple[Key, int, int], int]:
    """Return, for the shapes that one side has more of, the axis to cut along and the length of a block.

    A key of what is returned is a group (the sizes of the other axes), the length and the kind of axis.
    """
    count_a, count_b = (Counter(key_of(one.shape) for one in side.values()) for side in (a, b))
    more = {
        key: count_a[key] - count_b[key]
        for key in sorted({*count_a, *count_b})
        if key and count_a[key] != count_b[key]
    }
    found: dict[tuple[Key, int, int], int] = {}
    settled: set[Key] = set()
    # along the longest axis, or the next; then along one that is the longest on one side alone; then with
    # what is a single row, and has no such axis
    for places, with_rows in (
        *(((place,), False) for place in range(4)),
        ((0, 1, 2, 3), False),
        ((0, 1, 2, 3), True),
    ):
        groups: dict[Key, dict[int, int]] = defaultdict(dict)
        for key, place in itertools.product(more, places):
            if key not in settled and place < len(key):
                others = (*key[:place], *key[place + 1 :])
                groups[others][key[place]] = more[key]
        for rest, lengths in groups.items():
            if with_rows and rest in more and rest not in settled:
                lengths[1] = more[rest]
            for members in _balanced(lengths):
                block = math.gcd(*members)
                settled |= {key_of((*rest, length)) for length in members}
                for length in members:
                    found[rest, length, len(rest) + 1] = block
    return found


def _balanced(lengths: Mapping[int, int]) -> list[tuple[int, ...]]:
    """Return the sets of lengths of which both sides have as many values in all; each is cut by itself.

    Args:
        lengths: how many more tensors of a length the first side has.
    """
    if sum(length * surplus for length, surplus in lengths.items()) or len(lengths) < 2:
        return []
    left = dict(sorted(lengths.items()))
    found: list[tuple[int, ...]] = []
    for small, large in [(x, y) for x in left for y in left if x < y and y % x == 0]:
        if small in left and large in left and small * left[small] + large * left[large] == 0:
            found.append((small, large))
            del left[small], left[large]
    return [*found, tuple(left)] if left else found


def _blocks_of(
    parameters: Parameters, lengths: Mapping[tuple[Key, int, int], int]
) -> dict[str, tuple[int, int]]:
    found = {}
    for name, one in parameters.items():
        shape = squeezed(one.shape)
        for axis in sorted(range(len(shape)), key=lambda axis: -shape[axis]):
            rest = key_of((*shape[:axis], *shape[axis + 1 :]))
            block = lengths.get((rest, shape[axis], len(shape)))
            if block is not None:
                found[name] = axis, block
                break
    return found


def _cut(parameters: Parameters, blocks: Blocks) -> dict[str, Cut]:
    cuts = {
        name: Cut(axis, squeezed(parameters[name].shape)[axis] // block)
        for name, (axis, block) in blocks.items()
    }
    return {name: cut for name, cut in cuts.items() if cut.count > 1}
