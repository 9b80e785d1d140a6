"""What is known of a graph's values by name before anything runs: shapes, and values that sizes make."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .reference import Reference

_MOST_BYTES = 4096
_MOST_ELEMENTS = 1024
_DEPTH = 200
Size = int | str | None  # a number, the name of a free axis, or not known

# what only moves elements, and which of its inputs those are; the others say where to
_MOVED: dict[str, slice] = {
    "Identity": slice(0, 1),
    "Squeeze": slice(0, 1),
    "Unsqueeze": slice(0, 1),
    "Gather": slice(0, 1),
    "Slice": slice(0, 1),
    "Reshape": slice(0, 1),
    "Flatten": slice(0, 1),
    "Transpose": slice(0, 1),
    "Expand": slice(0, 1),
    "Tile": slice(0, 1),
    "Concat": slice(0, None),
    "Where": slice(1, None),
}
# what computes each element by itself: one that is not known makes one that is not known
_ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Mod", "Neg", "Abs", "Min", "Max")
_LOGIC = ("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Not", "And", "Or")
_BY_ELEMENT = frozenset((*_ARITHMETIC, *_LOGIC, "Cast"))
_WHOLE = frozenset(("ConstantOfShape", "Range", "ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"))
_Computing = Callable[[Any, list[np.ndarray]], np.ndarray | None]


def opset_of(proto: Any) -> int:
    """Return the version of the standard operators that a model is written in."""
    return max([e.version for e in proto.opset_import if e.domain in ("", "ai.onnx")], default=17)


def is_large(tensor: Any) -> bool:
    """Return whether a tensor is too large to be read as a value, as sizes, axes and scales are."""
    return math.prod(tensor.dims) > _MOST_BYTES or bool(tensor.ByteSize() > _MOST_BYTES)


def inner_graphs(node: Any) -> list[Any]:
    """Return the graphs that a node holds."""
    return [a.g for a in node.attribute if a.HasField("g")]


class Facts:
    """What is known of a graph's values by name, and of those around it."""

    def __init__(self, graph: Any, opset: int, around: Facts | None = None) -> None:
        """Read the shapes that are stated in a graph; values are computed when they are asked for."""
        import onnx

        self._around, self.opset = around, opset
        self.opset_import = onnx.helper.make_opsetid("", opset)
        self._reference: Reference = around._reference if around is not None else Reference()
        self.infos = {each.name: each for each in (*graph.input, *graph.output, *graph.value_info)}
        self._tensors = {each.name: each for each in graph.initializer}
        self._values: dict[str, np.ndarray | None] = {}
        self._shapes: dict[str, list[Size] | None] = {}
        self._types: dict[str, Any] = {}  # of the tensors
        self._makers = {name: node for node in graph.node for name in node.output if name}

    def kind(self, name: str) -> int:
        """Return the number of a value's dtype as ONNX counts them, 0 where it is not known."""
        if name in self._tensors:
            return int(self._tensors[name].data_type)
        stated = self.stated(name)
        return int(stated.elem_type) if stated is not None else 0

    def stated(self, name: str) -> Any:
        """Return the type of a tensor that the graph states, None if it states none."""
        info = self.infos.get(name)
        return info.type.tensor_type if info is not None and info.type.HasField("tensor_type") else None

    def state(self, info: Any) -> None:
        """Add what has been found of a value, a ValueInfoProto, before what follows of it is asked."""
        self.infos[info.name] = info
        self._shapes.pop(info.name, None)

    def type_of(self, name: str) -> Any:
        """Return the TypeProto of a value, None where nothing is known."""
        import onnx

        if name in self._tensors and name not in self._types:
            tensor = self._tensors[name]
            self._types[name] = onnx.helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        if name in self._types:
            return self._types[name]
        info = self.infos.get(name)
        return info.type if info is not None else None

    @staticmethod
    def size(dim: Any) -> Size:
        """Return the size that an axis states: a number, the name of a free axis, or None."""
        if dim.HasField("dim_value"):
            return int(dim.dim_value)
        name = str(dim.dim_param)
        return None if not name or name.startswith("unk__") else name  # onnx's name for what it does not know

    def shape(self, name: str) -> list[Size] | None:
        """Return a value's sizes, or None if not even the rank is known."""
        if name not in self._shapes:
            self._shapes[name] = self._shape(name)
        return self._shapes[name]

    def _shape(self, name: str) -> list[Size] | None:
        if name in self._tensors:
            return list(self._tensors[name].dims)
        kind = self.stated(name)
        if kind is not None:
            return [self.size(d) for d in kind.shape.dim] if kind.HasField("shape") else None
        is_made_here = name in self._makers
        return self._around.shape(name) if self._around is not None and not is_made_here else None

    def value(self, name: str, depth: int = 0) -> np.ndarray | None:
        """Return a value as an array of objects: numbers, names of free axes, None; or None."""
        if depth > _DEPTH:
            return None
        if name not in self._values:
            self._values[name] = None  # in a circle nothing is known
            self._values[name] = self._value(name, depth)
        return self._values[name]

    def _value(self, name: str, depth: int) -> np.ndarray | None:
        if name in self._tensors:
            return _read(self._tensors[name])
        node = self._makers.get(name)
        if node is None:
            return self._around.value(name, depth + 1) if self._around is not None else None
        if node.domain not in ("", "ai.onnx"):
            return None
        made = self._made(node, depth)
        return made if made is None or made.size <= _MOST_ELEMENTS else None

    def _made(self, node: Any, depth: int) -> np.ndarray | None:
        attributes = {a.name: a for a in node.attribute}
        if node.op_type == "Constant":
            return _read(attributes["value"].t) if "value" in attributes else _listed(attributes)
        if node.op_type in ("Shape", "Size"):
            return self._measured(node, attributes)
        if node.op_type not in _MOVED and node.op_type not in _BY_ELEMENT | _WHOLE | {"Equal"}:
            return None
        given = [self.value(each, depth + 1) if each else np.empty(0, object) for each in node.input]
        arrays = [array for array in given if array is not None]
        if len(arrays) < len(given) or not _is_bounded(node.op_type, arrays):
            return None
        if node.op_type in _MOVED:
            plain = _moved_in_lists(node.op_type, arrays)
            return plain if plain is not None else _moved(node, arrays, self._computed)
        if node.op_type == "Equal":
            return _equal(*arrays)
        if node.op_type in _BY_ELEMENT:
            return _by_element(node, arrays, self._computed)
        return self._computed(node, arrays) if all(map(_is_known, arrays)) else None

    def _computed(self, node: Any, arrays: list[np.ndarray]) -> np.ndarray | None:
        """Return what onnx's reference implementation makes of whole numbers and truth values."""
        given: list[np.ndarray | None] = []
        for place, array in enumerate(arrays):
            kinds = {type(each) for each in array.reshape(-1)} if node.input[place] else {bool}
            if not kinds <= {bool} and not kinds <= {int}:  # what fractions decide is left to the run
                return None
            plain = array.astype(bool if kinds == {bool} else np.int64)
            given.append(plain if node.input[place] else None)
        own = type(node).FromString(node.SerializeToString())
        made = self._reference(own, self.opset, given, 1)
        return None if made is None else made[0].astype(object)

    def _measured(self, node: Any, attributes: Mapping[str, Any]) -> np.ndarray | None:
        shape = self.shape(node.input[0])
        if shape is None:
            return None
        if node.op_type == "Shape":
            first = attributes["start"].i if "start" in attributes else None
            last = attributes["end"].i if "end" in attributes else None
            return _objects(shape[first:last])
        known = [n for n in shape if isinstance(n, int)]
        return np.array(math.prod(known), object) if len(known) == len(shape) else None


def _objects(elements: Sequence[Any]) -> np.ndarray:
    found = np.empty(len(elements), object)
    found[:] = elements
    return found


def _read(tensor: Any) -> np.ndarray | None:
    import onnx

    if is_large(tensor) or tensor.data_type == onnx.TensorProto.STRING:
        return None
    return onnx.numpy_helper.to_array(tensor).astype(object)


def _listed(attributes: Mapping[str, Any]) -> np.ndarray | None:
    """Return what a Constant holds as numbers and not as a tensor."""
    if "value_int" in attributes:
        return np.array(attributes["value_int"].i, object)
    return _objects(list(attributes["value_ints"].ints)) if "value_ints" in attributes else None


def _is_known(array: np.ndarray) -> bool:
    return not any(each is None or isinstance(each, str) for each in array.reshape(-1))


def _is_bounded(op_type: str, arrays: list[np.ndarray]) -> bool:
    """Return whether what grows by the numbers that it is given stays small."""
    if op_type in ("ConstantOfShape", "Expand", "Tile"):
        sizes = arrays[-1].reshape(-1)
        if not all(type(n) is int and 0 <= n <= _MOST_ELEMENTS for n in sizes):
            return False
        return math.prod(sizes) * max(1, arrays[0].size if op_type != "ConstantOfShape" else 1) <= (
            _MOST_ELEMENTS
        )
    if op_type == "Range":
        numbers = [array.reshape(-1)[0] for array in arrays if array.size == 1]
        if len(numbers) != 3 or not all(type(n) is int for n in numbers) or numbers[2] == 0:
            return False
        return bool(abs(numbers[1] - numbers[0]) // abs(numbers[2]) <= _MOST_ELEMENTS)
    return True


def _moved_in_lists(op_type: str, arrays: list[np.ndarray]) -> np.ndarray | None:
    """Return what the commonest moves make of numbers and lists of them, or None: most of a graph's sizes."""
    first = arrays[0]
    if op_type == "Identity":
        return first
    if op_type == "Concat":
        return np.concatenate(arrays) if all(array.ndim == 1 for array in arrays) else None
    if op_type == "Unsqueeze":
        return first.reshape(1) if first.ndim == 0 and [a.size for a in arrays[1:]] == [1] else None
    if op_type == "Squeeze":
        return first.reshape(()) if first.shape == (1,) else None
    if op_type == "Gather" and first.ndim == 1 and _is_known(arrays[1]):
        places = arrays[1].reshape(-1)
        if all(type(n) is int and -len(first) <= n < len(first) for n in places):
            return _objects([first[n] for n in places]).reshape(arrays[1].shape)
    return None


def _moved(node: Any, arrays: list[np.ndarray], computed: _Computing) -> np.ndarray | None:
    """Move the numbers of elements in the elements' place, and look up which they are."""
    moving = range(len(arrays))[_MOVED[node.op_type]]
    elements: list[Any] = []
    numbered = []
    for place, array in enumerate(arrays):
        if place not in moving or not node.input[place]:
            if not _is_known(array):
                return None
            numbered.append(array)
            continue
        numbers = np.arange(len(elements), len(elements) + array.size).reshape(array.shape)
        elements += list(array.reshape(-1))
        numbered.append(numbers.astype(object))
    made = computed(node, numbered)
    if made is None:
        return None
    return _objects([elements[int(n)] for n in made.reshape(-1)]).reshape(made.shape)


def _equal(one: np.ndarray, other: np.ndarray) -> np.ndarray | None:
    """Return where two are equal: a free axis is itself, and never negative; the rest is not known."""
    try:
        pairs = np.broadcast(one, other)
    except ValueError:
        return None
    found: list[bool | None] = []
    for a, b in pairs:
        names = sum(isinstance(each, str) for each in (a, b))
        numbers = [each for each in (a, b) if type(each) is int]
        if names == 2 and a == b:
            found.append(True)
        elif names == 1 and numbers:
            found.append(False if numbers[0] < 0 else None)
        else:
            found.append(None if names or None in (a, b) else bool(a == b))
    return _objects(found).reshape(pairs.shape)


def _by_element(node: Any, arrays: list[np.ndarray], computed: _Computing) -> np.ndarray | None:
    """Compute what is known, with ones in the place of what is not."""
    unknown = [np.array([not _is_known(np.array(n)) for n in a.reshape(-1)]).reshape(a.shape) for a in arrays]
    filled = [
        np.where(mask, 1, array) if mask.any() else array for mask, array in zip(unknown, arrays, strict=True)
    ]
    made = computed(node, filled)
    if made is None:
        return None
    if not any(mask.any() for mask in unknown):
        return made
    found = made.copy().reshape(-1)
    for mask in unknown:
        found[np.broadcast_to(mask, made.shape).reshape(-1)] = None
    return found.reshape(made.shape)
