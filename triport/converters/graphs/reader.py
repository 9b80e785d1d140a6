"""An ONNX file's graph in the normal form: its nodes are read one by one, its weights not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from triport.converters.formats import Checkpoint, Dropped, Tensor, short
from triport.converters.formats.source import SourceFile
from triport.converters.formats.tensor_protos import ONNX_TYPES
from triport.converters.formats.wire import WireReader
from triport.converters.graphs.constants import MAX_CONSTANT, Constant, constant_from
from triport.converters.graphs.flow import IMAGES, Flow, FlowStep
from triport.converters.graphs.nodes import Described, read_graph, read_versions
from triport.converters.graphs.operators import GraphError, read_node
from triport.converters.graphs.values import LOWER, Known, Parameter, Unread

# operators of ONNX that hold graphs
_WITH_BODIES = frozenset(("If", "Loop", "Scan", "SequenceMap"))
_OPSET_OF_INFERENCE = 7
UNREAD = "no output of the graph depends on it"


def flow_of_file(checkpoint: Checkpoint, names: Mapping[str, str], size_px: int) -> Flow | None:
    """Return the graph of an ONNX file; None where the file holds weights only, no node and no output.

    Args:
        checkpoint: the file.
        names: canonical parameter name -> the file's.
        size_px: of the images, where the file leaves it free: what pads like "same" depends on it.

    Raises:
        FormatError: the file is damaged.
    """
    nodes, inputs, outputs = read_graph(WireReader(SourceFile(checkpoint.path)))
    if not nodes and not outputs:
        return None
    if opsets_of(checkpoint).get("", 1) < _OPSET_OF_INFERENCE:
        for node in nodes:
            if node.op == "BatchNormalization":
                node.told.setdefault("is_test", 0)  # what is left out means training there
    parameters = {theirs: ours for ours, theirs in names.items()}
    values: dict[str, Known] = {}
    for name, tensor in checkpoint.tensors.items():
        if name in parameters:
            values[name] = _parameter(parameters[name], tensor)
        elif tensor.count <= MAX_CONSTANT:
            values[name] = known_constant(tensor)
    given = [one for one in inputs if one.name not in values]
    values |= {one.name: _input(one, index, size_px) for index, one in enumerate(given)}
    for node in nodes:
        if node.op in ("Constant", "Identity") and node.outputs and node.outputs[0] in parameters:
            name = node.outputs[0]
            values[name] = _parameter(parameters[name], checkpoint.tensors[name])
            continue
        for name in node.inputs:
            if name:
                values.setdefault(name, Unread(short(name)))
        node.told = {
            key: known_constant(value) if isinstance(value, Tensor) else value
            for key, value in node.told.items()
        }
        try:
            read_node(values, node)
        except GraphError as error:
            raise GraphError(f"{checkpoint.path}: {error}") from None
    results = [value for one in outputs if isinstance(value := values.get(one.name), FlowStep)]
    output_names = sorted(
        (short(one.name) for one in outputs), key=lambda name: name != _first_name(outputs, values)
    )
    if not results:
        bodies = sorted({node.op for node in nodes if node.op in _WITH_BODIES})
        if bodies:
            raise GraphError(
                f"{checkpoint.path}: what it returns comes from the bodies of its {' and '.join(bodies)} "
                f"nodes, which are not read: its graph cannot be compared with a model's. `convert FILE --to "
                f"pytorch -o DIR` writes any graph's source and weights"
            )
        raise GraphError(
            f"{checkpoint.path}: no output of its graph depends on its input, so it is no network"
        )
    first = given[0] if given else Described()
    return Flow(tuple(results), _fixed_size(first), tuple(output_names), _dtype(first), _channels(first))


def without_unread(checkpoint: Checkpoint) -> Checkpoint:
    """Return an ONNX file without the tensors of which nothing that it returns is made.

    Exporters leave the parameters of what was cut off. Bodies of branches, loops and functions may read any.

    Raises:
        FormatError: the file is damaged.
    """
    unread, _ = unread_of(checkpoint)
    if not unread:
        return checkpoint
    dropped = (Dropped(name, UNREAD) for name in unread)
    tensors = {name: tensor for name, tensor in checkpoint.tensors.items() if name not in unread}
    return replace(checkpoint, tensors=tensors, dropped=(*checkpoint.dropped, *dropped))


def unread_of(checkpoint: Checkpoint) -> tuple[tuple[str, ...], int]:
    """Return the tensors of an ONNX file of which nothing that it returns is made, and how many such nodes.

    None of either where the file has bodies of branches, loops or functions, which may read any.

    Raises:
        FormatError: the file is damaged.
    """
    nodes, _, outputs = read_graph(WireReader(SourceFile(checkpoint.path)))
    if not nodes or not is_read_whole(checkpoint):
        return (), 0
    used = {one.name for one in outputs}
    idle = 0
    for node in reversed(nodes):  # each stands behind those that it reads
        if used.isdisjoint(node.outputs):
            idle += 1
        else:
            used |= {*node.inputs, *node.outputs}
    return tuple(name for name in checkpoint.tensors if name not in used), idle


def sizes_of_inputs(checkpoint: Checkpoint) -> list[list[int | str]]:
    """Return the sizes of each input of an ONNX file that no weight is of, "?" where one is free.

    Raises:
        FormatError: the file is damaged.
    """
    nodes, inputs, _ = read_graph(WireReader(SourceFile(checkpoint.path)))
    given = [one for one in inputs if nodes and one.name not in checkpoint.tensors]
    return [["?" if size is None else size for size in one.sizes] for one in given]


def is_read_whole(checkpoint: Checkpoint) -> bool:
    """Whether `flow_of_file` reads all of an ONNX file's graph: no body of a branch, a loop or a function.

    Raises:
        FormatError: the file is damaged.
    """
    nodes, _, _ = read_graph(WireReader(SourceFile(checkpoint.path)))
    return not any(node.op in _WITH_BODIES or node.domain.split(" ")[0] == "function" for node in nodes)


def opsets_of(checkpoint: Checkpoint) -> dict[str, int]:
    """Return which version of each domain's operators an ONNX file is written in.

    Raises:
        FormatError: the file is damaged.
    """
    return versions_of(checkpoint)[1]


def versions_of(checkpoint: Checkpoint) -> tuple[int | None, dict[str, int]]:
    """Return which version of ONNX's format a file is of, None where it says none, and what `opsets_of` does.

    Raises:
        FormatError: the file is damaged.
    """
    return read_versions(WireReader(SourceFile(checkpoint.path)))


def images_dtype(checkpoint: Checkpoint) -> str:
    """Return the dtype of what an ONNX file's graph is given first, "" where it says none.

    Raises:
        FormatError: the file is damaged.
    """
    _, inputs, _ = read_graph(WireReader(SourceFile(checkpoint.path)))
    given = [one for one in inputs if one.name not in checkpoint.tensors]
    return _dtype(given[0]) if given else ""


def _first_name(outputs: list[Described], values: Mapping[str, Known]) -> str:
    """Return the name of the first output that depends on the input."""
    return next((short(one.name) for one in outputs if isinstance(values.get(one.name), FlowStep)), "")


def _parameter(name: str, tensor: Tensor) -> Parameter:
    return Parameter(name, tensor.shape, precision=tensor.dtype if tensor.dtype in LOWER else "")


def known_constant(tensor: Tensor) -> Constant | Unread:
    """Return a small tensor's values."""
    if tensor.dtype == "bfloat16" or tensor.dtype.startswith("float8"):
        return Unread("")
    return constant_from(tensor.numpy())


def _is_nhwc(one: Described) -> bool:
    return len(one.sizes) == 4 and one.sizes[1] != 3 and one.sizes[3] == 3


def _fixed_size(one: Described) -> tuple[int | None, int | None]:
    if len(one.sizes) != 4:
        return None, None
    first = 1 if _is_nhwc(one) else 2
    return one.sizes[first], one.sizes[first + 1]


def _dtype(one: Described) -> str:
    return ONNX_TYPES.get(one.dtype, f"ONNX's type {one.dtype}" if one.dtype else "")


def _channels(one: Described) -> int | None:
    return one.sizes[3 if _is_nhwc(one) else 1] if len(one.sizes) == 4 else None


def _input(one: Described, index: int, size_px: int) -> FlowStep:
    """Return the images, or what else a graph is given."""
    height, width = (size or size_px for size in _fixed_size(one))
    shape = (None, height, width, 3) if _is_nhwc(one) else (None, 3, height, width)
    if not index:
        return FlowStep(IMAGES, shape=shape)
    return FlowStep(f"input {index + 1}", origin=short(one.name))
