"""At which special numbers MindSpore's kernels give something else than the file: the note on a graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import onnx

from triport.reference_models.errors import counted

from .graph import Graph, MindirTensor, TensorType
from .operators import load_operators

_WHOLE = frozenset(
    getattr(onnx.TensorProto, name)
    for name in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
)
_MOST_NAMED = 8

# what begins with one of these needs a tensor of the kind; anything else needs one of floats
_NEEDS: Mapping[str, Callable[[TensorType], bool]] = {
    "whole numbers": lambda type_: type_.elem_type in _WHOLE,
    "int64": lambda type_: type_.elem_type == onnx.TensorProto.INT64,
    "no elements": lambda type_: not math.prod(type_.shape),
    "equals": lambda type_: True,
}


def note_of(graph: Graph) -> str | None:
    """Return which operators of a graph differ from the file, and at which numbers; None where none does."""
    types = dict(_types(graph))
    found: dict[str, list[str]] = {}
    for node in graph.nodes:
        operator = load_operators().get(node.primitive)
        if operator is not None and operator.differs:
            of_node = [type_ for id_ in node.inputs if (type_ := types.get(id_)) is not None]
            numbers = [each for each in _numbers(operator.differs) if _can_meet(each, of_node)]
            found.setdefault(node.primitive, []).extend(numbers)
    named = [f"{name} ({', '.join(dict.fromkeys(numbers))})" for name, numbers in found.items() if numbers]
    if not named:
        return None
    more = f" and {counted(len(named) - _MOST_NAMED, 'other')}" if len(named) > _MOST_NAMED else ""
    return (
        "MindSpore's own kernels give something else than the file at special numbers: "
        f"{', '.join(named[:_MOST_NAMED])}{more}. docs/operators.md says what"
    )


def _numbers(differs: str) -> Iterator[str]:
    """Yield the numbers that an operator's text speaks of, without what they give."""
    for part in differs.split("; "):
        yield part.partition(": ")[0]


def _can_meet(numbers: str, types: list[TensorType]) -> bool:
    """Whether one of an operator's inputs can have such numbers."""
    needs = next((test for word, test in _NEEDS.items() if numbers.startswith(word)), _is_float)
    return any(map(needs, types))


def _is_float(type_: TensorType) -> bool:
    return type_.elem_type not in _WHOLE and type_.elem_type != onnx.TensorProto.BOOL


def _types(graph: Graph) -> Iterator[tuple[str, TensorType]]:
    """Yield the type of every tensor by its id."""
    yield from graph.inputs.items()
    yield from ((id_, parameter.tensor.type) for id_, parameter in graph.parameters.items())
    yield from (
        (id_, value.type) for id_, value in graph.constants.items() if isinstance(value, MindirTensor)
    )
    yield from ((node.id, node.type) for node in graph.nodes if isinstance(node.type, TensorType))
