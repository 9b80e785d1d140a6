"""From the typed MindIR graph to an ONNX model: nodes one by one, then the passes of `passes/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper

from triport.reference_models.errors import TriportError

from .builder import Builder
from .call import array_from_tensor
from .convert_nodes import Outcome, convert_nodes, refuse
from .errors import TooLargeError, UnsupportedOperatorsError
from .graph import Graph, MindirTensor
from .limits import MAX_BYTES, find_too_large
from .names import name_inputs, name_outputs, name_parameters
from .passes import run_passes
from .storage import Cell
from .values import TypedValue, make_value

LOWEST_OPSET, DEFAULT_OPSET, HIGHEST_OPSET = 11, 17, 21


def onnx_from_graph(
    graph: Graph,
    *,
    opset: int = DEFAULT_OPSET,
    rename: Mapping[str, str] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    free_batch: bool = True,
    keep_parameters: bool = True,
) -> onnx.ModelProto:
    """Return the MindIR graph as an ONNX model.

    `rename` maps `param.name`s to initializer names; those that are not in it keep theirs. One
    input is called "input", one output "logits", unless other names are given. With `free_batch`
    the first axis of each input and output is free, which is then checked. Without `keep_parameters` they
    become further inputs, and no byte of theirs is copied.

    Raises:
        UnsupportedOperatorsError: some operators cannot be converted; all are listed.
        FixedBatchError: the batch size is part of the graph.
        TriportError: the opset is out of range, or names clash.
    """
    begun = _begin(graph, opset, rename or {}, input_names, free_batch)
    refuse(begun.convert(graph), opset)
    builder = begun.builder
    outputs = [value for id_ in graph.outputs for value in _flatten(begun.entries[id_], builder)]
    if not outputs:
        raise UnsupportedOperatorsError("the graph returns no tensor, only None or constants")
    names = name_outputs(graph, len(outputs), output_names, begun.reserved)
    model = ir.Model(
        builder.graph,
        ir_version=helper.find_min_ir_version_for([helper.make_opsetid("", opset)]),
        producer_name="triport",
    )
    builder.graph.name = graph.name.rpartition("construct")[0].strip("_") or "main"
    steady = begun.find_steady(graph, outputs)
    run_passes(model, outputs, names, begun.batch_size, builder, steady)
    if not keep_parameters:
        _declare_parameters(builder.graph, begun.reserved)
    return ir.to_proto(model)


def outcomes_of(graph: Graph, opset: int = DEFAULT_OPSET) -> list[Outcome]:
    """Return what would become of each node, with the batch size that was traced.

    Raises:
        TriportError: the opset is out of range, or the graph is too large.
    """
    return _begin(graph, opset, {}, None, free_batch=False).convert(graph)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A graph with inputs, parameters and constants; `batch_size` is the traced one where it is free."""

    builder: Builder
    entries: dict[str, Any]
    reserved: set[str]
    batch_size: int | None

    def convert(self, graph: Graph) -> list[Outcome]:
        """Convert the nodes."""
        axes = graph.batch_axes if self.batch_size is not None else {}
        return convert_nodes(graph.nodes, self.entries, self.builder, axes)

    def find_steady(self, graph: Graph, outputs: Sequence[TypedValue]) -> set[str]:
        """Return the names of the values whose shape is known to be the same at each batch size.

        An output that is a constant is no cell, and one of them if a second trace was compared.
        """
        constants = {value.name for value in outputs if self.builder.get_array(value) is not None}
        steady, grown = (
            {cell.value.name for id_ in ids if isinstance(cell := self.entries.get(id_), Cell)}
            for ids in ({*graph.steady, *graph.parameters}, {*graph.batch_axes, *graph.unsettled})
        )
        return (steady | constants if graph.steady else steady) - grown


def _begin(
    graph: Graph, opset: int, rename: Mapping[str, str], input_names: Sequence[str] | None, free_batch: bool
) -> _Begun:
    if not LOWEST_OPSET <= opset <= HIGHEST_OPSET:
        raise TriportError(f"opset {opset}: expected {LOWEST_OPSET} to {HIGHEST_OPSET}")
    problem = find_too_large(graph)
    if problem is not None:
        raise TooLargeError(
            f"{problem}, and what is converted is also run, with at most {MAX_BYTES >> 30} GiB: trace the "
            "Cell with a smaller batch or smaller inputs, or export a damaged file again"
        )
    parameters, inputs = name_parameters(graph, rename), name_inputs(graph, input_names)
    values = [make_value(name, graph.inputs[id_]) for id_, name in inputs.items()]
    batched = [value for value in values if value.shape] if free_batch else []
    builder = Builder(opset, batched[0] if batched else None)
    entries: dict[str, Any] = dict(graph.constants)
    for id_, name in parameters.items():
        entries[id_] = Cell(_add_parameter(builder, name, graph.parameters[id_].tensor), is_parameter=True)
    for id_, value in zip(inputs, values, strict=True):
        entries[id_] = Cell(value)
        builder.add_input(value)
    if batched and graph.batch_axes:
        builder.is_batch_known = True
        entries.update(_free_constants(graph, builder))
    reserved = {*parameters.values(), *inputs.values()}
    return _Begun(builder, entries, reserved, batched[0].shape[0] if batched else None)


def _declare_parameters(graph: ir.Graph, parameters: set[str]) -> None:
    """Make inputs of the initializers with these names."""
    for name in [name for name in graph.initializers if name in parameters]:
        value = graph.initializers.pop(name)
        assert value.const_value is not None
        value.type, value.shape = (
            ir.TensorType(value.const_value.dtype),
            ir.Shape(value.const_value.shape.numpy()),
        )
        value.const_value = None
        graph.inputs.append(value)


def _add_parameter(builder: Builder, name: str, tensor: MindirTensor) -> TypedValue:
    """Add an initializer whose bytes stay where they are until the graph is written."""
    value = make_value(name, tensor.type)
    dtype, shape = ir.DataType(tensor.type.elem_type), ir.Shape(tensor.type.shape)

    def read() -> ir.Tensor:
        array = np.frombuffer(tensor.data, dtype.numpy()).reshape(tensor.type.shape)
        return ir.Tensor(array, dtype, name=name)

    value.ir.const_value = ir.LazyTensor(read, dtype, shape, name=name)
    builder.graph.initializers[name] = value.ir
    return value


def _free_constants(graph: Graph, builder: Builder) -> dict[str, Cell]:
    """Return the constants that grow with the batch, as many rows as the batch has."""
    freed = {}
    builder.scope = "batch"  # they are of no layer
    for id_, (axis, inner) in graph.batch_axes.items():
        tensor = graph.constants.get(id_)
        if isinstance(tensor, MindirTensor):
            value = builder.constant(array_from_tensor(tensor), tensor.type.elem_type)
            freed[id_] = Cell(builder.spread(value, axis, inner))
    return freed


def _flatten(entry: Any, builder: Builder) -> list[TypedValue]:
    """Return the tensors of an output; None and constants are no computation (see `describe_left_out`)."""
    if isinstance(entry, tuple | list):
        return [value for item in entry for value in _flatten(item, builder)]
    if isinstance(entry, Cell):
        return [entry.value]
    if isinstance(entry, MindirTensor):
        return [builder.constant(array_from_tensor(entry), entry.type.elem_type)]
    return []
