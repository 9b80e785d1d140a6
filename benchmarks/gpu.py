"""PyTorch and ONNX Runtime on a GPU: parity and evaluate, TF32 off and on, training, timm's networks.

python benchmarks/gpu.py [--device cuda] [--networks N] [--jobs N] [--json PATH] [--seconds S]
                                                                                (make gpu runs it)

For a machine with CUDA, without MindSpore. Each line is one run of the command line, in a process of its
own: `parity` with every module against PyTorch in float64 on the CPU, `evaluate` on the digits that the
repository holds. A model of each family is right, so that "NOT EQUAL" is a false alarm; so is a network of
timm with seeded weights (`--networks`: how many of benchmarks/zoo_torch_networks.txt, where timm is
installed). Which planted faults are found on the device: benchmarks/mutations.py --device cuda. After
`--seconds` nothing more is begun, and what was left out is said. On a device without TF32 (`--device cpu`)
that half is left out. Exit code 1 where something is not equal, 2 where something could not run or was left
out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# one model of each family, the quickest first
MODELS = ("res2net_digits", "regnet_y_400mf", "efficientnet_lite0", "resnet50", "resnetv2_50", "inception_v4")
RUNTIMES = ("pytorch", "onnx")
DIGITS = ROOT / "examples" / "digits" / "val"
LOWER = ("float16", "bfloat16", "O1", "O2")
NETWORKS = Path(__file__).with_name("zoo_torch_networks.txt")
SECONDS_A_COMMAND = 240
Result = dict[str, Any]


def runs(device: str, networks: int = 0) -> Iterator[list[str]]:
    """Yield the commands: TF32 off before TF32 on, the lower precisions, training, and timm's networks."""
    where = ["--device", device]
    has_tf32 = device.startswith("cuda")
    for precision in ("float32", "tf32") if has_tf32 else ("float32",):
        how = [*where, "--precision", precision]
        for runtime in RUNTIMES:
            yield ["evaluate", "res2net_digits", "--data", str(DIGITS), "--runtime", runtime, *how]
        for model in MODELS:
            yield ["parity", model, "--runtimes", ",".join(RUNTIMES), "--layers", *how]
    if has_tf32:
        for precision in LOWER:
            yield ["parity", "resnet50", "--runtimes", "pytorch", *where, "--precision", precision]
    for model in MODELS[:4]:
        training = ["--gradients", "--steps", "5", "--size", "64"]
        yield ["parity", model, "--runtimes", "pytorch", *where, "--precision", "float32", *training]
    rows = [line.split() for line in NETWORKS.read_text().splitlines() if line and not line.startswith("#")]
    for _, name, size in rows[:networks]:
        net = [f"timm:create_model({name!r})", "--input", f"2x3x{size}x{size}"]
        yield ["parity", *net, "--runtimes", "pytorch", "--layers", *where, "--precision", "float32"]


def lines_of(words: list[str], found: Result) -> Iterator[str]:
    """Yield what one command found, a line for each of its comparisons."""
    precision = words[words.index("--precision") + 1]
    if words[0] == "evaluate":
        interval = " to ".join(f"{value:.2f}" for value in found["top1_interval_percent"])
        yield (
            f"evaluate {words[1]:<16} {precision:<8} {found['runtime']:<28} {found['device']:<7} "
            f"top-1 {found['top1_percent']:.2f} % ({interval}), {found['images_per_second']:.0f} images/s"
        )
        return
    named = words[1].split("'")[1] if "'" in words[1] else words[1]
    for model in found["models"]:
        for pair in model["pairs"]:
            yield (
                f"parity   {named:<16} {precision:<8} {pair['candidate']:<28} {pair['device']:<7} "
                f"needed {pair['needed_tolerance']:.1e} of {pair['tolerance']:.1e}: {_verdict(pair)}"
                + (f", {len(pair['layers']['modules'])} modules" if "layers" in pair else "")
            )
            if "layers" in pair and not pair["layers"]["passed"]:
                yield f"         the first module that parts: {pair['layers']['first']}"
    for one in found.get("training", ()):
        for pair in one["pairs"]:
            yield (
                f"training {named:<16} {precision:<8} {pair['candidate']:<28} {pair['device']:<7} "
                f"{len(pair['gradients'])} gradients and the steps: {_verdict(pair)}"
            )


def _verdict(pair: Result) -> str:
    parts = [part for part in (pair, pair.get("layers")) if part]
    return "equal" if all(part["passed"] for part in parts) else "NOT EQUAL"


def done(words: list[str], until: float) -> Result:
    """Run one command of triport in a process of its own, and return what it found or why it did not."""
    if time.monotonic() > until:
        return {"command": words, "left out": True}
    begun = time.monotonic()
    command = [sys.executable, str(ROOT / "cli.py"), *words, "--json", "-"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_A_COMMAND)
    except subprocess.TimeoutExpired:
        return {"command": words, "code": 2, "error": f"not done in {SECONDS_A_COMMAND} s"}
    result = {"command": words, "code": ran.returncode, "seconds": time.monotonic() - begun}
    if ran.returncode > 1 or not ran.stdout:
        return {**result, "code": 2, "error": ran.stderr.strip()}
    return {**result, "found": json.loads(ran.stdout)}


def tell(result: Result) -> int:
    """Print what a command found, and return its exit code."""
    if "left out" in result:
        print(f"left out: {' '.join(result['command'])}", flush=True)
        return 2
    if "error" in result:
        print(f"could not run: {' '.join(result['command'])}\n{result['error']}", flush=True)
        return 2
    for line in lines_of(result["command"], result["found"]):
        print(line, flush=True)
    return int(result["code"])


def main() -> int:
    """Run what the time allows, and print each result in its turn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ...; cpu shows the form")
    parser.add_argument("--networks", type=int, default=0, help="so many networks of timm too")
    parser.add_argument("--jobs", type=int, default=1, help="so many commands at a time")
    parser.add_argument("--json", type=Path, help="where to write every result")
    parser.add_argument("--seconds", type=float, default=600, help="begin nothing more after so long")
    options = parser.parse_args()
    networks = options.networks if util.find_spec("timm") else 0
    if options.networks and not networks:
        print("timm is not installed: its networks are left out")
    start = time.monotonic()
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        work = partial(done, until=start + options.seconds)
        for result in pool.map(work, runs(options.device, networks)):
            results.append({**result, "told": tell(result)})
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    ran = [result for result in results if "found" in result]
    print(f"{len(ran)} of {len(results)} commands ran in {time.monotonic() - start:.0f} s, ", end="")
    print(f"in {sum(result['told'] == 1 for result in results)} something is not equal")
    return max(result["told"] for result in results)


if __name__ == "__main__":
    sys.exit(main())
