"""Networks of MindSpore, the same as those beside it."""

from mindspore import nn, ops


class Two(nn.Cell):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, pad_mode="pad", padding=1, has_bias=True)
        self.bn = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.side = nn.Dense(5, 8)
        self.norm = nn.LayerNorm((8,), epsilon=1e-5)
        self.head = nn.Dense(8, 4)
        self.boxes = nn.Conv2d(8, 2, 1, has_bias=True)

    def construct(self, image, side):
        x = self.relu(self.bn(self.conv(image)))
        s = self.norm(self.side(side))
        x = x * s.expand_dims(-1).expand_dims(-1)
        return self.head(x.mean((2, 3))), self.boxes(x), s


class Tokens(nn.Cell):
    def __init__(self, approximate=False):
        super().__init__()
        self.embedding = nn.Embedding(50, 8)
        self.first = nn.Dense(8, 16)
        self.act = nn.GELU(approximate=approximate)
        self.second = nn.Dense(16, 3)

    def construct(self, tokens):
        return self.second(self.act(self.first(self.embedding(tokens))))


class Recurrent(nn.Cell):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 8)
        self.head = nn.Dense(8, 3)

    def construct(self, x):
        output, (hidden, _) = self.lstm(x)
        return self.head(output), hidden


def sequence():
    """The same as a SequentialCell, which calls its input otherwise."""
    conv = nn.Conv2d(3, 4, 3, pad_mode="pad", padding=1, has_bias=True)
    return nn.SequentialCell(conv, nn.ReLU(), nn.Flatten(), nn.Dense(4 * 36, 5))


class Tied(nn.Cell):
    """The same, of which a part is frozen."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.drop = nn.Dropout(p=0.5)
        self.frozen = nn.Dense(8, 8)
        for parameter in self.frozen.get_parameters():
            parameter.requires_grad = False

    def construct(self, tokens):
        x = self.frozen(self.drop(self.embedding(tokens)))
        return ops.matmul(x, self.embedding.embedding_table.T)


class Bounded(nn.Cell):
    """The same."""

    def __init__(self, how="module", share=1.0):
        super().__init__()
        self.first = nn.Dense(6, 8)
        self.act = nn.Tanh()
        self.rnn = getattr(nn, how)(8, 8) if how in ("RNN", "GRU", "LSTM") else None
        self.second = nn.Dense(8, 3)
        self.share = share

    def construct(self, x):
        x = 3 * self.first(x)
        x = self.act(x) if self.rnn is None else self.rnn(x)[0]
        return self.second(self.share * x)
