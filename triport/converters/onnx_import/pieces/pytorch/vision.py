"""Boxes and regions."""

import torch
from torch import Tensor
from torch.nn import functional as F


def non_max_suppression(
    boxes: Tensor, scores: Tensor, most: int, overlap: float, threshold: float | None, centres: bool
) -> Tensor:
    """Return (image, class, box) of the best boxes that overlap no better one by more than `overlap`."""
    if centres:
        middle, half = boxes[..., :2], boxes[..., 2:] / 2
        boxes = torch.cat((middle - half, middle + half), dim=-1)
    low, high = torch.minimum(boxes[..., :2], boxes[..., 2:]), torch.maximum(boxes[..., :2], boxes[..., 2:])
    area = (high - low).prod(dim=-1)
    found = []
    for image in range(scores.shape[0]):
        for kind in range(scores.shape[1]):
            values = scores[image, kind]
            kept: list[int] = []
            for box in torch.sort(values, descending=True, stable=True).indices.tolist():
                if len(kept) >= most or (threshold is not None and values[box] <= threshold):
                    break
                sides = torch.minimum(high[image, box], high[image, kept]) - torch.maximum(
                    low[image, box], low[image, kept]
                )
                shared = sides.clamp(min=0).prod(dim=-1)
                union = area[image, box] + area[image, kept] - shared
                if not bool(((shared > 0) & (shared / union > overlap)).any()):
                    kept.append(box)
            found += [(image, kind, box) for box in kept]
    return torch.tensor(found, dtype=torch.int64, device=boxes.device).reshape(-1, 3)


def roi_align(
    x: Tensor,
    regions: Tensor,
    images: Tensor,
    height: int,
    width: int,
    ratio: int,
    scale: float,
    offset: float,
) -> Tensor:
    """Return the mean of sampled points in each cell of each region."""
    pooled = []
    for region, image in zip(regions, images.tolist(), strict=True):
        x1, y1, x2, y2 = (region * scale - offset).tolist()
        h, w = y2 - y1, x2 - x1
        if not offset:
            h, w = max(h, 1.0), max(w, 1.0)
        rows = ratio or max(int(-(-h // height)), 1)
        columns = ratio or max(int(-(-w // width)), 1)
        at_y = y1 + (torch.arange(height * rows, dtype=x.dtype, device=x.device) + 0.5) * (h / height / rows)
        at_x = x1 + (torch.arange(width * columns, dtype=x.dtype, device=x.device) + 0.5) * (
            w / width / columns
        )
        sampled = sample_points(x[image], at_y, at_x)
        cells = sampled.reshape(x.shape[1], height, rows, width, columns)
        pooled.append(cells.mean(dim=(2, 4)))
    return torch.stack(pooled) if pooled else x.new_zeros(0, x.shape[1], height, width)


def sample_points(image: Tensor, at_y: Tensor, at_x: Tensor) -> Tensor:
    """Return pixels between pixels, at all pairs of rows and columns; zero beyond one pixel outside."""
    height, width = image.shape[-2:]
    parts = []
    for at, size in ((at_y, height), (at_x, width)):
        inside = ((at >= -1) & (at <= size)).to(image.dtype)
        at = at.clamp(0, size - 1)
        first = at.floor().to(torch.int64)
        second = (first + 1).clamp(max=size - 1)
        parts.append((first, second, at - first, inside))
    (top, bottom, y, y_in), (left, right, x, x_in) = parts
    upper = image[:, top][:, :, left] * (1 - x) + image[:, top][:, :, right] * x
    lower = image[:, bottom][:, :, left] * (1 - x) + image[:, bottom][:, :, right] * x
    return (upper * (1 - y)[:, None] + lower * y[:, None]) * y_in[:, None] * x_in


def columns_to_image(
    x: Tensor,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: tuple[int, ...],
    stride: tuple[int, ...],
) -> Tensor:
    """Add columns into an image of any rank at the places that its windows were taken from."""
    rank = len(size)
    padded = [size[i] + padding[i] + padding[rank + i] for i in range(rank)]
    steps = [(padded[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(rank)]
    place = torch.zeros(1, 1, dtype=torch.int64, device=x.device)
    for i in range(rank):
        taps = torch.arange(kernel[i], device=x.device) * dilation[i]
        starts = torch.arange(steps[i], device=x.device) * stride[i]
        at = taps[:, None] + starts[None, :]
        place = place[:, None, :, None] * padded[i] + at[None, :, None, :]
        place = place.reshape(place.shape[0] * place.shape[1], -1)
    columns = x.reshape(x.shape[0], -1, place.numel())
    total = 1
    for n in padded:
        total *= n
    flat = x.new_zeros(x.shape[0], columns.shape[1], total)
    flat = flat.scatter_add(2, place.reshape(1, 1, -1).expand_as(columns), columns)
    image = flat.reshape(x.shape[0], columns.shape[1], *padded)
    for i in range(rank):
        image = image.narrow(2 + i, padding[i], size[i])
    return image


def center_crop_pad(x: Tensor, sizes: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """Cut axes around their middle, or pad them there with zeros, to sizes."""
    for axis, size in zip(axes, sizes, strict=True):
        missing = size - x.shape[axis]
        if missing < 0:
            x = x.narrow(axis, -missing // 2, size)
        else:
            pads = [0, 0] * (x.dim() - 1 - axis) + [missing // 2, missing - missing // 2]
            x = F.pad(x, pads)
    return x
