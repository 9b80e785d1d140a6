"""Fuzz one reader, guided by coverage: python fuzz/run.py TARGET [libFuzzer's options] [CORPUS].

Needs atheris. Without a CORPUS the seeds and the old findings are where it starts, and what it finds
is kept in memory only.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import atheris

with atheris.instrument_imports(include=["triport.converters"], enable_loader_override=False):
    from triport.converters import formats
    from triport.converters.networks import imported as _  # noqa: F401 what "source" fuzzes

    formats.formats()

from google.protobuf.message import DecodeError

from fuzz.seeds import seeds
from fuzz.targets import TARGETS


def _mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """Change a graph's fields rather than its bytes, which would hardly ever be a graph."""
    from fuzz.mutated import mutate

    try:
        return mutate(data, random.Random(seed))[:max_size]
    except (DecodeError, UnicodeDecodeError):
        return atheris.Mutate(data, max_size)


def main() -> None:
    """Run libFuzzer on a target until it finds something, or its -runs or -max_total_time are spent."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(TARGETS)} [libFuzzer's options] [CORPUS]")
    name, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="triport-seeds-") as folder:
        start = [*seeds(name), *(path.read_bytes() for path in (ROOT / "tests/data/fuzz").glob(f"{name}-*"))]
        for number, data in enumerate(start):
            (Path(folder) / str(number)).write_bytes(data)
        bounds = ["-timeout=20", "-rss_limit_mb=1024", "-max_len=2048"]
        TARGETS[name](start[0])  # what is loaded at the first use is no matter of an input's time
        own = {"custom_mutator": _mutated} if name == "source" else {}
        atheris.Setup([sys.argv[0], *bounds, *options, folder], TARGETS[name], **own)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
