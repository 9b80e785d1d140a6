"""Every small pair is derived: no map that is called proven is another than the true one."""

import numpy as np
import pytest

from triport.parity.pairing.derive import derived

from .all_cases import CASES
from .running import seeded, sides

# what is not derived yet, with the reason; none of them may end in a wrong map
NOT_YET = {
    "a BatchNorm folded into the convolution before it": "folding",
    "two BatchNorms folded, of layers of one shape": "folding",
    "a BatchNorm folded into a dense layer": "folding",
    "weight norm and the weight itself": "weight norm",
    "the branches of RepVGG and the one convolution that they become": "branches",
    "flattened channels first and channels last": "the order of a flattening",
    "flattened channels first and last, where all sizes are equal": "the order of a flattening",
    "patches by a convolution and by a dense layer": "a kernel as a matrix",
    "weights tied on the first side": "ties of one side",
    "another padding of a kernel that is square, among equal ones": "graphs that differ among equal layers",
    "another momentum, seen in training alone": "training",
    "an LSTM and its steps with one bias": "a sum of two parameters",
    "summed twins in both frameworks": "MindSpore's tanh is off by 1e-4 near 5",
}


def verdict_of(found):
    return "equal" if found.equal else "another graph" if found.complete else "no map"


def wrong_names(case, found, values):
    """Return names of b that get other values than the truth says, of what numbers can tell at all."""
    free = {name for group in found.symmetric for name in group} | set(found.unproven)
    made, true = found.names.forward(values), case.truth(values)
    of_free = {name for row in found.names.rows if free & set(row.a) for name in row.b}
    return sorted(
        name
        for name in made.keys() & true.keys() - of_free
        if made[name].shape != true[name].shape or not np.allclose(made[name], true[name])
    )


@pytest.fixture(scope="module")
def derive():
    done = {}

    def of(case):
        if case.name not in done:
            a, b = sides(case)
            done[case.name] = derived(a, b), seeded(a)
        return done[case.name]

    return of


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_wrong_map_is_called_proven(case, derive):
    found, values = derive(case)
    assert not (found.proven and case.verdict == "no map")
    if found.proven:
        assert wrong_names(case, found, values) == []


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.xfail(reason=NOT_YET[case.name], strict=True))
        if case.name in NOT_YET
        else case
        for case in CASES
    ],
    ids=str,
)
def test_the_verdict_is_right(case, derive):
    found, _ = derive(case)
    assert verdict_of(found) == case.verdict
    if case.verdict == "equal":
        assert {name for group in found.symmetric for name in group} == case.symmetric
        assert set(found.unproven) == case.unproven
    if case.left_a or case.left_b:
        assert (set(found.names.left_a), set(found.names.left_b)) == (case.left_a, case.left_b)
