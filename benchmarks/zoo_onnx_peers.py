"""ONNX files by the other tools, judged on inputs that zoo_onnx.py wrote; needs no triport.

python zoo_onnx_peers.py SECONDS

Reads a line of JSON for each file and tool, [FILE, TOOL, FEEDS.npz], and prints the verdict as another. The
tools are loaded once; each file runs in a process that is forked of that one, for SECONDS at most.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.forked import forked

TOOLS = ("onnx2torch", "onnx2pytorch", "onnx2fx")


def main() -> None:
    """Answer each line."""
    limit_s = float(sys.argv[1])
    let_torchvision_load()
    warnings.simplefilter("ignore")
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        for tool in TOOLS:
            with contextlib.suppress(ImportError):  # its files will say so
                importlib.import_module(tool)
        for line in sys.stdin:
            print(json.dumps(forked(judged, tuple(json.loads(line)), limit_s)), file=answers, flush=True)


def let_torchvision_load() -> None:
    """Name the operators that torchvision looks for, where its compiled part is another torch's."""
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [each for each in sys.modules if each.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        names = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            names.define(f"{operator}(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(names)


_KEPT: list[Any] = []  # a library's names last as long as it does


def judged(path: str, tool: str, feeds: str) -> dict[str, Any]:
    """Convert, run and compare.

    Raises:
        Exception: whatever the tool raises.
    """
    import numpy as np
    import torch

    convert = converter(tool)
    began = time.monotonic()
    network = convert(path).eval()
    seconds = round(time.monotonic() - began, 2)
    worst = 0.0
    arrays = np.load(feeds)
    for index in sorted({name.split(".")[0] for name in arrays if "." in name}):
        given = [arrays[n] for n in sorted(arrays) if n.startswith(f"{index}.in.")]
        wanted = [arrays[n] for n in sorted(arrays) if n.startswith(f"{index}.out.")]
        with torch.no_grad():
            found = network(*[torch.from_numpy(array.copy()) for array in given])
        found = list(found.values()) if isinstance(found, dict) else found
        found = found if isinstance(found, list | tuple) else [found]
        worst = max(worst, *(apart(a.numpy(), b) for a, b in zip(found, wanted, strict=True)))
    verdict = "right" if worst <= arrays["near"] else "silently wrong"
    return {"verdict": verdict, "max_rel": worst, "near": float(arrays["near"]), "convert_s": seconds}


def converter(tool: str) -> Callable[[str], Any]:
    """Return what makes a torch.nn.Module of a file; the tool is loaded already, which is not its time."""
    import onnx

    if tool == "onnx2torch":
        from onnx2torch import convert

        return convert
    if tool == "onnx2pytorch":
        from onnx2pytorch import ConvertModel

        return lambda path: ConvertModel(onnx.load(path), experimental=True)
    from onnx2fx import convert as to_fx

    return to_fx


def apart(found: Any, wanted: Any) -> float:
    """Return the largest difference relative to the largest value; infinite where shapes or dtypes differ."""
    import numpy as np

    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return float("inf")
    if found.size == 0 or np.array_equal(found, wanted, equal_nan=found.dtype.kind == "f"):
        return 0.0
    a, b = found.astype(np.float64), wanted.astype(np.float64)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    finite = np.isfinite(b)
    return float(np.abs(a[finite] - b[finite]).max(initial=0) / max(np.abs(b[finite]).max(initial=0), 1e-30))


if __name__ == "__main__":
    main()
