"""A layer that pads as pad_mode="same" does, whatever it was made with."""

from typing import Any

from torch import nn
from torch.nn import functional


class SamePadded(nn.Module):
    """Pads as TensorFlow's SAME does where the layer pads symmetrically, and the other way round."""

    def __init__(self, layer: Any, value: float = 0.0) -> None:
        super().__init__()
        self.layer, self.value = layer, value
        kernel, stride = layer.kernel_size, layer.stride
        self.kernel = kernel if isinstance(kernel, int) else kernel[0]
        self.stride = stride if isinstance(stride, int) else stride[0]

    def forward(self, x: Any) -> Any:
        """Pad by the sizes of the input, and run the layer without padding of its own."""
        height, width = (
            max((-(-n // self.stride) - 1) * self.stride + self.kernel - n, 0) for n in x.shape[-2:]
        )
        around = (width // 2, width - width // 2, height // 2, height - height // 2)
        kept, self.layer.padding = (
            self.layer.padding,
            type(self.layer.padding)((0, 0)) if isinstance(self.layer.padding, tuple) else 0,
        )
        try:
            return self.layer(functional.pad(x, around, value=self.value))
        finally:
            self.layer.padding = kept
