"""The cases are right themselves: what they state of their maps is measured, without triport's pairing."""

import pytest

from .all_cases import CASES
from .running import distance, seeded

NOISE, FAR = 2e-5, 1e-4


def test_every_case_has_a_name_of_its_own():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", [c for c in CASES if c.verdict == "equal"], ids=str)
def test_the_stated_map_makes_the_outputs_equal(case):
    assert distance(case) <= NOISE
