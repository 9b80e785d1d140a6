"""Layers whose numbers are of eight bits."""

import mindspore
from mindspore import Parameter, Tensor, nn, ops

from .pooling import convolution


def constant(shape: tuple[int, ...], dtype: mindspore.Type = mindspore.float32) -> Parameter:
    """Return a tensor of a checkpoint that is not trained."""
    return Parameter(ops.zeros(shape, dtype), requires_grad=False)


def in_steps(x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    """Return how many steps of the scale x is from the zero point, within what its dtype holds."""
    low, high = (0.0, 255.0) if zero_point.dtype == mindspore.uint8 else (-128.0, 127.0)
    return ops.clamp(ops.round(x / scale) + zero_point.to(x.dtype), low, high)


class Quantize(nn.Cell):
    """To eight bits, by a scale and a zero point."""

    def __init__(self, dtype: mindspore.Type) -> None:
        super().__init__()
        self.scale = constant(())
        self.zero_point = constant((), dtype)

    def construct(self, x: Tensor) -> Tensor:
        """Return x in steps of the scale."""
        steps = in_steps(x, self.scale, self.zero_point)
        return steps.to(mindspore.int32).to(self.zero_point.dtype)


class Dequantize(Quantize):
    """Of eight bits, by a scale and a zero point."""

    def construct(self, x: Tensor) -> Tensor:
        """Return what the steps are."""
        return (x.to(mindspore.float32) - self.zero_point.to(mindspore.float32)) * self.scale


class FakeQuantize(Quantize):
    """To eight bits and back."""

    def construct(self, x: Tensor) -> Tensor:
        """Return x rounded to steps."""
        steps = in_steps(x, self.scale, self.zero_point)
        return (steps - self.zero_point.to(mindspore.float32)) * self.scale


class QuantizedConv2d(nn.Cell):
    """Convolution whose weights are of eight bits, with one scale or one for each output channel."""

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
        self.weight = constant((out_channels, in_channels // groups, *kernel), mindspore.int8)
        self.weight_scale = constant((scales,))
        self.has_bias = bias
        if bias:
            self.bias = constant((out_channels,), mindspore.int32)
            self.bias_scale = constant((scales,))

    def construct(self, x: Tensor) -> Tensor:
        """Return the convolution, with weights made wide."""
        weight = self.weight.to(mindspore.float32) * self.weight_scale.reshape(-1, 1, 1, 1)
        bias = self.bias.to(mindspore.float32) * self.bias_scale if self.has_bias else None
        return ops.conv2d(x, weight, bias, self.stride, "pad", self.padding, 1, self.groups)


class QuantizedLinear(nn.Cell):
    """Linear layer whose weights are of eight bits, with one scale or one for each output."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        per_channel: bool = False,
    ) -> None:
        super().__init__()
        scales = out_features if per_channel else 1
        self.weight = constant((out_features, in_features), mindspore.int8)
        self.weight_scale = constant((scales,))
        self.has_bias = bias
        if bias:
            self.bias = constant((out_features,), mindspore.int32)
            self.bias_scale = constant((scales,))

    def construct(self, x: Tensor) -> Tensor:
        """Return the product, with weights made wide."""
        weight = self.weight.to(mindspore.float32) * self.weight_scale.reshape(-1, 1)
        y = ops.matmul(x, weight.T)
        return y + self.bias.to(mindspore.float32) * self.bias_scale if self.has_bias else y


class QLinearConv2d(nn.Cell):
    """Convolution of eight bits to eight bits, exact in float64 between."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        groups: int = 1,
        per_channel: bool = False,
        dtypes: tuple[mindspore.Type, ...] = (mindspore.int8, mindspore.int8, mindspore.int8),
    ) -> None:
        super().__init__()
        kernel, self.stride, pads = (
            (each, each) if isinstance(each, int) else each for each in (kernel_size, stride, padding)
        )
        self.padding, self.groups = (*pads, *pads), groups
        scales = out_channels if per_channel else 1
        self.weight = constant((out_channels, in_channels // groups, *kernel), dtypes[1])
        self.bias = constant((out_channels,), mindspore.int32)
        self.input_scale, self.input_zero_point = constant((1,)), constant((1,), dtypes[0])
        self.weight_scale, self.weight_zero_point = constant((scales,)), constant((scales,), dtypes[1])
        self.output_scale, self.output_zero_point = constant((1,)), constant((1,), dtypes[2])

    def construct(self, x: Tensor) -> Tensor:
        """Return the convolution in steps of its own scale."""
        wide, dtype = mindspore.float64, self.output_zero_point.dtype
        image = x.to(wide) - self.input_zero_point.to(wide)
        weight = self.weight.to(wide) - self.weight_zero_point.to(wide).reshape(-1, 1, 1, 1)
        exact = convolution(image, weight, self.bias.to(wide), self.stride, self.padding, (1, 1), self.groups)
        scale = self.input_scale * self.weight_scale / self.output_scale
        steps = ops.round(exact * scale.to(wide).reshape(-1, 1, 1)) + self.output_zero_point.to(wide)
        low, high = (0.0, 255.0) if dtype == mindspore.uint8 else (-128.0, 127.0)
        return ops.clamp(steps, low, high).to(dtype)


class DynamicQuantizedConv2d(nn.Cell):
    """Convolution of eight bits, exact in float64, of what its own range brings to them."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dtype: mindspore.Type = mindspore.int8,
    ) -> None:
        super().__init__()
        kernel, self.stride, pads = (
            (each, each) if isinstance(each, int) else each for each in (kernel_size, stride, padding)
        )
        self.padding, self.groups = (*pads, *pads), groups
        self.weight = constant((out_channels, in_channels // groups, *kernel), dtype)
        self.weight_scale, self.weight_zero_point = (
            constant((out_channels,)),
            constant((out_channels,), dtype),
        )
        self.has_bias = bias
        if bias:
            self.bias = Parameter(ops.zeros((out_channels,), mindspore.float32))

    def construct(self, x: Tensor) -> Tensor:
        """Return the convolution in float32."""
        wide = mindspore.float64
        steps, scale, zero_point = quantize_dynamic(x)
        weight = self.weight.to(wide) - self.weight_zero_point.to(wide).reshape(-1, 1, 1, 1)
        image = steps.to(wide) - zero_point.to(wide)
        exact = convolution(image, weight, None, self.stride, self.padding, (1, 1), self.groups)
        y = exact.to(mindspore.float32) * (scale * self.weight_scale).reshape(-1, 1, 1)
        return y + self.bias.reshape(-1, 1, 1) if self.has_bias else y


class DynamicQuantizedLinear(nn.Cell):
    """Linear layer of eight bits, exact in float64, of what its own range brings to them."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: mindspore.Type = mindspore.int8,
    ) -> None:
        super().__init__()
        self.weight = constant((out_features, in_features), dtype)
        self.weight_scale, self.weight_zero_point = (
            constant((out_features,)),
            constant((out_features,), dtype),
        )
        self.has_bias = bias
        if bias:
            self.bias = Parameter(ops.zeros((out_features,), mindspore.float32))

    def construct(self, x: Tensor) -> Tensor:
        """Return the product in float32."""
        wide = mindspore.float64
        steps, scale, zero_point = quantize_dynamic(x)
        weight = self.weight.to(wide) - self.weight_zero_point.to(wide).reshape(-1, 1)
        exact = ops.matmul(steps.to(wide) - zero_point.to(wide), weight.T)
        y = exact.to(mindspore.float32) * (scale * self.weight_scale)
        return y + self.bias if self.has_bias else y


def quantize_dynamic(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return x in uint8 by its own range, which includes zero; and the scale and zero point."""
    low, high = ops.minimum(x.min(), 0.0), ops.maximum(x.max(), 0.0)
    scale = ops.where(low == high, ops.ones_like(low), (high - low) / 255.0)
    zero = ops.clamp(ops.round(-low / scale), 0.0, 255.0)
    steps = ops.clamp(ops.round(x / scale) + zero, 0.0, 255.0)
    return (
        steps.to(mindspore.int32).to(mindspore.uint8),
        scale,
        zero.to(mindspore.int32).to(mindspore.uint8),
    )
