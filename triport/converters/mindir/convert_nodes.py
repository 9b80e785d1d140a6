"""The nodes of a MindIR graph in their order, each by its operator's converter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx

from triport.converters.formats.tensors import short
from triport.reference_models.errors import counted, listed

from .all_images import AllImages, join_images
from .builder import Builder
from .call import MindirCall
from .errors import ConverterFaultError, UnsupportedOperatorsError
from .graph import MindirNode, TensorType
from .image_loops import IMAGE_LOOP, LoopBody
from .operators import MindirOperator, load_operators
from .storage import Cell, contains, iterate_cells, iterate_types, store
from .values import TypedValue, UnsupportedCallError, value_of

MAX_REASON, MAX_PROBLEMS, MAX_PLACES = 300, 20, 5  # of an error: characters, operators, places of each
ADVICE = "Add a converter in converters/mindir/operators/, or change the layer."
FAULT_ADVICE = (
    "What is not understood comes from a damaged file; if MindSpore itself wrote this file so, it is a fault "
    "of triport: report it, with what --debug prints."
)
COMPLEX = (onnx.TensorProto.COMPLEX64, onnx.TensorProto.COMPLEX128)
NO_CONVERTER = "no converter"
# what a node reads that comes from a call that was refused
UNKNOWN: Any = object()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a node: converted, refused for a reason, or not judged as what it reads was refused.

    `cause` is what a converter raised that failed.
    """

    node: MindirNode
    reason: str = ""
    is_judged: bool = True
    cause: BaseException | None = None


def convert_nodes(
    nodes: Iterable[MindirNode],
    entries: dict[str, Any],
    builder: Builder,
    batch_axes: Mapping[str, tuple[int, int]],
) -> list[Outcome]:
    """Convert all that can be, adding each node's result to the entries, and return what became of each."""
    operators = load_operators()
    outcomes = []
    for node in nodes:
        read = [entries[id_] for id_ in node.inputs]
        if node.primitive == IMAGE_LOOP:
            builder.result_batch = batch_axes.get(node.id)
            entries[node.id], found = _convert_loop(node, read, builder)
            outcomes += found
            continue
        operator = operators.get(node.primitive)
        if any(contains(entry, UNKNOWN) for entry in read):
            entries[node.id] = UNKNOWN
            outcomes.append(Outcome(node, "" if operator else NO_CONVERTER, is_judged=operator is None))
            continue
        builder.result_batch = batch_axes.get(node.id)
        try:
            entries[node.id] = _convert_node(node, operator, read, builder)
            outcomes.append(Outcome(node))
        except UnsupportedCallError as error:
            entries[node.id] = UNKNOWN
            outcomes.append(Outcome(node, str(error), cause=error.__cause__))
    return outcomes


def _convert_loop(node: MindirNode, read: Sequence[Any], builder: Builder) -> tuple[Any, list[Outcome]]:
    """Return the entry that a loop over the images makes, and what became of its nodes, itself the last."""
    loop: LoopBody = node.attributes["body"]
    rows, kept = read[: len(loop.rows)], read[len(loop.rows) :]
    if any(contains(entry, UNKNOWN) for entry in read):
        return UNKNOWN, [Outcome(node, is_judged=False)]
    body = builder.begin_body()
    body.scope = place_of(node)
    inputs = [body.add_body_input(TensorType(type_.elem_type, type_.shape[1:])) for type_ in loop.rows]
    entries: dict[str, Any] = {
        **loop.constants,
        **{f"kept{number}": entry for number, entry in enumerate(kept)},
        **{f"only{number}": Cell(value) for number, value in enumerate(inputs)},
        **{f"row{number}": Cell(body.unsqueeze(value, [0])) for number, value in enumerate(inputs)},
    }
    nodes = (replace(one, scope=scope) for one, scope in zip(loop.nodes, loop.scopes, strict=True))
    outcomes = convert_nodes(nodes, entries, body, {})
    result = entries[loop.output]
    if any(outcome.reason for outcome in outcomes):
        return UNKNOWN, outcomes
    builder.scope = place_of(node)
    builder.result_type = node.type if isinstance(node.type, TensorType) else None
    try:
        given = {value.name: one.value for value, one in zip(inputs, rows, strict=True)}
        together = AllImages(builder, body, given).make(result.value)
        joined = join_images(builder, together, loop.axis, loop.is_stacked)
        _check_type(joined, node.type)
    except UnsupportedCallError as error:
        return UNKNOWN, [*outcomes, Outcome(node, str(error), cause=error.__cause__)]
    return store(builder.settle(joined)), outcomes


def refuse(outcomes: Sequence[Outcome], opset: int) -> None:
    """Do nothing if every node was converted.

    Raises:
        UnsupportedOperatorsError: some were not; all are listed, with their places.
    """
    problems: dict[str, list[str]] = {}
    refused = [outcome for outcome in outcomes if outcome.reason]
    for outcome in refused:
        problem = f"{short(outcome.node.primitive)}: {short(outcome.reason, MAX_REASON)}"
        problems.setdefault(problem, []).append(short(place_of(outcome.node)))
    if not problems:
        return
    cause = next((outcome.cause for outcome in refused if outcome.cause is not None), None)
    lines = [f"{problem}\n  {listed(places, MAX_PLACES)}" for problem, places in problems.items()]
    kind = UnsupportedOperatorsError if cause is None else ConverterFaultError
    raise kind(
        f"{counted(len(refused), 'operator cannot', 'operators cannot')} be converted to ONNX opset "
        f"{opset}\n"
        f"{listed(lines, MAX_PROBLEMS)}\n"
        f"{ADVICE if cause is None else FAULT_ADVICE}"
    ) from cause


def place_of(node: MindirNode) -> str:
    """Return which layer a node belongs to, in words."""
    return node.scope.removeprefix("Default/") or node.id.rpartition(":")[0] or node.id


def _convert_node(
    node: MindirNode, operator: MindirOperator | None, read: list[Any], builder: Builder
) -> Any:
    """Return the entry that a node makes."""
    operator = _check_node(node, operator, read, builder.opset)
    call = MindirCall(node, read, builder, operator)
    builder.scope = place_of(node)
    builder.result_type = node.type if isinstance(node.type, TensorType) else None
    try:
        result = operator.convert(call, builder)
    except (ArithmeticError, AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        raise UnsupportedCallError(
            f"triport failed on it, {error!r}: its own fault, if the file is not damaged; please report it"
        ) from error
    call.check_read()
    if isinstance(result, TypedValue):
        _check_type(result, node.type)
        result = builder.settle(result)
    if operator.in_place is not None:
        return _written_into(read[operator.in_place], result)
    stored = store(result)
    if operator.is_view:
        for cell in (*iterate_cells(read[0]), *iterate_cells(stored)):
            cell.is_shared = True
    return stored


def _check_node(
    node: MindirNode, operator: MindirOperator | None, read: Sequence[Any], opset: int
) -> MindirOperator:
    """Return the operator, or refuse what no operator of ONNX, or none of this opset, does."""
    found = {type_.elem_type for type_ in (*iterate_types(node.type), *iterate_types(tuple(read)))}
    complex_ = next((elem_type for elem_type in COMPLEX if elem_type in found), None)
    if complex_ is not None:
        name = onnx.TensorProto.DataType.Name(complex_).lower()
        raise UnsupportedCallError(
            f"it works with {name}, and ONNX's operators do not: keep real and imaginary part as two tensors"
        )
    if operator is None:
        raise UnsupportedCallError(NO_CONVERTER)
    if opset < operator.lowest_opset:
        raise UnsupportedCallError(f"it needs opset {operator.lowest_opset} or later")
    if any(size < 0 for type_ in iterate_types(node.type) for size in type_.shape):
        raise UnsupportedCallError("the size of its result depends on values, or is damaged")
    return operator


def _written_into(cell: Any, result: Any) -> Cell:
    """Let storage hold the result of an in-place operator."""
    if not isinstance(cell, Cell) or cell.is_parameter:
        raise UnsupportedCallError("it writes into a parameter or constant")
    if cell.is_shared:
        raise UnsupportedCallError("it writes into a tensor that shares its storage with a view")
    if result.type != cell.value.type:
        raise UnsupportedCallError(f"it writes {result.type} into {cell.value.type}")
    cell.value = result
    return cell


def _check_type(result: TypedValue, stated: Any) -> None:
    """Refuse a result that is not what the file states: nodes are checked, but not each result is a node."""
    found = value_of(result.ir).type
    if isinstance(stated, TensorType) and not found == result.type == stated:
        raise UnsupportedCallError(
            f"its result has the shape {found.shape}, {stated.shape} is stated: the file contradicts itself"
        )
