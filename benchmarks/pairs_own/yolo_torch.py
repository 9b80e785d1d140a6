"""YOLOv5n and YOLOv8n in PyTorch, with the names that Ultralytics' weights have (`cv1`, `m.0`, `model.24`).

Source: https://github.com/ultralytics/yolov5, models/common.py and models/yolov5n.yaml;
https://github.com/ultralytics/ultralytics, nn/modules and cfg/models/v8/yolov8.yaml. Written anew: what
runs in training and export is left out, and both heads return the decoded boxes and the maps that these
were made of.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = 80
STRIDES = (8, 16, 32)
ANCHORS = (
    *((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119)),
    (116, 90, 156, 198, 373, 326),
)
REACH = 16  # bins of a distance, YOLOv8's reg_max


class Conv(nn.Module):
    """Convolution, norm and SiLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, pad: int | None = None
    ) -> None:
        super().__init__()
        pad = kernel // 2 if pad is None else pad
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, pad, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """Two convolutions, beside which the input passes."""

    def __init__(self, channels: int, shortcut: bool, kernels: tuple[int, int]) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels, kernels[0])
        self.cv2 = Conv(channels, channels, kernels[1])
        self.add = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C3(nn.Module):
    """YOLOv5's block."""

    def __init__(self, inputs: int, outputs: int, count: int, shortcut: bool = True) -> None:
        super().__init__()
        hidden = outputs // 2
        self.cv1 = Conv(inputs, hidden)
        self.cv2 = Conv(inputs, hidden)
        self.cv3 = Conv(2 * hidden, outputs)
        self.m = nn.Sequential(*(Bottleneck(hidden, shortcut, (1, 3)) for _ in range(count)))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class C2f(nn.Module):
    """YOLOv8's block."""

    def __init__(self, inputs: int, outputs: int, count: int, shortcut: bool = False) -> None:
        super().__init__()
        hidden = outputs // 2
        self.cv1 = Conv(inputs, 2 * hidden)
        self.cv2 = Conv((2 + count) * hidden, outputs)
        self.m = nn.ModuleList(Bottleneck(hidden, shortcut, (3, 3)) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        pieces = list(self.cv1(x).chunk(2, 1))
        for block in self.m:
            pieces.append(block(pieces[-1]))
        return self.cv2(torch.cat(pieces, 1))


class SPPF(nn.Module):
    """Pools of three sizes, as one pool used three times."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.cv1 = Conv(inputs, inputs // 2)
        self.cv2 = Conv(inputs * 2, outputs)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        pieces = [self.cv1(x)]
        for _ in range(3):
            pieces.append(self.m(pieces[-1]))
        return self.cv2(torch.cat(pieces, 1))


class Concat(nn.Module):
    """Maps of several layers as one."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        return torch.cat(maps, 1)


def _places(height: int, width: int, like: Tensor) -> Tensor:
    rows = torch.arange(height, dtype=like.dtype)
    columns = torch.arange(width, dtype=like.dtype)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack((x, y), -1)


class DetectV5(nn.Module):
    """YOLOv5's head."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.no = CLASSES + 5
        self.m = nn.ModuleList(nn.Conv2d(one, self.no * 3, 1) for one in channels)

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        boxes, outputs = [], []
        for conv, one, stride, anchors in zip(self.m, maps, STRIDES, ANCHORS, strict=True):
            out = conv(one)
            batch, _, height, width = out.shape
            out = out.view(batch, 3, self.no, height, width).permute(0, 1, 3, 4, 2)
            outputs.append(out)
            y = out.sigmoid()
            sizes = torch.tensor(anchors, dtype=y.dtype).view(1, 3, 1, 1, 2)
            centre = (y[..., :2] * 2 - 0.5 + _places(height, width, y)) * stride
            decoded = torch.cat((centre, (y[..., 2:4] * 2) ** 2 * sizes, y[..., 4:]), -1)
            boxes.append(decoded.reshape(batch, -1, self.no))
        return torch.cat(boxes, 1), outputs


class DFL(nn.Module):
    """The mean of a distribution over bins, as a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(REACH, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, count = x.shape
        bins = x.view(batch, 4, REACH, count).transpose(2, 1).softmax(1)
        return self.conv(bins).view(batch, 4, count)


class DetectV8(nn.Module):
    """YOLOv8's head."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        boxes, classes = max(16, channels[0] // 4, REACH * 4), max(channels[0], CLASSES)
        self.cv2 = nn.ModuleList(self._branch(one, boxes, 4 * REACH) for one in channels)
        self.cv3 = nn.ModuleList(self._branch(one, classes, CLASSES) for one in channels)
        self.dfl = DFL()

    @staticmethod
    def _branch(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(Conv(inputs, hidden, 3), Conv(hidden, hidden, 3), nn.Conv2d(hidden, outputs, 1))

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        outputs = [
            torch.cat((box(one), kind(one)), 1)
            for box, kind, one in zip(self.cv2, self.cv3, maps, strict=True)
        ]
        flat = torch.cat([one.flatten(2) for one in outputs], 2)
        box, kind = flat.split((4 * REACH, CLASSES), 1)
        places = [_places(*one.shape[2:], one).reshape(-1, 2) + 0.5 for one in outputs]
        steps = [
            torch.full((len(place), 1), float(size)) for place, size in zip(places, STRIDES, strict=True)
        ]
        centre, stride = torch.cat(places).T, torch.cat(steps).T.to(flat)
        before, after = self.dfl(box).chunk(2, 1)
        low, high = centre - before, centre + after
        decoded = torch.cat(((low + high) / 2, high - low), 1) * stride
        return torch.cat((decoded, kind.sigmoid()), 1).transpose(1, 2), outputs


class Yolo(nn.Module):
    """Layers in order, some of which take what earlier ones returned."""

    def __init__(self, layers: list[tuple[int | tuple[int, ...], nn.Module]]) -> None:
        super().__init__()
        self.sources = [source for source, _ in layers]
        self.model = nn.Sequential(*(layer for _, layer in layers))

    def forward(self, x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for source, layer in zip(self.sources, self.model, strict=True):
            if isinstance(source, tuple):
                x = layer([x if place == -1 else kept[place] for place in source])
            else:
                x = layer(x)
            kept.append(x)
        return x


def _upsample() -> nn.Module:
    return nn.Upsample(scale_factor=2.0, mode="nearest")


def yolov5n() -> nn.Module:
    """Return YOLOv5n."""
    return Yolo(
        [
            *((-1, Conv(3, 16, 6, 2, 2)), (-1, Conv(16, 32, 3, 2)), (-1, C3(32, 32, 1))),
            *(
                (-1, Conv(32, 64, 3, 2)),
                (-1, C3(64, 64, 2)),
                (-1, Conv(64, 128, 3, 2)),
                (-1, C3(128, 128, 3)),
            ),
            *((-1, Conv(128, 256, 3, 2)), (-1, C3(256, 256, 1)), (-1, SPPF(256, 256))),
            *((-1, Conv(256, 128)), (-1, _upsample()), ((-1, 6), Concat()), (-1, C3(256, 128, 1, False))),
            *((-1, Conv(128, 64)), (-1, _upsample()), ((-1, 4), Concat()), (-1, C3(128, 64, 1, False))),
            *((-1, Conv(64, 64, 3, 2)), ((-1, 14), Concat()), (-1, C3(128, 128, 1, False))),
            *((-1, Conv(128, 128, 3, 2)), ((-1, 10), Concat()), (-1, C3(256, 256, 1, False))),
            ((17, 20, 23), DetectV5((64, 128, 256))),
        ]
    )


def yolov8n() -> nn.Module:
    """Return YOLOv8n."""
    return Yolo(
        [
            *((-1, Conv(3, 16, 3, 2)), (-1, Conv(16, 32, 3, 2)), (-1, C2f(32, 32, 1, True))),
            *((-1, Conv(32, 64, 3, 2)), (-1, C2f(64, 64, 2, True)), (-1, Conv(64, 128, 3, 2))),
            *((-1, C2f(128, 128, 2, True)), (-1, Conv(128, 256, 3, 2)), (-1, C2f(256, 256, 1, True))),
            *((-1, SPPF(256, 256)), (-1, _upsample()), ((-1, 6), Concat()), (-1, C2f(384, 128, 1))),
            *((-1, _upsample()), ((-1, 4), Concat()), (-1, C2f(192, 64, 1))),
            *((-1, Conv(64, 64, 3, 2)), ((-1, 12), Concat()), (-1, C2f(192, 128, 1))),
            *((-1, Conv(128, 128, 3, 2)), ((-1, 9), Concat()), (-1, C2f(384, 256, 1))),
            ((15, 18, 21), DetectV8((64, 128, 256))),
        ]
    )
