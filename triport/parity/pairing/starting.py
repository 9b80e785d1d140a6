"""With which plan, on which input, two sides are matched: where their outputs are nearest at the start."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

from .comparing import SAME_OUTPUTS, Seen
from .flattening import flattened_plans
from .guessing import by_guess, guesses
from .lacked import plan_of_layers, plans_without_biases
from .matching import match_all
from .pieces import Plan, key_of
from .plans import blocked_plans, can_be_turned, is_small, mixed_plans, plans_of, turned_plans
from .proof import even, feed_of
from .sides import Side
from .state import Matching
from .steered import steered_sides

Progress = Callable[[str], None]
# cuts into more blocks than these cost more than they can tell
_MOST_PIECES = 4000
# ways to leave biases out that are tried with each way to cut what is packed
_MOST_LACKED = 8
# how much nearer the outputs must come for cuts that the shapes do not ask for
_WORTH_CUTTING = 3.0
# how far outputs are apart, at the least, where channels are in another order
_OTHER_ORDER = 1e-2


def candidates(a: Side, b: Side, progress: Progress) -> Iterator[tuple[Matching, Seen]]:
    """Yield matches, each with its last run; the last are all that can be told.

    What comes before that is a guess, which may be wrong though it is complete.
    """
    plain, *more = plans_of(a.parameters, b.parameters)
    first, apart = _plainest(a, b, plain, progress)
    of_layers = None if _same(first, apart) else plan_of_layers(first)
    with_lacked = [] if of_layers is None else [Matching(a, b, of_layers, first.feed, progress)]
    for matching in (first, *with_lacked):
        for matches in guesses(matching):
            matching.suppose(matches)
            yield matching, Seen(is_guess=True)
        matching.suppose(())
    yield _told(first, apart, more)


def _told(first: Matching, apart: float, more: list[Plan]) -> tuple[Matching, Seen]:
    """Return all that can be matched, and its last run, with the values that belong to it on both sides.

    The plainest cuts come first. Cuts with which outputs are nearer at the start may only hide what differs,
    as blocks of one value do: what they match is taken where it says more in the end.
    """
    a, b = first.sides
    plain = first.plan
    if _same(first, apart):
        return _matched(first)
    parting = _steered(first)
    steered = _nearer(parting, apart)
    best = _matched(first if steered is None else steered[0])
    are_same = steered is not None and _same(*steered)
    turned = list(turned_plans(a.parameters, b.parameters, plain))
    is_cut = steered is not None and _parts_what_is_cut(steered[0], [*more, *turned])
    if (are_same or _is_settled(*best)) and not is_cut:
        return best
    if parting is not None and not are_same:
        # outputs are not nearer if a dense layer behind what parts is given height before width, or the like
        sides = a.parameters, b.parameters
        settled, _ = _tried(parting[0], 0.0, flattened_plans(*sides, plain, first.feed, is_small(*sides)))
        if settled is not None:
            return settled
    other = _otherwise(first, apart, more, are_same)
    if other is not None and _says_more(other, best):
        return other
    best[0].give_all()
    return best


def _plainest(a: Side, b: Side, plain: Plan, progress: Progress) -> tuple[Matching, float]:
    """Return the matching with the plainest cuts, or without biases that one side lacks if that is equal.

    Returns:
        the matching, and how far outputs are apart at the start.
    """
    progress("comparing outputs")
    first = Matching(a, b, plain, feed_of(a, 0), progress)
    apart = first.start()
    # what a softmax does not see, the bias of a key, leaves outputs equal whatever it is
    if _same(first, apart) and len(first.pieces[0]) == len(first.pieces[1]):
        return first, apart
    for plan in plans_without_biases(first):
        found = Matching(a, b, plan, first.feed, progress)
        without = found.start()
        if _same(found, without):
            return found, without
    return first, apart


def _matched(matching: Matching) -> tuple[Matching, Seen]:
    matching.progress("comparing gradients")
    matching.give_common()
    seen = matching.look(0)
    return matching, by_guess(matching, seen) or match_all(matching, seen)


def _is_settled(matching: Matching, seen: Seen) -> bool:
    """Whether outputs are equal with all that is matched, and nothing is left but what may do nothing."""
    return matching.is_settled and _same(matching, seen.apart)


def _says_more(found: tuple[Matching, Seen], than: tuple[Matching, Seen]) -> bool:
    """Whether outputs are equal, or all is matched, and was not, or outputs are clearly nearer."""
    if _is_settled(*found) or not found[0].is_complete:
        return _is_settled(*found)
    return not than[0].is_complete or found[1].apart * _WORTH_CUTTING < than[1].apart


def _otherwise(
    first: Matching, apart: float, more: Iterable[Plan], are_same: bool
) -> tuple[Matching, Seen] | None:
    """Return what is matched with other cuts or on other images, if outputs are nearer there.

    Args:
        first: with the plainest cuts.
        apart: how far outputs are apart with these.
        more: other cuts of what is packed.
        are_same: whether outputs are equal once what parts is steered.
    """
    a, b = (side.parameters for side in first.sides)
    plain = first.plan
    settled, plan = _tried(first, apart, _with_lacked(first, more))
    if settled is None and plan is plain and not are_same:
        settled, plan = _tried(first, apart, flattened_plans(a, b, plain, first.feed, is_small(a, b)))
    if settled is None and plan is plain:
        # these hide what differs: only what they settle is taken
        settled, _ = _tried(first, 0.0, turned_plans(a, b, plain))
    if settled is None and not are_same and apart > _OTHER_ORDER:
        plans = blocked_plans if plan is plain else mixed_plans
        settled, _ = _tried(first, 0.0, plans(a, b, plain))
    if settled is not None:
        return settled
    if plan is plain:
        even_images = None if are_same else _of_even_images(first, apart)
        return None if even_images is None else _matched(even_images)
    best = Matching(*first.sides, plan, first.feed, first.progress)
    apart = best.start()
    steered = None if _same(best, apart) else _nearer(_steered(best), apart)
    return _matched(best if steered is None else steered[0])


def _parts_what_is_cut(steered: Matching, plans: Iterable[Plan]) -> bool:
    """Whether a plan cuts or turns a matrix of a module that parts: in no other way can it change what parts.

    A vector that is packed follows what a matrix returned, or is added to it in the matrix' own layer.
    """
    return any(
        len(key_of(side.parameters[name].shape)) > 1
        for plan in plans
        for side, parting, cuts in zip(steered.sides, steered.parting, (plan.a, plan.b), strict=True)
        for name in parting
        if name in cuts or (plan.is_turned and can_be_turned(side.parameters[name].shape))
    )


def _same(matching: Matching, apart: float) -> bool:
    return apart <= SAME_OUTPUTS[matching.is_double]


def _tried(first: Matching, apart: float, plans: Iterable[Plan]) -> tuple[tuple[Matching, Seen] | None, Plan]:
    """Return what one of these plans settles, if one does, and the plan with which outputs are nearest.

    Blocks of one value hide differences: equal outputs at the start are not enough.

    Args:
        first: with the plainest cuts, whose plan is returned where none is nearer.
        apart: how far outputs are apart with it.
        plans: are tried in turn.
    """
    best, least = first.plan, apart
    for plan in plans:
        first.progress(f"comparing outputs, {plan.what}")
        matching = Matching(*first.sides, plan, first.feed, first.progress)
        matching.parting = first.parting
        if max(map(len, matching.pieces)) > _MOST_PIECES:
            continue
        found = matching.starts_apart(first.gain)
        if found * _WORTH_CUTTING < least:
            best, least = plan, found
        if _same(matching, found):
            done = _matched(matching)
            if _is_settled(*done):
                return done, plan
    return None, best


def _with_lacked(first: Matching, plans: Iterable[Plan]) -> Iterator[Plan]:
    """Yield plans, and in small networks each without biases that one side lacks too."""
    small = is_small(*(side.parameters for side in first.sides))
    for plan in plans:
        yield plan
        if small:
            cut = Matching(*first.sides, plan, first.feed, first.progress)
            yield from itertools.islice(plans_without_biases(cut), _MOST_LACKED)


def _of_even_images(first: Matching, apart: float) -> Matching | None:
    """Return a matching on images of one colour each, if outputs are nearer there."""
    if not any(one.ndim == 4 for one in first.feed):
        return None
    first.progress("comparing outputs, of even images")
    found = Matching(*first.sides, first.plan, [even(one) for one in first.feed], first.progress)
    # what is equal there only is not equal, and twins there may be none
    return found if SAME_OUTPUTS[found.is_double] < found.start() < apart else None


def _steered(plain: Matching) -> tuple[Matching, float] | None:
    """Return a matching in which what parts is steered, and how far outputs are apart, if anything is."""
    plain.progress("finding what parts")
    plain.give_common()
    sides = steered_sides(*plain.sides, plain.feed)
    if sides is None:
        return None
    matching = Matching(*sides.sides, plain.plan, plain.feed, plain.progress)
    matching.parting = sides.names
    return matching, matching.start()


def _nearer(steered: tuple[Matching, float] | None, apart: float) -> tuple[Matching, float] | None:
    """Return a steered matching if its outputs are nearer than those without."""
    return steered if steered is not None and steered[1] * _WORTH_CUTTING < apart else None
