"""Train res2net_digits on scikit-learn's handwritten digits; write its checkpoint and held-out images.

    pip install -e .[mindspore,images] scikit-learn
    python examples/digits/train.py

Writes `res2net_digits.ckpt` and `val/<digit>/<number>.png` beside this file, then reads both back
and prints the accuracy. Takes some minutes on two CPU cores; only numbers from a seed are used,
but threads may add them in another order, so another machine's figure can differ by an image.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from triport.converters.environment import prepare

prepare()  # before MindSpore loads: it makes convolutions 75 times as fast on AVX-512 CPUs

import mindspore
import numpy as np
from mindspore import nn
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from triport.reference_models.spec import ModelSpec, Preprocess, get_model

SEED = 0
HELD_OUT = 300
BATCH = 64
LEARNING_RATE = 0.1
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
MAX_SHIFT_PX = 3

CHECKPOINT = HERE / "res2net_digits.ckpt"
VALIDATION = HERE / "val"


def images_from_digits(digits: np.ndarray, size_px: int) -> np.ndarray:
    """Return uint8 RGB (N, size, size, 3) from grey 8x8 digits with values 0 to 16."""
    grey = np.round(digits * (255 / 16)).astype(np.uint8)
    return np.stack(
        [
            np.asarray(
                Image.fromarray(g).resize((size_px, size_px), Image.Resampling.BILINEAR).convert("RGB")
            )
            for g in grey
        ]
    )


def inputs_from_images(images: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """Return the network's input, float32 (N, 3, H, W), from uint8 RGB (N, H, W, 3)."""
    pixels = (images.astype(np.float32) / 255 - preprocess.mean) / preprocess.std
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), dtype=np.float32)


def shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return each image moved by up to MAX_SHIFT_PX in both directions, black where nothing comes in."""
    size, pad = images.shape[1], MAX_SHIFT_PX
    canvas = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    corners = rng.integers(0, 2 * pad + 1, (len(images), 2))
    return np.stack([c[y : y + size, x : x + size] for c, (y, x) in zip(canvas, corners, strict=True)])


def write_images(images: np.ndarray, labels: np.ndarray, numbers: np.ndarray) -> None:
    """Write the held-out images as an ImageFolder, in place of an earlier one."""
    shutil.rmtree(VALIDATION, ignore_errors=True)
    for image, label, number in zip(images, labels, numbers, strict=True):
        path = VALIDATION / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, optimize=True)


def read_images() -> tuple[np.ndarray, np.ndarray]:
    """Return the held-out images as stored, and their labels."""
    paths = sorted(VALIDATION.glob("*/*.png"))
    images = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    return images, np.array([int(path.parent.name) for path in paths])


def train(spec: ModelSpec, images: np.ndarray, labels: np.ndarray, epochs: int) -> nn.Cell:
    """Return the network, trained with momentum SGD and a cosine schedule."""
    rng = np.random.default_rng(SEED)
    net = spec.build_mindspore()
    steps = len(images) // BATCH
    rates = nn.cosine_decay_lr(0.0, LEARNING_RATE, epochs * steps, steps, epochs)
    decayed = [p for p in net.trainable_params() if p.ndim > 1]
    others = [p for p in net.trainable_params() if p.ndim == 1]
    optimizer = nn.Momentum(
        [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}],
        rates,
        MOMENTUM,
    )
    loss = nn.SoftmaxCrossEntropyWithLogits(sparse=True, reduction="mean")
    step = nn.TrainOneStepCell(nn.WithLossCell(net, loss), optimizer).set_train()
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        total = 0.0
        for batch in np.split(order[: steps * BATCH], steps):
            x = inputs_from_images(shifted(images[batch], rng), spec.weights[0].preprocess)
            total += float(step(mindspore.Tensor(x), mindspore.Tensor(labels[batch].astype(np.int32))))
        print(f"epoch {epoch + 1:3} of {epochs}: loss {total / steps:.4f}", flush=True)
    return net


def evaluate(spec: ModelSpec) -> tuple[int, int, int]:
    """Return the right answers, those among the first five, and the images, all read from the files."""
    net = spec.build_mindspore()
    missing, _ = mindspore.load_param_into_net(
        net, mindspore.load_checkpoint(str(CHECKPOINT)), strict_load=True
    )
    if missing:
        raise SystemExit(f"{CHECKPOINT} lacks {missing}")
    net.set_train(False)
    images, labels = read_images()
    logits = net(mindspore.Tensor(inputs_from_images(images, spec.weights[0].preprocess))).asnumpy()
    ranks = (-logits).argsort(axis=1)
    return int((ranks[:, 0] == labels).sum()), int((ranks[:, :5] == labels[:, None]).sum()), len(labels)


def main() -> None:
    """Train, write, read back, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=16)
    epochs = parser.parse_args().epochs

    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    mindspore.set_seed(SEED)
    spec = get_model("res2net_digits")
    digits = load_digits()
    images = images_from_digits(digits.images, spec.input_size_px)
    kept, held_out = train_test_split(
        np.arange(len(images)), test_size=HELD_OUT, stratify=digits.target, random_state=SEED
    )
    write_images(images[held_out], digits.target[held_out], held_out)

    net = train(spec, images[kept], digits.target[kept], epochs)
    CHECKPOINT.unlink(missing_ok=True)
    mindspore.save_checkpoint(net, str(CHECKPOINT))
    CHECKPOINT.chmod(0o644)  # MindSpore makes its files read-only

    top1, top5, count = evaluate(spec)
    print(f"{count} held-out digits: top-1 {100 * top1 / count:.2f} %, top-5 {100 * top5 / count:.2f} %")


if __name__ == "__main__":
    main()
