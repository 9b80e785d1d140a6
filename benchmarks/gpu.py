"""PyTorch and ONNX Runtime on a GPU: parity of three models and the accuracy of one, TF32 off and on.

python benchmarks/gpu.py [--device cuda] [--json PATH] [--seconds 300]        (make gpu runs it)

For a machine with CUDA, without MindSpore. Each line is one run of the command line: `parity` against PyTorch
in float64 on the CPU, `evaluate` on the digits that the repository holds. After `--seconds` nothing more is
begun, and what was left out is said. On a device without TF32 (`--device cpu`) that half is left out. Exit
code 1 where something is not equal, 2 where something could not run or was left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from click.testing import CliRunner

from triport.cli import main as command_line

MODELS = ("res2net_digits", "resnet50", "regnet_y_400mf")
RUNTIMES = ("pytorch", "onnx")
DIGITS = Path(__file__).parents[1] / "examples" / "digits" / "val"


def runs(device: str) -> Iterator[list[str]]:
    """Yield the commands, the quickest first; TF32 off before TF32 on."""
    where = ["--device", device]
    for precision in ("float32", "tf32") if device.startswith("cuda") else ("float32",):
        how = [*where, "--precision", precision]
        for runtime in RUNTIMES:
            yield ["evaluate", "res2net_digits", "--data", str(DIGITS), "--runtime", runtime, *how]
        for model in MODELS:
            yield ["parity", model, "--runtimes", ",".join(RUNTIMES), *how]


def lines_of(words: list[str], found: dict[str, Any]) -> Iterator[str]:
    """Yield what one command found, a line for each of its comparisons."""
    precision = words[words.index("--precision") + 1]
    if words[0] == "evaluate":
        interval = " to ".join(f"{value:.2f}" for value in found["top1_interval_percent"])
        yield (
            f"evaluate {words[1]:<16} {precision:<8} {found['runtime']:<28} {found['device']:<7} "
            f"top-1 {found['top1_percent']:.2f} % ({interval}), {found['images_per_second']:.0f} images/s"
        )
        return
    for model in found["models"]:
        for pair in model["pairs"]:
            yield (
                f"parity   {model['model']:<16} {precision:<8} {pair['candidate']:<28} {pair['device']:<7} "
                f"needed {pair['needed_tolerance']:.1e} of {pair['tolerance']:.1e}: "
                f"{'equal' if pair['passed'] else 'NOT EQUAL'}"
            )


def main() -> int:
    """Run what the time allows, and print each result as it comes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ...; cpu shows the form")
    parser.add_argument("--json", type=Path, help="where to write every result")
    parser.add_argument("--seconds", type=float, default=300, help="begin nothing more after so long")
    options = parser.parse_args()
    results, left_out, worst = [], [], 0
    start = time.monotonic()
    for words in runs(options.device):
        if time.monotonic() - start > options.seconds:
            left_out.append(" ".join(words))
            continue
        begun = time.monotonic()
        done = CliRunner().invoke(command_line, [*words, "--json", "-"])
        worst = max(worst, done.exit_code)
        if done.exit_code > 1 or not done.stdout:
            print(f"could not run: {' '.join(words)}\n{done.stderr.strip()}", flush=True)
            results.append({"command": words, "error": done.stderr})
            worst = 2
            continue
        found = json.loads(done.stdout)
        results.append({"command": words, "seconds": time.monotonic() - begun, "found": found})
        for line in lines_of(words, found):
            print(line, flush=True)
    print(f"{len(results)} commands in {time.monotonic() - start:.0f} s")
    for command in left_out:
        print(f"left out after {options.seconds:.0f} s: {command}")
        worst = 2
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return worst


if __name__ == "__main__":
    sys.exit(main())
