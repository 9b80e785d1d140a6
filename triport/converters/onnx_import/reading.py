"""An ONNX file as an onnx_ir model: checked, functions expanded, types and shapes inferred, sorted.

Nothing that the file says of shapes inside the graph is kept: they are inferred again from its inputs.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from triport.converters.formats.source import FormatError
from triport.converters.formats.tensors import FileTensor
from triport.converters.provenance import buffers_of
from triport.reference_models.errors import TriportError

from .constants import keep_constants, put_among_initializers
from .four_bits import widen_four_bits
from .large_tensors import put_back, read_parts
from .microsoft import expanded, has_foreign
from .shapes import ShapesContradictError, inferred
from .subgraphs import is_in_order

MAX_NODES = 200_000
_MAX_DEPTH = 40  # of functions in functions, and of graphs in graphs
_LATEST_OPSET, _FIRST_OPSET = 28, 1
_LONGEST = 1500  # characters of a message
_PLACEHOLDER = re.compile(r"[A-Z][A-Za-z]*[^ ]*_dim_\d+")  # of torch.onnx: Conv249_dim_0


class ImportRefusedError(TriportError):
    """A graph that cannot become source, and why.

    Names of the file stand in the message as a terminal can show them.
    """

    def __init__(self, message: str) -> None:
        """Keep what can be printed, and no more of it than a person reads."""
        cut = message if len(message) <= _LONGEST else f"{message[:_LONGEST]} ..."
        super().__init__("".join(c if c.isprintable() or c == "\n" else "?" for c in cut))


def read_model(path: str | os.PathLike[str]) -> Any:
    """Return the onnx_ir.Model of a file, its tensors readable as NumPy arrays.

    Raises:
        ImportRefusedError: the file is damaged, hostile, or of an opset that is not read.
    """
    path = Path(path)
    try:
        proto, large = read_parts(path)
    except OSError as error:
        raise ImportRefusedError(f"{path}: cannot be read: {error.strerror}") from None
    except Exception:
        raise ImportRefusedError(f"{path}: is no ONNX file, or damaged") from None
    try:
        return model_of(proto, path, large)
    except UnicodeDecodeError:
        raise ImportRefusedError(f"{path}: a name in it is not UTF-8: damaged") from None


def model_of(proto: Any, path: Path, large: Mapping[str, FileTensor] | None = None) -> Any:
    """Return the onnx_ir.Model of a ModelProto.

    Args:
        proto: the model, which is changed.
        path: which errors name; external data lies beside it.
        large: the initializers whose bytes `proto` lacks.
    """
    import onnx_ir as ir
    import onnx_ir.passes.common as passes

    _check_opsets(proto, path)
    proto = _expanded(proto, path)
    large = dict(large or {})
    graphs, tensors = _graphs_and_tensors(proto.graph, large)
    if sum(len(graph.node) for graph in graphs) > MAX_NODES:
        raise ImportRefusedError(f"{path}: has over {MAX_NODES:,} nodes; that is no source to read: refused")
    _check_names(graphs, tensors, path)
    _check_maps(proto, path)
    _check_equations(graphs, path)
    _load_external(tensors, path)
    _free_unknown_sizes(proto.graph)
    if has_foreign(proto, graphs):
        put_back(proto, large)
        expanded(proto)
    widen_four_bits(proto)
    del proto.graph.value_info[:]
    try:
        is_sorted = is_in_order(proto.graph)
        constants = put_among_initializers(proto.graph)
        with _quiet():
            model = ir.serde.deserialize_model(inferred(proto, is_sorted))
        if not is_sorted:
            passes.TopologicalSortPass()(model)
        keep_constants(model.graph, constants, len(graphs) > 1)
        passes.RemoveUnusedNodesPass()(model)
        for name in large.keys() & model.graph.initializers.keys():
            model.graph.initializers[name].const_value = ir.Tensor(large[name].numpy(), name=name)
        for name in buffers_of(model.metadata_props) & model.graph.initializers.keys():
            model.graph.initializers[name].meta["buffer"] = True
    except ShapesContradictError as error:
        raise ImportRefusedError(f"{path}: its shapes contradict each other: {_one_line(error)}") from None
    except (ImportRefusedError, FormatError):
        raise
    except ValueError as error:
        raise ImportRefusedError(f"{path}: its graph is damaged: {_one_line(error)}") from None
    except Exception as error:
        raise ImportRefusedError(f"{path}: its graph cannot be read: {_one_line(_cause(error))}") from None
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let onnx_ir not log what it finds odd, with names as they stand in the file, onto a terminal."""
    logger = logging.getLogger("onnx_ir")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def _cause(error: BaseException) -> BaseException:
    """Return the first of the errors that led to one: onnx_ir's own show what was read, and not why."""
    return error if error.__cause__ is None else _cause(error.__cause__)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    return "".join(c if c.isprintable() else "?" for c in text)


def _check_opsets(proto: Any, path: Path) -> None:
    if not proto.graph.node and not proto.graph.output:
        raise ImportRefusedError(f"{path}: has no graph")
    for each in proto.opset_import:
        if each.domain in ("", "ai.onnx") and not _FIRST_OPSET <= each.version <= _LATEST_OPSET:
            raise ImportRefusedError(
                f"{path}: is of opset {each.version}; {_FIRST_OPSET} to {_LATEST_OPSET} are read. "
                f"onnx.version_converter makes an older file newer"
            )


def _free_unknown_sizes(graph: Any) -> None:
    """Let sizes of -1, as PaddlePaddle writes them, be free axes with names.

    What an exporter calls the axis of an output of which it knows nothing is no name: inference finds better.
    """
    for value in graph.input:
        for place, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_value < 0:
                dim.dim_param = "N" if place == 0 else f"{value.name}.{place}"
    for value in graph.output:
        for dim in value.type.tensor_type.shape.dim:
            if _PLACEHOLDER.fullmatch(dim.dim_param):
                dim.ClearField("dim_param")


def _expanded(proto: Any, path: Path) -> Any:
    """Return the model with its own functions written out."""
    import onnx.inliner

    if not proto.functions:
        return proto
    calls = {
        (f.domain, f.name, f.overload): {(n.domain, n.op_type, n.overload) for n in f.node}
        for f in proto.functions
    }
    sizes: dict[Any, int] = {}

    def size(key: Any, depth: int) -> int:
        if depth > _MAX_DEPTH:
            raise ImportRefusedError(
                f"{path}: a function of it calls itself, or functions lie {_MAX_DEPTH} deep: refused"
            )
        if key not in sizes:
            function = next(f for f in proto.functions if (f.domain, f.name, f.overload) == key)
            sizes[key] = sum(
                size(called, depth + 1) if (called := (n.domain, n.op_type, n.overload)) in calls else 1
                for n in function.node
            )
        return sizes[key]

    total = sum(
        size(called, 0) if (called := (n.domain, n.op_type, n.overload)) in calls else 1
        for n in proto.graph.node
    )
    for key in calls:
        size(key, 0)
    if total > MAX_NODES:
        raise ImportRefusedError(f"{path}: its functions, written out, are {total:,} nodes: refused")
    try:
        return onnx.inliner.inline_local_functions(proto)
    except Exception as error:
        raise ImportRefusedError(f"{path}: its functions cannot be expanded: {_one_line(error)}") from None


def _graphs_and_tensors(graph: Any, large: Mapping[str, Any], depth: int = 0) -> tuple[list[Any], list[Any]]:
    """Return a GraphProto and the graphs within its nodes, and the tensors of these, but for large ones."""
    if depth > _MAX_DEPTH:
        raise ImportRefusedError(f"graphs lie {_MAX_DEPTH} deep in one another: refused")
    graphs, tensors = [graph], [each for each in graph.initializer if each.name not in large]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                tensors.append(attribute.t)
            if attribute.HasField("g"):
                inner = _graphs_and_tensors(attribute.g, {}, depth + 1)
                graphs += inner[0]
                tensors += inner[1]
    return graphs, tensors


def _check_names(graphs: list[Any], tensors: list[Any], path: Path) -> None:
    """Refuse names that are no text; protobuf gives them as bytes."""
    texts: list[Any] = []
    for graph in graphs:
        texts += [graph.name, *(value.name for value in (*graph.input, *graph.output, *graph.initializer))]
        for node in graph.node:
            texts += (node.name, node.op_type, node.domain, *node.input, *node.output)
            texts += [attribute.name for attribute in node.attribute]
    texts += [text for each in tensors for entry in each.external_data for text in (entry.key, entry.value)]
    if set(map(type, texts)) - {str}:
        raise ImportRefusedError(f"{path}: a name in it is not UTF-8: damaged")


def _check_maps(proto: Any, path: Path) -> None:
    """Refuse what is no tensor but a map, as a classifier of scikit-learn gives its chances by label."""
    for value in (*proto.graph.input, *proto.graph.output):
        kind = value.type.sequence_type.elem_type if value.type.HasField("sequence_type") else value.type
        if kind.HasField("map_type"):
            raise ImportRefusedError(
                f"{path}: '{value.name}' is a map of labels to numbers; a network has only tensors. Networks "
                f"can become source; a classifier that skl2onnx exported without zipmap=False cannot"
            )


def _check_equations(graphs: list[Any], path: Path) -> None:
    """Refuse an Einsum with points that are no ellipsis: on these onnx's shape inference never ends."""
    for graph in graphs:
        for node in [each for each in graph.node if each.op_type == "Einsum"]:
            for attribute in node.attribute:
                equation = attribute.s.decode("utf-8", "replace").replace("...", "")
                if attribute.name == "equation" and "." in equation:
                    raise ImportRefusedError(
                        f"{path}: node '{node.name}' (Einsum): a point in its equation is none of an ellipsis"
                    )


def _load_external(tensors: list[Any], path: Path) -> None:
    """Read external data by the rules of converters/formats; each tensor's bytes must fit its shape."""
    import onnx

    from triport.converters.formats.external_data import ExternalData

    data = ExternalData(str(path))
    for tensor in tensors:
        if any(size < 0 for size in tensor.dims):
            raise ImportRefusedError(f"{path}: a tensor has a negative size: damaged")
        dtype = _dtype(tensor, path)
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            _check_size(tensor, dtype, path)
            continue
        names = {"float": "float32", "double": "float64"}
        kind = names.get(dtype.name.lower(), dtype.name.lower())
        entries = {entry.key: entry.value for entry in tensor.external_data}
        try:
            found = data.tensor(tensor.name, tuple(tensor.dims), kind, entries)
            tensor.raw_data = b"".join(bytes(piece) for piece in found.chunks())
        except (FormatError, KeyError) as error:
            raise ImportRefusedError(f"{path}: external data: {_one_line(error)}") from None
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.DEFAULT


def _dtype(tensor: Any, path: Path) -> Any:
    """Return the onnx_ir.DataType of a tensor."""
    import onnx_ir as ir

    if tensor.data_type not in ir.DataType._value2member_map_ or tensor.data_type == ir.DataType.UNDEFINED:
        raise ImportRefusedError(
            f"{path}: a tensor is of data type {tensor.data_type}, which the ONNX that is installed has not"
        )
    return ir.DataType(tensor.data_type)


def _check_size(tensor: Any, dtype: Any, path: Path) -> None:
    """A shape is no reason to allocate: the data must be there, and all of it belong to the shape."""
    bits = 0 if dtype.name == "STRING" else dtype.bitwidth
    elements = math.prod(tensor.dims)
    if tensor.HasField("raw_data"):
        held, expected = len(tensor.raw_data), -(-elements * bits // 8)
    else:
        typed = {"FLOAT": "float", "DOUBLE": "double", "INT64": "int64", "STRING": "string"}
        typed |= {"UINT32": "uint64", "UINT64": "uint64", "COMPLEX64": "float", "COMPLEX128": "double"}
        held = len(getattr(tensor, f"{typed.get(dtype.name, 'int32')}_data"))
        expected = 2 * elements if dtype.name.startswith("COMPLEX") else elements
        if 0 < bits < 8:
            expected = -(-elements * bits // 8)
    if held < expected:
        raise ImportRefusedError(f"{path}: a tensor has {elements:,} elements and no data for them: damaged")
    if held > expected:
        raise ImportRefusedError(f"{path}: a tensor has more data than its {elements:,} elements: damaged")
