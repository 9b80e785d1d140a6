"""Making the network that a factory in the user's code makes, and saying what goes wrong there.

The user's code runs as `python -m` in this folder would run it: modules are found from the folder, and from
that of a file that is named by its path. What it prints goes to stderr, so that a result on stdout stays one.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from triport.converters import environment
from triport.converters.formats.tensors import short
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import Runtime

from .arguments import Factory, NetFile
from .given import Given, runtime_of

MODULE, CELL = "torch.nn.Module", "mindspore.nn.Cell"
# what MindSpore appends to its messages
_NOT_FOR_USERS = "- C++ Call Stack"


class FactoryError(TriportError):
    """The user's code is not there, fails, or makes no network."""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A torch.nn.Module or a mindspore.nn.Cell, the runtime that runs it, and what it was made of."""

    net: Factory | Given | NetFile
    network: Any
    runtime: Runtime


def make(net: Factory | Given, option: str = "") -> Made:
    """Import the user's code and return the network that it has or makes; what is given is made already.

    Args:
        net: where it is.
        option: which option it is of, for the messages.

    Raises:
        FactoryError: there is no such module or attribute, the code fails or ends the program, or what it
            makes is neither a Module nor a Cell.
    """
    if isinstance(net, Given):
        return Made(net, net.network, net.runtime)
    said = f"{option} {short(net.text)}".strip()
    environment.prepare()
    with users_code(said):
        found = _import(net.module, said)
        for name in net.attribute.split("."):
            found = _attribute(found, name, said)
        network = found
        if net.is_called or runtime_of(found) is None:
            if not callable(found):
                raise FactoryError(
                    f"{said}: makes a {_kind(found)}, not a {MODULE} or a {CELL}, and cannot be called"
                )
            network = found(*net.arguments, **dict(net.keywords))
    runtime = runtime_of(network)
    if runtime is None:
        raise FactoryError(f"{said}: makes a {_kind(network)}, not a {MODULE} or a {CELL}{_hint(network)}")
    return Made(net, network, runtime)


@contextlib.contextmanager
def users_code(said: str) -> Iterator[None]:
    """Run code of the user's: what it prints goes to stderr, what it raises becomes one message.

    Raises:
        FactoryError: it failed, or called sys.exit; the message has the last line of the user's own.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (TriportError, MemoryError):
        raise
    except SystemExit as error:
        raise FactoryError(
            f"{said}: calls sys.exit({'' if error.code is None else repr(error.code)}){_place(error)}. A "
            f'module that is also a program keeps that under if __name__ == "__main__"'
        ) from error
    except Exception as error:  # whatever a stranger's code raises
        what = traceback.format_exception_only(error)[-1].partition(_NOT_FOR_USERS)[0].rstrip("- \n")
        what = " ".join(what.split())
        raise FactoryError(f"{said}: {short(what, 600)}{_place(error)}{_advice(error)}") from error


def _import(module: str | Path, said: str) -> Any:
    folders = [os.fspath(Path.cwd())]
    if isinstance(module, Path):
        folders.insert(0, os.fspath(module.resolve().parent))
    # for good: a network may import more when it runs
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    importlib.invalidate_caches()
    if isinstance(module, Path):
        return _import_file(module.resolve())
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise FactoryError(
            f"{said}: No module named {short(error.name)!r}, neither in this folder, {Path.cwd()}, nor "
            f"installed for {sys.executable}. Run triport where `import {short(module)}` works, or name the "
            f"file: path/file.py:factory"
        ) from error


def _import_file(path: Path) -> ModuleType:
    """Return the module that a file is, the same each time, under a name of its own."""
    for module in list(sys.modules.values()):
        if getattr(module, "__triport_file__", None) == path:
            return module
    # its own name where that is free, so that the modules beside it can import it back
    name = path.stem if path.stem.isidentifier() and _is_free(path) else f"file_of_network_{len(sys.modules)}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__triport_file__ = path  # type: ignore[attr-defined]
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _is_free(path: Path) -> bool:
    """Return whether a file is what its stem means in an import, so that it hides nothing."""
    if path.stem in sys.modules:
        return False
    try:
        spec = importlib.util.find_spec(path.stem)
    except (ImportError, ValueError):
        return True
    return spec is None or (spec.origin is not None and Path(spec.origin).resolve() == path)


def _attribute(found: Any, name: str, said: str) -> Any:
    try:
        return getattr(found, name)
    except AttributeError as error:
        if isinstance(found, ModuleType):
            with contextlib.suppress(ModuleNotFoundError):  # a module below, which nothing has imported yet
                return importlib.import_module(f"{found.__name__}.{name}")
        where = getattr(found, "__name__", type(found).__name__)
        near = difflib.get_close_matches(name, [one for one in dir(found) if one[0] != "_"])
        hint = f". It has {', '.join(near)}" if near else ""
        raise FactoryError(f"{said}: {short(where)} has no attribute {name!r}{hint}") from error


def _place(error: BaseException) -> str:
    """Return the last line of code that is neither ours nor an import's, as a phrase."""
    ours = Path(__file__).parent
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and Path(frame.filename).parent != ours
    ]
    frames = [frame for frame in frames if f"{os.sep}importlib{os.sep}" not in frame.filename]
    if not frames:
        return ""
    last = frames[-1]
    code = f": {short(last.line)}" if last.line else ""
    return f" ({last.filename}, line {last.lineno}, in {last.name}{code})"


def _advice(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f". The network's code needs {short(error.name)}: install it beside triport"
    if isinstance(error, TypeError) and "required" in str(error) and "argument" in str(error):
        return ". Give it arguments: \"package.module:factory('name', key=1)\""
    return ". --debug prints the traceback"


def _kind(network: Any) -> str:
    if isinstance(network, type):
        return f"class {network.__name__}"
    if isinstance(network, tuple | list):
        return f"{type(network).__name__} of {', '.join(map(_kind, network[:4]))}"
    return type(network).__name__


def _hint(network: Any) -> str:
    if isinstance(network, type) or inspect.isroutine(network):
        return (
            ". Give the arguments with which that makes one: a function of yours that does can be named here"
        )
    if isinstance(network, tuple | list | dict) and network:
        return ". Name a function that returns the network alone"
    return ""
