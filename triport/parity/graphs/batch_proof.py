"""Does a graph with a free batch hold for other batch sizes, where MindSpore cannot be asked to run them?

Of a Cell that MindSpore can trace but not run, the graphs of several batch sizes are laid side by side: they
are the same graph, or compute the same. A .mindir file holds one batch size; the batch is free there if
each image gives what it gives alone. Of a file whose images see each other nobody can tell whether a
number in it is the batch size.

How near is the same: a multiple of how far the right side moves when its inputs and each of its roundings
fall otherwise, and no more than `WIDEST`. Whole numbers are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import onnx

from triport.converters.mindir.export import ExportError
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.tracing import batch_sizes
from triport.parity.judge.difference import difference
from triport.parity.judge.noise import nudged
from triport.parity.judge.tolerance import FLOAT32, WIDEST, WIDEST_NARROW
from triport.reference_models.errors import TriportError

from .beside import beside
from .feeds import find_ranges, make_inputs
from .judge import LEAST, NARROW
from .roundings import narrowest_float, noise_of_roundings
from .runs import RefusedError, open_session, run_onnx

if TYPE_CHECKING:
    import numpy as np

    # the graph of a Cell traced with a batch size, the batch free or not
    Trace = Callable[[int, bool], onnx.ModelProto]


# beyond the branches that serve a few images otherwise than many; MindSpore traces it, and need not run it
MANY_IMAGES = 65


def find_problem_by_tracing(
    path: Path,
    model: onnx.ModelProto,
    sizes: Sequence[int],
    trace: Trace,
    asked: Sequence[int] = (),
) -> tuple[str | None, list[int]]:
    """Lay the file beside the Cell's graphs of further sizes, and of those that its code asks for.

    Returns:
        what speaks against a free batch, None if the graphs are the same; and the sizes of `asked` with which
        MindSpore cannot export the Cell, so that there is nothing to compare with.
    """
    refused: list[int] = []
    for size in (*sizes, *asked):
        try:
            other = trace(size, True)
        except TriportError:
            other = None
        if other is not None and _describe_graph(other) == _describe_graph(model):
            continue
        try:
            problem = _what_parts(path, model, trace(size, False), size)
        except (RefusedError, TriportError) as error:
            if size in asked and isinstance(error, ExportError):
                refused.append(size)
                continue
            return (
                f"it was not proven: traced with a batch of {size} it is another graph, and {error}",
                refused,
            )
        if problem is not None:
            return f"traced with a batch of {size} {problem}{name_difference(model, other)}", refused
    return None, refused


def name_difference(model: onnx.ModelProto, other: onnx.ModelProto | None) -> str:
    """Return a phrase with the first node in which two graphs of one Cell differ, "" if none does."""
    if other is None:
        return ""
    for mine, theirs in zip_longest(_read_nodes(model), _read_nodes(other)):
        if mine is None or theirs is None or mine.what != theirs.what:
            name = next((one.name for one in (mine, theirs) if one is not None and one.name), "")
            return f" (first at {name})" if name else ""
    return ""


class _Node(NamedTuple):
    """A node's name, which a trace makes up, and what it computes of what, without such names."""

    name: str
    what: bytes


def _read_nodes(model: onnx.ModelProto) -> list[_Node]:
    """Return each node, the graph's outputs last; what it reads of others has their number for a name.

    MindSpore names the places of one Cell otherwise from its second trace on.
    """
    known = {
        node.output[0]: node.attribute[0].SerializeToString()
        for node in model.graph.node
        if node.op_type == "Constant"
    }
    found: list[_Node] = []
    for node in model.graph.node:
        if node.op_type != "Constant":
            read = b"|".join(known.get(name, name.encode()) for name in node.input)
            made = [attribute.SerializeToString(deterministic=True) for attribute in node.attribute]
            known |= {name: b"\0%d.%d" % (len(found), place) for place, name in enumerate(node.output)}
            found.append(_Node(node.name, b"/".join([node.op_type.encode(), read, *made])))
    outputs = b"|".join(known.get(value.name, value.name.encode()) for value in model.graph.output)
    return [*found, _Node("", outputs)]


def _describe_graph(model: onnx.ModelProto) -> tuple[list[bytes], list[bytes]]:
    inputs = [value.SerializeToString() for value in model.graph.input]
    return [node.what for node in _read_nodes(model)], inputs


def _what_parts(path: Path, model: onnx.ModelProto, fixed: onnx.ModelProto, size: int) -> str | None:
    """Run the file at a batch size, and the graph that was traced with it, on the same images.

    Returns:
        what is wrong, None if they compute the same.
    """
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

    def moved(copy: onnx.ModelProto, draw: int) -> list[np.ndarray]:
        with beside(path, copy) as changed:
            return run_onnx(open_session(changed, None), _nudged(inputs, draw))

    allowed = _allowed(fixed, references, moved)
    otherwise = "the graph computes something else"
    outputs = zip(allowed, found, references, strict=True)
    told = (most.told(output, reference, otherwise) for most, output, reference in outputs)
    return next((one for one in told if one is not None), None)


def _nudged(inputs: Sequence[np.ndarray], draw: int) -> list[np.ndarray]:
    import numpy as np

    random = np.random.default_rng(draw)
    return [nudged(array, random) for array in inputs]


@dataclass(frozen=True, slots=True)
class _Allowed:
    """What an output may differ by, and what its noise alone would allow: more than is believed, maybe."""

    most: float
    by_noise: float

    def told(self, found: np.ndarray, reference: np.ndarray, otherwise: str) -> str | None:
        """Return what is wrong with an output: `otherwise`, unless noise hides it; None if it is close."""
        apart = difference(found, reference) if found.shape == reference.shape else math.inf
        if apart <= self.most:
            return None
        if apart > self.by_noise:
            return otherwise
        return (
            f"shows nothing, as the noise is too wide: outputs are {apart:.1e} apart, and of a noise "
            f"that allows {self.by_noise:.1e} no more than {self.most:.1e} is believed"
        )


def _allowed(
    model: onnx.ModelProto,
    references: Sequence[np.ndarray],
    moved: Callable[[onnx.ModelProto, int], list[np.ndarray]],
) -> list[_Allowed]:
    """Return what each output may differ by, of how far the right side's moved runs are apart."""
    narrow = narrowest_float(model)
    calibration, widest = (FLOAT32, WIDEST) if narrow is None else (NARROW[narrow], WIDEST_NARROW)
    allowed = []
    noises = noise_of_roundings(model, moved)
    for value, reference, noise in zip(model.graph.output, references, noises, strict=True):
        least = LEAST.get(value.type.tensor_type.elem_type, FLOAT32.least)
        by_noise = calibration.tolerance_of(noise, least)
        is_float = reference.dtype.kind == "f"
        most = min(by_noise, max(widest, least))
        allowed.append(_Allowed(most, by_noise) if is_float else _Allowed(0.0, 0.0))
    return allowed


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

    axes = [_free_axis(value) for value in model.graph.output]

    def one_by_one(session: Any, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return what each image gives alone, put together where an output has the batch."""
        given = zip(arrays, is_batched, strict=True)
        columns = [[one[i : i + 1] if free else one for i in range(size)] for one, free in given]
        alone = [run_onnx(session, row) for row in zip(*columns, strict=True)]
        outputs = zip(zip(*alone, strict=True), axes, strict=True)
        return [np.stack(parts) if axis is None else np.concatenate(parts, axis) for parts, axis in outputs]

    def moved(copy: onnx.ModelProto, draw: int) -> list[np.ndarray]:
        with beside(path, copy) as changed:
            return one_by_one(open_session(changed, None), _nudged(inputs, draw))

    try:
        session = open_session(path)
        together, alone = run_onnx(session, inputs), one_by_one(session, inputs)
        allowed = _allowed(model, alone, moved)
    except RefusedError as error:
        return f"the graph does not run at another batch size: {error}"
    for output, found, right, axis, most in zip(
        model.graph.output, together, alone, axes, allowed, strict=True
    ):
        # without a batch it is the same whatever the images are
        otherwise = (
            "is not the same, image by image: whether a number in the graph is the batch size cannot be "
            "known of a file with one"
        )
        told = most.told(np.stack([found] * size) if axis is None else found, right, otherwise)
        if told is not None:
            return f"output {output.name} at another batch size {told}"
    return None


def _free_axis(output: onnx.ValueInfoProto) -> int | None:
    """Return the first free axis of an output, None if there is none."""
    dims = output.type.tensor_type.shape.dim
    return next((axis for axis, dim in enumerate(dims) if dim.dim_param), None)
