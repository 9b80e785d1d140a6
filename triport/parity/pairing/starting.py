"""With which plan, on which input, two sides are matched: where their outputs are nearest at the start."""

from __future__ import annotations

from collections.abc import Callable

from .comparing import SAME_OUTPUTS, Seen
from .plans import plans_of
from .proof import even, feed_of
from .sides import Side
from .state import Matching
from .steered import steered_sides

Progress = Callable[[str], None]
# how much nearer the outputs must come for cuts that the shapes do not ask for
_WORTH_CUTTING = 3.0


def started(a: Side, b: Side, progress: Progress) -> tuple[Matching, Seen]:
    """Return the matching with which the outputs are nearest, and its first run."""
    plans = plans_of(a.parameters, b.parameters)
    feed = feed_of(a, 0)
    best: tuple[Matching, Seen] | None = None
    last: Matching | None = None
    for place, plan in enumerate(plans):
        progress(f"comparing gradients{f', {plan.what}' if place else ''}")
        last = Matching(a, b, plan, feed, progress)
        seen = last.start()
        if best is None or seen.apart * _WORTH_CUTTING < best[1].apart:
            best = last, seen
        if best[1].apart <= SAME_OUTPUTS[last.is_double]:
            break
    assert best is not None
    if best[1].apart > SAME_OUTPUTS[best[0].is_double]:
        steered = _steered(best[0], best[1], progress)
        if steered is not None:
            return steered
    if best[1].apart > SAME_OUTPUTS[best[0].is_double] and any(one.ndim == 4 for one in feed):
        progress("comparing gradients, of even images")
        last = Matching(a, b, best[0].plan, [even(one) for one in feed], progress)
        seen = last.start()
        # what is equal there only is not equal, and twins there may be none
        if SAME_OUTPUTS[last.is_double] < seen.apart < best[1].apart:
            best = last, seen
    if best[0] is not last:  # the values that it gave are not those of the last
        return best[0], best[0].start()
    return best


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
