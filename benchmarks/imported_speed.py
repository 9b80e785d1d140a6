"""How quick the source is that is written of timm's networks, beside the networks themselves.

    python benchmarks/imported_speed.py [--names NAME...] [--runs N]

Each network is exported by torch's TorchScript exporter (which folds BatchNorm), its graph is written as
PyTorch source, and the two modules run in turn on the same images, on one thread: printed is the median of
the ratios of the pairs. `imported_conversion.py` has the time of the conversion. Runs in an environment with
torch, timm, onnx and onnx_ir.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.zoo_onnx_export import export, networks
from triport.converters.networks.imported import written_source
from triport.converters.onnx_import.written import load, write

NAMES = (
    *("mobilenetv3_small_050", "mobilenetv2_035", "ese_vovnet19b_slim_dw", "efficientvit_m0", "regnetx_002"),
    *("xcit_nano_12_p8_224", "pit_ti_224", "ghostnet_050", "rexnet_100", "pvt_v2_b0"),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", nargs="*", default=NAMES)
    parser.add_argument("--runs", type=int, default=30, help="pairs of runs of each network")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    sizes = dict(networks())
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names:
            ratios.append(measured(name, sizes[name], Path(folder), arguments.runs))
            print(f"{name}: {ratios[-1]:.3f} times the time of timm's", flush=True)
    print(f"median of {len(ratios)} networks: {statistics.median(ratios):.3f}, largest {max(ratios):.3f}")


def measured(name: str, size: int, folder: Path, runs: int) -> float:
    """Return the ratio of the times."""
    import torch

    torch.set_num_threads(1)
    path = folder / f"{name}.onnx"
    export(name, size, "timm_torchscript", path)
    written = folder / name
    written.mkdir()
    write(written, written_source(path, "pytorch", "written"))
    network, original = load(written, "written", "pytorch"), timms(name, size)
    images = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        ratios = [in_turn(original, network, images) for _ in range(runs + 3)][3:]
    return statistics.median(ratios)


def timms(name: str, size: int) -> Any:
    """Return the network itself."""
    import timm

    try:
        return timm.create_model(name, img_size=size).eval()
    except TypeError:
        return timm.create_model(name).eval()


def in_turn(first: Callable[[Any], Any], second: Callable[[Any], Any], images: Any) -> float:
    """Return how long the second takes, as a multiple of the first."""
    times = []
    for network in (first, second):
        started = time.perf_counter()
        network(images)
        times.append(time.perf_counter() - started)
    return times[1] / times[0]


if __name__ == "__main__":
    main()
