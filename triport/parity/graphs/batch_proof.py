"""Does a graph with a free batch hold for other batch sizes, where MindSpore cannot be asked to run them?

Of a Cell that MindSpore can trace but not run, the graphs of several batch sizes are laid side by side: they
are the same graph, or compute the same. A .mindir file holds one batch size; the batch is free there if
each image gives what it gives alone. Of a file whose images see each other nobody can tell whether a
number in it is the batch size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.tracing import batch_sizes
from triport.parity.judge.difference import difference
from triport.reference_models.errors import TriportError

from .beside import beside
from .feeds import find_ranges, make_inputs
from .runs import RefusedError, open_session, run_onnx

if TYPE_CHECKING:
    import numpy as np

    # the graph of a Cell traced with a batch size, the batch free or not
    Trace = Callable[[int, bool], onnx.ModelProto]

# what two runs of one net may differ by, in float16 and otherwise; another net differs by more
SAME_NARROW, SAME = 0.2, 1e-3


def find_problem_by_tracing(path: Path, model: onnx.ModelProto, traced: int, trace: Trace) -> str | None:
    """Return what speaks against a free batch, None if the Cell's graphs of all sizes are the same."""
    for size in batch_sizes(traced):
        try:
            other = trace(size, True)
        except TriportError:
            other = None
        if other is not None and _describe_graph(other) == _describe_graph(model):
            continue
        try:
            fixed = trace(size, False)
            if _compute_the_same(path, model, fixed, size):
                continue
        except (RefusedError, TriportError) as error:
            return f"it was not proven: traced with a batch of {size} it is another graph, and {error}"
        return (
            f"traced with a batch of {size} the graph computes something else{name_difference(model, other)}"
        )
    return None


def name_difference(model: onnx.ModelProto, other: onnx.ModelProto | None) -> str:
    """Return a phrase with the first node in which two graphs of one Cell differ, "" if none does."""
    if other is None:
        return ""
    for mine, theirs in zip_longest(_readable_nodes(model), _readable_nodes(other)):
        if mine != theirs:
            name = (mine or theirs)[0]
            return f" (first at {name})" if name else ""
    return ""


def _readable_nodes(model: onnx.ModelProto) -> list[tuple[str, bytes]]:
    """Return name and content of each node, with the constants that it reads in their place."""
    constants = {
        node.output[0]: node.attribute[0].SerializeToString()
        for node in model.graph.node
        if node.op_type == "Constant"
    }
    rows = []
    for node in model.graph.node:
        if node.op_type != "Constant":
            read = b"|".join(constants.get(name, name.encode()) for name in node.input)
            made = [attribute.SerializeToString(deterministic=True) for attribute in node.attribute]
            rows.append((node.name, b"/".join([node.op_type.encode(), read, *made])))
    return rows


def _describe_graph(model: onnx.ModelProto) -> tuple[Any, ...]:
    inputs = [value.SerializeToString() for value in model.graph.input]
    return (_readable_nodes(model), inputs, [value.name for value in model.graph.output])


def _compute_the_same(path: Path, model: onnx.ModelProto, fixed: onnx.ModelProto, size: int) -> bool:
    """Run the file at a batch size, and the graph that was traced with it, on the same images."""
    types = [
        TensorType(
            value.type.tensor_type.elem_type, tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        )
        for value in fixed.graph.input
    ]
    ranges = find_ranges(model)
    inputs = make_inputs(types, [ranges.get(value.name) for value in model.graph.input], size)
    found = run_onnx(open_session(path), inputs)
    with beside(path, fixed) as other:
        references = run_onnx(open_session(other), inputs)
    return all(_are_close(*pair) for pair in zip(found, references, strict=True))


def _are_close(found: np.ndarray, reference: np.ndarray) -> bool:
    most = SAME_NARROW if reference.dtype.itemsize == 2 else SAME
    return found.shape == reference.shape and difference(found, reference) <= most


def find_problem_image_by_image(
    path: Path, model: onnx.ModelProto, types: Sequence[TensorType], is_batched: Sequence[bool]
) -> str | None:
    """Return what speaks against a free batch, None if each image gives what it gives alone."""
    traced = next(type_.shape[0] for type_, free in zip(types, is_batched, strict=True) if free)
    for size in dict.fromkeys((traced, batch_sizes(traced)[0])):
        problem = _find_problem_at(size, path, model, types, is_batched)
        if problem is not None:
            return problem
    return None


def _find_problem_at(
    size: int, path: Path, model: onnx.ModelProto, types: Sequence[TensorType], is_batched: Sequence[bool]
) -> str | None:
    import numpy as np

    many = [
        replace(type_, shape=(size, *type_.shape[1:])) if free else type_
        for type_, free in zip(types, is_batched, strict=True)
    ]
    ranges = find_ranges(model)
    inputs = make_inputs(many, [ranges.get(value.name) for value in model.graph.input], size)

    def pick(index: int) -> list[np.ndarray]:
        return [
            array[index : index + 1] if free else array
            for array, free in zip(inputs, is_batched, strict=True)
        ]

    try:
        session = open_session(path)
        together = run_onnx(session, inputs)
        alone = [run_onnx(session, pick(index)) for index in range(size)]
    except RefusedError as error:
        return f"the graph does not run at another batch size: {error}"
    for place, output in enumerate(model.graph.output):
        parts = [results[place] for results in alone]
        axes = [axis for axis, dim in enumerate(output.type.tensor_type.shape.dim) if dim.dim_param]
        if axes and _are_close(together[place], np.concatenate(parts, axis=axes[0])):
            continue
        if not axes and all(_are_close(part, together[place]) for part in parts):
            continue  # the same whatever the images are
        return (
            f"output {output.name} at another batch size is not the same, image by image: whether a number "
            "in the graph is the batch size cannot be known of a file with one"
        )
    return None
