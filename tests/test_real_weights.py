"""Real ImageNet weights through `convert`: every runtime computes what timm computed on real photographs."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from examples import int8
from examples.real_weights import PHOTOS, installed_checkpoint
from triport import convert
from triport.parity.batches import logits_of
from triport.parity.imagenet.dataset import open_dataset
from triport.parity.imagenet.preprocess import preprocess_file
from triport.parity.imagenet.subject import open_subject

RECORDED = np.load(Path(__file__).parent / "data" / "efficientnet_lite_logits.npz")
CORRECT = {0: (41, 45), 1: (38, 44), 2: (39, 45)}
SUFFIXES = {"pytorch": ".pth", "mindspore": ".ckpt", "onnx": ".onnx"}


@cache
def batch(profile):
    dataset = open_dataset(PHOTOS, 1000)
    images = np.stack([preprocess_file(sample.path, profile) for sample in dataset.samples])
    files = [sample.path.relative_to(PHOTOS).as_posix() for sample in dataset.samples]
    return images, files, np.array([sample.label for sample in dataset.samples])


@pytest.mark.parametrize(
    "runtime", [pytest.param(one, marks=() if one == "onnx" else pytest.mark.slow) for one in SUFFIXES]
)
@pytest.mark.parametrize(
    "version", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
def test_converted_weights_classify_photographs(version, runtime, tmp_path):
    model = f"tf_efficientnet_lite{version}"
    output = tmp_path / f"out{SUFFIXES[runtime]}"
    done = convert(installed_checkpoint(version), to=runtime, output=output)
    assert (done.model, done.num_classes) == (model, 1000)
    subject = open_subject(str(output), model=f"{model}.efficientnet-lite-pytorch", runtime=runtime)
    images, files, labels = batch(subject.profile)
    logits = np.concatenate(
        [logits_of(subject.runner, images[start : start + 15]) for start in range(0, 45, 15)]
    )
    order = {file: index for index, file in enumerate(RECORDED["files"].tolist())}
    recorded = RECORDED[f"lite{version}"][[order[file] for file in files]]
    assert np.abs(logits - recorded).max() <= 1e-4
    best = np.argsort(-logits, axis=1)[:, :5]
    assert np.array_equal(best, np.argsort(-recorded, axis=1)[:, :5])
    top5 = (best == labels[:, None]).any(axis=1).sum()
    assert ((best[:, 0] == labels).sum(), top5) == CORRECT[version]


@pytest.mark.slow
def test_a_coarse_quantisation_is_told_from_a_fine_one(tmp_path):
    files = int8.files_of(open_dataset(PHOTOS, 1000), tmp_path)
    off, allowed, why = int8.judged(files["int8, a step for each channel"])
    assert 0.2 * allowed < off < 0.7 * allowed and why.passed and not why.advice
    off, allowed, why = int8.judged(files["int8, a step for each layer"])
    assert 1.2 * allowed < off and not why.passed and "one step together" in why.advice
    worst = why.weights[0]
    assert worst.within == "channel" and worst.relative > 0.9  # a channel of which nothing is left
