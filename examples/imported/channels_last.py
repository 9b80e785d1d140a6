"""channels_last in PyTorch, from an ONNX graph by triport.

The graph is of an unnamed producer, opset 13.
Input images: (N, 33, 33, 3) float32.
Output logits: (N, 10) float32.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelsLast(nn.Module):
    """The network."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.dense = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 10) for images (N, 33, 33, 3)."""
        x = F.relu(self.conv1(images.permute(0, 3, 1, 2)))
        return self.dense(self.conv2(x).mean(dim=(2, 3)))


_DTYPES = {"F32": torch.float32}


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file by name."""
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            kind, values = _DTYPES[entry["dtype"]], data[start + first : start + last]
            tensor = torch.frombuffer(values, dtype=kind) if values else torch.empty(0, dtype=kind)
            tensors[name] = tensor.reshape(entry["shape"])
    return tensors


def build(weights: bool = True) -> ChannelsLast:
    """Return the network, with the weights of the file beside this one unless they are not wanted."""
    network = ChannelsLast()
    if weights:
        network.load_state_dict(read_weights(Path(__file__).with_name("channels_last.safetensors")))
    return network.eval()
