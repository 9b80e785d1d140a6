"""Every value within a graph beside the same value of its source: which is the first that parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.onnx_import.constants import proto_of
from triport.converters.onnx_import.reading import read_model
from triport.converters.onnx_import.targets import Target
from triport.converters.onnx_import.tree import flat
from triport.converters.onnx_import.writer import source_of
from triport.converters.onnx_import.written import built
from triport.parity.judge import divergence
from triport.parity.judge.difference import difference

from .judge import UnoptimisedRuntime, allowed
from .runs import run

_MOST = 400  # values that are compared


@dataclass(frozen=True, slots=True)
class Probe:
    """A value that a node makes: how far the source's is from ONNX Runtime's, relative to the largest."""

    node: str
    op_type: str
    value: str
    dtype: str
    error: float
    allowed: float
    same_dtype: bool


def probes_of(path: Path, target: Target, feed: dict[str, np.ndarray]) -> list[Probe]:
    """Return the values of a graph in the order in which they are made, each made an output of it.

    Raises:
        Exception: the graph or its source does not run so.
    """
    import onnx_ir as ir

    model = read_model(path)
    values = [
        v
        for node in model.graph
        for v in node.outputs
        if v.name and v.dtype is not None and v.const_value is None
    ]
    kept = [v for v in values if v not in model.graph.outputs and isinstance(v.type, ir.TensorType)][:_MOST]
    model.graph.outputs.extend(kept)
    proto = proto_of(model)
    for node in proto.graph.node:
        node.ClearField("name")  # nodes that one was expanded to have its name
    runtime = UnoptimisedRuntime.of(proto.SerializeToString())
    wanted = runtime.run(feed)
    source = source_of(model, target, "probed", flat(model.graph))
    found = run(built(source), target, list(feed.values()))
    by_value = dict(zip(model.graph.outputs, zip(found, wanted, allowed(wanted), strict=True), strict=True))
    return [
        _probe(node, value, *by_value[value])
        for node in model.graph
        for value in node.outputs
        if value in by_value
    ]


def _probe(node: Any, value: Any, mine: np.ndarray, its: np.ndarray, limit: float) -> Probe:
    return Probe(
        node.name or value.name,
        node.op_type,
        value.name,
        str(its.dtype),
        difference(mine, its),
        limit,
        mine.dtype == its.dtype,
    )


def first_divergence(path: Path, target: Target, feed: dict[str, np.ndarray]) -> str:
    """Return the first node at which source and graph part."""
    try:
        probes = probes_of(path, target, feed)
    except Exception as error:
        return f"not found: {shortened(str(error))}"
    # the first that is as far off as a tenth of the end: what comes before is roundings that grow
    worst = max((each.error for each in probes), default=0.0)
    least = min(0.1 * worst, 0.01) if np.isfinite(worst) else 1e-4

    def is_right(one: Probe) -> bool:
        most = max(one.allowed, least) if "float" in one.dtype else one.allowed
        return one.same_dtype and one.error <= most

    first = divergence.first_divergence(probes, is_right)
    if first is None:
        return ""
    found = first.at
    return f"node '{shortened(found.node)}' ({found.op_type}): {found.error:.1e}"


def shortened(text: str) -> str:
    """Return a text of a file, or of an error, as a terminal can show it."""
    text = " ".join(text.split())[:200]
    return "".join(c if c.isprintable() else "?" for c in text)
