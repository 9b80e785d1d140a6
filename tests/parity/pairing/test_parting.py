"""Where two networks with the same weights part: named, explained, and all the rest proven equal."""

import pytest

from triport.converters.naming.pair_names import PairNames, Row
from triport.parity.pairing.parting import substituted

from .all_cases import CASES
from .running import feed_of, give, seeded, sides

PARTING = [case for case in CASES if case.verdict == "another graph" and not case.training]
EQUAL = [case for case in CASES if case.verdict == "equal"]
IN_MODULES = [case for case in PARTING if case.why and "between" not in case.why and "after" not in case.why]


def rows_of(a, truth):
    """Return the rows of a map that only gives other names, or puts axes of one in."""
    values = seeded(a)
    found = truth(values)
    names = {
        b: next(name for name, array in values.items() if array is one or one.base is array)
        for b, one in found.items()
    }
    return PairNames(tuple(Row((first,), (second,)) for second, first in names.items()))


def parted(case):
    a, b = sides(case)
    values = seeded(a)
    give(a, values)
    give(b, case.truth(values))
    return substituted(a, b, rows_of(a, case.truth), feed_of(a.network))


@pytest.mark.parametrize("case", IN_MODULES, ids=str)
def test_a_module_that_parts_is_named_and_the_rest_is_equal(case):
    found = parted(case)
    assert (found.first.a, found.first.b) == case.parting
    assert case.why in found.first.why
    assert found.equal
    assert not found.unproven


@pytest.mark.parametrize("case", [case for case in PARTING if case not in IN_MODULES], ids=str)
def test_what_parts_outside_of_modules_is_not_mended(case):
    found = parted(case)
    assert case.why in found.first.why
    assert not found.equal
    if case.why:
        assert (found.first.a, found.first.b) == case.parting
