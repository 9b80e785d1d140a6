"""Mutated .mindir files: python tests/mindir/fuzz_mindir.py [RUNS] [SEED] [FOLDER].

Each is read and converted, or refused with a TriportError, within a second of CPU time and with bounded
memory; what is said is bounded as well, and has no character that a terminal would obey. Needs MindSpore,
for the seeds, which are kept in the folder if one is given.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import onnx  # noqa: E402
import onnx.checker  # noqa: E402

from fuzz.mutators import mutate_bytes, mutate_fields, mutate_sizes  # noqa: E402
from triport.converters.mindir import schema  # noqa: E402
from triport.converters.mindir.export import onnx_from_mindir  # noqa: E402
from triport.converters.mindir.reader import read_mindir  # noqa: E402
from triport.parity.graphs.convert import convert_mindir  # noqa: E402
from triport.reference_models.errors import TriportError  # noqa: E402

MAX_SECONDS = 1.0
MAX_FILE_SECONDS = 5.0  # with ONNX Runtime's session, whose first one loads it
MAX_MESSAGE = 6_000  # characters
EVERY = 50  # the share of inputs that take the command's whole way
MAX_EXTRA_KIB = 256 * 1024


MUTATIONS = (
    mutate_bytes,
    partial(mutate_fields, kind=schema.ModelProto),
    partial(mutate_fields, kind=schema.ModelProto),
    partial(mutate_sizes, kind=schema.ModelProto),
)


def check_one(content: bytes, folder: Path | None = None) -> str:
    """Convert one input; return "converted" or "refused". With a folder, as the command does, with a file.

    Raises:
        AssertionError: it took too long or too much memory, or the message is not fit for a terminal.
        Exception: anything but a TriportError is a finding.
    """
    start, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        if folder is None:
            model = onnx_from_mindir(content)
            onnx.checker.check_model(model, full_check=True)
            said = "\n".join(value.name for value in (*model.graph.input, *model.graph.output))
        else:
            read_mindir(content)  # one with unknown sizes would load MindSpore
            (folder / "input.mindir").write_bytes(content)
            done = convert_mindir(folder / "input.mindir", folder / "output.onnx", check=False)
            said = "\n".join(done.lines())
        verdict = "converted"
    except TriportError as error:
        said, verdict = str(error), "refused"
        if "not understood" in said:
            verdict = "refused: not understood"
    assert len(said) < MAX_MESSAGE, f"a message of {len(said)} characters"
    odd = [char for char in said if not char.isprintable() and char != "\n"]
    assert not odd, f"a message with the characters {odd[:5]!r}"
    seconds = time.process_time() - start
    extra = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert seconds < (MAX_SECONDS if folder is None else MAX_FILE_SECONDS), f"{seconds:.1f} s"
    assert extra < MAX_EXTRA_KIB, f"{extra / 1024:.0f} MiB"
    return verdict


def write_seeds(folder: Path) -> None:
    """Write the MindIR of small Cells: the first of each operator's cases."""
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
    os.environ.setdefault("GLOG_v", "3")
    from tests.mindir.conftest import make_builder
    from tests.mindir.mindir_cases import CASES
    from triport.converters.mindir.export import mindir_bytes_from_cell

    with tempfile.TemporaryDirectory() as scratch:
        build = make_builder(Path(scratch))
        for primitive, cases in CASES.items():
            case = cases[0]
            shape = (2, *case.shape[1:]) if case.free_batch else case.shape
            content = mindir_bytes_from_cell(build(case.expression), shape)
            (folder / primitive).write_bytes(content)


def make_seeds(kept: str | None) -> list[bytes]:
    """Return the seeds, made in a process of its own: MindSpore selects protobuf's slower backend."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(kept or scratch)
        folder.mkdir(exist_ok=True)
        if not any(folder.iterdir()):
            subprocess.run([sys.executable, __file__, "seeds", str(folder)], check=True)
        return [path.read_bytes() for path in sorted(folder.iterdir())]


def main() -> None:
    """Run, and print what was found."""
    if sys.argv[1:2] == ["seeds"]:
        write_seeds(Path(sys.argv[2]))
        return
    runs, seed = (int(argument) for argument in (sys.argv[1:] + ["1000", "0"][len(sys.argv) - 1 :])[:2])
    seeds, generator = make_seeds(sys.argv[3] if len(sys.argv) > 3 else None), random.Random(seed)
    counts: Counter[str] = Counter()
    slowest, started = 0.0, time.time()
    scratch = tempfile.TemporaryDirectory()
    for number in range(runs):
        mutate = MUTATIONS[number % len(MUTATIONS)]
        content = mutate(generator.choice(seeds), generator)
        before = time.process_time()
        try:
            counts[check_one(content, None if number % EVERY else Path(scratch.name))] += 1
        except Exception as error:
            counts[f"FINDING {type(error).__name__}: {str(error)[:100]}"] += 1
            if len(counts) < 60:
                Path(tempfile.gettempdir(), f"mindir-finding-{number}").write_bytes(content)
                print(number, "".join(traceback.format_exc().splitlines(keepends=True)[-4:]), flush=True)
        slowest = max(slowest, time.process_time() - before)
        if number % 10_000 == 9_999:
            print(
                number + 1,
                dict(counts),
                f"slowest {slowest:.2f} s, {time.time() - started:.0f} s",
                flush=True,
            )
    print(f"{runs} inputs from {len(seeds)} seeds: {dict(counts)}; slowest {slowest:.2f} s of CPU time")
    sys.exit(any(name.startswith("FINDING") for name in counts))


if __name__ == "__main__":
    main()
