"""MindSpore 2.7 and 2.8 beside today's protobuf, whichever of its backends is at work.

Their protobuf modules (`mindspore.train.mind_ir_pb2` and others) were written by a generator so old that
protobuf refuses them, unless its pure-Python backend was chosen before anything imported protobuf, as
`import onnx` does. That backend is many times slower for everybody in the process. Each such module holds
the description of its messages as bytes, as new ones do, and the messages are made from these here. The
modules of MindSpore 2.10 are of a new generator, and are left alone.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_PACKAGE, _ENDING = "mindspore.", "_pb2"
# what only the old generator writes
_OLD_MARK = b"_descriptor._internal_create_key"
_DESCRIPTION = "serialized_pb"


def accept_old_messages() -> None:
    """Let MindSpore's protobuf modules be imported, whichever generator wrote them."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds MindSpore's protobuf modules of the old generator, and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where such a module is and how it is loaded; None for every other module."""
        if not (fullname.startswith(_PACKAGE) and fullname.endswith(_ENDING)):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is None or spec.origin is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        if _OLD_MARK in spec.loader.get_data(spec.origin):
            spec.loader = _OldMessages(fullname, spec.origin)
        return spec


class _OldMessages(SourceFileLoader):
    """Makes the messages of the bytes that describe them, as modules of a new generator do."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with its messages and enums."""
        from google.protobuf import descriptor_pool
        from google.protobuf.internal import builder

        tree = ast.parse(self.get_data(self.path))
        for name in _modules_needed(tree):  # whose messages are fields of these
            importlib.import_module(name, module.__package__)
        names: dict[str, Any] = vars(module)
        names["DESCRIPTOR"] = descriptor_pool.Default().AddSerializedFile(_description(tree))
        builder.BuildMessageAndEnumDescriptors(names["DESCRIPTOR"], names)
        builder.BuildTopDescriptorsAndMessages(names["DESCRIPTOR"], module.__name__, names)


def _modules_needed(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            yield from (f"{'.' * node.level}{one.name}" for one in node.names)


def _description(tree: ast.Module) -> bytes:
    """Return the description of the file's messages."""
    found = [
        ast.literal_eval(keyword.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == _DESCRIPTION
    ]
    (description,) = found
    return description
