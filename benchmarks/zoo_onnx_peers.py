"""One ONNX file by one of the other tools, judged on inputs that zoo_onnx.py wrote; needs no triport.

python zoo_onnx_peers.py FILE TOOL FEEDS.npz TOLERANCE
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any


def main() -> None:
    """Print the verdict as a line of JSON."""
    path, tool, feeds, tolerance = sys.argv[1:5]
    let_torchvision_load()
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):
        record = judged(path, tool, feeds, float(tolerance))
    print(json.dumps(record))


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


def judged(path: str, tool: str, feeds: str, tolerance: float) -> dict[str, Any]:
    """Convert, run and compare."""
    import numpy as np
    import torch

    try:
        convert = converter(tool)
        began = time.monotonic()
        network = convert(path).eval()
        seconds = round(time.monotonic() - began, 2)
        worst = 0.0
        arrays = np.load(feeds)
        for index in sorted({name.split(".")[0] for name in arrays}):
            given = [arrays[n] for n in sorted(arrays) if n.startswith(f"{index}.in.")]
            wanted = [arrays[n] for n in sorted(arrays) if n.startswith(f"{index}.out.")]
            with torch.no_grad():
                found = network(*[torch.from_numpy(array.copy()) for array in given])
            found = list(found.values()) if isinstance(found, dict) else found
            found = found if isinstance(found, list | tuple) else [found]
            worst = max(worst, *(apart(a.numpy(), b) for a, b in zip(found, wanted, strict=True)))
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return {"verdict": "failed", "why": text}
    verdict = "right" if worst <= tolerance else "silently wrong"
    return {"verdict": verdict, "max_rel": worst, "convert_s": seconds}


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
