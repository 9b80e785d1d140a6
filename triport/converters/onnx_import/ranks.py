"""Shapes that onnx's inference leaves open: of what a computed list shapes, and of what is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .facts import Facts, Size

# of each operator, the input whose numbers are the sizes of its output
_SHAPED_BY = {"Reshape": 1, "Expand": 1, "ConstantOfShape": 0}
# of each operator, the ranks that its inputs must have
_NEEDED = {"LSTM": {0: 3, 5: 3, 6: 3}, "GRU": {0: 3, 5: 3}, "RNN": {0: 3, 5: 3}}
# what keeps the rank of its first input
_KEEPING = frozenset(("Identity", "Cast", "Relu", "Sigmoid", "Tanh", "Dropout", "Transpose", "Neg", "Clip"))


def is_more(shape: Sequence[Size], known: Sequence[Size] | None) -> bool:
    """Return whether a shape says a size, or a rank, that is not known."""
    if known is None:
        return True
    return len(shape) == len(known) and any(
        mine is not None and its is None for mine, its in zip(shape, known, strict=True)
    )


def shape_of(node: Any, facts: Facts) -> list[Size] | None:
    """Return the shape of what a node shapes, as far as it is known; None where not even the rank is."""
    place = _SHAPED_BY.get(node.op_type)
    if place is None or node.domain not in ("", "ai.onnx") or len(node.input) <= place:
        return None
    sizes = _sizes_of(node.input[place], facts)
    if sizes is None or node.op_type == "ConstantOfShape":
        return sizes
    given = facts.shape(node.input[0])
    if node.op_type == "Expand":
        return _broadcast(sizes, given) if given is not None else None
    keeps_zero = any(a.name == "allowzero" and a.i for a in node.attribute)
    return _reshaped(sizes, given, keeps_zero)


def _sizes_of(name: str, facts: Facts) -> list[Size] | None:
    value = facts.value(name)
    if value is not None:
        return list(value) if value.ndim == 1 else None
    length = facts.shape(name)
    if length is None or len(length) != 1 or not isinstance(length[0], int) or length[0] > 64:
        return None
    return [None] * length[0]


def _broadcast(sizes: list[Size], given: list[Size]) -> list[Size]:
    rank = max(len(sizes), len(given))
    wide: list[list[Size]] = [[*[1] * (rank - len(each)), *each] for each in (sizes, given)]
    found: list[Size] = []
    for a, b in zip(*wide, strict=True):
        if a == b or b == 1:
            found.append(a)
        elif a == 1:
            found.append(b)
        else:
            found.append(next((n for n in (a, b) if isinstance(n, int) and n > 1), None))
    return found


def _reshaped(sizes: list[Size], given: list[Size] | None, keeps_zero: bool) -> list[Size]:
    found: list[Size] = []
    for place, size in enumerate(sizes):
        if size == 0 and not keeps_zero:
            found.append(given[place] if given is not None and place < len(given) else None)
        else:
            found.append(size)
    if -1 in found:
        place = found.index(-1)
        others = found[:place] + found[place + 1 :]
        found[place] = _rest(given, others) if given is not None else None
    return found


def _rest(given: list[Size], others: list[Size]) -> Size:
    """Return how many elements are left for the one axis that is counted."""
    left = list(given)
    for size in [n for n in others if isinstance(n, str)]:
        if size not in left:
            return None
        left.remove(size)
    numbers = [n for n in others if not isinstance(n, str)]
    divisor = math.prod(n for n in numbers if isinstance(n, int))
    if None in numbers or divisor <= 0:
        return None
    names = [n for n in left if not isinstance(n, int)]
    whole = math.prod(n for n in left if isinstance(n, int))
    if not names:
        return whole // divisor if whole % divisor == 0 else None
    return names[0] if len(names) == 1 and whole == divisor else None


def needed_ranks(graph: Any, facts: Facts) -> Mapping[str, int]:
    """Return the ranks that values must have, because what reads them takes no other.

    An exporter leaves it to the run whether an axis is squeezed; a recurrent layer that reads the result
    says it.
    """
    needed: dict[str, int] = {}
    for node in reversed(graph.node):
        if node.domain not in ("", "ai.onnx"):
            continue
        for place, rank in _NEEDED.get(node.op_type, {}).items():
            if place < len(node.input) and node.input[place]:
                needed[node.input[place]] = rank
        made = needed.get(node.output[0]) if node.output else None
        if made is None or not node.input:
            continue
        if node.op_type in _KEEPING:
            needed[node.input[0]] = made
        elif node.op_type in ("Squeeze", "Unsqueeze"):
            count = _count_of_axes(node, facts)
            if count is not None:
                needed[node.input[0]] = made + (count if node.op_type == "Squeeze" else -count)
    return needed


def _count_of_axes(node: Any, facts: Facts) -> int | None:
    stated = next((a.ints for a in node.attribute if a.name == "axes"), None)
    if stated is not None:
        return len(stated)
    axes = facts.value(node.input[1]) if len(node.input) > 1 and node.input[1] else None
    return None if axes is None else axes.size
