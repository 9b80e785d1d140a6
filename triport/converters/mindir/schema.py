"""The MindIR protobuf messages, built without MindSpore.

The table holds the part of MindSpore's public `mind_ir.proto` that inference graphs use; fields
that are not listed here are skipped by protobuf. A test compares it with MindSpore's own.

Source: https://github.com/mindspore-ai/mindspore/blob/daa028b5ba7f0c5e9c0f0888cb7b701c12fefb20/
mindspore/core/proto/mind_ir.proto, and the newer fields as MindSpore 2.10.0 describes them.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "mind_ir"

# name: number
ATTRIBUTE_TYPES = {
    "UNDEFINED": 0,
    "FLOAT": 1,
    "UINT8": 2,
    "INT8": 3,
    "UINT16": 4,
    "INT16": 5,
    "INT32": 6,
    "INT64": 7,
    "STRING": 8,
    "BOOL": 9,
    "FLOAT16": 10,
    "DOUBLE": 11,
    "UINT32": 12,
    "UINT64": 13,
    "COMPLEX64": 14,
    "COMPLEX128": 15,
    "BFLOAT16": 16,
    "TENSOR": 17,
    "GRAPH": 18,
    "TENSORS": 19,
    "TUPLE": 20,
    "LIST": 21,
    "DICT": 22,
    "UMONAD": 23,
    "IOMONAD": 24,
    "NONE": 25,
    "PRIMITIVECLOSURE": 26,
    "FUNCGRAPHCLOSURE": 27,
    "PARTIALCLOSURE": 28,
    "UNIONFUNCCLOSURE": 29,
    "CSR_TENSOR": 30,
    "COO_TENSOR": 31,
    "ROW_TENSOR": 32,
    "CLASS_TYPE": 33,
    "NAME_SPACE": 34,
    "SYMBOL": 35,
    "TYPE_NULL": 36,
    "MAP_TENSOR": 37,
    "FUNCTOR": 38,
    "SCALAR": 39,
    "SCALAR_GRAPH_HOLDER": 40,
}
DATA_TYPES = {
    "UNDEFINED": 0,
    "FLOAT": 1,
    "UINT8": 2,
    "INT8": 3,
    "UINT16": 4,
    "INT16": 5,
    "INT32": 6,
    "INT64": 7,
    "STRING": 8,
    "BOOL": 9,
    "FLOAT16": 10,
    "DOUBLE": 11,
    "UINT32": 12,
    "UINT64": 13,
    "COMPLEX64": 14,
    "COMPLEX128": 15,
    "BFLOAT16": 16,
    "FLOAT64": 17,
    "QINT4X2": 18,
}
COMPRESSION_TYPES = {
    "NO_COMPRESSION": 0,
    "INDEXING": 1,
    "SPARSE": 2,
    "FSE": 3,
    "BIT_PACKING": 4,
    "FSE_INT": 5,
    "FSE_INFER": 6,
}
PRIMITIVE_TYPES = {"PRIMITIVE": 1, "PRIMITIVE_FUNCTION": 2}

# enum path: its values
ENUMS = {
    "AttributeProto.AttributeType": ATTRIBUTE_TYPES,
    "TensorProto.DataType": DATA_TYPES,
    "TensorProto.CompressionType": COMPRESSION_TYPES,
    "PrimitiveProto.PrimType": PRIMITIVE_TYPES,
}

# message path: (number, name, type); a type ending in "*" is repeated, a capital names a message or enum
MESSAGES: dict[str, tuple[tuple[int, str, str], ...]] = {
    "ModelProto": (
        (1, "ir_version", "string"),
        (2, "producer_name", "string"),
        (3, "producer_version", "string"),
        (4, "domain", "string"),
        (5, "model_version", "string"),
        (6, "doc_string", "string"),
        (7, "graph", "GraphProto"),
        (8, "functions", "GraphProto*"),
        (10, "little_endian", "bool"),
        (12, "primitives", "PrimitiveProto*"),
        (13, "mind_ir_version", "int64"),
    ),
    "GraphProto": (
        (1, "node", "NodeProto*"),
        (2, "name", "string"),
        (3, "parameter", "TensorProto*"),
        (4, "doc_string", "string"),
        (5, "input", "ValueInfoProto*"),
        (6, "output", "ValueInfoProto*"),
        (8, "attribute", "AttributeProto*"),
        (10, "map_parameter", "MapTensorProto*"),
    ),
    "NodeProto": (
        (1, "input", "string*"),
        (2, "output", "string*"),
        (3, "name", "string"),
        (4, "op_type", "string"),
        (5, "attribute", "AttributeProto*"),
        (6, "doc_string", "string"),
        (7, "domain", "string"),
    ),
    "PrimitiveProto": (
        (1, "name", "string"),
        (2, "op_type", "string"),
        (3, "attribute", "AttributeProto*"),
        (4, "instance_name", "string"),
        (5, "prim_type", "PrimitiveProto.PrimType"),
    ),
    "ValueInfoProto": (
        (1, "name", "string"),
        (2, "tensor", "TensorProto*"),
        (3, "doc_string", "string"),
        (4, "denotation", "string"),
        (5, "attr_info", "AttributeProto"),
    ),
    "AttributeProto": (
        (1, "name", "string"),
        (2, "f", "float"),
        (3, "i", "int64"),
        (4, "d", "double"),
        (5, "s", "bytes"),
        (6, "t", "TensorProto"),
        (7, "g", "GraphProto"),
        (8, "floats", "float*"),
        (9, "doubles", "double*"),
        (10, "ints", "int64*"),
        (11, "strings", "bytes*"),
        (12, "tensors", "TensorProto*"),
        (13, "graphs", "GraphProto*"),
        (14, "doc_string", "string"),
        (15, "ref_attr_name", "string"),
        (16, "type", "AttributeProto.AttributeType"),
        (17, "values", "AttributeProto*"),
        (18, "seq_info", "AttributeProto.SeqInfoProto"),
    ),
    "AttributeProto.SeqInfoProto": (
        (1, "is_dyn_len", "bool"),
        (2, "tuple_elem_item", "AttributeProto"),
    ),
    "TensorProto": (
        (1, "dims", "int64*"),
        (2, "data_type", "int32"),
        (3, "float_data", "float*"),
        (4, "int32_data", "int32*"),
        (5, "string_data", "bytes*"),
        (6, "int64_data", "int64*"),
        (7, "name", "string"),
        (8, "doc_string", "string"),
        (9, "raw_data", "bytes"),
        (10, "double_data", "double*"),
        (11, "uint64_data", "uint64*"),
        (12, "external_data", "TensorProto.ExternalDataProto"),
        (13, "ref_key", "string"),
        (14, "min_dims", "int64*"),
        (15, "max_dims", "int64*"),
        (16, "compression_type", "TensorProto.CompressionType"),
        (17, "quant_params", "TensorProto.QuantParamProto*"),
    ),
    "TensorProto.ExternalDataProto": (
        (1, "location", "string"),
        (2, "offset", "int64"),
        (3, "length", "int64"),
    ),
    # only their presence matters: neither can be converted
    "TensorProto.QuantParamProto": (),
    "MapTensorProto": (),
}


def build_file_descriptor() -> descriptor_pb2.FileDescriptorProto:
    """Return the table as a proto2 file descriptor."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="triport/mind_ir.proto", package=PACKAGE, syntax="proto2")
    messages: dict[str, Any] = {}
    for path in sorted(MESSAGES, key=lambda path: path.count(".")):
        parent, _, name = path.rpartition(".")
        siblings = messages[parent].nested_type if parent else file.message_type
        messages[path] = siblings.add(name=name)
    for path, values in ENUMS.items():
        parent, _, name = path.rpartition(".")
        enum = messages[parent].enum_type.add(name=name)
        for value_name, number in values.items():
            enum.value.add(name=value_name, number=number)
    for path, fields in MESSAGES.items():
        for number, name, described in fields:
            kind = described.removesuffix("*")
            label = field.LABEL_REPEATED if described.endswith("*") else field.LABEL_OPTIONAL
            added = messages[path].field.add(name=name, number=number, label=label)
            if kind in MESSAGES or kind in ENUMS:
                added.type = field.TYPE_MESSAGE if kind in MESSAGES else field.TYPE_ENUM
                added.type_name = f".{PACKAGE}.{kind}"
            else:
                added.type = field.Type.Value(f"TYPE_{kind.upper()}")
    return file


def _build_model_class() -> type[Any]:
    pool = descriptor_pool.DescriptorPool()  # of its own: MindSpore registers the same names
    pool.Add(build_file_descriptor())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.ModelProto"))


ModelProto: Any = _build_model_class()
