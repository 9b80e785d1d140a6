"""timm's networks as ONNX files of both of torch's exporters, for `zoo_onnx.py`.

    python benchmarks/zoo_onnx_export.py FOLDER [--count N] [--names NAME...]

Runs in an environment that has torch, timm, onnx and onnxscript. The networks are those of
`zoo_torch_networks.txt` and `zoo_onnx_networks.txt` in their order, their weights drawn from a seed (batch
statistics too), the batch left free: FOLDER/timm_torchscript/NAME.onnx and FOLDER/timm_dynamo/NAME.onnx. What
is there stays; each file is made in a process of its own, forked of one that has loaded the libraries.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
EXPORTERS = {"timm_torchscript": False, "timm_dynamo": True}
LISTS = [Path(__file__).with_name(f"{name}_networks.txt") for name in ("zoo_torch", "zoo_onnx")]
LIMIT_S = 300


def main() -> None:
    """Export what is missing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, help="so many of the first; all without it")
    parser.add_argument("--names", nargs="*", default=[])
    arguments = parser.parse_args()
    import onnxscript  # noqa: F401
    import timm  # noqa: F401
    import torch.onnx  # noqa: F401

    fork = multiprocessing.get_context("fork")
    for name, size in networks()[: arguments.count]:
        for exporter in EXPORTERS:
            path = arguments.folder / exporter / f"{name}.onnx"
            if path.exists() or (arguments.names and name not in arguments.names):
                continue
            process = fork.Process(target=export, args=(name, size, exporter, path))
            process.start()
            process.join(LIMIT_S)
            process.kill()
            print(name, exporter, "written" if path.exists() else "not written", flush=True)


def networks() -> list[tuple[str, int]]:
    """Return the names of the lists, with the sizes of their images."""
    lines = [line for each in LISTS for line in each.read_text().splitlines()]
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return [(name, int(size)) for _, name, size in rows]


def export(name: str, size: int, exporter: str, path: Path) -> None:
    """Write one network by one exporter."""
    import timm
    import torch

    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    try:
        network = timm.create_model(name, img_size=size)
    except TypeError:
        network = timm.create_model(name)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    images = torch.randn(2, 3, size, size)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    network = network.eval()
    if EXPORTERS[exporter]:
        batch = {0: torch.export.Dim("batch", min=1, max=64)}
        torch.onnx.export(
            network, (images,), str(partial), dynamo=True, dynamic_shapes=(batch,), external_data=False
        )
    else:
        torch.onnx.export(
            network,
            (images,),
            str(partial),
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            output_names=["logits"],
            dynamic_axes={"x": {0: "batch"}, "logits": {0: "batch"}},
        )
    partial.rename(path)


if __name__ == "__main__":
    main()
