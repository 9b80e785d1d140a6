"""A setting that differs is not called the cause where it alone does not explain what a layer returns."""

import pytest
import torch
from torch import nn

import triport

from .torch_nets import chain

CANNOT_BE_SEEN = "what else differs cannot be seen"


class Standardised(nn.Conv2d):
    """A convolution whose weight is standardised before it is used."""

    def forward(self, x):
        deviation, mean = torch.std_mean(self.weight, (1, 2, 3), keepdim=True)
        return nn.functional.conv2d(x, (self.weight - mean) / deviation, self.bias, padding=self.padding)


@pytest.mark.parametrize(("first", "is_all"), [(nn.Conv2d, True), (Standardised, False)])
def test_a_setting_is_the_cause_only_where_it_explains_all(first, is_all):
    def built(cls, padding):
        return chain(one=cls(3, 4, 3, padding=padding), act=nn.ReLU(), two=nn.Conv2d(4, 2, 1))

    found = triport.pair(built(first, 0), built(nn.Conv2d, 1), inputs=["2x3x6x6"])
    assert not found.equal
    assert found.proven == is_all
    why = found.first_parting.why
    assert "padding (0, 0) and (1, 1)" in why
    assert (CANNOT_BE_SEEN in why) != is_all
