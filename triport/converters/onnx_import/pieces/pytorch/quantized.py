"""Layers whose numbers are of eight bits."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def in_steps(x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    """Return how many steps of the scale x is from the zero point, within what its dtype holds."""
    limits = torch.iinfo(zero_point.dtype)
    return torch.clamp(torch.round(x / scale) + zero_point, limits.min, limits.max)


class Quantize(nn.Module):
    """To eight bits, by a scale and a zero point."""

    scale: Tensor
    zero_point: Tensor

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("scale", torch.empty(()))
        self.register_buffer("zero_point", torch.empty((), dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Return x in steps of the scale."""
        return in_steps(x, self.scale, self.zero_point).to(self.zero_point.dtype)


class Dequantize(Quantize):
    """Of eight bits, by a scale and a zero point."""

    def forward(self, x: Tensor) -> Tensor:
        """Return what the steps are."""
        return (x.to(torch.float32) - self.zero_point) * self.scale


class FakeQuantize(Quantize):
    """To eight bits and back."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x rounded to steps."""
        return (in_steps(x, self.scale, self.zero_point) - self.zero_point) * self.scale


class QuantizedConv2d(nn.Module):
    """Convolution whose weights are of eight bits, with one scale or one for each output channel."""

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor | None
    bias_scale: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        per_channel: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.groups = stride, padding, groups
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        scales = out_channels if per_channel else 1
        self.register_buffer(
            "weight", torch.empty(out_channels, in_channels // groups, *kernel, dtype=torch.int8)
        )
        self.register_buffer("weight_scale", torch.empty(scales))
        if bias:
            self.register_buffer("bias", torch.empty(out_channels, dtype=torch.int32))
            self.register_buffer("bias_scale", torch.empty(scales))
        else:
            self.bias = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution, with weights made wide."""
        weight = self.weight * self.weight_scale.reshape(-1, 1, 1, 1)
        bias = None if self.bias is None else self.bias * self.bias_scale
        return F.conv2d(x, weight, bias, self.stride, self.padding, groups=self.groups)


class QuantizedLinear(nn.Module):
    """Linear layer whose weights are of eight bits, with one scale or one for each output."""

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor | None
    bias_scale: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        per_channel: bool = False,
    ) -> None:
        super().__init__()
        scales = out_features if per_channel else 1
        self.register_buffer("weight", torch.empty(out_features, in_features, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.empty(scales))
        if bias:
            self.register_buffer("bias", torch.empty(out_features, dtype=torch.int32))
            self.register_buffer("bias_scale", torch.empty(scales))
        else:
            self.bias = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the product, with weights made wide."""
        weight = self.weight * self.weight_scale.reshape(-1, 1)
        return F.linear(x, weight, None if self.bias is None else self.bias * self.bias_scale)


class QLinearConv2d(nn.Module):
    """Convolution of eight bits to eight bits, exact in float64 between."""

    weight: Tensor
    bias: Tensor
    input_scale: Tensor
    input_zero_point: Tensor
    weight_scale: Tensor
    weight_zero_point: Tensor
    output_scale: Tensor
    output_zero_point: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        groups: int = 1,
        per_channel: bool = False,
        dtypes: tuple[torch.dtype, torch.dtype, torch.dtype] = (torch.int8, torch.int8, torch.int8),
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.groups = stride, padding, groups
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        shape, scales = (out_channels, in_channels // groups, *kernel), out_channels if per_channel else 1
        self.register_buffer("weight", torch.empty(shape, dtype=dtypes[1]))
        self.register_buffer("bias", torch.empty(out_channels, dtype=torch.int32))
        for name, size, dtype in zip(("input", "weight", "output"), (1, scales, 1), dtypes, strict=True):
            self.register_buffer(f"{name}_scale", torch.empty(size))
            self.register_buffer(f"{name}_zero_point", torch.empty(size, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution in steps of its own scale."""
        image = x.to(torch.float64) - self.input_zero_point
        weight = self.weight.to(torch.float64) - self.weight_zero_point.reshape(-1, 1, 1, 1)
        exact = F.conv2d(image, weight, None, self.stride, self.padding, groups=self.groups)
        exact = exact + self.bias.reshape(-1, 1, 1)
        scale = self.input_scale * self.weight_scale / self.output_scale
        limits = torch.iinfo(self.output_zero_point.dtype)
        steps = torch.round(exact * scale.reshape(-1, 1, 1)) + self.output_zero_point
        return torch.clamp(steps, limits.min, limits.max).to(self.output_zero_point.dtype)


class DynamicQuantizedConv2d(nn.Module):
    """Convolution of eight bits, exact in float64, of what its own range brings to them."""

    weight: Tensor
    weight_scale: Tensor
    weight_zero_point: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dtype: torch.dtype = torch.int8,
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.groups = stride, padding, groups
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        self.register_buffer("weight", torch.empty(out_channels, in_channels // groups, *kernel, dtype=dtype))
        self.register_buffer("weight_scale", torch.empty(out_channels))
        self.register_buffer("weight_zero_point", torch.empty(out_channels, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution in float32."""
        steps, scale, zero_point = quantize_dynamic(x)
        weight = self.weight.to(torch.float64) - self.weight_zero_point.reshape(-1, 1, 1, 1)
        image = steps.to(torch.float64) - zero_point
        exact = F.conv2d(image, weight, None, self.stride, self.padding, groups=self.groups)
        y = exact.to(torch.float32) * (scale * self.weight_scale).reshape(-1, 1, 1)
        return y if self.bias is None else y + self.bias.reshape(-1, 1, 1)


class DynamicQuantizedLinear(nn.Module):
    """Linear layer of eight bits, exact in float64, of what its own range brings to them."""

    weight: Tensor
    weight_scale: Tensor
    weight_zero_point: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: torch.dtype = torch.int8,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", torch.empty(out_features, in_features, dtype=dtype))
        self.register_buffer("weight_scale", torch.empty(out_features))
        self.register_buffer("weight_zero_point", torch.empty(out_features, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the product in float32."""
        steps, scale, zero_point = quantize_dynamic(x)
        weight = self.weight.to(torch.float64) - self.weight_zero_point.reshape(-1, 1)
        exact = F.linear(steps.to(torch.float64) - zero_point, weight)
        y = exact.to(torch.float32) * (scale * self.weight_scale)
        return y if self.bias is None else y + self.bias


def quantize_dynamic(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return x in uint8 by its own range, which includes zero; and the scale and zero point."""
    low, high = torch.clamp(x.min(), max=0), torch.clamp(x.max(), min=0)
    scale = torch.where(low == high, 1, (high - low) / 255)
    zero = torch.clamp(torch.round(-low / scale), 0, 255)
    steps = torch.clamp(torch.round(x / scale) + zero, 0, 255)
    return steps.to(torch.uint8), scale, zero.to(torch.uint8)
