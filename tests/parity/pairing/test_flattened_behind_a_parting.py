"""A dense layer is given an image in another order, and what comes before it is another pool."""

import numpy as np
import torch
from torch import nn

import triport

from .torch_nets import conv, net


def flattened(order, pool):
    def forward(self, x):
        x = self.pool(torch.tanh(self.conv(x)))
        return self.last(torch.tanh(self.dense(x.permute(*order).flatten(1))))

    return net(forward, pool=pool, conv=conv(3, 4), dense=nn.Linear(64, 5), last=nn.Linear(5, 3))


def test_the_order_is_found_and_the_pool_is_named():
    a, b = flattened((0, 1, 2, 3), nn.MaxPool2d(2)), flattened((0, 1, 3, 2), nn.AvgPool2d(2))
    done = triport.pair(a, b, inputs=["2x3x8x8"])
    assert done.proven and not done.equal
    assert (done.first_parting.a, done.first_parting.b) == ("pool", "pool")
    weight = np.arange(5 * 64.0).reshape(5, 64)
    (row,) = (row for row in done.names.rows if row.a == ("dense.weight",))
    (moved,) = row.forward([weight])
    assert (moved == weight.reshape(5, 4, 4, 4).transpose(0, 1, 3, 2).reshape(5, 64)).all()
