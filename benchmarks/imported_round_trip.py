"""ONNX files to source, and that source to ONNX again: how many compute the same.

    python benchmarks/imported_round_trip.py FOLDER --to pytorch|mindspore [--names NAME...]

FOLDER has .onnx files of networks of images (`zoo_onnx_export.py` writes them). PyTorch's source goes back
by torch.onnx, MindSpore's by MindIR. Both files run in ONNX Runtime without optimisation on the same images;
equal is at most 16 roundings of float32 of the largest value, and what is further apart is printed with its
distance.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GLOG_v", "3")

import numpy as np

import triport
from triport.converters.onnx_import.targets import TARGETS
from triport.parity.imported.judge import UnoptimisedRuntime, allowed
from triport.parity.judge.difference import difference
from triport.reference_models.errors import TriportError

_BATCH = 2


def main() -> None:
    """Go there and back, and print the count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--to", choices=TARGETS, default="pytorch")
    parser.add_argument("--names", nargs="*", default=[])
    arguments = parser.parse_args()
    verdicts: Counter[str] = Counter()
    for path in sorted(arguments.folder.rglob("*.onnx")):
        if arguments.names and path.stem not in arguments.names:
            continue
        verdict, detail = there_and_back(path, arguments.to)
        verdicts[verdict] += 1
        print(f"{path.stem} {arguments.to}: {verdict} {detail}", flush=True)
    figures = ", ".join(f"{kind} {count}" for kind, count in sorted(verdicts.items()))
    print(f"{arguments.to}: {verdicts.total()} files: {figures}")
    sys.exit(0 if set(verdicts) <= {"equal"} else 1)


def there_and_back(path: Path, target: str) -> tuple[str, str]:
    """Return the verdict on a file, and the difference or the reason."""
    runtime = UnoptimisedRuntime.of(path)
    (given,) = runtime.session.get_inputs()
    shape = [size if isinstance(size, int) else _BATCH for size in given.shape]
    images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        written, again = Path(folder) / "written", Path(folder) / "again.onnx"
        try:
            if not triport.convert(path, written, to=target).passed:
                return "not proven", "as source"
            spec = "x".join(map(str, shape))
            if not triport.convert(str(written), again, to="onnx", inputs=[spec]).passed:
                return "not proven", "as ONNX again"
        except TriportError as error:
            return "refused", " ".join(str(error).split())[:200]
        back = UnoptimisedRuntime.of(again)
        found = back.run({back.session.get_inputs()[0].name: images})
    wanted = runtime.run({given.name: images})
    apart = [difference(mine, its) for mine, its in zip(found, wanted, strict=True)]
    is_equal = all(a <= limit for a, limit in zip(apart, allowed(wanted), strict=True))
    return ("equal" if is_equal else "further apart"), f"{max(apart):.1e}"


if __name__ == "__main__":
    main()
