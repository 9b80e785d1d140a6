"""From the typed MindIR graph to an ONNX model.

Every MindIR value becomes an entry: a `Cell` (storage that holds a tensor), a tuple of entries, or
a Python constant. MindSpore's in-place operators write into a cell, `Load` copies one, and tuples
keep the cells themselves, so that a later read sees what was written. ONNX has no storage: a cell
merely says which ONNX value it holds now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import onnx
from onnx import helper

from triport.converters.formats.tensors import short
from triport.reference_models.errors import TriportError, listed

from .builder import Builder, UnsupportedCallError, Value
from .call import Call, Cell, array_from_tensor
from .inferred import infer
from .limits import MAX_BYTES, find_too_large
from .operators import Operator, load_operators
from .outputs import unique
from .reader import Graph, Node, Tensor, TensorType

LOWEST_OPSET, DEFAULT_OPSET, HIGHEST_OPSET = 11, 17, 21
BATCH = "N"
MAX_REASON, MAX_PROBLEMS, MAX_PLACES = 300, 20, 5  # of an error: characters, operators, places of each
ADVICE = "Add a converter in converters/mindir/operators/, or change the layer."
FAULT_ADVICE = (
    "What is not understood comes from a damaged file; if MindSpore itself wrote this file so, it is a fault "
    "of triport: report it, with what --debug prints."
)
COMPLEX = (onnx.TensorProto.COMPLEX64, onnx.TensorProto.COMPLEX128)
BURNT_ADVICE = "Reshape with -1 for the batch axis in the Cell, or convert with a fixed batch size."


class UnsupportedOperatorsError(TriportError):
    """Some of the graph's operators cannot be written as ONNX."""


class ConverterFaultError(UnsupportedOperatorsError):
    """A converter failed, which no layer is to blame for; what it raised is the cause."""


class TooLargeError(TriportError):
    """The graph states sizes that no machine has memory for."""


class BurntBatchError(TriportError):
    """The batch size with which the graph was traced is part of it."""


def onnx_from_graph(
    graph: Graph,
    *,
    opset: int = DEFAULT_OPSET,
    rename: Mapping[str, str] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    free_batch: bool = True,
) -> onnx.ModelProto:
    """Return the MindIR graph as an ONNX model.

    `rename` maps `param.name`s to initializer names; those that are not in it keep theirs. One
    input is called "input", one output "logits", unless other names are given. With `free_batch`
    the first axis of each input and output is free, which is then checked.

    Raises:
        UnsupportedOperatorsError: some operators cannot be converted; all are listed.
        BurntBatchError: the batch size is burnt in.
        TriportError: the opset is out of range, or names clash.
    """
    if not LOWEST_OPSET <= opset <= HIGHEST_OPSET:
        raise TriportError(f"opset {opset}: expected {LOWEST_OPSET} to {HIGHEST_OPSET}")
    problem = find_too_large(graph)
    if problem is not None:
        raise TooLargeError(
            f"{problem}, and what is converted is also run, with at most {MAX_BYTES >> 30} GiB: trace the "
            "Cell with a smaller batch or smaller inputs, or export a damaged file again"
        )
    entries: dict[str, Any] = dict(graph.constants)
    parameters = _name_parameters(graph, rename or {})
    for id_, name in parameters.items():
        entries[id_] = Cell(Value(name, graph.parameters[id_].tensor.type), is_parameter=True)
    inputs = _name_inputs(graph, input_names)
    values = [Value(name, graph.inputs[id_]) for id_, name in inputs.items()]
    batched = [value for value in values if value.shape] if free_batch else []
    batch_shape = batched[0].shape[:1] if batched else ()
    builder = Builder(opset, batched[0] if batched else None)
    for id_, value in zip(inputs, values, strict=True):
        entries[id_] = Cell(value)
        builder.add_input(value)

    if batched and graph.batch_axes:
        builder.is_batch_known = True
        entries.update(_free_constants(graph, builder))
    _convert_nodes(graph.nodes, entries, builder, graph.batch_axes if batched else {})

    outputs = [value for id_ in graph.outputs for value in _flatten(entries[id_], builder)]
    reserved = {*parameters.values(), *inputs.values()}
    names = _name_outputs(graph, outputs, output_names, reserved)
    nodes = _name_nodes(_end_in_outputs(builder, outputs, names), reserved | set(names), names)
    used = {name for node in nodes for name in node.input}

    given = [
        _describe(value.name, value.type, bool(batch_shape) and value.shape[:1] == batch_shape)
        for value in values
    ]
    model = helper.make_model_gen_version(
        helper.make_graph(
            nodes,
            graph.name.rpartition("construct")[0].strip("_") or "main",
            given,
            [_describe(name, value.type, False) for name, value in zip(names, outputs, strict=True)],
            [
                _initializer(name, graph.parameters[id_].tensor)
                for id_, name in parameters.items()
                if name in used
            ],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        producer_name="triport",
    )
    if free_batch and batch_shape:
        places = zip(names, map(builder.get_batch_axis, outputs), strict=True)
        _free_outputs(model, batch_shape[0], {name: axis for name, axis in places if axis is not None})
    return model


def _describe(name: str, type_: TensorType, is_batch_free: bool) -> onnx.ValueInfoProto:
    shape: list[int | str] = list(type_.shape)
    if is_batch_free:
        shape[0] = BATCH
    return helper.make_tensor_value_info(name, type_.elem_type, shape)


def _free_constants(graph: Graph, builder: Builder) -> dict[str, Cell]:
    """Return the constants that grow with the batch, as many rows as the batch has."""
    freed = {}
    for id_, (axis, inner) in graph.batch_axes.items():
        tensor = graph.constants.get(id_)
        if isinstance(tensor, Tensor) and inner == 1:
            value = builder.constant(array_from_tensor(tensor), tensor.type.elem_type)
            freed[id_] = Cell(builder.spread(value, axis))
    return freed


def _convert_nodes(
    nodes: Iterable[Node],
    entries: dict[str, Any],
    builder: Builder,
    batch_axes: Mapping[str, tuple[int, int]],
) -> None:
    """Convert in order, adding each node's result to the entries; gather what cannot be converted."""
    operators = load_operators()
    problems: dict[str, list[str]] = {}
    cause: BaseException | None = None
    unknown: Any = object()
    for node in nodes:
        read = [entries[id_] for id_ in node.inputs]
        if any(_contains(entry, unknown) for entry in read):
            # what depends on an unsupported call is not judged, only looked up
            entries[node.id] = unknown
            if node.primitive not in operators:
                problems.setdefault(f"{short(node.primitive)}: no converter", []).append(_get_scope(node))
            continue
        operator = operators.get(node.primitive)
        builder.result_batch = batch_axes.get(node.id)
        try:
            entries[node.id] = _convert_node(node, operator, read, builder)
        except UnsupportedCallError as error:
            cause = cause or error.__cause__
            reason = f"{short(node.primitive)}: {short(str(error), MAX_REASON)}"
            problems.setdefault(reason, []).append(_get_scope(node))
            entries[node.id] = unknown
    if problems:
        count = sum(map(len, problems.values()))
        lines = [
            f"{problem}\n  {listed([short(scope) for scope in scopes], MAX_PLACES)}"
            for problem, scopes in problems.items()
        ]
        kind = UnsupportedOperatorsError if cause is None else ConverterFaultError
        raise kind(
            f"{count} operators cannot be converted to ONNX opset {builder.opset}\n"
            f"{listed(lines, MAX_PROBLEMS)}\n"
            f"{ADVICE if cause is None else FAULT_ADVICE}"
        ) from cause


def _convert_node(node: Node, operator: Operator | None, read: list[Any], builder: Builder) -> Any:
    found = {type_.elem_type for type_ in (*_iterate_types(node.type), *_iterate_types(tuple(read)))}
    complex_ = next((elem_type for elem_type in COMPLEX if elem_type in found), None)
    if complex_ is not None:
        name = onnx.TensorProto.DataType.Name(complex_).lower()
        raise UnsupportedCallError(
            f"it works with {name}, and ONNX's operators do not: keep real and imaginary part as two tensors"
        )
    if operator is None:
        raise UnsupportedCallError("no converter")
    if builder.opset < operator.lowest_opset:
        raise UnsupportedCallError(f"it needs opset {operator.lowest_opset} or later")
    if any(size < 0 for type_ in _iterate_types(node.type) for size in type_.shape):
        raise UnsupportedCallError("the size of its result depends on values, or is damaged")
    call = Call(node, read, builder, operator)
    builder.scope = _get_scope(node)
    builder.result_type = node.type if isinstance(node.type, TensorType) else None
    try:
        result = operator.convert(call, builder)
    except (ArithmeticError, AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        raise UnsupportedCallError(
            f"triport failed on it, {error!r}: its own fault, if the file is not damaged; please report it"
        ) from error
    call.check_read()
    if isinstance(result, Value):
        _check_type(result, node.type, builder)
        result = builder.settle(result)
    if operator.in_place is None:
        stored = _store(result)
        if operator.is_view:
            for cell in (*_iterate_cells(read[0]), *_iterate_cells(stored)):
                cell.is_shared = True
        return stored
    cell = read[operator.in_place]
    if not isinstance(cell, Cell) or cell.is_parameter:
        raise UnsupportedCallError("it writes into a parameter or constant")
    if cell.is_shared:
        raise UnsupportedCallError("it writes into a tensor that shares its storage with a view")
    if result.type != cell.value.type:
        raise UnsupportedCallError(f"it writes {result.type} into {cell.value.type}")
    cell.value = result
    return cell


def _check_type(result: Value, stated: Any, builder: Builder) -> None:
    """Refuse a result that is not what the file states: nodes are checked, but not each result is a node."""
    known = builder.get_value(result.name)
    found = result.type if known is None else known.type
    if isinstance(stated, TensorType) and not found == result.type == stated:
        raise UnsupportedCallError(
            f"its result has the shape {found.shape}, {stated.shape} is stated: the file contradicts itself"
        )


def _iterate_types(entry: Any) -> Iterator[TensorType]:
    """Yield the types of tensors in a node's type or in what it reads."""
    if isinstance(entry, TensorType):
        yield entry
    elif isinstance(entry, Tensor):
        yield entry.type
    elif isinstance(entry, Cell):
        yield entry.value.type
    elif isinstance(entry, tuple):
        for item in entry:
            yield from _iterate_types(item)


def _iterate_cells(entry: Any) -> Iterator[Cell]:
    if isinstance(entry, Cell):
        yield entry
    elif isinstance(entry, tuple):
        for item in entry:
            yield from _iterate_cells(item)


def _contains(entry: Any, unknown: Any) -> bool:
    return entry is unknown or (isinstance(entry, tuple) and any(_contains(item, unknown) for item in entry))


def _store(result: Any) -> Any:
    """Give each tensor that a node made a cell of its own."""
    if isinstance(result, Value):
        return Cell(result)
    if isinstance(result, tuple | list):
        return tuple(_store(item) for item in result)
    return result


def _get_scope(node: Node) -> str:
    return node.scope.removeprefix("Default/") or node.id.rpartition(":")[0] or node.id


def _flatten(entry: Any, builder: Builder) -> list[Value]:
    """Return the tensors of an output; None and constants are no computation (see `describe_left_out`)."""
    if isinstance(entry, tuple | list):
        return [value for item in entry for value in _flatten(item, builder)]
    if isinstance(entry, Cell):
        return [entry.value]
    if isinstance(entry, Tensor):
        return [builder.constant(array_from_tensor(entry), entry.type.elem_type)]
    return []


def _name_outputs(
    graph: Graph, outputs: Sequence[Value], given: Sequence[str] | None, reserved: set[str]
) -> list[str]:
    if not outputs:
        raise UnsupportedOperatorsError("the graph returns no tensor, only None or constants")
    names = list(given or unique(graph.output_names, sorted(reserved)))
    names = names or (["logits"] if len(outputs) == 1 else [f"output_{i}" for i in range(len(outputs))])
    if len(names) != len(outputs):
        raise TriportError(f"{len(names)} output names were given for {len(outputs)} outputs")
    return names


def _name_parameters(graph: Graph, rename: Mapping[str, str]) -> dict[str, str]:
    names = {id_: rename.get(parameter.name, parameter.name) for id_, parameter in graph.parameters.items()}
    clashes = sorted(name for name, count in Counter(names.values()).items() if count > 1)
    if clashes:
        raise TriportError(
            f"{len(clashes)} initializer names would be used twice\n{listed(map(short, clashes))}"
        )
    return names


def _name_inputs(graph: Graph, given: Sequence[str] | None) -> dict[str, str]:
    names = list(given or (["input"] if len(graph.inputs) == 1 else []))
    names = names or [id_.rpartition(":")[2] for id_ in graph.inputs]
    if len(names) != len(graph.inputs):
        raise TriportError(f"{len(names)} input names were given for {len(graph.inputs)} inputs")
    return dict(zip(graph.inputs, names, strict=True))


def _end_in_outputs(builder: Builder, outputs: list[Value], names: list[str]) -> list[onnx.NodeProto]:
    """Return the nodes that the outputs need, the values renamed to the outputs' names.

    An output that is an input, a parameter or another output gets an Identity of its own.
    """
    renamed: dict[str, str] = {}
    copies = []
    for value, name in zip(outputs, names, strict=True):
        if builder.get_producer(value) is None or value.name in renamed:
            copies.append(helper.make_node("Identity", [value.name], [name], name=f"{name}/Identity"))
        else:
            renamed[value.name] = name
    nodes = [*builder.nodes, *copies]
    needed = {value.name for value in outputs} | set(names)
    kept = []
    for node in reversed(nodes):
        if any(output in needed for output in node.output):
            needed.update(node.input)
            kept.append(node)
    kept.reverse()
    _rename_values(kept, renamed)
    return kept


def _name_nodes(nodes: list[onnx.NodeProto], reserved: set[str], outputs: list[str]) -> list[onnx.NodeProto]:
    """Name nodes after their scopes, and the values after the nodes."""
    taken: set[str] = set()
    renamed: dict[str, str] = {}
    for node in nodes:
        wished = node.name if node.op_type != "Constant" else f"{node.name}/Constant"
        if wished in taken:
            wished = f"{node.name}/{node.op_type}"
        name, number = wished, 1
        while name in taken or name in reserved:
            name, number = f"{wished}_{number}", number + 1
        taken.add(name)
        node.name = name
        for index, output in enumerate(node.output):
            if output not in outputs:
                renamed[output] = name if len(node.output) == 1 else f"{name}:{index}"
    _rename_values(nodes, renamed)
    return nodes


def _rename_values(nodes: list[onnx.NodeProto], renamed: Mapping[str, str]) -> None:
    for node in nodes:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]


def _initializer(name: str, tensor: Tensor) -> onnx.TensorProto:
    return onnx.TensorProto(
        name=name, data_type=tensor.type.elem_type, dims=tensor.type.shape, raw_data=tensor.data
    )


def _free_outputs(model: onnx.ModelProto, traced_batch: int, axes_of_batch: Mapping[str, int]) -> None:
    """Infer all shapes from the inputs' and give the outputs those; the batch size must be among them.

    Where inference knows no size, `axes_of_batch` says in which axis of an output the batch was followed to.
    """
    try:
        inferred = infer(model)
    except onnx.shape_inference.InferenceError as error:
        raise BurntBatchError(
            "the graph does not hold for another batch size than the traced one: "
            f"{short(' '.join(str(error).split()), MAX_REASON)}\n{BURNT_ADVICE}"
        ) from error
    burnt = []
    for found, output in zip(inferred.output, model.graph.output, strict=True):
        axes = list(zip(found.type.tensor_type.shape.dim, output.type.tensor_type.shape.dim, strict=False))
        if not axes:
            continue
        for axis, (dim, traced) in enumerate(axes):
            is_followed = not dim.dim_value and axes_of_batch.get(output.name) == axis
            if dim.dim_param == BATCH or (
                (axis == 0 or is_followed) and not dim.dim_value and traced.dim_value == traced_batch
            ):
                traced.dim_param = BATCH
            elif axis == 0 and not dim.dim_value:
                traced.dim_param = f"{output.name}_0"  # a multiple of the batch size
        first = axes[0][1]
        if first.dim_value == traced_batch and not any(traced.dim_param for _, traced in axes):
            burnt.append(output.name)
    if burnt:
        raise BurntBatchError(
            f"the batch size is burnt into the graph: the first axis of {short(', '.join(burnt))} is fixed\n"
            f"{BURNT_ADVICE}"
        )
