"""Tracing one Cell again and again, with other batch sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .batch_facts import learn_batch_axes
from .check import batch_sizes
from .emit import onnx_from_graph
from .export import InputSpec, exported_mindir
from .reader import Graph, read_mindir

if TYPE_CHECKING:
    import onnx


class Tracer:
    """Traces a Cell with a batch size, which is then free or not."""

    def __init__(
        self,
        cell: Any,
        specs: Sequence[InputSpec],
        opset: int,
        input_names: list[str] | None = None,
        output_names: tuple[str, ...] = (),
    ) -> None:
        self.cell = cell
        self.specs = specs
        self.opset = opset
        self.input_names = input_names
        self.traced = next((spec.shape[0] for spec in specs if spec.shape), 0)
        self.base: Graph | None = None
        self.output_names = output_names

    def __call__(self, size: int, free_batch: bool) -> onnx.ModelProto:
        """Return the ONNX graph of a trace with another batch size."""
        graph = self._read(size)
        if self.base is not None:
            graph = learn_batch_axes(graph, self.base, size, self.traced) or graph
        return onnx_from_graph(graph, opset=self.opset, free_batch=free_batch, input_names=self.input_names)

    def learn(self, graph: Graph) -> Graph | None:
        """Return the graph with what a trace with another batch size says of its axes; None if nothing."""
        size = batch_sizes(self.traced)[0]
        learnt = learn_batch_axes(graph, self._read(size), self.traced, size)
        self.base = graph if learnt is not None else None
        return learnt

    def _read(self, size: int) -> Graph:
        resized = [
            InputSpec((size, *spec.shape[1:]), spec.dtype) if spec.shape[:1] == (self.traced,) else spec
            for spec in self.specs
        ]
        with exported_mindir(self.cell, *resized) as path:
            return replace(read_mindir(path), output_names=self.output_names)
