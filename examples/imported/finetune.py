"""Fine-tune a network that was imported from an ONNX file, two epochs on the digits, in both frameworks.

    python examples/imported/finetune.py [pytorch|mindspore]

The digits' network is written as an ONNX file, imported as source, and given a new head, as one does for
other classes. Then all of it is trained on 240 of the images in `examples/digits/val`; 60 are held out.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

import numpy as np
from PIL import Image

import triport

EPOCHS, BATCH, RATE, MOMENTUM = 2, 20, 0.02, 0.9
TRAINED = 240


def main() -> None:
    """Train, and print the loss of each epoch and how many held-out digits are right."""
    for target in sys.argv[1:] or ("pytorch", "mindspore"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "digits.onnx"
            triport.convert(output=path, to="onnx")
            losses, right = finetuned(path, target)
        shown = ", ".join(f"{loss:.3f}" for loss in losses)
        print(f"{target}: loss by epoch {shown}; {right} of {300 - TRAINED} held-out digits are right")


def finetuned(path: Path, target: str) -> tuple[list[float], int]:
    """Return the mean loss of each epoch and how many held-out images are right after the last."""
    network = triport.from_onnx(path)
    images, labels = digits()
    train = _train_pytorch if target == "pytorch" else _train_mindspore
    return train(network.torch() if target == "pytorch" else network.mindspore(), images, labels)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the images as (N, 3, 32, 32) float32 and their labels, in an order from a seed."""
    paths = sorted((HERE.parent / "digits" / "val").glob("*/*.png"))
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    images = np.ascontiguousarray(((pixels / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2), np.float32)
    labels = np.array([int(path.parent.name) for path in paths])
    order = np.random.default_rng(0).permutation(len(paths))
    return images[order], labels[order]


def _batches(epoch: int) -> list[np.ndarray]:
    order = np.random.default_rng([1, epoch]).permutation(TRAINED)
    return np.split(order, TRAINED // BATCH)


def _train_pytorch(network: Any, images: np.ndarray, labels: np.ndarray) -> tuple[list[float], int]:
    import torch
    from torch import nn

    torch.manual_seed(0)
    network.fc = nn.Linear(network.fc.in_features, 10)
    optimizer = torch.optim.SGD(network.parameters(), RATE, MOMENTUM)
    losses = []
    for epoch in range(EPOCHS):
        network.train()
        total = 0.0
        for batch in _batches(epoch):
            optimizer.zero_grad()
            logits = network(torch.from_numpy(images[batch]))
            loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels[batch]))
            loss.backward()
            optimizer.step()
            total += float(loss.detach())
        losses.append(total * BATCH / TRAINED)
    with torch.no_grad():
        found = network.eval()(torch.from_numpy(images[TRAINED:])).numpy()
    return losses, int((found.argmax(1) == labels[TRAINED:]).sum())


def _train_mindspore(network: Any, images: np.ndarray, labels: np.ndarray) -> tuple[list[float], int]:
    import mindspore
    from mindspore import nn

    mindspore.set_seed(0)
    network.fc = nn.Dense(network.fc.in_channels, 10)
    optimizer = nn.SGD(network.trainable_params(), RATE, MOMENTUM)
    loss = nn.WithLossCell(network, nn.CrossEntropyLoss())
    step = nn.TrainOneStepCell(loss, optimizer)
    losses = []
    for epoch in range(EPOCHS):
        step.set_train()
        total = 0.0
        for batch in _batches(epoch):
            total += float(
                step(mindspore.Tensor(images[batch]), mindspore.Tensor(labels[batch].astype("i4")))
            )
        losses.append(total * BATCH / TRAINED)
    found = network.set_train(False)(mindspore.Tensor(images[TRAINED:])).asnumpy()
    return losses, int((found.argmax(1) == labels[TRAINED:]).sum())


if __name__ == "__main__":
    main()
