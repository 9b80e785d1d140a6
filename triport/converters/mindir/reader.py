"""A .mindir file as a small typed graph, read without MindSpore."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from triport.converters.formats.external_data import ExternalData
from triport.converters.formats.tensors import short
from triport.reference_models.errors import counted, listed

from . import schema
from .graph import (
    Closure,
    Graph,
    MindirError,
    MindirNode,
    MindirParameter,
    MindirTensor,
    Monad,
    TensorType,
    UnknownSizeError,
    ValueType,
    item_size,
)
from .texts import find_bad_text

NEWEST_VERSION = 3

# the little-endian first word of files that MindSpore encrypts: AES-GCM, AES-CBC, SM4-CBC
_ENCRYPTED = (0x7F3A5ED8, 0x7F3A5ED9, 0x7F3A5EDA)

_ELEM_TYPES: dict[int, int] = {
    schema.DATA_TYPES[mindir]: onnx.TensorProto.DataType.Value(ours)
    for mindir, ours in {
        **{name: name for name in ("FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "BOOL")},
        **{name: name for name in ("FLOAT16", "DOUBLE", "UINT32", "UINT64", "BFLOAT16")},
        "FLOAT64": "DOUBLE",
        **{name: name for name in ("COMPLEX64", "COMPLEX128")},  # only to say which operators have them
    }.items()
}
_DATA_NAMES = {number: name for name, number in schema.DATA_TYPES.items()}
_ATTRIBUTE_NAMES = {number: name for name, number in schema.ATTRIBUTE_TYPES.items()}
_INTEGERS = frozenset(("UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "UINT32", "UINT64"))
MAX_RANK = 16  # MindSpore's own kernels take up to 8
MAX_ELEMENTS = 1 << 40  # of any tensor: 4 TiB of float32
MAX_PLACES = 20  # of control flow that an error names


def read_mindir(source: Path | bytes, label: str | None = None, *, has_values: bool = True) -> Graph:
    """Return the graph of a .mindir file, given by path or by content; `label` is what messages call it.

    Only what `export.mindir_without_values` gave has no values of its parameters.

    Raises:
        MindirError: not a MindIR file, encrypted, cut short, of an unknown version, or with control flow.
        FormatError: parameters lie in files beside it, which are missing or damaged.
    """
    label = label or ("MindIR" if isinstance(source, bytes) else str(source))
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
        reason = short(str(error))
        raise MindirError(f"{label}: not a MindIR file, or damaged: {reason}; export it again") from error
    if not model.graph.output:
        raise MindirError(f"{label}: no graph inside: not a MindIR file, cut short, or exported empty")
    if not 1 <= model.mind_ir_version <= NEWEST_VERSION:
        raise MindirError(
            f"{label}: MindIR version {model.mind_ir_version}, expected 1 to {NEWEST_VERSION} "
            f"(written by {_producer(model)})"
        )
    problem = find_bad_text(model)
    if problem is not None:
        raise MindirError(f"{label}: {problem}: damaged; export it again")
    parts = None if isinstance(source, bytes) else ExternalData(str(source))
    return _GraphReader(label, model, parts, has_values).read()


def _producer(model: Any) -> str:
    texts = (model.producer_name, model.model_version)
    return " ".join(short(str(text)) or "?" for text in texts)


class _GraphReader:
    def __init__(self, label: str, model: Any, parts: ExternalData | None, has_values: bool) -> None:
        self.label = label
        self.model = model
        self.parts = parts
        self.has_values = has_values
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
            places.append(short(f"{where}, in {', '.join(dict.fromkeys(found))}", 200))
        return places + ["..."] * (len(calls) - len(places))

    def read(self) -> Graph:
        graph = self.model.graph
        if graph.map_parameter:
            raise MindirError(f"{self.label}: hash-table parameters (MapParameter) cannot be converted")
        parameters = {tensor.name: self._read_parameter(tensor) for tensor in graph.parameter}
        constants: dict[str, Any] = {}
        nodes: list[MindirNode] = []
        calls: list[Any] = []
        # what a node may call besides a primitive: a graph, or a value that stands for one
        callable_ = {function.name for function in self.model.functions}
        callable_.update(output for proto in graph.node for output in proto.output)
        for proto in graph.node:
            if len(proto.output) != 1:
                raise MindirError(
                    f"{self.label}: node {short(proto.name)!r} has {counted(len(proto.output), 'output')}, "
                    "not 1"
                )
            if proto.op_type == "Constant":
                constants[proto.output[0]] = self._read_constant(proto)
            elif proto.op_type.removeprefix("REF::") in callable_:
                calls.append(proto)
            else:
                nodes.append(self._read_node(proto))
        if calls:
            raise MindirError(
                f"{self.label}: {counted(len(calls), 'call')} of other graphs (if or loops on computed "
                f"values), which cannot be converted\n{listed(self._describe_calls(calls))}"
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

    def _read_parameter(self, proto: Any) -> MindirParameter:
        # "<graph name>:<param.name>"
        name = proto.name.rpartition(":")[2]
        if proto.HasField("external_data"):
            return MindirParameter(name, self._read_variable_part(proto, name))
        if proto.quant_params or proto.compression_type:
            raise MindirError(
                f"{self.label}: parameter {short(name)!r} is quantised or compressed: not supported"
            )
        what = f"parameter {short(name)!r}"
        if not self.has_values:
            return MindirParameter(name, MindirTensor(self._read_tensor_type(proto, what), b""))
        return MindirParameter(name, self._read_tensor(proto, what))

    def _read_tensor(self, proto: Any, what: str) -> MindirTensor:
        type_ = self._read_tensor_type(proto, what)
        if any(size < 0 for size in type_.shape):
            raise MindirError(f"{self.label}: {what} states a negative size in {type_.shape}: damaged")
        size = math.prod(type_.shape) * item_size(type_.elem_type)
        if len(proto.raw_data) != size:
            raise MindirError(
                f"{self.label}: {what} of shape {type_.shape} needs {size} bytes, found "
                f"{len(proto.raw_data)}: damaged; export it again"
            )
        return MindirTensor(type_, proto.raw_data)

    def _read_variable_part(self, proto: Any, name: str) -> MindirTensor:
        """Read a parameter from a file beside the graph, where MindSpore puts what exceeds 1 GB."""
        if self.parts is None:
            raise MindirError(
                f"{self.label}: the parameters lie in separate files "
                f"({short(proto.external_data.location)!r} holds {short(name)!r}): "
                "give the graph by its path, with those files beside it"
            )
        type_ = self._read_tensor_type(proto, f"parameter {short(name)!r}")
        dtype = onnx.TensorProto.DataType.Name(type_.elem_type).lower().replace("double", "float64")
        dtype = {"float": "float32"}.get(dtype, dtype)
        where = proto.external_data
        entries = {"location": where.location, "offset": str(where.offset), "length": str(where.length)}
        tensor = self.parts.tensor(name, type_.shape, dtype, entries)
        return MindirTensor(type_, b"".join(tensor.chunks()))

    def _read_tensor_type(self, proto: Any, what: str) -> TensorType:
        elem_type = _ELEM_TYPES.get(proto.data_type)
        if elem_type is None:
            name = _DATA_NAMES.get(proto.data_type, "")
            raise MindirError(
                f"{self.label}: {what} has data type {proto.data_type}{f' ({name})' if name else ''}, "
                "which is not supported"
            )
        rank = len(proto.dims)
        if rank > MAX_RANK:
            raise MindirError(f"{self.label}: {what} has {rank} axes; at most {MAX_RANK} are read")
        shape = tuple(proto.dims)
        if math.prod(map(abs, shape)) > MAX_ELEMENTS:
            raise MindirError(f"{self.label}: {what} states an absurd shape {shape}: damaged")
        return TensorType(elem_type, shape)

    def _read_input(self, info: Any) -> TensorType:
        if len(info.tensor) != 1:
            raise MindirError(f"{self.label}: input {short(info.name)!r} is not one tensor")
        type_ = self._read_tensor_type(info.tensor[0], f"input {short(info.name)!r}")
        return type_

    def _read_constant(self, proto: Any) -> Any:
        values = [attribute for attribute in proto.attribute if attribute.name == "value"]
        if len(values) != 1:
            raise MindirError(
                f"{self.label}: constant {short(proto.name)!r} has {counted(len(values), 'value')}, not 1"
            )
        return self._decode(values[0], f"constant {short(proto.name)!r}")

    def _read_node(self, proto: Any) -> MindirNode:
        kind = proto.op_type
        attributes: dict[str, Any] = {}
        if kind.startswith("REF::"):
            primitive = self.primitives.get(kind.removeprefix("REF::"))
            if primitive is None:
                raise MindirError(
                    f"{self.label}: node {short(proto.name)!r} refers to an unknown primitive {short(kind)!r}"
                )
            kind = primitive.op_type
            for attribute in primitive.attribute:
                attributes[attribute.name] = self._decode(attribute, f"{short(kind)}.{short(attribute.name)}")
        type_: ValueType = None
        for attribute in proto.attribute:
            if attribute.name == "shape":
                place = proto.domain.removeprefix("Default/") or proto.name
                type_ = self._read_type(attribute, f"the result of {short(kind)} at {short(place)}")
            else:
                attributes[attribute.name] = self._decode(attribute, f"{short(kind)}.{short(attribute.name)}")
        return MindirNode(proto.output[0], kind, attributes, tuple(proto.input), type_, proto.domain)

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
            return self._read_scalar(attribute, "i", "ints", what)
        if name == "BOOL":
            return bool(self._read_scalar(attribute, "i", "ints", what))
        if name in ("FLOAT", "FLOAT16", "BFLOAT16"):
            return self._read_scalar(attribute, "f", "floats", what)
        if name == "DOUBLE":
            return self._read_scalar(attribute, "d", "doubles", what)
        if name in ("STRING", "CLASS_TYPE", "TYPE_NULL", "NAME_SPACE", "SYMBOL"):
            return self._read_scalar(attribute, "s", "strings", what).decode("utf-8", "replace")
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

    def _read_scalar(self, attribute: Any, one: str, many: str, what: str) -> Any:
        """Return the one value of an attribute, which is in one of two fields."""
        if attribute.HasField(one):
            return getattr(attribute, one)
        values = getattr(attribute, many)
        if len(values) != 1:
            raise MindirError(f"{self.label}: {what} has {counted(len(values), 'value')}, not 1: damaged")
        return values[0]

    def _check_connected(self, graph: Graph) -> None:
        known = {*graph.inputs, *graph.parameters, *graph.constants}
        proto = self.model.graph
        made = len(proto.input) + len(proto.parameter) + len(proto.node)
        if made != len(known) + len(graph.nodes):
            raise MindirError(f"{self.label}: two values have the same name: damaged; export it again")
        missing = []
        for node in graph.nodes:
            missing += [f"{short(name)!r} of {short(str(node))}" for name in node.inputs if name not in known]
            if node.id in known:
                raise MindirError(
                    f"{self.label}: value {short(node.id)!r} is made twice: damaged; export it again"
                )
            known.add(node.id)
        missing += [f"output {short(name)!r}" for name in graph.outputs if name not in known]
        if missing:
            raise MindirError(
                f"{self.label}: {counted(len(missing), 'value is', 'values are')} used before they are "
                f"made: damaged, or a kind of value that cannot be read\n{listed(missing)}"
            )
