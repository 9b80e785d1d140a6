import numpy as np
import pytest

from triport.parity.batches import random_batch
from triport.parity.noise import CALIBRATIONS, nudged_feeds, spread
from triport.parity.runtimes.pytorch import ORDERS
from triport.reference_models.spec import get_model

BATCH = random_batch(get_model("res2net_digits"))
FEED = {"input": BATCH}


def test_each_value_moves_by_one_float32_step_at_most():
    for moved, _ in nudged_feeds(FEED, 0):
        nudged = moved["input"]
        assert nudged.dtype == np.float32
        steps = np.abs(nudged.view(np.int32) - BATCH.view(np.int32))
        assert set(np.unique(steps)) == {0, 1, 2} or set(np.unique(steps)) == {0, 1}
        assert 0.6 < (steps > 0).mean() < 0.7


def test_draws_differ_in_values_and_in_order():
    draws = [(feed["input"], order) for feed, order in nudged_feeds(FEED, 0)]
    assert [order for _, order in draws] == list(ORDERS)
    assert (draws[0][0] != draws[1][0]).any() and (draws[1][0] != draws[2][0]).any()


def test_draws_are_fixed_by_the_seed():
    first, again, other = (next(nudged_feeds(FEED, seed))[0]["input"] for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


def test_spread_is_relative_and_from_the_first():
    draws = [np.array([1.0, 2.0]), np.array([1.1, 2.0]), np.array([1.0, 1.8])]
    assert spread(iter(draws), 2.0) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("noise", "precision", "tolerance"),
    [
        (1e-6, "float32", 8e-6),
        (0.0, "float32", 16 * 2.0**-24),
        (np.nan, "float32", 16 * 2.0**-24),
        (np.inf, "float32", 16 * 2.0**-24),
        (3e-2, "float16", 12e-2),
        (0.0, "O2", 8 * 2.0**-11),
        (0.0, "bfloat16", 8 * 2.0**-8),
    ],
)
def test_tolerance(noise, precision, tolerance):
    assert CALIBRATIONS[precision].tolerance_of(noise) == pytest.approx(tolerance)
