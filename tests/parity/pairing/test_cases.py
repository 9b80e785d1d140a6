"""The cases are right themselves: what they state of their maps is measured, without triport's pairing."""

import pytest

from tests.few_are_quick import one_in

from .all_cases import CASES
from .running import distance, feed_of, seeded, sides

MEASURED = [case for case in CASES if case.verdict == "equal"]
PARTING = [case for case in CASES if case.verdict == "another graph"]
# float64 on both sides, float32 where one is MindSpore's
NOISE, NOISE_OF_MINDSPORE, FAR = 1e-9, 2e-5, 1e-4


def test_every_case_has_a_name_of_its_own():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", one_in(2, MEASURED), ids=str)
def test_the_stated_map_makes_the_outputs_equal(case):
    assert distance(case) <= (NOISE_OF_MINDSPORE if case.mindspore else NOISE)


@pytest.mark.parametrize("case", PARTING, ids=str)
def test_the_stated_map_does_not_make_the_outputs_equal(case):
    assert distance(case) >= FAR


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_stated_of_parameters_is_in_the_networks(case):
    a, b = sides(case)
    known = seeded(a)
    assert case.symmetric | case.unproven | case.left_a <= known.keys()
    assert case.left_b <= seeded(b).keys()


@pytest.mark.parametrize("case", [c for c in CASES if c.unproven], ids=str)
def test_what_cannot_be_proven_reaches_no_output(case):
    a, _ = sides(case)
    values = seeded(a)
    a.set_values({name: values[name] for name in a.parameters})
    feed = feed_of(a.network)
    before = a.outputs(feed)
    a.set_values({name: values[name] + 0.25 for name in case.unproven})
    assert all(abs(x - y).max() < 1e-5 for x, y in zip(before, a.outputs(feed), strict=True))
