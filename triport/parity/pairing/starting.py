"""With which plan, on which input, two sides are matched: where their outputs are nearest at the start."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .comparing import SAME_OUTPUTS, Seen
from .lacked import plans_without_biases
from .matching import match_all
from .pieces import Plan, key_of
from .plans import blocked_plans, first_plan, flattened_plans, plans_of
from .proof import even, feed_of
from .sides import Side
from .state import Matching
from .steered import steered_sides

Progress = Callable[[str], None]
# how much nearer the outputs must come for cuts that the shapes do not ask for
_WORTH_CUTTING = 3.0
# how far outputs are apart, at the least, where channels are in another order
_OTHER_ORDER = 1e-2


def matched(a: Side, b: Side, progress: Progress) -> tuple[Matching, Seen]:
    """Return all that can be matched, and its last run.

    Cuts with which outputs are nearer at the start may only hide what differs, as blocks of one value do:
    where they leave something, the plainest cuts are tried too.
    """
    matching, seen = started(a, b, progress)
    seen = match_all(matching, seen)
    plain = first_plan(a.parameters, b.parameters)
    if matching.is_complete or matching.plan.what == plain.what:
        return matching, seen
    other = Matching(*matching.sides, plain, matching.feed, progress)
    other.parting = matching.parting
    other.start()
    again = match_all(other, other.look(0))
    return (other, again) if other.is_complete else (matching, seen)


def started(a: Side, b: Side, progress: Progress) -> tuple[Matching, Seen]:
    """Return the matching with which the outputs are nearest, and its first run."""
    matching = _nearest_of_all(a, b, progress)
    progress("comparing gradients")
    return matching, matching.look(0)


def _nearest_of_all(a: Side, b: Side, progress: Progress) -> Matching:
    """Return the matching with which the outputs are nearest, with its values on both sides."""
    plain, *more = plans_of(a.parameters, b.parameters)
    progress("comparing outputs")
    first = Matching(a, b, plain, feed_of(a, 0), progress)
    apart = first.start()
    if _same(first, apart):
        return first
    for plan in plans_without_biases(first):
        found = Matching(a, b, plan, first.feed, progress)
        if _same(found, found.start()):
            return found
    steered = _steered(first, apart)
    are_same = steered is not None and _same(*steered)
    if steered is not None and are_same and not _parts_what_is_cut(steered[0], more):
        return steered[0]
    best, plan = first, _nearest(first, apart, more)
    if plan is plain and not are_same:
        plan = _nearest(first, apart, flattened_plans(a.parameters, b.parameters, plain))
        blocks = blocked_plans(a.parameters, b.parameters, plain)
        if plan is plain and apart > _OTHER_ORDER and (blocked := _blocked(first, blocks)) is not None:
            return blocked
    if plan is not plain:
        best = Matching(a, b, plan, first.feed, progress)
        apart = best.start()
        if _same(best, apart):
            return best
        steered = _steered(best, apart)
    if steered is not None:
        steered[0].give_common()
        return steered[0]
    return _of_even_images(best, apart)


def _parts_what_is_cut(steered: Matching, plans: Iterable[Plan]) -> bool:
    """Whether a plan cuts a matrix of a module that parts: in no other way can it change what parts.

    A vector that is packed follows what a matrix returned, or is added to it in the matrix' own layer.
    """
    return any(
        len(key_of(side.parameters[name].shape)) > 1
        for plan in plans
        for side, parting, cuts in zip(steered.sides, steered.parting, (plan.a, plan.b), strict=True)
        for name in parting & cuts.keys()
    )


def _same(matching: Matching, apart: float) -> bool:
    return apart <= SAME_OUTPUTS[matching.is_double]


def _nearest(first: Matching, apart: float, plans: Iterable[Plan]) -> Plan:
    """Return the plan with which outputs are nearest; what they are apart without any of these is given."""
    best, least = first.plan, apart
    for plan in plans:
        first.progress(f"comparing outputs, {plan.what}")
        found = Matching(*first.sides, plan, first.feed, first.progress).starts_apart(first.gain)
        if found * _WORTH_CUTTING < least:
            best, least = plan, found
        if least <= SAME_OUTPUTS[first.is_double]:
            break
    return best


def _blocked(first: Matching, plans: Iterable[Plan]) -> Matching | None:
    """Return the first matching in blocks with which all is matched and outputs are equal.

    Blocks of one value hide differences: equal outputs at the start are not enough.
    """
    for plan in plans:
        first.progress(f"comparing outputs, {plan.what}")
        found = Matching(*first.sides, plan, first.feed, first.progress)
        if _same(found, found.start()):
            seen = match_all(found, found.look(0))
            if _same(found, seen.apart) and found.is_complete:
                return found
    return None


def _of_even_images(best: Matching, apart: float) -> Matching:
    """Return a matching on images of one colour each, if outputs are nearer there; else the given one."""
    if any(one.ndim == 4 for one in best.feed):
        best.progress("comparing outputs, of even images")
        found = Matching(*best.sides, best.plan, [even(one) for one in best.feed], best.progress)
        # what is equal there only is not equal, and twins there may be none
        if SAME_OUTPUTS[found.is_double] < found.start() < apart:
            return found
    best.give_common()
    return best


def _steered(plain: Matching, apart: float) -> tuple[Matching, float] | None:
    """Return a matching in which what parts is steered, and how far outputs are apart, if they are nearer."""
    plain.progress("finding what parts")
    plain.give_common()
    sides = steered_sides(*plain.sides, plain.feed)
    if sides is None:
        return None
    matching = Matching(*sides.sides, plain.plan, plain.feed, plain.progress)
    matching.parting = sides.names
    steered = matching.start()
    return (matching, steered) if steered * _WORTH_CUTTING < apart else None
