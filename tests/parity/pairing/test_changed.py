"""Runs of a side in which a few values are kept: what they spare changes nothing that they say."""

import numpy as np
import pytest
import torch
from torch import nn

from triport.converters.networks.input_specs import parse_input
from triport.parity.pairing.changed import Changed
from triport.parity.pairing.returned import Returned
from triport.parity.pairing.sides.reading import side_of

from .running import feed_of
from .torch_nets import net

LAST, ASIDE, SECOND = ("last", 1), ("aside", 1), ("second", 1)


class LeavingAside(nn.Module):
    """Returns one value, and leaves another where code finds it."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x):
        self.left = self.two(x)
        return self.one(x)


class Counting(nn.Linear):
    """A layer that counts how often it is computed."""

    count = 0

    def forward(self, x):
        self.count += 1
        return super().forward(x)


def changed_of(module):
    side = side_of(module, [parse_input("4x6")])
    found = Changed(side, feed_of(side.network))
    found.run(Returned())
    return found


def with_aside(uses):
    def forward(self, x):
        y = self.aside(x)
        return self.last(y + self.aside.left if uses else y)

    return net(forward, last=nn.Linear(6, 2), aside=LeavingAside())


def given_to_last(changed):
    """Return what the last layer is given with nothing changed."""
    changed._run, run = None, changed._run
    right = changed.given(LAST, {0: changed._feed[0]})
    changed.knows(run)
    return right


@pytest.mark.parametrize("uses", [False, True])
def test_what_a_module_leaves_aside_is_no_part_of_what_is_kept(uses):
    changed = changed_of(with_aside(uses))
    right = given_to_last(changed)
    kept = {ASIDE: changed._run.returned[ASIDE]}
    with changed.changed():
        changed.forget(LAST)
        made = changed.given(LAST, kept)
    assert np.allclose(made, right) != uses


def chain_of_layers(self, x):
    for name in ("first", "second", "third", "last"):
        x = torch.relu(getattr(self, name)(x))
    return x


def test_layers_before_what_is_kept_and_behind_it_are_not_computed():
    names = ("first", "second", "third", "last")
    changed = changed_of(net(chain_of_layers, **{name: Counting(6, 6) for name in names}))
    layers = [getattr(changed.side.net, name) for name in names]
    before = [layer.count for layer in layers]
    kept = {SECOND: changed._run.returned[SECOND]}
    with changed.changed():
        made = changed.given(("third", 1), kept)
    assert np.array_equal(made, np.maximum(kept[SECOND], 0))
    assert [layer.count for layer in layers] == before


def shared(self, x):
    return self.last(self.block(self.block(x)) + self.first(x))


def test_calls_of_one_module_are_told_apart_where_the_first_is_not_computed():
    block = net(lambda self, x: torch.tanh(self.inner(x)), inner=nn.Linear(6, 6))
    changed = changed_of(net(shared, block=block, first=nn.Linear(6, 6), last=nn.Linear(6, 2)))
    right = changed._run.returned
    kept = {one: right[one] for one in (("block", 1), ("first", 1))}
    with changed.changed():
        assert np.array_equal(changed.given(("block.inner", 2), kept), right["block", 1])
        made = changed.given(LAST, {one: right[one] for one in (("block.inner", 2), ("first", 1))})
    assert np.allclose(made, np.tanh(right["block.inner", 2]) + right["first", 1])


def test_values_are_what_they_were_afterwards():
    changed = changed_of(with_aside(True))
    before = {name: np.array(value) for name, value in changed.side.values().items()}
    with changed.changed():
        changed.given(LAST, {ASIDE: changed._run.returned[ASIDE]})
        with changed.unchanged():
            assert all(np.array_equal(value, before[n]) for n, value in changed.side.values().items())
        assert not any(np.array_equal(value, before[n]) for n, value in changed.side.values().items())
    assert all(np.array_equal(value, before[n]) for n, value in changed.side.values().items())
    assert {"forward"}.isdisjoint(vars(changed.side.net.aside))
