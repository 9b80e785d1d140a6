"""Mutated .mindir files: python tests/mindir/fuzz_mindir.py [RUNS] [SEED] [FOLDER].

Each is read and converted, or refused with a TriportError, within a second of CPU time and with bounded
memory. Needs MindSpore, for the seeds, which are kept in the folder if one is given.
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from google.protobuf import descriptor  # noqa: E402

from converters.mindir import schema  # noqa: E402
from converters.mindir.export import onnx_from_mindir  # noqa: E402
from reference_models.errors import TriportError  # noqa: E402

MAX_SECONDS = 1.0
MAX_EXTRA_KIB = 256 * 1024
NUMBERS = (0, 1, -1, 2, 3, 7, 127, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63))


def mutate_bytes(content: bytes, generator: random.Random) -> bytes:
    """Flip, cut, repeat or splice bytes."""
    data = bytearray(content)
    for _ in range(generator.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        position = generator.randrange(len(data))
        kind = generator.randrange(6)
        if kind == 0:
            data[position] ^= 1 << generator.randrange(8)
        elif kind == 1:
            data[position] = generator.randrange(256)
        elif kind == 2:
            del data[position : position + generator.choice((1, 2, 8, 64))]
        elif kind == 3:
            data[position:position] = generator.randbytes(generator.choice((1, 2, 8, 64)))
        elif kind == 4:
            source = generator.randrange(len(data))
            length = generator.choice((1, 8, 64, 512))
            data[position : position + length] = data[source : source + length]
        elif generator.random() < 0.2:
            del data[position:]
    return bytes(data)


def iterate_messages(message: Any, depth: int = 0) -> list[Any]:
    """Return a message and all that it holds."""
    found = [message]
    for field, value in message.ListFields():
        if field.type == descriptor.FieldDescriptor.TYPE_MESSAGE and depth < 12:
            for item in value if field.is_repeated else [value]:
                found += iterate_messages(item, depth + 1)
    return found


def mutate_fields(content: bytes, generator: random.Random) -> bytes:
    """Change the values of fields: numbers, names, element types; drop, repeat and move messages."""
    model = schema.ModelProto()
    model.ParseFromString(content)
    messages = iterate_messages(model)
    for _ in range(generator.choice((1, 1, 2, 4))):
        message = generator.choice(messages)
        fields = message.ListFields()
        if not fields:
            continue
        field, value = generator.choice(fields)
        kind = generator.randrange(4)
        try:
            if kind == 0:
                message.ClearField(field.name)
            elif field.is_repeated and kind == 1:
                del value[generator.randrange(len(value))]
            elif field.is_repeated and kind == 2:
                if field.type == descriptor.FieldDescriptor.TYPE_MESSAGE:
                    value.add().CopyFrom(generator.choice(value))
                else:
                    value.append(generator.choice(value))
            elif field.cpp_type in (
                descriptor.FieldDescriptor.CPPTYPE_INT32,
                descriptor.FieldDescriptor.CPPTYPE_INT64,
            ):
                number = generator.choice(NUMBERS)
                if field.is_repeated:
                    value[generator.randrange(len(value))] = number
                else:
                    setattr(message, field.name, number)
            elif field.type == descriptor.FieldDescriptor.TYPE_STRING:
                others = [getattr(other, "name", "") for other in generator.choices(messages, k=3)]
                text = generator.choice([*others, "", "REF::x"])
                if field.is_repeated:
                    value[generator.randrange(len(value))] = text
                else:
                    setattr(message, field.name, text)
            elif field.type == descriptor.FieldDescriptor.TYPE_ENUM and not field.is_repeated:
                setattr(message, field.name, generator.randrange(41))
            elif field.type in (
                descriptor.FieldDescriptor.TYPE_FLOAT,
                descriptor.FieldDescriptor.TYPE_DOUBLE,
            ):
                setattr(message, field.name, generator.choice((0.0, -1.0, 1e30, float("nan"), float("inf"))))
        except (ValueError, TypeError, IndexError, AttributeError):
            continue  # the field does not take it
    return model.SerializePartialToString()


def check_one(content: bytes) -> str:
    """Convert one input; return "converted" or "refused".

    Raises:
        AssertionError: it took too long or too much memory.
        Exception: anything but a TriportError is a finding.
    """
    start, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        onnx_from_mindir(content)
        verdict = "converted"
    except TriportError as error:
        assert len(str(error)) < 20_000, "a message of over 20,000 characters"
        verdict = "refused"
    seconds = time.process_time() - start
    extra = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert seconds < MAX_SECONDS, f"{seconds:.1f} s"
    assert extra < MAX_EXTRA_KIB, f"{extra / 1024:.0f} MiB"
    return verdict


def write_seeds(folder: Path) -> None:
    """Write the MindIR of small Cells: the first of each operator's cases."""
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
    os.environ.setdefault("GLOG_v", "3")
    from converters.mindir.export import mindir_bytes_from_cell
    from tests.mindir.conftest import make_builder
    from tests.mindir.mindir_cases import CASES

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
    for number in range(runs):
        mutate = mutate_fields if number % 2 else mutate_bytes
        content = mutate(generator.choice(seeds), generator)
        before = time.process_time()
        try:
            counts[check_one(content)] += 1
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
