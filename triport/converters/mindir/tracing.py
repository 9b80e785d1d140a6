"""Tracing one Cell again and again, with other batch sizes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from triport.converters.networks.asked_by_code import AskedSizes
from triport.converters.networks.input_specs import InputSpec

from .batch_facts import learn_batch_axes
from .emit import onnx_from_graph
from .export import exported_mindir
from .graph import Graph, TensorType, UnknownSizeError, ValueType
from .observed import asked_by_cell
from .reader import read_mindir

if TYPE_CHECKING:
    import onnx


# more than most branches on the batch size look for
SEVERAL_IMAGES = 5
# numbers of one image from which on memory and time count: some 400 x 400 pixels
LARGE_IMAGE = 500_000


def batch_sizes(traced: int, num_elements: int = 0) -> tuple[int, ...]:
    """Return the sizes to try: a larger one, odd where the traced one is even, and one image alone.

    A Cell that was traced with one image is tried with three as well. `num_elements` are those of one
    image: of large ones there are fewer.
    """
    larger = max(traced + 1, SEVERAL_IMAGES if num_elements < LARGE_IMAGE else 0)
    larger += (larger - traced) % 2 == 0
    return (larger, 1) if traced > 1 else (larger, 3, 1)


class Tracer:
    """Traces a Cell with a batch size, which is then free or not.

    `file` is what a .mindir file with an unknown batch size says of itself. A Cell of such a file can be
    traced only once: `get_cell` makes a new one each time. `output_shapes` are those of each batch size with
    which a graph was made.
    """

    def __init__(
        self,
        get_cell: Callable[[], Any],
        specs: Sequence[InputSpec],
        opset: int,
        input_names: list[str] | None = None,
        output_names: tuple[str, ...] = (),
        file: UnknownSizeError | None = None,
    ) -> None:
        self.get_cell = get_cell
        self.file = file
        self.specs = specs
        self.opset = opset
        self.input_names = input_names
        self.traced = next((spec.shape[0] for spec in specs if spec.shape), 0)
        self.base: Graph | None = None
        self.base_size = self.traced
        self.difference = ""  # what `learn` saw where it learnt nothing
        self.output_names = output_names
        self.output_shapes: dict[int, list[tuple[int, ...]]] = {}

    def asked(self, tried: Sequence[int]) -> AskedSizes:
        """Return further batch sizes to trace with, at which the Cell's own code may go another way."""
        if self.file is not None:
            return AskedSizes(())
        elements = {math.prod(spec.shape[1:]) for spec in self.specs if spec.shape[:1] == (self.traced,)}
        return asked_by_cell(self.get_cell(), self.resized, tried, max(elements, default=1))

    def __call__(self, size: int, free_batch: bool) -> onnx.ModelProto:
        """Return the ONNX graph of a trace with another batch size."""
        graph = self.read(size)
        if self.base is not None:
            graph = learn_batch_axes(graph, self.base, size, self.base_size) or graph
        model = onnx_from_graph(graph, opset=self.opset, free_batch=free_batch, input_names=self.input_names)
        shapes = list(_output_shapes(graph))
        if len(shapes) == len(model.graph.output):
            self.output_shapes[size] = shapes
        return model

    def learn(self, graph: Graph) -> Graph | None:
        """Return the graph with what a trace with another batch size says of its axes; None if nothing.

        What was traced with one image does not say which of its code takes the images one by one: then it is
        the graph of several.
        """
        size, *further = batch_sizes(self.traced)
        other = self.read(size)
        base, base_size = graph, self.traced
        learnt = learn_batch_axes(graph, other, self.traced, size)
        if learnt is None and self.traced == 1:
            base, base_size = other, size
            learnt = learn_batch_axes(other, self.read(further[0]), size, further[0])
        if learnt is not None:
            self.base, self.base_size = base, base_size
        else:
            self.difference = (
                f"traced with a batch of {size}, the Cell is another graph: {len(other.nodes)} nodes, "
                f"with a batch of {self.traced} {len(graph.nodes)}"
            )
        return learnt

    def resized(self, size: int) -> list[InputSpec]:
        """Return the inputs with another batch size."""
        return [
            InputSpec((size, *spec.shape[1:]), spec.dtype) if spec.shape[:1] == (self.traced,) else spec
            for spec in self.specs
        ]

    def read(self, size: int) -> Graph:
        """Return the graph that MindSpore traces with a batch size."""
        with exported_mindir(self.get_cell(), *self.resized(size)) as path:
            graph = replace(read_mindir(path), output_names=self.output_names)
        return graph if self.file is None else _with_scopes(graph, self.file)


def _output_shapes(graph: Graph) -> Iterator[tuple[int, ...]]:
    """Yield the shape of each tensor that a graph computes and returns, as it was traced."""
    types: dict[str, ValueType] = {**graph.inputs, **{node.id: node.type for node in graph.nodes}}
    waiting = [types.get(id_) for id_ in reversed(graph.outputs)]
    while waiting:
        type_ = waiting.pop()
        if isinstance(type_, TensorType):
            yield type_.shape
        elif type_ is not None:
            waiting += reversed(type_)


def _with_scopes(graph: Graph, file: UnknownSizeError) -> Graph:
    """Return the graph with the name and scopes of the file that MindSpore loaded, which it drops.

    What the graph has as often as the file does is the file's, in order.
    """
    counts = Counter(node.primitive for node in graph.nodes)
    scopes: dict[str, list[str]] = {}
    for node in file.nodes:
        scopes.setdefault(node.primitive, []).append(node.scope)
    left = {kind: iter(found) for kind, found in scopes.items() if len(found) == counts[kind]}
    nodes = (
        replace(node, scope=next(left[node.primitive])) if node.primitive in left else node
        for node in graph.nodes
    )
    return replace(graph, name=file.graph_name, nodes=tuple(nodes))
