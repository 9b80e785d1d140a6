"""Where two networks with the same weights part: named, explained, and all the rest proven equal."""

import itertools

import pytest

import triport
from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.naming.steps import Transpose
from triport.parity.pairing.parting import substituted

from .all_cases import CASES
from .running import feed_of, give, seeded, sides

ANOTHER = [case for case in CASES if case.verdict == "another graph"]
# of a file the names are those of its tensors, not of the modules that it becomes
PARTING = [case for case in ANOTHER if not isinstance(case.a(), str)]
EQUAL = [case for case in CASES if case.verdict == "equal"]
IN_MODULES = [case for case in ANOTHER if case.why and "between" not in case.why and "after" not in case.why]
OF_MODULES = [case for case in IN_MODULES if case in PARTING]


def rows_of(a, truth):
    """Return the rows of a map that only gives other names, or puts axes of one in."""
    values = seeded(a)
    found = truth(values)
    names = {
        b: next(name for name, array in values.items() if array is one or one.base is array)
        for b, one in found.items()
    }
    return PairNames(tuple(PairRow((first,), (second,)) for second, first in names.items()))


def parted(case):
    a, b = sides(case)
    values = seeded(a)
    give(a, values)
    give(b, case.truth(values))
    return substituted(a, b, rows_of(a, case.truth), feed_of(a.network))


@pytest.mark.parametrize("case", OF_MODULES, ids=str)
def test_a_module_that_parts_is_named_and_the_rest_is_equal(case):
    found = parted(case)
    assert (found.first.a, found.first.b) == case.parting
    assert case.why in found.first.why
    assert found.equal
    assert not found.unproven


# code that makes what the next layer is given of one value, channel by channel
PASSED = ["a padding that code does on the other side", "ReLU before the norm and after it"]


@pytest.mark.parametrize("case", [case for case in PARTING if case not in IN_MODULES], ids=str)
def test_what_parts_outside_of_modules_is_said_to(case):
    found = parted(case)
    assert case.why in found.first.why
    assert "outside of modules" in found.first.why
    assert found.equal == (case.name in PASSED)
    if case.why:
        assert (found.first.a, found.first.b) == case.parting


MOST = 12  # wrong maps of each sort, of a case


def exchanged(rows, places):
    """Return the rows with the second side's names of some places exchanged: `places` has pairs of them."""
    other = {one: two for pair in places for one, two in (pair, pair[::-1])}
    return PairNames(tuple(PairRow(row.a, rows[other.get(at, at)].b) for at, row in enumerate(rows)))


def tensors_exchanged(rows, shapes):
    for (at, row), (other_at, other) in itertools.combinations(enumerate(rows), 2):
        if shapes[row.a[0]] == shapes[other.a[0]]:
            yield exchanged(rows, [(at, other_at)]), {row.a[0], other.a[0]}


def modules_exchanged(rows, shapes):
    modules = {}
    for at, row in enumerate(rows):
        modules.setdefault(row.a[0].rpartition(".")[0], []).append(at)
    for one, two in itertools.combinations(modules.values(), 2):
        if [shapes[rows[at].a[0]] for at in one] == [shapes[rows[at].a[0]] for at in two]:
            yield exchanged(rows, zip(one, two, strict=True)), {rows[at].a[0] for at in (*one, *two)}


def square_transposed(rows, shapes):
    for at, row in enumerate(rows):
        shape = shapes[row.a[0]]
        if len(shape) >= 2 and shape[0] == shape[1]:
            turned = PairRow(row.a, row.b, (Transpose((1, 0, *range(2, len(shape)))),))
            yield PairNames((*rows[:at], turned, *rows[at + 1 :])), {row.a[0]}


def wrong_maps(case):
    """Yield maps that are wrong, and the parameters of the first side of which they are."""
    a, _ = sides(case)
    rows = rows_of(a, case.truth).rows
    shapes = {name: one.shape for name, one in a.parameters.items()}
    for sort in (tensors_exchanged, modules_exchanged, square_transposed):
        found = list(sort(rows, shapes))
        yield from found[:: len(found) // MOST + 1]


MAPPED = [case for case in PARTING if not case.mindspore and any(wrong_maps(case))]


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.slow else []) for case in MAPPED],
)
def test_no_wrong_map_is_proven_by_substitution(case):
    for names, wrong in wrong_maps(case):
        a, b = sides(case)
        values = seeded(a)
        give(a, values)
        give(b, names.forward(values))
        found = substituted(a, b, names, feed_of(a.network))
        is_proof = found.equal and not found.is_crossed
        assert not is_proof or wrong & set(found.unproven), (wrong, found)


def test_wrong_maps_of_all_sorts_are_tried():
    assert len(MAPPED) > 15
    sorts = {len(wrong) for case in MAPPED for _, wrong in wrong_maps(case)}
    assert sorts >= {1, 2, 4}


def with_attributes(**attributes):
    def mend(module):
        for name, value in attributes.items():
            setattr(module, name, value)

    return mend


# what makes the second network compute what the first does
MENDS = {
    "another epsilon of a LayerNorm": with_attributes(eps=1e-5),
    "another epsilon of a GroupNorm": with_attributes(eps=1e-5),
    "another number of groups of a GroupNorm": with_attributes(num_groups=2),
    "another padding": with_attributes(padding=(1, 1)),
    "another stride": with_attributes(stride=(2, 2)),
    "another dilation": with_attributes(padding=(1, 1), dilation=(1, 1)),
    "a max-pool that pads": with_attributes(padding=1),
    "a max-pool that rounds up": with_attributes(ceil_mode=False),
    "an average pool that counts zeros": with_attributes(count_include_pad=True),
    "corners aligned": with_attributes(align_corners=True),
    "another epsilon, and equal layers that are defined in another order": with_attributes(eps=1e-5),
}


@pytest.mark.parametrize("case", [case for case in PARTING if case.name in MENDS], ids=str)
def test_with_the_named_difference_mended_the_networks_are_equal(case):
    found = triport.pair(case.a(), case.b(), inputs=list(case.inputs))
    assert not found.equal
    second = case.b()
    MENDS[case.name](second.get_submodule(found.first_parting.b))
    mended = triport.pair(case.a(), second, inputs=list(case.inputs))
    assert mended.passed
    rows = [[(row.a, row.b, row.steps) for row in one.names.rows] for one in (found, mended)]
    assert sorted(rows[0]) == sorted(rows[1])


def test_every_mend_is_of_a_case():
    assert MENDS.keys() <= {case.name for case in PARTING}


EVERY_ONE = {"another epsilon of every BatchNorm": 3, "another activation": 2}


@pytest.mark.parametrize("case", [case for case in PARTING if case.name in EVERY_ONE], ids=str)
def test_every_module_that_parts_is_found_not_the_first_alone(case):
    assert len(parted(case).partings) == EVERY_ONE[case.name]
