"""A temporal convolutional network and a Conformer block in MindSpore.

Convolutions along time are two-dimensional with a kernel of one row, which is how MindSpore's audio models
often have them; the Conformer's pointwise convolutions are dense layers.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

WIDTH, HEADS = 40, 4


class TemporalBlock(nn.Cell):
    """Two dilated convolutions that see only what was, beside the input."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        pad = (0, 0, 2 * dilation, 0)
        self.first = nn.Conv2d(inputs, outputs, (1, 3), 1, "pad", pad, (1, dilation), has_bias=True)
        self.second = nn.Conv2d(outputs, outputs, (1, 3), 1, "pad", pad, (1, dilation), has_bias=True)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, has_bias=True) if inputs != outputs else None

    def construct(self, x: Tensor) -> Tensor:
        y = ops.relu(self.second(ops.relu(self.first(x))))
        return ops.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class TCN(nn.Cell):
    """Blocks of growing reach and a value for every step."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (1, 16, 24, 24, 32)
        self.blocks = nn.SequentialCell([TemporalBlock(sizes[n], sizes[n + 1], 2**n) for n in range(4)])
        self.decoder = nn.Dense(32, 6)

    def construct(self, x: Tensor) -> Tensor:
        y = self.blocks(ops.expand_dims(x, 2)).squeeze(2)
        return self.decoder(y.transpose(0, 2, 1))


class FeedForward(nn.Cell):
    """A norm and two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm((WIDTH,), epsilon=1e-5)
        self.up = nn.Dense(WIDTH, 3 * WIDTH)
        self.down = nn.Dense(3 * WIDTH, WIDTH)

    def construct(self, x: Tensor) -> Tensor:
        return self.down(ops.silu(self.up(self.norm(x))))


class ConformerBlock(nn.Cell):
    """Half a feed-forward, attention, a convolution along time, half a feed-forward."""

    def __init__(self) -> None:
        super().__init__()
        self.linear_q, self.linear_k, self.linear_v = (nn.Dense(WIDTH, WIDTH) for _ in range(3))
        self.linear_out = nn.Dense(WIDTH, WIDTH)
        self.norm_mha, self.norm_conv, self.norm_final = (
            nn.LayerNorm((WIDTH,), epsilon=1e-5) for _ in range(3)
        )
        self.macaron, self.feed_forward = FeedForward(), FeedForward()
        self.to_gate = nn.Dense(WIDTH, 2 * WIDTH)
        self.from_gate = nn.Dense(WIDTH, WIDTH)
        self.depthwise = nn.Conv2d(WIDTH, WIDTH, (1, 7), 1, "pad", (0, 0, 3, 3), group=WIDTH, has_bias=True)
        self.bn = nn.BatchNorm2d(WIDTH)

    def construct(self, x: Tensor) -> Tensor:
        x = x + 0.5 * self.macaron(x)
        x = x + self._attend(self.norm_mha(x))
        gate = self.to_gate(self.norm_conv(x))
        y = gate[..., :WIDTH] * ops.sigmoid(gate[..., WIDTH:])
        y = self.bn(self.depthwise(ops.expand_dims(y.transpose(0, 2, 1), 2))).squeeze(2)
        x = x + self.from_gate(ops.silu(y).transpose(0, 2, 1))
        return self.norm_final(x + 0.5 * self.feed_forward(x))

    def _attend(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        shape = (batch, length, HEADS, WIDTH // HEADS)
        q = self.linear_q(x).reshape(shape).transpose(0, 2, 1, 3)
        k = self.linear_k(x).reshape(shape).transpose(0, 2, 3, 1)
        v = self.linear_v(x).reshape(shape).transpose(0, 2, 1, 3)
        weights = ops.softmax(ops.matmul(q, k) / (WIDTH // HEADS) ** 0.5, -1)
        return self.linear_out(ops.matmul(weights, v).transpose(0, 2, 1, 3).reshape((batch, length, WIDTH)))


class Conformer(nn.Cell):
    """Two blocks and a classifier of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.classify = nn.Dense(WIDTH, 9)
        self.encoders = nn.CellList([ConformerBlock(), ConformerBlock()])

    def construct(self, x: Tensor) -> Tensor:
        return self.classify(self.encoders[1](self.encoders[0](x)))


def tcn() -> nn.Cell:
    """Return the temporal network."""
    return TCN()


def conformer() -> nn.Cell:
    """Return the Conformer."""
    return Conformer()
