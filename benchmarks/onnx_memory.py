"""What does `convert --to onnx` hold in memory? Beside the framework's own start, and its own export.

python benchmarks/onnx_memory.py [--model NAME[:CLASSES]]...

Each row is a whole process: CPU seconds (user and system) and peak memory. "Above start, of the file" is what
a process holds above its framework's bare import, in sizes of the checkpoint. The exports beside it are the
frameworks' own of the same network: torch.onnx.export with its parameters, and MindSpore's MINDIR.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import click

from benchmarks.benchmark_files import write_sources
from benchmarks.convert import in_other_process, measure

EXPORT = {
    "PyTorch": """
import torch
from triport.reference_models.spec import get_model
net = get_model({model!r}).build_torch({classes}).eval()
torch.onnx.export(net, (torch.zeros(2, 3, 224, 224),), {path!r}, dynamo=False, opset_version=17,
                  training=torch.onnx.TrainingMode.PRESERVE)
""",
    "MindSpore": """
import mindspore, numpy
from triport.reference_models.spec import get_model
net = get_model({model!r}).build_mindspore({classes}).set_train(False)
images = mindspore.Tensor(numpy.zeros((2, 3, 224, 224), numpy.float32))
mindspore.export(net, images, file_name={path!r}, file_format="MINDIR")
""",
}
SOURCES = {"PyTorch": "source.pth", "MindSpore": "source.ckpt"}


@click.command()
@click.option("--model", "models", multiple=True, default=("resnet50",), help="NAME, or NAME:CLASSES.")
def main(models: tuple[str, ...]) -> None:
    """Print what each way holds, and how long it computes."""
    print("| checkpoint | framework | what | CPU s | peak MB | above start, of the file |")
    print("|---|---|---|--:|--:|--:|")
    for model in models:
        with tempfile.TemporaryDirectory(prefix="triport-benchmark-") as name:
            _measure_model(model, Path(name))


def _measure_model(model: str, folder: Path) -> None:
    in_other_process(write_sources, model, folder)
    spec, _, classes = model.partition(":")
    for framework, source in SOURCES.items():
        size = (folder / source).stat().st_size
        own = EXPORT[framework].format(
            model=spec, classes=int(classes or 1000), path=str(folder / "own.onnx")
        )
        commands = {
            "start": ["-c", f"import {framework.lower().replace('pytorch', 'torch')}"],
            "its own export": ["-c", own],
            "convert --to onnx": [str(ROOT / "cli.py"), *_converts(folder / source, spec)],
        }
        start = None
        for what, words in commands.items():
            used = measure([sys.executable, *words], folder)
            start = start or used
            above = (used.peak_bytes - start.peak_bytes) / size
            print(
                f"| {model}, {size / 1e6:.0f} MB | {framework} | {what} | {used.cpu_s:.1f} "
                f"| {used.peak_bytes / 1e6:.0f} | {f'{above:.1f} x' if what != 'start' else ''} |",
                flush=True,
            )


def _converts(source: Path, model: str) -> list[str]:
    output = str(source.with_name("converted.onnx"))
    return ["convert", str(source), "--model", model, "--to", "onnx", "-o", output]


if __name__ == "__main__":
    main()
