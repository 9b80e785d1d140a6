"""ONNX graphs to source: what a hostile file must not do. Nothing of its text becomes code.

A text of the file can become a string, or a name that is an identifier. So what is written is read again as a
syntax tree: it has the statements, the imports and the calls of triport's own templates, and no others; each
function that is called is one of the framework, of a tensor, of the network itself or of the file. Then the
network is made of it, which runs all of the file but the forward pass.
"""

from __future__ import annotations

import ast
import functools
import re
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from triport.reference_models.errors import TriportError

MAX_SECONDS = 5.0  # of CPU time, for both frameworks
MAX_EXTRA_KIB = 256 * 1024
MAX_MESSAGE = 3000
SECRET = b"\xa5secret that lies outside the folder of the file\x5a"
# what a text of a file may try to be
HOSTILE = (
    'x"""\nimport os\n"""',
    "x'); canary(); ('",
    "__class__",
    "__import__('os').system('canary')",
    "x\n    canary()\n",
    "lambda: canary()",
    "self.__dict__",
    "torch.load",
    "eval",
    "{canary()}",
    "\\N{DIGIT ONE}\\",
    "../secret",
    "data.bin",
    "/etc/passwd",
    "ﬀ.weight",
    "True",
    "net.class.weight",
    "a.block1-0.weight",
    "a.b-__class__.weight",
    "layer.self.weight",
    "build",
)
_IMPORTS = {
    "__future__",
    "collections.abc",
    "itertools",
    "json",
    "math",
    "mindspore",
    "numpy",
    "pathlib",
    "torch",
    "torch.nn",
    "typing",
}
_STATEMENTS = (
    ast.Import,
    ast.ImportFrom,
    ast.ClassDef,
    ast.FunctionDef,
    ast.Return,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
    ast.For,
    ast.While,
    ast.If,
    ast.Expr,
    ast.Raise,
    ast.Assert,
    ast.Break,
    ast.Continue,
)
_MODULES = ("torch", "nn", "F", "mindspore", "ops", "mint", "math", "itertools", "json", "np")
_BUILTINS = {"abs", "all", "any", "bool", "bytearray", "dict", "enumerate", "float", "getattr", "int", "len"}
_BUILTINS |= {"isinstance"}
_BUILTINS |= {
    "list",
    "max",
    "min",
    "range",
    "reversed",
    "set",
    "slice",
    "str",
    "sum",
    "super",
    "tuple",
    "zip",
}
_BUILTINS |= {"zip", "Parameter", "Path", "Tensor"}
_BUILTINS |= {"NotImplementedError", "ValueError"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_DUNDERS = {"__init__", "__file__"}
_FORBIDDEN = {"load", "hub", "save", "jit", "compile", "library", "utils", "classes", "os", "sys", "system"}


class BrokenPromiseError(AssertionError):
    """The source holds what no template of triport's has, or a bound was passed."""


@functools.cache
def folder() -> Path:
    """Return a folder in memory where there is one, with a data file; a secret lies outside it."""
    shared = Path("/dev/shm")
    holder = tempfile.TemporaryDirectory(prefix="triport-fuzz-", dir=shared if shared.is_dir() else None)
    folder.holder = holder  # type: ignore[attr-defined]  # removed when the process ends
    (Path(holder.name) / "secret").write_bytes(SECRET * 2)
    inside = Path(holder.name) / "inside"
    inside.mkdir()
    (inside / "data.bin").write_bytes(bytes(range(64)))
    return inside


def source(data: bytes) -> str:
    """Write the source of a graph for both frameworks; return "written" or "refused".

    Raises:
        BrokenPromiseError: the text, the time, the memory or the message are not as promised.
        Exception: any other error is a finding.
    """
    path = folder() / "x.onnx"
    path.write_bytes(data)
    start, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    verdicts = [_written(path, target) for target in ("pytorch", "mindspore")]
    seconds = time.process_time() - start
    extra = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    if seconds > MAX_SECONDS or extra > MAX_EXTRA_KIB:
        raise BrokenPromiseError(f"took {seconds:.1f} s and {extra / 1024:.0f} MiB for {len(data)} bytes")
    return "written" if "written" in verdicts else "refused"


def _written(path: Path, target: Any) -> str:
    from triport.converters.networks.imported import written_source

    try:
        made = written_source(path, target, "x")
    except TriportError as error:
        message = str(error)
        if len(message) > MAX_MESSAGE or not all(c.isprintable() or c == "\n" for c in message):
            raise BrokenPromiseError(
                f"a message that is far too long, or not printable: {message!r}"
            ) from error
        return "refused"
    check_text(made.text, target)
    if any(SECRET[:8] in array.tobytes() for array in made.weights.values()):
        raise BrokenPromiseError("the weights hold what lies outside the file's folder")
    if target == "pytorch":
        from triport.converters.onnx_import.written import built

        built(made)
    return "written"


def check_text(text: str, target: str) -> None:
    """Raise BrokenPromiseError unless a source holds only what templates have."""
    tree = ast.parse(text)
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {arg.arg for arg in ast.walk(tree) if isinstance(arg, ast.arg) and "Callable[" in ast.unparse(arg)}
    own |= {name for node in ast.walk(tree) if isinstance(node, ast.For) for name in _layers_in_turn(node)}
    for function in tree.body:  # triport's own, whole
        if isinstance(function, ast.FunctionDef) and function.name != "build":
            own |= {
                n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not isinstance(node, _STATEMENTS):
            raise BrokenPromiseError(f"a statement of kind {type(node).__name__}: {ast.unparse(node)[:200]}")
        if isinstance(node, ast.Import | ast.ImportFrom):
            _check_import(node)
        if isinstance(node, ast.Lambda | ast.Await | ast.Yield | ast.NamedExpr):
            raise BrokenPromiseError(
                f"an expression of kind {type(node).__name__}: {ast.unparse(node)[:200]}"
            )
        for name in _names(node):
            if not _NAME.match(name) or (name.startswith("__") and name not in _DUNDERS):
                raise BrokenPromiseError(f"the name {name!r}")
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant | ast.Call):
            raise BrokenPromiseError(f"a statement that does nothing: {ast.unparse(node)[:200]}")
        if isinstance(node, ast.Call):
            _check_call(node, own, target)


def _layers_in_turn(loop: ast.For) -> list[str]:
    """Return what a loop over layers of the network calls them."""
    if not ast.unparse(loop.iter).startswith(("self.", "zip(self.", "enumerate(self.")):
        return []
    return [node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)]


def _check_import(node: ast.Import | ast.ImportFrom) -> None:
    modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [str(node.module)]
    if not set(modules) <= _IMPORTS:
        raise BrokenPromiseError(f"an import of {modules}")


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.arg | ast.keyword):
        return [node.arg] if node.arg else []
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    return []


def _check_call(call: ast.Call, own: set[str], target: str) -> None:
    shown = ast.unparse(call.func)[:200]
    if isinstance(call.func, ast.Name):
        if call.func.id not in own | _BUILTINS:
            raise BrokenPromiseError(f"a call of {shown}")
        return
    parts = _dotted(call.func)
    if parts is None or parts[0] == "self":
        return
    if parts[0] in _MODULES and not _is_known(parts, target):
        raise BrokenPromiseError(f"a call of {shown}")


def _dotted(tree: ast.expr) -> list[str] | None:
    """Return the names of a.b.c, None of what is not only names."""
    if isinstance(tree, ast.Name):
        return [tree.id]
    if isinstance(tree, ast.Attribute):
        before = _dotted(tree.value)
        return None if before is None else [*before, tree.attr]
    return None


def _is_known(parts: list[str], target: str) -> bool:
    """Return whether a framework has such a function, and it is none that reads, writes or compiles."""
    if parts in (["json", "loads"], ["mindspore", "load_checkpoint"]):
        return True
    return not _FORBIDDEN & set(parts[1:]) and (target != "pytorch" or _exists(parts))


def _exists(parts: list[str]) -> bool:
    import itertools
    import json
    import math

    import torch
    from torch import nn
    from torch.nn import functional

    roots = {"torch": torch, "nn": nn, "F": functional, "math": math, "itertools": itertools, "json": json}
    found: Any = roots.get(parts[0])
    for part in parts[1:]:
        found = getattr(found, part, None)
    return found is not None
