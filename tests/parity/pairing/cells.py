"""Small networks of MindSpore."""

import mindspore
from mindspore import nn, ops


def conv(given, returned, kernel=3, **words):
    return nn.Conv2d(
        given, returned, kernel, **{"pad_mode": "pad", "padding": kernel // 2, "has_bias": True, **words}
    )


def p(name, *shape):
    return mindspore.Parameter(mindspore.ops.ones(shape, mindspore.float32), name=name)


class Image(nn.Cell):
    """Defined from its end, under names that say nothing."""

    def __init__(self, epsilon=1e-5, pool=None, slope=None):
        super().__init__()
        self.l5 = nn.Dense(6, 3)
        self.l4 = conv(6, 6, 1, has_bias=False)
        self.l3 = conv(6, 6, group=6)
        self.l2 = nn.BatchNorm2d(6, eps=epsilon)
        self.l1 = conv(3, 6, has_bias=False)
        self.pool = pool or nn.MaxPool2d(2, 2)
        self.act = nn.ReLU() if slope is None else nn.LeakyReLU(slope)

    def construct(self, x):
        x = self.pool(self.act(self.l2(self.l1(x))))
        x = self.act(self.l4(self.l3(x)))
        return self.l5(x.mean((2, 3)))


class Tokens(nn.Cell):
    def __init__(self, approximate=False, epsilon=1e-5):
        super().__init__()
        self.embedding = nn.Embedding(13, 8)
        self.norm = nn.LayerNorm((8,), epsilon=epsilon)
        self.first = nn.Dense(8, 16)
        self.act = nn.GELU(approximate=approximate)
        self.second = nn.Dense(16, 3)

    def construct(self, tokens):
        return self.second(self.act(self.first(self.norm(self.embedding(tokens)))))


class Recurrent(nn.Cell):
    def __init__(self, cls, bidirectional=False):
        super().__init__()
        self.rnn = cls(3, 4, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Dense(8 if bidirectional else 4, 2)

    def construct(self, x):
        return ops.tanh(self.head(self.rnn(x)[0]))


class Attention(nn.Cell):
    """q, k and v packed and multiplied from the right, two heads."""

    def __init__(self):
        super().__init__()
        self.out = nn.Dense(8, 8)
        self.packed = p("packed", 8, 24)
        self.shift = p("shift", 24)

    def construct(self, x):
        found = ops.matmul(x, self.packed) + self.shift
        n, t, _ = x.shape
        q, k, v = (one.reshape((n, t, 2, 4)).swapaxes(1, 2) for one in ops.split(found, 8, axis=2))
        weights = ops.softmax(ops.matmul(q, k.swapaxes(2, 3)) / 2.0, -1)
        return self.out(ops.matmul(weights, v).swapaxes(1, 2).reshape((n, t, 8)))


class Twins(nn.Cell):
    def __init__(self):
        super().__init__()
        self.x = nn.Dense(5, 5)
        self.y = nn.Dense(5, 5)
        self.out = nn.Dense(5, 5)

    def construct(self, given):
        return self.out(ops.relu(self.x(given) + self.y(given)))


class Line(nn.Cell):
    """A convolution of lines, whose kernel MindSpore keeps as one of height 1, and its opposite."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 3, pad_mode="pad", padding=1, has_bias=True)
        self.flatten = nn.Flatten()
        self.dense = nn.Dense(30, 4)

    def construct(self, x):
        return self.dense(self.flatten(ops.relu(self.conv(x))))


class Upwards(nn.Cell):
    def __init__(self):
        super().__init__()
        self.last = conv(4, 4, 1)
        self.up = nn.Conv2dTranspose(4, 4, 2, 2, pad_mode="valid", has_bias=True)

    def construct(self, x):
        return self.last(ops.relu(self.up(x)))


class Perceptron(nn.Cell):
    """Three equal layers; `order` is that of their definition."""

    def __init__(self, order):
        super().__init__()
        for name in order:
            setattr(self, name, nn.Dense(5, 5))

    def construct(self, x):
        return self.third(ops.tanh(self.second(ops.tanh(self.first(x)))))
