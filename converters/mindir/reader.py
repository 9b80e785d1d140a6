"""A .mindir file as a small typed graph, read without MindSpore."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from converters.formats.external_data import ExternalData
from reference_models.errors import TriportError, listed

from . import schema

NEWEST_VERSION = 3

# the little-endian first word of files that MindSpore encrypts: AES-GCM, AES-CBC, SM4-CBC
_ENCRYPTED = (0x7F3A5ED8, 0x7F3A5ED9, 0x7F3A5EDA)

_ELEM_TYPES: dict[int, int] = {
    schema.DATA_TYPES[mindir]: onnx.TensorProto.DataType.Value(ours)
    for mindir, ours in {
        **{name: name for name in ("FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "BOOL")},
        **{name: name for name in ("FLOAT16", "DOUBLE", "UINT32", "UINT64", "BFLOAT16")},
        "FLOAT64": "DOUBLE",
    }.items()
}
_ATTRIBUTE_NAMES = {number: name for name, number in schema.ATTRIBUTE_TYPES.items()}
_INTEGERS = frozenset(("UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "UINT32", "UINT64"))
MAX_PLACES = 20  # of control flow that an error names


class MindirError(TriportError):
    """The file is no MindIR that can be read."""


@dataclass(frozen=True, slots=True)
class TensorType:
    """What a value is: element type (as ONNX numbers them) and the shape it was traced with."""

    elem_type: int
    shape: tuple[int, ...]


ValueType = TensorType | tuple["ValueType", ...] | None  # None: monads and the like


@dataclass(frozen=True, slots=True)
class Tensor:
    """Constant or parameter data, little-endian and contiguous."""

    type: TensorType
    data: bytes


@dataclass(frozen=True, slots=True)
class Parameter:
    """A trained tensor; `name` is MindSpore's `param.name`."""

    name: str
    tensor: Tensor


class Monad:
    """The token that orders side effects (UMonad, IOMonad)."""


class Closure:
    """A graph or primitive as a value, which only control flow has."""


@dataclass(frozen=True, slots=True)
class Node:
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
        self, label: str, inputs: Mapping[str, TensorType], graph_name: str, nodes: Sequence[Node]
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
    """A MindIR main graph; ids connect inputs, parameters, constants, nodes (in order) and outputs."""

    name: str
    inputs: Mapping[str, TensorType]
    parameters: Mapping[str, Parameter]
    constants: Mapping[str, Any]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]


def read_mindir(source: Path | bytes) -> Graph:
    """Return the graph of a .mindir file, given by path or by content.

    Raises:
        MindirError: not a MindIR file, encrypted, cut short, of an unknown version, or with control flow.
        FormatError: parameters lie in files beside it, which are missing or damaged.
    """
    label = "MindIR" if isinstance(source, bytes) else str(source)
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise MindirError(f"{label}: {error.strerror}") from error
    if int.from_bytes(content[:4], "little") in _ENCRYPTED:
        raise MindirError(f"{label}: the file is encrypted; export it again without enc_key")
    model = schema.ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise MindirError(f"{label}: not a MindIR file, or damaged: {error}; export it again") from error
    if not model.graph.output:
        raise MindirError(f"{label}: no graph inside: not a MindIR file, cut short, or exported empty")
    if not 1 <= model.mind_ir_version <= NEWEST_VERSION:
        raise MindirError(
            f"{label}: MindIR version {model.mind_ir_version}, expected 1 to {NEWEST_VERSION} "
            f"(written by {model.producer_name or '?'} {model.model_version or '?'})"
        )
    if not all(isinstance(text, str) for text in _iterate_texts(model)):
        raise MindirError(f"{label}: a name inside is not UTF-8: damaged; export it again")
    parts = None if isinstance(source, bytes) else ExternalData(str(source))
    return _GraphReader(label, model, parts).read()


def _iterate_texts(model: Any) -> Iterator[Any]:
    """Yield every name that is read; protobuf leaves what is not UTF-8 as bytes."""
    for item in (*model.graph.node, *model.primitives):
        yield from (item.name, item.op_type, *(attribute.name for attribute in item.attribute))
    for node in model.graph.node:
        yield from (node.domain, *node.input, *node.output)
    for item in (*model.graph.parameter, *model.graph.input, *model.graph.output, *model.functions):
        yield item.name
    yield from (model.graph.name, model.producer_name, model.model_version)
    for parameter in model.graph.parameter:
        yield parameter.external_data.location


class _GraphReader:
    def __init__(self, label: str, model: Any, parts: ExternalData | None) -> None:
        self.label = label
        self.model = model
        self.parts = parts
        self.primitives = {primitive.name: primitive for primitive in model.primitives}

    def _describe_calls(self, calls: list[Any]) -> list[str]:
        """Say where ifs and loops are: the scope of the Switch that is called, and its functions."""
        functions = {function.name for function in self.model.functions}
        producers = {output: node for node in self.model.graph.node for output in node.output}
        places = []
        for call in calls[:MAX_PLACES]:
            called = call.op_type.removeprefix("REF::")
            switch = producers.get(called)
            names = [called] if switch is None else list(switch.input)
            names += [name for partial in names if partial in producers for name in producers[partial].input]
            # "28_4_✓nets_Head_construct_19": the mark says which branch
            found = (re.sub(r"^(\d+_)*\W*|(_\d+)*$", "", name) for name in names if name in functions)
            where = "a loop" if switch is None else switch.domain.removeprefix("Default/")
            places.append(f"{where}, in {', '.join(dict.fromkeys(found))}")
        return places + ["..."] * (len(calls) - len(places))

    def read(self) -> Graph:
        graph = self.model.graph
        if graph.map_parameter:
            raise MindirError(f"{self.label}: hash-table parameters (MapParameter) cannot be converted")
        parameters = {tensor.name: self._read_parameter(tensor) for tensor in graph.parameter}
        constants: dict[str, Any] = {}
        nodes: list[Node] = []
        calls: list[Any] = []
        # what a node may call besides a primitive: a graph, or a value that stands for one
        callable_ = {function.name for function in self.model.functions}
        callable_.update(output for proto in graph.node for output in proto.output)
        for proto in graph.node:
            if len(proto.output) != 1:
                raise MindirError(f"{self.label}: node {proto.name!r} has {len(proto.output)} outputs, not 1")
            if proto.op_type == "Constant":
                constants[proto.output[0]] = self._read_constant(proto)
            elif proto.op_type.removeprefix("REF::") in callable_:
                calls.append(proto)
            else:
                nodes.append(self._read_node(proto))
        if calls:
            raise MindirError(
                f"{self.label}: {len(calls)} calls of other graphs (if or loops on computed values), which "
                f"cannot be converted\n{listed(self._describe_calls(calls))}"
            )
        inputs = {info.name: self._read_input(info) for info in graph.input}
        if any(size < 0 for type_ in inputs.values() for size in type_.shape):
            raise UnknownSizeError(self.label, inputs, graph.name, nodes)
        result = Graph(
            name=graph.name,
            inputs=inputs,
            parameters=parameters,
            constants=constants,
            nodes=tuple(nodes),
            outputs=tuple(info.name for info in graph.output),
        )
        self._check_connected(result)
        return result

    def _read_parameter(self, proto: Any) -> Parameter:
        # "<graph name>:<param.name>"
        name = proto.name.rpartition(":")[2]
        if proto.HasField("external_data"):
            return Parameter(name, self._read_variable_part(proto, name))
        if proto.quant_params or proto.compression_type:
            raise MindirError(f"{self.label}: parameter {name!r} is quantised or compressed: not supported")
        return Parameter(name, self._read_tensor(proto, f"parameter {name!r}"))

    def _read_tensor(self, proto: Any, what: str) -> Tensor:
        type_ = self._read_tensor_type(proto, what)
        size = math.prod(type_.shape) * _item_size(type_.elem_type)
        if len(proto.raw_data) != size:
            raise MindirError(
                f"{self.label}: {what} of shape {type_.shape} needs {size} bytes, found "
                f"{len(proto.raw_data)}: damaged; export it again"
            )
        return Tensor(type_, proto.raw_data)

    def _read_variable_part(self, proto: Any, name: str) -> Tensor:
        """Read a parameter from a file beside the graph, where MindSpore puts what exceeds 1 GB."""
        if self.parts is None:
            raise MindirError(
                f"{self.label}: the parameters lie in separate files ({proto.external_data.location!r} holds "
                f"{name!r}): give the graph by its path, with those files beside it"
            )
        type_ = self._read_tensor_type(proto, f"parameter {name!r}")
        dtype = onnx.TensorProto.DataType.Name(type_.elem_type).lower().replace("double", "float64")
        dtype = {"float": "float32"}.get(dtype, dtype)
        where = proto.external_data
        entries = {"location": where.location, "offset": str(where.offset), "length": str(where.length)}
        tensor = self.parts.tensor(name, type_.shape, dtype, entries)
        return Tensor(type_, b"".join(tensor.chunks()))

    def _read_tensor_type(self, proto: Any, what: str) -> TensorType:
        elem_type = _ELEM_TYPES.get(proto.data_type)
        if elem_type is None:
            raise MindirError(f"{self.label}: {what} has data type {proto.data_type}, which is not supported")
        return TensorType(elem_type, tuple(proto.dims))

    def _read_input(self, info: Any) -> TensorType:
        if len(info.tensor) != 1:
            raise MindirError(f"{self.label}: input {info.name!r} is not one tensor")
        type_ = self._read_tensor_type(info.tensor[0], f"input {info.name!r}")
        return type_

    def _read_constant(self, proto: Any) -> Any:
        values = [attribute for attribute in proto.attribute if attribute.name == "value"]
        if len(values) != 1:
            raise MindirError(f"{self.label}: constant {proto.name!r} has {len(values)} values, not 1")
        return self._decode(values[0], f"constant {proto.name!r}")

    def _read_node(self, proto: Any) -> Node:
        kind = proto.op_type
        attributes: dict[str, Any] = {}
        if kind.startswith("REF::"):
            primitive = self.primitives.get(kind.removeprefix("REF::"))
            if primitive is None:
                raise MindirError(
                    f"{self.label}: node {proto.name!r} refers to an unknown primitive {kind!r}"
                )
            kind = primitive.op_type
            for attribute in primitive.attribute:
                attributes[attribute.name] = self._decode(attribute, f"{kind}.{attribute.name}")
        type_: ValueType = None
        for attribute in proto.attribute:
            if attribute.name == "shape":
                type_ = self._read_type(attribute, proto.name)
            else:
                attributes[attribute.name] = self._decode(attribute, f"{kind}.{attribute.name}")
        return Node(proto.output[0], kind, attributes, tuple(proto.input), type_, proto.domain)

    def _read_type(self, attribute: Any, what: str) -> ValueType:
        name = _ATTRIBUTE_NAMES.get(attribute.type)
        if name in ("TUPLE", "LIST"):
            return tuple(self._read_type(value, what) for value in attribute.values)
        if name == "TENSORS" and len(attribute.tensors) == 1:
            return self._read_tensor_type(attribute.tensors[0], what)
        return None

    def _decode(self, attribute: Any, what: str) -> Any:
        """Return the Python value: number, bool, string, None, tuple, list, dict, Tensor or Monad."""
        name = _ATTRIBUTE_NAMES.get(attribute.type, str(attribute.type))
        if name in _INTEGERS:
            return attribute.i if attribute.HasField("i") else _only(attribute.ints, 0)
        if name == "BOOL":
            return bool(attribute.i if attribute.HasField("i") else _only(attribute.ints, 0))
        if name in ("FLOAT", "FLOAT16", "BFLOAT16"):
            return attribute.f if attribute.HasField("f") else _only(attribute.floats, 0.0)
        if name == "DOUBLE":
            return attribute.d if attribute.HasField("d") else _only(attribute.doubles, 0.0)
        if name in ("STRING", "CLASS_TYPE", "TYPE_NULL", "NAME_SPACE", "SYMBOL"):
            text = attribute.s if attribute.HasField("s") else _only(attribute.strings, b"")
            return text.decode("utf-8", "replace")
        if name == "TUPLE":
            return tuple(self._decode(value, what) for value in attribute.values)
        if name == "LIST":
            return [self._decode(value, what) for value in attribute.values]
        if name == "DICT" and all(len(value.values) == 1 for value in attribute.values):
            return {value.name: self._decode(value.values[0], what) for value in attribute.values}
        if name == "TENSOR":
            return self._read_tensor(attribute.t, what)
        if name == "TENSORS" and len(attribute.tensors) == 1:
            tensor = attribute.tensors[0]
            # a type alone stands for a dtype argument
            has_data = tensor.HasField("raw_data") or 0 in tensor.dims
            return self._read_tensor(tensor, what) if has_data else self._read_tensor_type(tensor, what)
        if name in ("UMONAD", "IOMONAD"):
            return Monad()
        if name == "NONE":
            return None
        if name.endswith("CLOSURE"):
            return Closure()
        raise MindirError(f"{self.label}: {what} is of kind {name}, which cannot be read")

    def _check_connected(self, graph: Graph) -> None:
        known = {*graph.inputs, *graph.parameters, *graph.constants}
        proto = self.model.graph
        made = len(proto.input) + len(proto.parameter) + len(proto.node)
        if made != len(known) + len(graph.nodes):
            raise MindirError(f"{self.label}: two values have the same name: damaged; export it again")
        missing = []
        for node in graph.nodes:
            missing += [f"{name!r} of {node}" for name in node.inputs if name not in known]
            if node.id in known:
                raise MindirError(f"{self.label}: value {node.id!r} is made twice: damaged; export it again")
            known.add(node.id)
        missing += [f"output {name!r}" for name in graph.outputs if name not in known]
        if missing:
            raise MindirError(
                f"{self.label}: {len(missing)} values are used before they are made: damaged, or a kind "
                f"of value that cannot be read\n{listed(missing)}"
            )


def _only(values: Any, default: Any) -> Any:
    return values[0] if len(values) else default


def _item_size(elem_type: int) -> int:
    return (
        onnx.helper.tensor_dtype_to_np_dtype(elem_type).itemsize
        if elem_type != onnx.TensorProto.BFLOAT16
        else 2
    )
