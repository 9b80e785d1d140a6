import numpy as np
import pytest

from triport.parity.batches import random_batch
from triport.parity.judge.noise import noises_of, nudged, spread
from triport.parity.judge.tolerance import DRAWS, FLOAT32
from triport.parity.noise import noise_of, nudged_feeds
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


class _Runs:
    """Runs of which the first three agree to `apart`, and the fifth is at 0.1 from them."""

    draws, most_draws = 3, 12

    def __init__(self, apart: float) -> None:
        self.apart, self.run_count = apart, 0

    def run(self, feed, order="contiguous"):
        self.run_count += 1
        off = 0.1 if self.run_count == 5 else self.apart * (self.run_count == 2)
        return {"logits": np.array([1.0, 0.5 + off])}


@pytest.mark.parametrize(
    ("apart", "count", "size"),
    [pytest.param(1e-5, 3, 1e-5, id="steady"), pytest.param(2e-4, 12, 0.1, id="decided by chance")],
)
def test_runs_that_are_far_apart_are_asked_for_more(apart, count, size):
    """A gate that falls one way in three runs may fall the other way in a right runtime."""
    runs = _Runs(apart)
    noise = noise_of(runs, FEED, 0, {"logits": np.array([1.0, 0.5])})["logits"]
    assert runs.run_count == count
    assert noise.size == pytest.approx(size)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_nudged_keeps_the_dtype_and_what_is_whole(dtype):
    random = np.random.default_rng(0)
    values = np.linspace(1, 2, 300).astype(dtype)
    moved = nudged(values, random, 2.0**-9)
    assert moved.dtype == dtype
    steps = np.abs(moved.astype(np.float64) / values - 1) / 2.0**-9
    assert set(np.round(steps)) == {0, 1}
    assert (nudged(np.arange(5), random) == np.arange(5)).all()
    assert nudged(np.array(1.0), random, 0.5).shape == ()


def runs(*changes):
    """Return draws of one output (3,), each with a value put somewhere."""
    draws = []
    for at, value in changes:
        draw = np.array([1.0, -2.0, 0.5], np.float32)
        draw[at] = value
        draws.append([draw])
    return draws


def test_noise_is_between_the_first_run_and_the_others():
    (noise,) = noises_of(runs((0, 1.0), (0, 1.5), (2, 0.25)))
    assert noise.size == 0.25 and not noise.unsure.any()


def test_noise_is_relative_to_what_is_right():
    (noise,) = noises_of(runs((0, 1.0), (0, 1.5)), [np.array([1.0, -4.0, 0.5])])
    assert noise.size == 0.125


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_noise_is_of_numbers_and_the_rest_is_unsure(odd):
    """A run that is not finite somewhere widens nothing, and nothing is judged there."""
    (noise,) = noises_of(runs((0, 1.0), (0, odd), (2, 0.25)))
    assert noise.size == 0.125
    assert noise.unsure.tolist() == [True, False, False]


def test_whole_numbers_that_hang_on_a_rounding_are_unsure():
    (noise,) = noises_of([[np.array([3, 7])], [np.array([3, 8])]])
    assert noise.unsure.tolist() == [False, True]


def test_runs_of_another_shape_tell_no_noise():
    (noise,) = noises_of([[np.ones(3)], [np.ones(4)]])
    assert noise.size == np.inf and noise.unsure.all()


def test_a_draw_for_each_order_of_summation():
    assert FLOAT32.draws == DRAWS == len(ORDERS)
