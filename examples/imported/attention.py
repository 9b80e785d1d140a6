"""attention in MindSpore, from an ONNX graph by triport.

The graph is of pytorch 2.13.0, opset 17.
Input tokens: (N, 16, 32) float32.
Output logits: (N, 10) float32.
"""

from __future__ import annotations

import math
from pathlib import Path

import mindspore
from mindspore import Tensor, nn, ops


def exp(x: Tensor) -> Tensor:
    """Return the exponential; the one of MindSpore's CPU is up to 2e-5 of itself off, a power is not."""
    return ops.pow(math.e, x)


def softmax(x: Tensor, axis: int) -> Tensor:
    """Return the softmax: MindSpore's own is wrong on the CPU beside a row that is -inf throughout."""
    shifted = exp(x - ops.amax(x, (axis,), True))
    return shifted / ops.sum(shifted, axis, True)


class Block(nn.Cell):
    """`blocks.0` and 1 more."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm((32,), begin_norm_axis=-1, begin_params_axis=-1, epsilon=1e-05)
        self.qkv = nn.Dense(32, 96)
        self.proj = nn.Dense(32, 32)
        self.norm2 = nn.LayerNorm((32,), begin_norm_axis=-1, begin_params_axis=-1, epsilon=1e-05)
        self.fc1 = nn.Dense(32, 64)
        self.fc2 = nn.Dense(64, 32)

    def construct(self, x: Tensor) -> Tensor:
        x2 = self.qkv(self.norm1(x)).reshape(x.shape[0], 16, 3, 4, 8)
        q, k, v = ops.unstack(ops.transpose(x2, (2, 0, 3, 1, 4)), 0)
        x2 = ops.matmul(q, k.swapaxes(-2, -1)) * 0.35355338
        x2 = ops.matmul(softmax(x2, -1), v).swapaxes(1, 2)
        x = x + self.proj(x2.reshape(x.shape[0], 16, 32))
        x2 = self.fc1(self.norm2(x))
        x2 = 0.5 * x2 * (1.0 + ops.erf(x2 / 1.4142135623730951))
        return x + self.fc2(x2)


class Attention(nn.Cell):
    """The network."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.SequentialCell(Block(), Block())
        self.head = nn.Dense(32, 10)

    def construct(self, tokens: Tensor) -> Tensor:
        """Return (N, 10) for tokens (N, 16, 32)."""
        return self.head(ops.mean(self.blocks(tokens), axis=(1,)))


# what the graph calls them
NAMES = {"gamma": "weight", "beta": "bias"}


def build(weights: bool = True) -> Attention:
    """Return the network, with the weights of the file beside this one unless they are not wanted."""
    network = Attention()
    for path, cell in network.cells_and_names():
        names = NAMES if isinstance(cell, nn.LayerNorm) else {}
        for leaf, parameter in cell.parameters_and_names(expand=False):
            leaf = names.get(leaf, leaf)
            parameter.name = f"{path}.{leaf}" if path else leaf
    if weights:
        path = Path(__file__).with_name("attention.safetensors")
        tensors = mindspore.load_checkpoint(str(path), format="safetensors")
        missing, unused = mindspore.load_param_into_net(network, tensors, strict_load=True)
        if missing or unused:
            raise ValueError(f"{path}: the weights are not this network's: {missing} {unused}")
    return network.set_train(False)
