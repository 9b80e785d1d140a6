"""What triport finds of every small pair: the right map and the right verdict, and never a wrong map."""

import numpy as np
import pytest

import triport

from .all_cases import CASES
from .running import distance, own_names, seeded, sides
from .test_cases import NOISE, NOISE_OF_MINDSPORE
from .test_parting import IN_MODULES, PASSED


def wrong_rows(case, found):
    """Return the names of the second side's tensors that do not get what they should.

    What is exchangeable may stand in another order, if the outputs are equal with it; what no output
    depends on may be anywhere among its like.
    """
    a, b = sides(case)
    values = case.given(seeded(a))
    for name in case.unproven:
        values[name] = np.zeros_like(values[name])
    known = own_names(b).values()
    right = {name: array for name, array in case.truth(values).items() if name in known}
    rows = [row for row in found.names.rows if set(row.a) <= values.keys()]
    got = {
        name: array
        for row in rows
        for name, array in zip(row.b, row.forward([values[one] for one in row.a]), strict=True)
    }
    wrong = {
        name
        for name, array in right.items()
        if name in got
        and (got[name].shape != array.shape or not np.allclose(got[name], array, rtol=1e-9, atol=1e-12))
    }
    changed = case.truth({n: v + 1 if n in case.symmetric else v for n, v in values.items()})
    exchangeable = {name for name, array in right.items() if not np.array_equal(changed[name], array)}
    if wrong and wrong <= exchangeable:
        noise = NOISE_OF_MINDSPORE if case.mindspore else NOISE
        return set() if distance(case, found.names.forward) <= noise else wrong
    return wrong


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.slow or place % 2 else [])
        for place, case in enumerate(CASES)
    ],
)
def test_the_right_map_and_verdict_are_found(case):
    """One test for all that is said of a pair, so that it is paired once."""
    found = triport.pair(case.a(), case.b(), inputs=list(case.inputs))
    if found.complete and found.proven:
        assert not wrong_rows(case, found)
    CHECKS[case.verdict](case, found)


def equal(case, found):
    assert found.complete, found.names
    assert not wrong_rows(case, found)
    assert found.proven
    assert found.equal
    assert found.first_parting is None
    assert set(found.unproven) == case.unproven | case.partly
    assert {name for group in found.symmetric for name in group} == case.symmetric
    said = " ".join(note for note in found.notes if "in training" in note)
    assert case.training in said
    assert bool(said) == bool(case.training)


def another_graph(case, found):
    assert found.complete, found.names
    assert not wrong_rows(case, found)
    assert not found.equal
    assert found.proven == (case in IN_MODULES or case.name in PASSED)
    assert case.why in found.first_parting.why
    if case.parting and case.why:
        assert (found.first_parting.a, found.first_parting.b) == case.parting


def no_map(case, found):
    assert not found.complete
    assert not found.proven
    assert not wrong_rows(case, found)
    if case.left_a or case.left_b:
        assert set(found.names.left_a) == case.left_a
        assert set(found.names.left_b) == case.left_b


CHECKS = {"equal": equal, "another graph": another_graph, "no map": no_map}
