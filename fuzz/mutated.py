"""Mutated ONNX graphs to source, without a fuzzer: python fuzz/mutated.py [RUNS] [SEED].

Fields are changed as well as bytes, so that most of what comes out is still a graph. A finding is kept in the
folder for temporary files.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import onnx

from fuzz.graph_seeds import graph_seeds
from fuzz.imported import HOSTILE, source
from fuzz.mutators import mutate_bytes, mutate_fields, mutate_sizes


def mutate(content: bytes, generator: random.Random) -> bytes:
    """Change a graph: mostly its fields, often to texts that would be code."""
    kind = generator.randrange(8)
    if kind == 0:
        return mutate_bytes(content, generator)
    if kind == 1:
        return mutate_sizes(content, generator, onnx.ModelProto)
    if kind < 5:
        return mutate_fields(content, generator, onnx.ModelProto, HOSTILE)
    return rename(content, generator)


def rename(content: bytes, generator: random.Random) -> bytes:
    """Give a value, a tensor or an axis another name wherever it stands, so that the graph stays whole."""
    model = onnx.ModelProto.FromString(content)
    graphs = [model.graph]
    for graph in graphs:
        graphs += [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    named = {n for graph in graphs for node in graph.node for n in (*node.input, *node.output) if n}
    names = {name for name in named if isinstance(name, str)}  # protobuf gives what is no UTF-8 as bytes
    for old in generator.sample(sorted(names), min(len(names), generator.choice((1, 1, 2, 5)))):
        new = generator.choice((*HOSTILE, *(f"{text}.{old}" for text in HOSTILE), *sorted(names)))
        for graph in graphs:
            for node in graph.node:
                node.name = new if generator.random() < 0.2 else node.name
                node.input[:] = [new if n == old else n for n in node.input]
                node.output[:] = [new if n == old else n for n in node.output]
            for value in (*graph.input, *graph.output, *graph.initializer):
                value.name = new if value.name == old else value.name
    return model.SerializeToString()


def main() -> None:
    """Run, and print what was found."""
    given = [int(argument) for argument in sys.argv[1:3]]
    runs, seed = [*given, *(1000, 0)[len(given) :]]
    seeds, generator = graph_seeds(), random.Random(seed)
    counts: Counter[str] = Counter()
    slowest = 0.0
    for number in range(runs):
        content = mutate(generator.choice(seeds), generator)
        before = time.process_time()
        try:
            counts[source(content)] += 1
        except Exception as error:
            counts[f"FINDING {type(error).__name__}: {str(error)[:100]}"] += 1
            if len(counts) < 40:
                Path(tempfile.gettempdir(), f"source-finding-{seed}-{number}").write_bytes(content)
                print(number, "".join(traceback.format_exc().splitlines(keepends=True)[-6:]), flush=True)
        slowest = max(slowest, time.process_time() - before)
        if number % 1000 == 999:
            print(f"{number + 1}: {dict(counts)}, slowest {slowest:.2f} s", flush=True)
    print(f"{runs} inputs from {len(seeds)} seeds: {dict(counts)}; slowest {slowest:.2f} s of CPU time")
    sys.exit(any(name.startswith("FINDING") for name in counts))


if __name__ == "__main__":
    main()
