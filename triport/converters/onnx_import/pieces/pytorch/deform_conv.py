"""Deformable convolution."""

import torch
from torch import Tensor
from torch.nn import functional as F


def deform_conv2d(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    bias: Tensor | None,
    mask: Tensor | None,
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
) -> Tensor:
    """Convolve where each tap of the kernel is moved by an offset; outside the image there are zeros."""
    n, channels, height, width = x.shape
    out, per_group, kernel_h, kernel_w = weight.shape
    rows, columns = offset.shape[-2:]
    y0 = torch.arange(rows, device=x.device) * stride[0] - padding[0]
    x0 = torch.arange(columns, device=x.device) * stride[1] - padding[1]
    taps = kernel_h * kernel_w
    groups, offset_groups = channels // per_group, offset.shape[1] // (2 * taps)
    offset = offset.reshape(n, offset_groups, taps, 2, rows, columns)
    tap_y = torch.arange(kernel_h, device=x.device).repeat_interleave(kernel_w) * dilation[0]
    tap_x = torch.arange(kernel_w, device=x.device).repeat(kernel_h) * dilation[1]
    at_y = offset[:, :, :, 0] + (tap_y[:, None, None] + y0[:, None]).to(x.dtype)
    at_x = offset[:, :, :, 1] + (tap_x[:, None, None] + x0[None, :]).to(x.dtype)
    grid = torch.stack((2 * at_x / max(width - 1, 1) - 1, 2 * at_y / max(height - 1, 1) - 1), dim=-1)
    grid = grid.reshape(n * offset_groups, taps * rows, columns, 2)
    image = x.reshape(n * offset_groups, channels // offset_groups, height, width)
    taken = F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    taken = taken.reshape(n, offset_groups, channels // offset_groups, taps, rows, columns)
    if mask is not None:
        taken = taken * mask.reshape(n, offset_groups, 1, taps, rows, columns)
    taken = taken.reshape(n, groups, channels // groups * taps, rows * columns)
    kernel = weight.reshape(groups, out // groups, -1)
    result = torch.einsum("gok,ngkp->ngop", kernel, taken).reshape(n, out, rows, columns)
    return result if bias is None else result + bias.reshape(1, -1, 1, 1)
