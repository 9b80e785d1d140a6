"""Small Modules, each with something that exporters stumble over."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn


class Convolutional(nn.Module):
    """BatchNorm whose tensors are equal when fresh, an in-place ReLU, and dropout that is off."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.first = nn.BatchNorm2d(4)
        self.second = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        x = self.second(self.first(self.conv(x)).relu_())
        return self.head(self.dropout(x.mean((2, 3))))


class Recurrent(nn.Module):
    """Tokens to an embedding, an LSTM and attention; three outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 8)
        self.lstm = nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True)
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
        self.norm = nn.LayerNorm(12)

    def forward(self, tokens):
        x, (hidden, cell) = self.lstm(self.table(tokens))
        return self.norm(x + self.attention(x, x, x, need_weights=False)[0]), hidden, cell


class Pair(NamedTuple):
    sum: torch.Tensor
    largest: torch.Tensor


class TwoInputs(nn.Module):
    """Two inputs, one of them by keyword; a dictionary, a named tuple and None as outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(4, 6)
        self.right = nn.Linear(3, 6)

    def forward(self, a, *, b):
        x = self.left(a) - self.right(b)
        return {"scores": x, "pair": Pair(x.sum(1), x.argmax(1)), "loss": None}


class Shared(nn.Module):
    """Tied weights, equal parameters, one that does not reach the output, and buffers of both kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.ones = nn.Parameter(torch.ones(4))
        self.same = nn.Parameter(torch.ones(4))
        self.unused = nn.Parameter(torch.ones(3))
        self.register_buffer("table", torch.ones(4))
        self.register_buffer("hidden", torch.full((4,), 2.0), persistent=False)
        self.constant = torch.full((4,), 3.0)

    def forward(self, x):
        x = self.second(self.first(x) * self.ones + self.same)
        x[:, 0] = 0.25
        x += self.constant
        return x * self.table + self.hidden


class SameNames(nn.Module):
    """Parameters that are called as the input, the output, and what exporters call values between nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.randn(4))
        self.output = nn.Parameter(torch.randn(4))
        self.mul = nn.Parameter(torch.randn(4))
        self.add = nn.Parameter(torch.randn(4))

    def forward(self, x):
        return (x * self.x + self.output) * self.mul + self.add


class Keeps(nn.Module):
    """It keeps what it has computed of a parameter, until it is put into training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.bias = nn.Parameter(torch.randn(2))
        self.kept = None

    def train(self, mode=True):
        if mode:
            self.kept = None
        return super().train(mode)

    def forward(self, x):
        if self.kept is None:
            self.kept = self.bias[torch.tensor([0, 1, 1, 0])]
        return self.linear(x) * self.kept


class Unknown(nn.Module):
    """An operator that the TorchScript exporter does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return self.linear(x) @ torch.diag(x[0])


class HardCoded(nn.Module):
    """The batch size of the trace is part of the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return self.linear(x).reshape(int(x.shape[0]), 4, 2).sum(1)


class Branch(nn.Module):
    """A value decides: a trace keeps one way."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        x = self.linear(x)
        return x * 2 if x.mean() > 0 else x - 1


class Rare(nn.Module):
    """A way that no input which is tried takes."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return self.linear(x) if x.abs().max() < 1e6 else x


class Random(nn.Module):
    """Dropout that evaluation mode does not turn off."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return nn.functional.dropout(self.linear(x), 0.5, training=True)


class PartlyNarrow(nn.Module):
    """float32 at the end, whatever the parameters are."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return torch.softmax(self.linear(x).float(), -1)


class HalfWithin(nn.Module):
    """One step in float16, which ONNX Runtime does in float32 on a CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return (self.linear(x).half() * 3).float()


class LogCumulated(nn.Module):
    """PyTorch's exporter writes the logarithm of a sum that is zero where numbers are far apart."""

    def forward(self, x):
        return torch.logcumsumexp(x, 1)


class Narrow(nn.Module):
    """It cannot run in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return self.linear(x.float())


class Zero(nn.Module):
    """A branch that is multiplied by zero when fresh, as last BatchNorms of residual blocks are."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.scale = nn.Parameter(torch.zeros(8))

    def forward(self, x):
        return x + self.scale * torch.sin(self.linear(x))


class Chaotic(nn.Module):
    """Its own rounding is as large as its output."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return torch.sin(self.linear(x) * 1e9)


class BatchOfOne(nn.Module):
    """It refuses every other batch size."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        if x.shape[0] != 1:
            raise ValueError("one image at a time")
        return self.linear(x)
