"""DBNet in PyTorch, with the module names of its authors' code, and the recognizer CRNN as its paper has it.

Source: https://github.com/MhLiao/DB, decoders/seg_detector.py (`in5`, `out5`, `binarize`); An End-to-End
Trainable Neural Network for Image-based Sequence Recognition, https://arxiv.org/abs/1507.05717.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class DBNet(nn.Module):
    """ResNet-18, a pyramid of its four stages, and the heads for probability and threshold."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import resnet18

        self.backbone = resnet18(weights=None)
        del self.backbone.fc
        for level, channels in ((5, 512), (4, 256), (3, 128), (2, 64)):
            setattr(self, f"in{level}", nn.Conv2d(channels, 256, 1, bias=False))
        for level in (5, 4, 3, 2):
            setattr(self, f"out{level}", nn.Conv2d(256, 64, 3, padding=1, bias=False))
        self.binarize = self._head()
        self.thresh = self._head()  # of training alone

    @staticmethod
    def _head() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(256, 64, 3, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 64, 2, 2),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 1, 2, 2),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        body = self.backbone
        x = body.maxpool(body.relu(body.bn1(body.conv1(x))))
        c2 = body.layer1(x)
        c3 = body.layer2(c2)
        c4 = body.layer3(c3)
        c5 = body.layer4(c4)
        p5 = self.in5(c5)
        p4 = self.in4(c4) + functional.interpolate(p5, scale_factor=2.0)
        p3 = self.in3(c3) + functional.interpolate(p4, scale_factor=2.0)
        p2 = self.in2(c2) + functional.interpolate(p3, scale_factor=2.0)
        size = p2.shape[2:]
        maps = [
            functional.interpolate(getattr(self, f"out{n}")(p), size=size)
            for n, p in ((5, p5), (4, p4), (3, p3))
        ]
        return self.binarize(torch.cat([*maps, self.out2(p2)], 1))


class CRNN(nn.Module):
    """Seven convolutions, two bidirectional LSTMs and a classifier of every column."""

    def __init__(self, classes: int = 37) -> None:
        super().__init__()
        channels = (3, 64, 128, 256, 256, 512, 512, 512)
        layers: list[nn.Module] = []
        for place in range(7):
            kernel, pad = (2, 0) if place == 6 else (3, 1)
            layers.append(nn.Conv2d(channels[place], channels[place + 1], kernel, padding=pad))
            if place in (2, 4, 6):
                layers.append(nn.BatchNorm2d(channels[place + 1], eps=1e-4))
            layers.append(nn.ReLU())
            if place in (0, 1):
                layers.append(nn.MaxPool2d(2, 2))
            if place in (3, 5):
                layers.append(nn.MaxPool2d((2, 1), (2, 1)))
        self.cnn = nn.Sequential(*layers)
        self.rnn = nn.LSTM(512, 256, num_layers=2, bidirectional=True)
        self.embedding = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        columns = self.cnn(x).squeeze(2).permute(2, 0, 1)
        return self.embedding(self.rnn(columns)[0]).softmax(2).transpose(0, 1)


def dbnet_resnet18() -> nn.Module:
    """Return DBNet over ResNet-18."""
    return DBNet()


def crnn_vgg7() -> nn.Module:
    """Return CRNN."""
    return CRNN()
