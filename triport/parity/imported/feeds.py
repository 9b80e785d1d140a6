"""Inputs to compare source and graph with: two batch sizes, values that reach edges, indices in range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from triport.converters.onnx_import.reading import ImportRefusedError
from triport.converters.onnx_import.values import fields_of

_MOST_NUMBERS = 1 << 20
_MOST = 1 << 26  # elements of all inputs together
_THROUGH = (
    "Cast",
    "Unsqueeze",
    "Squeeze",
    "Reshape",
    "Identity",
    "Expand",
    "Concat",
    "Flatten",
    "Where",
    "Clip",
)


def sizes_to_try(graph: Any) -> list[dict[str, int]]:
    """Return sizes of the free axes, the likely ones first.

    The first axis of an input is its batch; if that of no input is free, none is, or the first free axis. The
    only free axis of an input may be its batch too, wherever it stands: a state is (layers, batch, features).
    """
    names = _free_axes(graph)
    if not names:
        return [{}]
    axes = [_axes(value) for value in _inputs(graph)]
    first = {each[0] for each in axes if each and isinstance(each[0], str)}
    free = [[n for n in each if isinstance(n, str)] for each in axes]
    lone = {each[0] for each in free if len(each) == 1}
    found: dict[tuple[int, ...], None] = {}
    for batch in (first, first | lone, set(names[:1])):
        for other in (16, 64, 32, 224, 8, 4, 1, 128, 256, 640):
            found |= {tuple(size if name in batch else other for name in names): None for size in (2, 3, 1)}
    return [dict(zip(names, sizes, strict=True)) for sizes in found]


def _inputs(graph: Any) -> list[Any]:
    return [value for value in graph.inputs if not value.is_initializer()]


def _axes(value: Any) -> list[int | str]:
    """Return an input's axes; a free one without a name gets the input's and its place."""
    _, shape = fields_of(value)
    if shape is None:
        raise ImportRefusedError(f"input '{value.name}' has no shape: it cannot be compared")
    return [n if isinstance(n, int) else n or f"{value.name}.{i}" for i, n in enumerate(shape)]


def _free_axes(graph: Any) -> list[str]:
    return list(dict.fromkeys(n for v in _inputs(graph) for n in _axes(v) if isinstance(n, str)))


def feed_of(graph: Any, sizes: dict[str, int], seed: int) -> dict[str, np.ndarray]:
    """Return values for the inputs: the first seed draws plain ones, the others reach further out."""
    random = np.random.default_rng(seed)
    feed: dict[str, np.ndarray] = {}
    total = 0
    for value in _inputs(graph):
        shape = tuple(n if isinstance(n, int) else sizes[n] for n in _axes(value))
        total += int(np.prod(shape, dtype=object)) if shape else 1
        if total > _MOST or min(shape, default=0) < 0:
            raise ImportRefusedError(f"input '{value.name}' is of {list(shape)}: too large to be compared")
        dtype, _ = fields_of(value)
        feed[value.name] = _drawn(value, shape, dtype, random, seed, sizes)
    return feed


def _drawn(
    value: Any,
    shape: tuple[int, ...],
    dtype: str,
    random: np.random.Generator,
    seed: int,
    sizes: dict[str, int],
) -> np.ndarray:
    if dtype == "bool":
        return np.asarray(random.random(shape) < 0.5)
    if "float" in dtype:
        kind = value.dtype.numpy()
        drawn = random.standard_normal(shape) * (1.0 if seed == 0 else 4.0)
        if seed and drawn.size > 8:
            flat = drawn.reshape(-1)
            flat[:: max(flat.size // 7, 1)] *= 8  # some far out, some zero
            flat[1 :: max(flat.size // 5, 2)] = 0
        return np.asarray(drawn).astype(kind)
    asked = _asked_for(value)
    if asked:  # a number that decides a branch: the first draw takes one way, the second the other
        other = [each + 1 for each in asked[:1]] if seed % 2 else []
        return np.full(shape, (other or asked)[0]).astype(value.dtype.numpy())
    low, high = _range(value, sizes)
    if "uint8" in dtype or "int8" in dtype:
        low, high = (0, 256) if dtype == "uint8" else (-128, 128)
    if dtype.startswith("uint"):
        low = max(low, 0)
    return np.asarray(random.integers(low, high, shape)).astype(value.dtype.numpy())


def _asked_for(value: Any) -> list[int]:
    """Return the whole numbers that the graph asks whether an input is one of."""
    found: list[int] = []
    for use in _read_through(value):
        if use.node.op_type == "Equal":
            other = use.node.inputs[1 - use.idx]
            constant = other.const_value if other is not None else None
            if constant is not None and constant.size == 1 and any(_decides(v) for v in use.node.outputs):
                found.append(int(constant.numpy().reshape(-1)[0]))
    return found


def _decides(value: Any) -> bool:
    """Return whether a truth value goes into an If."""
    return any(use.node.op_type == "If" and use.idx == 0 for use in _read_through(value))


def _read_through(value: Any) -> Iterator[Any]:
    """Give every use of a value, and of what only moves it or casts it."""
    seen: set[Any] = set()
    waiting = [value]
    while waiting and len(seen) <= 200:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        for use in each.uses():
            yield use
            if use.node.op_type in _THROUGH:
                waiting.extend(use.node.outputs)


def _numbers(value: Any) -> list[int]:
    """Return a constant's whole numbers, none where it is no constant."""
    constant = value.const_value if value is not None else None
    if constant is None or constant.size > _MOST_NUMBERS:
        return []
    array = np.asarray(constant.numpy()).reshape(-1)
    return [int(n) for n in array] if array.dtype.kind in "iu" else []


# of operators that are told how many places of an axis count: the input that says it, the axis, the least
_COUNTING = {
    "LSTM": (4, 0, 0),
    "GRU": (4, 0, 0),
    "RNN": (4, 0, 0),
    "ReverseSequence": (1, 0, 1),
    "TopK": (1, -1, 1),
}
_AXIS_OF = {"ReverseSequence": "time_axis", "TopK": "axis"}


def _count(use: Any, sizes: dict[str, int]) -> tuple[int, int] | None:
    """Return the least and the largest number that a node takes as a count of places."""
    place, axis, least = _COUNTING.get(use.node.op_type, (-1, 0, 0))
    shape = fields_of(use.node.inputs[0])[1]
    if use.idx != place or shape is None:
        return None
    attributes = use.node.attributes
    if "layout" in attributes:
        axis = int(attributes["layout"].value)
    stated = _AXIS_OF.get(use.node.op_type, "")
    if stated in attributes:
        axis = int(attributes[stated].value)
    length = shape[axis]
    length = sizes.get(length) if isinstance(length, str) else length
    return (least, length) if length else None


def _range(value: Any, sizes: dict[str, int]) -> tuple[int, int]:
    """Return the whole numbers that an input can be, by the tables that it is an index into."""
    limits: list[int] = []
    low = 0
    for use in _read_through(value):
        node = use.node
        counted = _count(use, sizes)
        if counted is not None:
            low = max(low, counted[0])
            limits.append(counted[1] + 1)
        if node.op_type in ("Gather", "GatherElements", "GatherND") and use.idx == 1:
            _, shape = fields_of(node.inputs[0])
            axis = node.attributes["axis"].value if "axis" in node.attributes else 0
            if shape and isinstance(shape[axis], int):
                limits.append(int(shape[axis] or 1))
        elif node.op_type == "OneHot" and use.idx == 0:
            limits += _numbers(node.inputs[1])[:1]
        elif node.op_type == "Equal":  # one-hot, written out: which of a row of numbers it is
            listed = _numbers(node.inputs[1 - use.idx])
            if len(listed) > 1 and sorted(listed) == list(range(len(listed))):
                limits.append(len(listed))
    return (low, max(min(limits), low + 1)) if limits else (0, 2)
