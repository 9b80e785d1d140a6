"""What exporters compute from constants and from sizes: the numbers of pads, slices and shapes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

# values: pads, shapes, sizes of pieces; nothing of a network's own
MAX_CONSTANT = 1024
_INTEGERS = (2, 3, 4, 5, 6, 7, 9, 12, 13)  # TensorProto.DataType
# what numpy says of free sizes (NaN) and of damaged nodes
_NOT_KNOWN = (ValueError, LookupError, TypeError, OverflowError, AttributeError)


class Constant(NamedTuple):
    """Small numbers that are known without running anything; NaN for a size that is free."""

    values: np.ndarray
    integer: bool


def constant_from(array: Any) -> Constant:
    """Return an array as a constant."""
    values = np.asarray(array)
    return Constant(values.astype(np.float64), values.dtype.kind in "iub")


def computed(op: str, told: dict[str, Any], inputs: Sequence[Constant | None]) -> Constant | None:
    """Return what a node makes of constants, None where that is not known or not small.

    Args:
        op: the operator.
        told: its attributes.
        inputs: its inputs, None for one that is left out.
    """
    rule = _RULES.get(op)
    if rule is None or not inputs or inputs[0] is None:
        return None
    try:
        values = rule(told, [None if one is None else one.values for one in inputs])
    except _NOT_KNOWN:
        return None
    if values is None or values.size > MAX_CONSTANT:
        return None
    integer = inputs[0].integer
    if op == "Cast":
        integer = told.get("to") in _INTEGERS
        values = np.trunc(values) if integer else values
    elif op == "CastLike" and inputs[1] is not None:
        integer = inputs[1].integer
    elif op == "Div" and integer:
        values = np.trunc(values)
    return Constant(values, integer)


def _reshaped(told: dict[str, Any], values: list[Any]) -> Any:
    return values[0].reshape([int(size) for size in values[1]])


def _of_shape(told: dict[str, Any], values: list[Any]) -> Any:
    shape = [int(size) for size in values[0].reshape(-1)]
    if not all(0 <= size <= MAX_CONSTANT for size in shape) or np.prod(shape) > MAX_CONSTANT:
        return None
    value = told.get("value")
    return np.full(shape, float(value.values.reshape(-1)[0]) if isinstance(value, Constant) else 0.0)


def _expanded(told: dict[str, Any], values: list[Any]) -> Any:
    shape = [int(size) for size in values[1].reshape(-1)]
    if not all(0 <= size <= MAX_CONSTANT for size in shape) or np.prod(shape) > MAX_CONSTANT:
        # of one value all over, the shape does not matter
        return values[0] if values[0].size == 1 else None
    return np.broadcast_to(values[0], np.broadcast_shapes(values[0].shape, tuple(shape)))


def _sliced(told: dict[str, Any], values: list[Any]) -> Any:
    starts, ends = values[1:3] if len(values) > 2 else (told["starts"], told["ends"])
    axes = values[3] if len(values) > 3 and values[3] is not None else told.get("axes", range(len(starts)))
    steps = values[4] if len(values) > 4 and values[4] is not None else [1] * len(starts)
    cut = [slice(None)] * values[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        # an end below every index means: to the very first
        low = None if step < 0 and end <= -values[0].shape[int(axis)] - 1 else int(end)
        cut[int(axis)] = slice(int(start), low, int(step))
    return values[0][tuple(cut)]


def _concatenated(told: dict[str, Any], values: list[Any]) -> Any:
    return np.concatenate([np.atleast_1d(value) for value in values], told["axis"])


def _clipped(told: dict[str, Any], values: list[Any]) -> Any:
    low, high = ([*values[1:], None, None])[:2]
    low, high = told.get("min", low), told.get("max", high)
    at_least = values[0] if low is None else np.maximum(values[0], low)
    return at_least if high is None else np.minimum(at_least, high)


def _unsqueezed(told: dict[str, Any], values: list[Any]) -> Any:
    axes = values[1] if len(values) > 1 else told["axes"]
    return np.expand_dims(values[0], tuple(int(axis) for axis in np.atleast_1d(axes)))


_RULES: dict[str, Callable[[dict[str, Any], list[Any]], Any]] = {
    "Identity": lambda told, values: values[0],
    "Cast": lambda told, values: values[0],
    "CastLike": lambda told, values: values[0],
    "Gather": lambda told, values: np.take(values[0], values[1].astype(int), told.get("axis", 0)),
    "Add": lambda told, values: values[0] + values[1],
    "Sub": lambda told, values: values[0] - values[1],
    "Mul": lambda told, values: values[0] * values[1],
    "Div": lambda told, values: values[0] / values[1],
    "Neg": lambda told, values: -values[0],
    "Ceil": lambda told, values: np.ceil(values[0]),
    "Floor": lambda told, values: np.floor(values[0]),
    "Relu": lambda told, values: np.maximum(values[0], 0),
    "Max": lambda told, values: functools.reduce(np.maximum, values),
    "Min": lambda told, values: functools.reduce(np.minimum, values),
    "Mod": lambda told, values: np.mod(values[0], values[1]),
    "Clip": _clipped,
    "Unsqueeze": _unsqueezed,
    "Squeeze": lambda told, values: np.squeeze(values[0]),
    "Concat": _concatenated,
    "Reshape": _reshaped,
    "Transpose": lambda told, values: values[0].transpose(told.get("perm")),
    "Slice": _sliced,
    "ConstantOfShape": _of_shape,
    "Expand": _expanded,
}
