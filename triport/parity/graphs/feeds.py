"""What a graph and its ONNX file are compared on: ordinary numbers, and those at its operators' edges.

Every image of a batch is another one. Whole numbers take the range that the graph gives them a meaning
for: an index stays inside what it indexes, a length inside its sequence, a divisor is not 0, a label of
a one-hot also lies outside. Where nothing is known of them, they are small and of both signs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import onnx
from onnx import helper, numpy_helper

from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.inferred import Sizes, infer, iterate_types

if TYPE_CHECKING:
    import numpy as np

SEED = 0
SMALL, LARGE = 9, 40_000  # whole numbers without a meaning, and those of the edges
# scales of normal numbers: where sigmoids are flat, and beyond the threshold of everything
WIDE, WIDEST = 30.0, 1000.0
# what moves whole numbers and leaves them as they are, all by their first input or all inputs
MOVES_FIRST = frozenset(
    [
        "Cast",
        "Expand",
        "Flatten",
        "Gather",
        "GatherElements",
        "GatherND",
        "Identity",
        "Pad",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Tile",
        "Transpose",
        "Unsqueeze",
    ]
)
MOVES_ALL = frozenset(("Concat", "Where", "Max", "Min"))
RECURRENT = frozenset(("LSTM", "GRU", "RNN"))


@dataclass(frozen=True, slots=True)
class Range:
    """The least and the greatest whole number that an input may be."""

    low: int
    high: int
    has_zero: bool = True

    def __and__(self, other: Range) -> Range:
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Range(low, max(low, high), self.has_zero and other.has_zero)


class Feed(NamedTuple):
    """One set of inputs, and what is special about them; ordinary ones have an empty description."""

    what: str
    arrays: list[np.ndarray]


def find_ranges(model: onnx.ModelProto) -> dict[str, Range]:
    """Return, by name, which whole numbers the graph's inputs may be, where their readers say."""
    types = {name: (elem_type, sizes) for name, elem_type, sizes in iterate_types(infer(model))}
    readers: dict[str, list[tuple[onnx.NodeProto, int]]] = {}
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            readers.setdefault(name, []).append((node, index))
    arrays = {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in model.graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    found: dict[str, Range] = {}
    for value in model.graph.input:
        if helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).kind not in "iu":
            continue
        seen, waiting = set(), [value.name]
        for name in waiting:
            for node, index in readers.get(name, []):
                limit = _limit(node, index, types, arrays)
                if limit is not None:
                    found[value.name] = found.get(value.name, limit) & limit
                moves = node.op_type in MOVES_ALL or (node.op_type in MOVES_FIRST and index == 0)
                if moves and node.output[0] not in seen:
                    seen.update(node.output)
                    waiting.extend(node.output)
    return found


def _limit(
    node: onnx.NodeProto,
    index: int,
    types: dict[str, tuple[int, Sizes]],
    arrays: dict[str, np.ndarray],
) -> Range | None:
    """Return what a node's input may be, None if it may be anything."""
    sizes = types.get(node.input[0], (0, []))[1]
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    whole = Range(-LARGE, LARGE)
    if node.op_type in ("Gather", "GatherElements", "ScatterElements") and index == 1:
        size = sizes[attributes.get("axis", 0)] if sizes else None
        return Range(0, (size if isinstance(size, int) else 1) - 1)
    if node.op_type in ("GatherND", "ScatterND") and index == 1:
        known = [size for size in sizes if isinstance(size, int)]
        return Range(0, min(known, default=1) - 1)
    if node.op_type == "OneHot" and index == 0:
        depth = arrays.get(node.input[1])
        return None if depth is None else Range(-2, int(depth.reshape(-1)[0]) + 1)
    if node.op_type in ("Div", "Mod") and index == 1:
        return Range(whole.low, whole.high, has_zero=False)
    if node.op_type in RECURRENT and index == 4:
        return Range(1, sizes[0] if sizes and isinstance(sizes[0], int) else 1)
    if node.op_type == "ReverseSequence" and index == 1:
        size = sizes[attributes.get("time_axis", 0)] if sizes else None
        return Range(1, size if isinstance(size, int) else 1)
    return None


def make_inputs(
    types: Sequence[TensorType], ranges: Sequence[Range | None] = (), seed: int = SEED
) -> list[np.ndarray]:
    """Return seeded inputs: standard normal, whole numbers in their ranges, and truth values."""
    return _make(types, ranges, seed, 1.0, SMALL)


def iterate_edges(types: Sequence[TensorType], ranges: Sequence[Range | None], seed: int) -> Iterator[Feed]:
    """Yield inputs at the edges of what operators do."""
    import numpy as np

    for scale in (WIDE, WIDEST):
        yield Feed(f"numbers around {scale:g}", _make(types, ranges, seed, scale, LARGE))
    arrays = _make(types, ranges, seed, 3.0, SMALL)
    halves = [
        (np.round(array.astype(np.float64) * 2) / 2).astype(array.dtype) if array.dtype.kind == "f" else array
        for array in arrays
    ]
    yield Feed("whole numbers and halves", halves)


def _make(
    types: Sequence[TensorType], ranges: Sequence[Range | None], seed: int, scale: float, most: int
) -> list[np.ndarray]:
    import numpy as np

    generator = np.random.default_rng(seed)
    arrays = []
    for type_, limits in zip(types, ranges or [None] * len(types), strict=True):
        dtype = helper.tensor_dtype_to_np_dtype(type_.elem_type)
        if type_.elem_type == onnx.TensorProto.BFLOAT16:
            values = (generator.normal(size=type_.shape) * scale).astype(dtype)
            arrays.append(values.astype(np.float32))
        elif dtype.kind == "f":
            arrays.append((generator.normal(size=type_.shape) * scale).astype(dtype))
        elif dtype.kind == "b":
            arrays.append(generator.integers(2, size=type_.shape).astype(dtype))
        else:
            kind = np.iinfo(dtype)
            pixels = Range(0, kind.max) if dtype == np.uint8 else Range(-most, most)
            limit = pixels & Range(int(kind.min), int(min(kind.max, 2**62)))
            if limits is not None:
                limit = limit & limits
            numbers = generator.integers(limit.low, limit.high + 1, size=type_.shape)
            if not limit.has_zero:
                numbers = np.where(numbers == 0, max(limit.low, 1) if limit.high > 0 else -1, numbers)
            arrays.append(numbers.astype(dtype))
    return arrays


def narrower(ranges: Sequence[Range | None]) -> Iterator[list[Range]]:
    """Yield ranges to try where a runtime refuses the wide ones: an index may be computed from the input."""
    for limit in (Range(0, SMALL), Range(0, 3), Range(0, 1), Range(1, 1)):
        yield [limit if one is None else one & limit for one in ranges]
