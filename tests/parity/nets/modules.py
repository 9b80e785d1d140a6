"""Networks of PyTorch."""

import torch
from torch import nn


class Two(nn.Module):
    """Two inputs, and three outputs of different ranks; its activation overwrites what it is given."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.side = nn.Linear(5, 8)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 4)
        self.boxes = nn.Conv2d(8, 2, 1)

    def forward(self, image, side):
        x = self.relu(self.bn(self.conv(image)))
        s = self.norm(self.side(side))
        x = x * s[:, :, None, None]
        return self.head(x.mean((2, 3))), self.boxes(x), s


class Tokens(nn.Module):
    """Whole numbers, and a free axis that is not the first."""

    def __init__(self, width=8):
        super().__init__()
        self.embedding = nn.Embedding(50, width)
        self.first = nn.Linear(width, 16)
        self.act = nn.GELU()
        self.second = nn.Linear(16, 3)

    def forward(self, tokens):
        return self.second(self.act(self.first(self.embedding(tokens))))


class Recurrent(nn.Module):
    """A sequence first and its rows second, and a module that returns three tensors."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        output, (hidden, _) = self.lstm(x)
        return self.head(output), hidden


class Mixed(nn.Module):
    """Its rows are not computed by themselves: each sees the mean of all."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(4, 4)

    def forward(self, x):
        return self.dense(x) - x.mean(0)


class Wrong(Two):
    """As Two, but the boxes are off by a little more than rounding."""

    def forward(self, image, side):
        scores, boxes, s = super().forward(image, side)
        return scores, boxes * (1 + 1e-4), s


class Sizes(nn.Module):
    """A table that is part of the graph and of no checkpoint."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.arange(4, dtype=torch.float32))
        self.dense = nn.Linear(4, 4)

    def forward(self, x):
        return self.dense(x + self.table)


def sequence():
    """A Module whose `forward` says no more of its input than that it is one."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


class Detached(Two):
    """Returns what Two does, and trains otherwise: nothing of the boxes' loss reaches what is below them."""

    def forward(self, image, side):
        x = self.relu(self.bn(self.conv(image)))
        s = self.norm(self.side(side))
        x = x * s[:, :, None, None]
        return self.head(x.mean((2, 3))), self.boxes(x.detach()), s


class Tied(nn.Module):
    """One tensor under two names, and dropout."""

    def __init__(self, share=0.5):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.drop = nn.Dropout(share)
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        return self.head(self.frozen(self.drop(self.embedding(tokens))))


class Random(nn.Module):
    """Dropout that is no module."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(4, 4)

    def forward(self, x):
        return nn.functional.dropout(self.dense(x), 0.5, self.training)


class Auxiliary(nn.Module):
    """Returns more in training mode."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(4, 4)

    def forward(self, x):
        return (self.dense(x), x) if self.training else self.dense(x)


class Best(nn.Module):
    """Returns whole numbers alone."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(4, 4)

    def forward(self, x):
        return self.dense(x).argmax(1)


class Ids(Best):
    """Returns large whole numbers, of which one more is less than a rounding of float32."""

    def __init__(self, more=0):
        super().__init__()
        self.more = more

    def forward(self, x):
        return super().forward(x) + 50_000_000 + self.more


class Close(Best):
    """Returns whole numbers, of which those of rows that begin above zero hang on a rounding, or all."""

    def __init__(self, more=0, always=False):
        super().__init__()
        self.more, self.always = more, always

    def forward(self, x):
        y = self.dense(x).abs()
        twins = torch.cat([y, y * (1 + 1e-9)], 1)
        return torch.where((x[:, 0] > 0) | self.always, twins.argmax(1), y.argmax(1) + self.more)


class Bounded(nn.Module):
    """Computes tanh: as a module, as a function or in a recurrent layer."""

    def __init__(self, how="module", share=1.0):
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.act = nn.Tanh()
        self.rnn = getattr(nn, how)(8, 8) if how in ("RNN", "GRU", "LSTM") else None
        self.second = nn.Linear(8, 3)
        self.how, self.share = how, share

    def forward(self, x):
        x = 3 * self.first(x)
        if self.rnn is not None:
            return self.second(self.share * self.rnn(x)[0])
        return self.second(self.share * (self.act(x) if self.how == "module" else x.tanh()))


class Signed(nn.Module):
    """A value decides which way is taken: a graph keeps that of the inputs that it was made with."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(4, 4)

    def forward(self, x):
        return self.dense(x) if float(x.abs().max()) < 10 else self.dense(x) + 1


class NoElements(nn.Module):
    """What it returns first has no elements, whatever the batch; with `also` there is another output."""

    def __init__(self, also=False):
        super().__init__()
        self.dense = nn.Linear(4, 4)
        self.also = also

    def forward(self, x):
        y = self.dense(x)
        return (y[:, :0], y) if self.also else y[:, :0]


class Complex(nn.Module):
    """Complex numbers, whose imaginary parts a comparison of real ones would not see."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(4, 4)

    def forward(self, x):
        return torch.complex(self.dense(x), x)


class Besides(nn.Module):
    """A tensor, and what is none."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(4, 4)

    def forward(self, x):
        return self.dense(x), None, "text"
