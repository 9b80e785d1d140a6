"""An import as one HTML page: modules and how far each is from ONNX Runtime, beside the source."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triport.converters.formats.source import file_sha256
from triport.converters.onnx_import.reading import read_model
from triport.converters.onnx_import.tree import Block, blocks_of
from triport.converters.onnx_import.writer import Source
from triport.parity.pages import render, run_facts

from .probes import Probe, probes_of, shortened
from .result import ImportedSource

_MOVING = ("Reshape", "Transpose", "Unsqueeze", "Squeeze", "Flatten", "Identity", "Cast")
_KINDS = 4  # operators that a module's row names
_LEAST = 1e-8  # an error that the bars show as none


@dataclass(frozen=True, slots=True)
class PageModule:
    """A module of the graph: its class in the source, its nodes, and the values that these make.

    `values` are those of the module itself, without those of the modules within it.
    """

    path: str
    depth: int
    class_name: str
    nodes: int
    kinds: str
    values: tuple[Probe, ...]

    @property
    def worst(self) -> Probe | None:
        """The value that is furthest from ONNX Runtime's."""
        return max(self.values, key=lambda each: each.error, default=None)


def page_of(path: Path, source: Source, done: ImportedSource, shown: str) -> str:
    """Return the page of an import; values are those of the inputs on which it was compared.

    Args:
        path: the ONNX file.
        source: what was written.
        done: how it compares.
        shown: what the page calls the file.
    """
    problem, probes = "", []
    try:
        probes = probes_of(path, done.target, done.feed) if done.feed else []  # type: ignore[arg-type]
    except Exception as error:
        problem = f"its values could not be compared one by one: {shortened(str(error))}"
    modules = modules_of(blocks_of(read_model(path).graph), source.modules, probes)
    return render(
        "imported.html",
        facts=run_facts(None, {shown: file_sha256(path)}, {}),
        name=shortened(shown),
        done=done,
        verdict=_verdict(done),
        problem=problem,
        modules=modules,
        inputs=", ".join(f"{shortened(n)} {list(array.shape)}" for n, array in done.feed.items()),
        compared=len(probes),
        share=share,
        lines=list(_lines(source.text)),
        most=max((each.error for each in probes), default=0.0),
    )


def _verdict(done: ImportedSource) -> str:
    agreed = sorted({trial.agreed for trial in done.trials if trial.judged_by == "reference"})
    if done.is_equal and agreed:
        other = " and ".join(agreed)
        return f"The source in {done.target} computes what {other} does, from which ONNX Runtime is off"
    if done.is_equal:
        return f"The source in {done.target} computes what ONNX Runtime does"
    found = "differs from ONNX Runtime" if done.is_different else "is not proven equal to ONNX Runtime"
    return f"The source in {done.target} {found}; it was not written"


def modules_of(root: Block, classes: dict[str, str], probes: Sequence[Probe]) -> list[PageModule]:
    """Return the modules in the order in which they run, each before those within it.

    Args:
        root: the graph as blocks.
        classes: of each block's path, its class in the source; a block without one is part of what is around.
        probes: of the graph's values.
    """
    by_value = {each.value: each for each in probes}
    return list(_modules(root, classes, by_value, 0))


def _is_computing(node: Any) -> bool:
    """Return whether a node makes more than sizes, and more than another shape."""
    makes_values = any(v.dtype is None or not v.dtype.is_integer() for v in node.outputs)
    return node.op_type not in _MOVING and makes_values


def _modules(
    block: Block, classes: dict[str, str], by_value: dict[str, Probe], depth: int
) -> Iterator[PageModule]:
    own = [item for item in block.items if not isinstance(item, Block)]
    inner = [item for item in block.items if isinstance(item, Block)]
    own += [node for each in inner if each.path not in classes for node in each.nodes()]
    computing = [node for node in block.nodes() if _is_computing(node)] or list(block.nodes())
    kinds = Counter(node.op_type for node in computing).most_common(_KINDS + 1)
    named = ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in kinds[:_KINDS])
    values = [by_value[v.name] for node in own for v in node.outputs if v.name in by_value]
    yield PageModule(
        block.path,
        depth,
        classes.get(block.path, ""),
        len(list(block.nodes())),
        f"{named}, ..." if len(kinds) > _KINDS else named,
        tuple(values),
    )
    for each in inner:
        if each.path in classes:
            yield from _modules(each, classes, by_value, depth + 1)


def share(error: float, most: float) -> int:
    """Return how long an error's bar is, in percent of the orders of magnitude up to the largest."""
    if not math.isfinite(error):
        return 100
    span = math.log10(max(most, 1e-6) / _LEAST) if math.isfinite(most) else 8.0
    return round(100 * min(max(math.log10(max(error, _LEAST) / _LEAST) / span, 0.0), 1.0))


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Give each line of the source, and the class that begins there, or nothing."""
    for line in text.splitlines():
        found: Any = re.match(r"class (\w+)\(", line)
        yield line, found.group(1) if found else ""
