"""The message table against MindSpore's own descriptors."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from triport.converters.mindir import schema


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    """MindSpore's messages by path."""
    mind_ir_pb2 = importlib.import_module("mindspore.train.mind_ir_pb2")
    file = descriptor_pb2.FileDescriptorProto()
    mind_ir_pb2.DESCRIPTOR.CopyToProto(file)
    return collect(file.message_type)


def collect(messages: Any, prefix: str = "") -> dict[str, Any]:
    found = {}
    for message in messages:
        path = prefix + message.name
        found[path] = message
        found.update(collect(message.nested_type, f"{path}."))
    return found


OURS = collect(schema.build_file_descriptor().message_type)


@pytest.mark.parametrize("path", schema.MESSAGES)
def test_fields_equal_mindspore(path: str, theirs: dict[str, Any]) -> None:
    their_fields = {field.number: field for field in theirs[path].field}
    for field in OURS[path].field:
        their = their_fields[field.number]
        assert (field.name, field.type, field.type_name) == (their.name, their.type, their.type_name)
        repeated = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        assert (field.label == repeated) == (their.label == repeated)


@pytest.mark.parametrize("path", schema.ENUMS)
def test_enums_equal_mindspore(path: str, theirs: dict[str, Any]) -> None:
    message, _, name = path.partition(".")
    (their,) = [enum for enum in theirs[message].enum_type if enum.name == name]
    assert schema.ENUMS[path] == {value.name: value.number for value in their.value}


def test_needs_no_mindspore() -> None:
    """A .mindir file is read, and converted, where only onnx is installed."""
    import subprocess
    import sys

    code = (
        "import sys, converters.mindir.emit, converters.mindir.export, converters.mindir.operators as o;"
        "o.load_operators(); sys.exit('mindspore' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
