import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from triport.parity.imagenet.dataset import open_dataset
from triport.parity.imagenet.evaluate import EvaluationError, evaluate
from triport.parity.imagenet.preprocess import ImageError, preprocess_file
from triport.parity.imagenet.report import predictions_table, summary_of
from triport.reference_models.spec import Preprocess, get_model

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"
PLAIN = Preprocess(8, 8, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "pil")


class BrightnessRunner:
    """Ten classes by the mean brightness of the image: class k is about k / 10."""

    runtime = "fake"
    device = "cpu"

    def __init__(self, num_classes=10):
        self.num_classes = num_classes
        self.batches = []

    def run(self, feed):
        return {"logits": self.logits(feed["input"])}

    def logits(self, batch):
        self.batches.append(len(batch))
        centres = (np.arange(self.num_classes) + 0.5) / self.num_classes
        return -np.abs(batch.mean((1, 2, 3))[:, None] - centres).astype(np.float32)

    def versions(self):
        return {}


@pytest.fixture
def grey(tmp_path):
    """Four images of each of ten brightnesses; one of class 0 is white."""
    for label in range(10):
        folder = tmp_path / "val" / str(label)
        folder.mkdir(parents=True)
        for index in range(4):
            value = 255 if (label, index) == (0, 0) else round(255 * (label + 0.5) / 10)
            image = Image.new("RGB", (9, 12), (value, value, value))
            image.putpixel((index, label), (value, value, value ^ 1))  # no two files are the same
            image.save(folder / f"{index}.png")
    return tmp_path


def test_counts_order_and_json(grey):
    runner = BrightnessRunner()
    steps = []
    result = evaluate(
        runner,
        "grey",
        open_dataset(grey, 10),
        PLAIN,
        batch_size=16,
        keep_predictions=True,
        progress=lambda done, total, rate: steps.append((done, total, rate > 0)),
    )
    assert runner.batches == [16, 16, 8]
    assert steps == [(16, 40, True), (32, 40, True), (40, 40, True)]
    assert (result.top1_percent, result.top5_percent) == (97.5, 97.5)
    assert result.predictions[0].top5 == (9, 8, 7, 6, 5)
    assert [p.sample.label for p in result.predictions] == [label for label in range(10) for _ in range(4)]
    parsed = json.loads(json.dumps(result.json(), allow_nan=False))
    assert set(parsed) == {
        *("model", "weights_sha256", "runtime", "device", "images", "top1_percent", "top5_percent"),
        *("top1_interval_percent", "published", "images_per_second", "preprocess"),
        *("top1_count", "top5_count", "verdict", "verdict_text", "layout", "ranks", "versions", "precision"),
        *("known_as", "notes", "weights_sha256", "preprocess_assumed", "no_published_figure"),
    }
    assert parsed["published"] is None
    assert parsed["top1_interval_percent"] == pytest.approx([87.12, 99.56], abs=0.01)
    assert parsed["preprocess"]["library"] == "pil"


def test_predictions_are_kept_only_when_asked_for(grey):
    assert evaluate(BrightnessRunner(), "grey", open_dataset(grey, 10), PLAIN).predictions == ()


def test_limit(grey):
    result = evaluate(BrightnessRunner(), "grey", open_dataset(grey, 10).limited(10), PLAIN)
    assert (result.images, result.top1_count) == (10, 9)


def test_published_figure_is_given(grey):
    weights = get_model("resnet50").weights[0]
    result = evaluate(BrightnessRunner(), "resnet50", open_dataset(grey, 10), PLAIN, weights=weights)
    published = result.json()["published"]
    assert published["weights"] == weights.name
    assert published["top1_percent"] == weights.accuracies[0].top1_percent
    assert f"published for {weights.name}" in summary_of(result)


def test_top5_of_fewer_classes(tmp_path):
    for name in ("dark", "light"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8), 0 if name == "dark" else "white").save(tmp_path / name / "x.png")
    result = evaluate(BrightnessRunner(2), "two", open_dataset(tmp_path, 2), PLAIN, keep_predictions=True)
    assert [prediction.top5 for prediction in result.predictions] == [(0, 1), (1, 0)]
    assert result.top5_percent == 100


def test_unreadable_image_stops_the_evaluation(grey):
    (grey / "val" / "7" / "2.png").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"7/2\.png"):
        evaluate(BrightnessRunner(), "grey", open_dataset(grey, 10), PLAIN, batch_size=4)


def test_logits_of_another_width(grey):
    with pytest.raises(EvaluationError, match=r"expected logits \(32, 10\).*found \(32, 11\)"):
        evaluate(BrightnessRunner(11), "grey", open_dataset(grey, 10), PLAIN)


def test_logits_that_are_not_finite(grey):
    class Broken(BrightnessRunner):
        def logits(self, batch):
            logits = super().logits(batch)
            logits[3, 0] = np.nan
            return logits

    with pytest.raises(EvaluationError, match=r"0/3\.png: the model's logits are not finite"):
        evaluate(Broken(), "grey", open_dataset(grey, 10), PLAIN)


def test_summary_and_table(grey):
    result = evaluate(
        BrightnessRunner(), "grey", open_dataset(grey, 10).limited(10), PLAIN, keep_predictions=True
    )
    assert "top-1 90.00 % (95 % interval 59.58 to 98.21), top-5 90.00 %" in summary_of(result)
    console = Console(width=80, file=io.StringIO())
    console.print(predictions_table(result, limit=1))
    assert "9, 8, 7, 6, 5" in console.file.getvalue()


LITE = {"lite0": (41, 45), "lite1": (38, 44), "lite2": (39, 45)}


@pytest.mark.parametrize("model", LITE)
def test_recorded_logits_of_photographs_score_right(model):
    """What timm computed with real weights, looked up by the image: classes and order must fit."""
    recorded = np.load(Path(__file__).parents[2] / "data" / "efficientnet_lite_logits.npz")
    profile = Preprocess(16, 16, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "pil")
    logits = {
        preprocess_file(PHOTOS / file, profile).tobytes(): row
        for file, row in zip(recorded["files"].tolist(), recorded[model], strict=True)
    }

    class Recorded(BrightnessRunner):
        def logits(self, batch):
            return np.stack([logits[image.tobytes()] for image in batch])

    result = evaluate(Recorded(), model, open_dataset(PHOTOS, 1000), profile)
    assert (result.top1_count, result.top5_count) == LITE[model]
