"""With which plan, on which input, two sides are matched: where their outputs are nearest at the start."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .comparing import SAME_OUTPUTS, Seen
from .matching import match_all
from .pieces import Plan
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
    if not matching.is_left or matching.plan.what == plain.what:
        return matching, seen
    other = Matching(*matching.sides, plain, matching.feed, progress)
    other.parting = matching.parting
    again = match_all(other, other.start())
    return (matching, seen) if other.is_left else (other, again)


def started(a: Side, b: Side, progress: Progress) -> tuple[Matching, Seen]:
    """Return the matching with which the outputs are nearest, and its first run."""
    feed = feed_of(a, 0)
    plain, *more = plans_of(a.parameters, b.parameters)
    progress("comparing gradients")
    first = Matching(a, b, plain, feed, progress)
    seen = first.start()
    if _same(first, seen):
        return first, seen
    plan = _nearest(first, seen.apart, more)
    if plan is plain:
        steered = _steered(first, seen, progress)
        if steered is not None and _same(*steered):
            return steered
        plan = _nearest(first, seen.apart, flattened_plans(a.parameters, b.parameters, plain))
    if plan is plain and seen.apart > _OTHER_ORDER:
        blocked = _blocked(first, blocked_plans(a.parameters, b.parameters, plain))
        if blocked is not None:
            return blocked
    best = Matching(a, b, plan, feed, progress)
    seen = best.start()
    if _same(best, seen):
        return best, seen
    return _steered(best, seen, progress) or _of_even_images(best, seen, progress)


def _same(matching: Matching, seen: Seen) -> bool:
    return seen.apart <= SAME_OUTPUTS[matching.is_double]


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


def _blocked(first: Matching, plans: Iterable[Plan]) -> tuple[Matching, Seen] | None:
    """Return the first matching in blocks with which all is matched and outputs are equal.

    Blocks of one value hide differences: equal outputs at the start are not enough.
    """
    same = SAME_OUTPUTS[first.is_double]
    for plan in plans:
        first.progress(f"comparing outputs, {plan.what}")
        found = Matching(*first.sides, plan, first.feed, first.progress)
        seen = found.start()
        if seen.apart <= same:
            seen = match_all(found, seen)
            if seen.apart <= same and not found.is_left:
                return found, seen
    return None


def _of_even_images(best: Matching, seen: Seen, progress: Progress) -> tuple[Matching, Seen]:
    """Return a matching on images of one colour each, if outputs are nearer there; else the given one."""
    if not any(one.ndim == 4 for one in best.feed):
        return best, seen
    progress("comparing gradients, of even images")
    found = Matching(*best.sides, best.plan, [even(one) for one in best.feed], progress)
    on_even = found.start()
    # what is equal there only is not equal, and twins there may be none
    if SAME_OUTPUTS[found.is_double] < on_even.apart < seen.apart:
        return found, on_even
    return best, best.start()  # the values that it gave are not those of the last


def _steered(plain: Matching, seen: Seen, progress: Progress) -> tuple[Matching, Seen] | None:
    """Return a matching in which what parts is steered, and its first run, if its outputs are nearer."""
    progress("finding what parts")
    plain.start()
    sides = steered_sides(*plain.sides, plain.feed)
    if sides is None:
        return None
    matching = Matching(*sides.sides, plain.plan, plain.feed, progress)
    matching.parting = sides.names
    steered = matching.start()
    return (matching, steered) if steered.apart * _WORTH_CUTTING < seen.apart else None
