"""With what parts steered, all else has equal outputs and equal gradients, forward and back."""

import numpy as np
import pytest

from triport.parity.pairing.steered import steered_sides

from .running import difference, feed_of, give, seeded, sides
from .test_parting import OF_MODULES, rows_of


def gradients(side, feed):
    found = {}

    def see(name, gradient):
        found[name] = None if gradient is None else np.array(gradient, np.float64)

    outputs = side.gradients(
        feed, lambda place, size: np.random.default_rng(place).standard_normal(size), see, side.parameters
    )
    return outputs, found


def both(case):
    """Return both sides with the same weights, as the case's map moves them, and the rows of it."""
    a, b = sides(case)
    values = seeded(a)
    give(a, values)
    give(b, case.truth(values))
    return a, b, [(row.a[0], row.b[0]) for row in rows_of(a, case.truth).rows]


@pytest.mark.parametrize("case", OF_MODULES, ids=str)
def test_all_but_what_parts_has_equal_gradients(case):
    a, b, rows = both(case)
    feed = feed_of(a.network)
    steered = steered_sides(a, b, feed)
    one, other = sorted(steered.sides, key=lambda side: side.follows)
    runs = {id(side): gradients(side, feed) for side in (one, other)}
    (outputs_a, first), (outputs_b, second) = (runs[id(side)] for side in steered.sides)
    noise = 5e-5 if case.mindspore else 1e-9
    assert difference(outputs_a, outputs_b) <= noise
    largest = max(np.abs(one).max() for one in first.values() if one is not None)
    compared = [(x, y) for x, y in rows if x not in steered.names[0] and first[x] is not None]
    assert compared
    for x, y in compared:
        assert np.abs(first[x] - second[y].reshape(first[x].shape)).max() <= noise * largest, (x, y)


@pytest.mark.parametrize("case", OF_MODULES, ids=str)
def test_without_steering_they_have_not(case):
    a, b, _ = both(case)
    feed = feed_of(a.network)
    assert difference(a.outputs(feed), b.outputs(feed)) > 1e-4


def test_sides_are_themselves_again_after_a_run():
    a, b, _ = both(OF_MODULES[0])
    feed = feed_of(a.network)
    before = [side.outputs(feed) for side in (a, b)]
    for side in sorted(steered_sides(a, b, feed).sides, key=lambda side: side.follows):
        gradients(side, feed)
    assert all(difference(x, side.outputs(feed)) == 0 for x, side in zip(before, (a, b), strict=True))
