"""Networks of MindSpore that mislead: twins that differ a little, squares whose transpose fits."""

import mindspore
from mindspore import nn, ops

from .cells import conv, p


class Squares(nn.Cell):
    """Square matrices, some of which are multiplied from the right; `steps` are (name, from the right)."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps
        for name, _ in sorted(steps):
            setattr(self, name, p(name, 6, 6))

    def construct(self, x):
        for name, is_right in self.steps:
            matrix = getattr(self, name)
            x = ops.tanh(ops.matmul(x, matrix if is_right else matrix.T))
        return x


class TwoNorms(nn.Cell):
    """Two norms on one input, of which one has another epsilon, and the other's name on the other side."""

    def __init__(self, first="left", second="right", other=1e-3):
        super().__init__()
        self.names = first, second
        for name in ("left", "right"):
            setattr(self, name, nn.LayerNorm((6,), epsilon=1e-5 if name == first else other))
        self.out = nn.Dense(6, 4)

    def construct(self, x):
        first, second = (getattr(self, name) for name in self.names)
        return self.out(ops.tanh(first(x)) + ops.sin(second(x)))


class Halves(nn.Cell):
    """A gate and its value packed: one after the other, or row by row."""

    def __init__(self, interleaved):
        super().__init__()
        self.interleaved = interleaved
        self.down = nn.Dense(5, 4)
        self.both = nn.Dense(6, 10, has_bias=False)

    def construct(self, x):
        found = self.both(x)
        gate, value = (found[:, 0::2], found[:, 1::2]) if self.interleaved else (found[:, :5], found[:, 5:])
        return self.down(ops.sigmoid(gate) * value)


class Spare(nn.Cell):
    """Three layers of one shape, of which one is used by nobody."""

    def __init__(self, first, second, spare):
        super().__init__()
        self.names = first, second
        for name in sorted((first, second, spare)):
            setattr(self, name, nn.Dense(6, 6))

    def construct(self, x):
        first, second = (getattr(self, name) for name in self.names)
        return second(ops.tanh(first(x)))


class Twice(nn.Cell):
    """A matrix at two places and one at a third."""

    def __init__(self, first="a", second="b"):
        super().__init__()
        self.names = first, second
        self.a, self.b = p("a", 6, 6), p("b", 6, 6)

    def construct(self, x):
        one, two = (getattr(self, name) for name in self.names)
        return ops.tanh(ops.matmul(ops.tanh(ops.matmul(ops.tanh(ops.matmul(x, one)), two)), one))


class Momentum(nn.Cell):
    def __init__(self, momentum, first="conv", last="last"):
        super().__init__()
        self.names = first, last
        setattr(self, last, conv(4, 2))
        setattr(self, first, conv(3, 4))
        self.norm = nn.BatchNorm2d(4, momentum=momentum)

    def construct(self, x):
        first, last = (getattr(self, name) for name in self.names)
        return last(ops.relu(self.norm(first(x))))


class Flat(nn.Cell):
    """What a dense layer is given is flattened with height and width exchanged, or not."""

    def __init__(self, exchanged):
        super().__init__()
        self.exchanged = exchanged
        self.conv, self.dense = conv(3, 4), nn.Dense(24, 4)

    def construct(self, x):
        x = ops.relu(self.conv(x))
        x = x.swapaxes(2, 3) if self.exchanged else x
        return self.dense(x.reshape((x.shape[0], -1)))


class Named(nn.Cell):
    """A chain whose parameters are called p0 to p5, in this order of calls."""

    def __init__(self, names):
        super().__init__()
        self.layers = nn.CellList([nn.Dense(6, 6, has_bias=False) for _ in names])
        for layer, name in zip(self.layers, names, strict=True):
            layer.weight.name = name

    def construct(self, x):
        for layer in self.layers:
            x = ops.tanh(layer(x)) + 0.5 * x
        return x


class Frozen(nn.Cell):
    def __init__(self):
        super().__init__()
        self.two, self.one = nn.Dense(6, 6), nn.Dense(6, 6)
        for parameter in self.one.get_parameters():
            parameter.requires_grad = False
        self.table = mindspore.Tensor([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]], mindspore.float32)

    def construct(self, x):
        return self.two(ops.tanh(self.one(x + self.table)))
