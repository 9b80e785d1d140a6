"""Protobuf modules of a generator that today's protobuf refuses, as MindSpore 2.7 and 2.8 have them."""

import os
import subprocess
import sys
import textwrap

import pytest
from google.protobuf import descriptor_pb2

from triport.converters.versions import protobuf_messages

BACKEND = "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"


def old_module(name, field_type=None):
    """Return the source of a module as the old generator wrote it: one message of one field."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package="triport_test", syntax="proto2")
    message = file.message_type.add(name=name.capitalize())
    field = message.field.add(name="held", number=1, label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL)
    imported = ""
    if field_type is None:
        field.type = descriptor_pb2.FieldDescriptorProto.TYPE_INT32
    else:
        file.dependency.append(f"{field_type}.proto")
        field.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".triport_test.{field_type.capitalize()}"
        imported = f"from . import {field_type}_pb2 as {field_type}__pb2"
    return textwrap.dedent(
        f"""
        from google.protobuf import descriptor as _descriptor
        {imported}
        DESCRIPTOR = _descriptor.FileDescriptor(
          name={file.name!r}, package='triport_test', syntax='proto2',
          create_key=_descriptor._internal_create_key, serialized_pb={file.SerializeToString()!r})
        _FIELD = _descriptor.FieldDescriptor(
          name='held', full_name='triport_test.{name.capitalize()}.held', index=0, number=1,
          type=5, cpp_type=1,
          label=1, has_default_value=False, default_value=0, message_type=None, enum_type=None,
          containing_type=None, is_extension=False, extension_scope=None,
          create_key=_descriptor._internal_create_key)
        """
    )


@pytest.fixture
def package(tmp_path):
    """A package in MindSpore's name, with two such modules."""
    folder = tmp_path / "mindspore" / "train"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("")
    (folder / "__init__.py").write_text("")
    (folder / "inner_pb2.py").write_text(old_module("inner"))
    (folder / "outer_pb2.py").write_text(old_module("outer", "inner"))
    (folder / "plain.py").write_text("value = 'serialized_pb _descriptor._internal_create_key'")
    return tmp_path


def run(package, program):
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(package)!r})\nimport onnx\n{program}"],
        capture_output=True,
        text=True,
        # protobuf's own choice, whatever this process has asked for
        env={name: value for name, value in os.environ.items() if name != BACKEND},
    )


USE = """
from mindspore.train.outer_pb2 import Outer
from mindspore.train import plain
outer = Outer()
outer.held.held = 7
print(Outer.FromString(outer.SerializeToString()).held.held, plain.value[:13])
"""
ACCEPTED = "from triport.converters.versions.protobuf_messages import accept_old_messages as a; a(); a()\n"


def test_protobuf_refuses_them_by_itself(package):
    """If this passes no more, the module that is tested here has become useless."""
    done = run(package, USE)
    assert done.returncode == 1 and "Descriptors cannot be created directly" in done.stderr


def test_they_are_loaded_and_their_messages_work(package):
    done = run(package, ACCEPTED + USE)
    assert (done.stdout, done.stderr) == ("7 serialized_pb\n", "")


def test_other_modules_are_left_alone():
    finder = protobuf_messages._Finder()
    assert finder.find_spec("onnx.onnx_pb2", None) is None
    assert finder.find_spec("mindspore.nn", None) is None
