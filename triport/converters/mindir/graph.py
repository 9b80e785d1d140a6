"""A MindIR graph, small and typed, as the reader gives it and as everything else takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx

from triport.reference_models.errors import TriportError


class MindirError(TriportError):
    """The file is no MindIR that can be read."""


@dataclass(frozen=True, slots=True)
class TensorType:
    """What a value is: element type (as ONNX numbers them) and the shape it was traced with."""

    elem_type: int
    shape: tuple[int, ...]


ValueType = TensorType | tuple["ValueType", ...] | None  # None: monads and the like


@dataclass(frozen=True, slots=True)
class MindirTensor:
    """Constant or parameter data, little-endian and contiguous; a graph without values has no parameter's."""

    type: TensorType
    data: bytes


@dataclass(frozen=True, slots=True)
class MindirParameter:
    """A trained tensor; `name` is MindSpore's `param.name`."""

    name: str
    tensor: MindirTensor


class Monad:
    """The token that orders side effects (UMonad, IOMonad)."""


class Closure:
    """A graph or primitive as a value, which only control flow has."""


@dataclass(frozen=True, slots=True)
class MindirNode:
    """One call of a primitive; `scope` says which layer it belongs to."""

    id: str
    primitive: str
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    type: ValueType
    scope: str

    def __str__(self) -> str:
        return f"{self.primitive} at {self.scope or self.id}"


class UnknownSizeError(MindirError):
    """The file was exported with unknown sizes; `inputs` has the inputs by name, -1 where unknown.

    `graph_name` and `nodes` are what else the file says of itself.
    """

    def __init__(
        self, label: str, inputs: Mapping[str, TensorType], graph_name: str, nodes: Sequence[MindirNode]
    ) -> None:
        unknown = (
            f"input {name.rpartition(':')[2]!r} has the shape ({', '.join(map(_size_text, type_.shape))})"
            for name, type_ in inputs.items()
            if min(type_.shape, default=0) < 0
        )
        super().__init__(
            f"{label}: {'; '.join(unknown)}: export with fixed sizes; the batch axis, the first one, may "
            "stay unknown, or becomes free where the graph allows"
        )
        self.inputs, self.graph_name, self.nodes = inputs, graph_name, nodes

    @property
    def is_only_batch(self) -> bool:
        """Whether nothing but the first axis is unknown."""
        return all(size >= 0 for type_ in self.inputs.values() for size in type_.shape[1:])


def _size_text(size: int) -> str:
    return str(size) if size >= 0 else "unknown"


@dataclass(frozen=True, slots=True)
class Graph:
    """A MindIR main graph; ids connect inputs, parameters, constants, nodes (in order) and outputs.

    `output_names` are what the Cell calls its tensors, which MindIR does not say; empty if nobody knows.
    `batch_axes` are the values' axes that grow with the batch, and by how many elements for one image, where
    that is known, `steady` the values whose shape no batch size changes, and `unsettled` those of which it
    changes otherwise (see `batch_facts`).
    """

    name: str
    inputs: Mapping[str, TensorType]
    parameters: Mapping[str, MindirParameter]
    constants: Mapping[str, Any]
    nodes: tuple[MindirNode, ...]
    outputs: tuple[str, ...]
    output_names: tuple[str, ...] = ()
    batch_axes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    steady: frozenset[str] = frozenset()
    unsettled: frozenset[str] = frozenset()


def item_size(elem_type: int) -> int:
    """Return the bytes of an element of a type, as ONNX numbers types."""
    return (
        onnx.helper.tensor_dtype_to_np_dtype(elem_type).itemsize
        if elem_type != onnx.TensorProto.BFLOAT16
        else 2
    )
