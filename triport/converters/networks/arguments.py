"""What NET says, on the command line and in the API: a model's name, a file, or a network in the user's code.

    NET = MODEL | module:factory | "module:factory('name', key=literal)" | path/file.py:factory | FILE | DIR

A DIR is one that `convert` wrote a graph's source into, and means the network that this builds. A program may
also hand over a path, a Module or a Cell: `net_of` is the one place that says what is a NET.

The arguments of a factory are literals: they are read, and nothing in them is evaluated. Reading a NET runs
nothing and imports no framework; `factories.py` makes what it says.
"""

from __future__ import annotations

import ast
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triport.converters.formats.source import PATTERN_HINT, is_pattern, missing_file_hint
from triport.converters.formats.tensors import short
from triport.reference_models.errors import TriportError, counted
from triport.reference_models.spec import ModelSpec, UnknownModelError, get_model

from .given import Given, runtime_of

FORMS = (
    "a model's name, a FILE, package.module:factory, \"package.module:factory('name', key=1)\" or "
    "path/file.py:factory"
)
_IDENTIFIER = r"[^\W\d]\w*"
_DOTTED = rf"{_IDENTIFIER}(?:\.{_IDENTIFIER})*"
# the first colon behind which a factory stands: a path may hold others, and so may a text among the arguments
_FACTORY = re.compile(rf"(?P<where>.+?):(?P<attribute>{_DOTTED})(?P<call>\s*\(.*)?", re.DOTALL)
_MOST_CHARACTERS = 10_000


class NetArgumentError(TriportError):
    """A word of the command line does not say which network is meant, or says it wrongly."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A model of triport's own."""

    spec: ModelSpec

    @property
    def name(self) -> str:
        """What the network is called."""
        return self.spec.name

    text = name


@dataclass(frozen=True, slots=True)
class NetFile:
    """A file that is there: an .onnx or .mindir graph, or a checkpoint; its content says which."""

    path: Path

    @property
    def name(self) -> str:
        """What the network is called."""
        return self.path.stem

    @property
    def text(self) -> str:
        """What was written."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Factory:
    """Where a network is made in the user's code.

    `module` is a module's dotted name, or the path of a file. `attribute` leads from there to a function or
    class that makes the network, or to the network itself; `is_called` says whether arguments were given,
    which may be none.
    """

    text: str
    module: str | Path
    attribute: str
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()
    is_called: bool = False

    @property
    def name(self) -> str:
        """What the network is called: the text that its factory is given first, or else the factory.

        A `build` of a file is that file's network.
        """
        first = self.arguments[0] if self.arguments else None
        if isinstance(first, str) and re.fullmatch(r"\w[\w.-]{0,99}", first):
            return first
        if isinstance(self.module, Path) and self.attribute == "build":
            return self.module.stem
        return self.attribute.rpartition(".")[2]


Net = Registered | NetFile | Factory | Given


def net_of(what: Any) -> Net:
    """Return what a NET is: a text as on the command line, a path, or an object that a program hands over.

    Raises:
        NetArgumentError: it is none of these, or a text that says nothing that is known.
    """
    if isinstance(what, str | os.PathLike):
        return parse_net(os.fspath(what))
    runtime = runtime_of(what)
    if runtime is None:
        raise NetArgumentError(
            f"a {type(what).__name__}: expected a torch.nn.Module, a mindspore.nn.Cell, or {FORMS}"
        )
    return Given(what, runtime)


def parse_net(text: str) -> Net:
    """Return what a NET says.

    A file is one that exists. What is both a model's name and a file here is refused, as one of them would be
    taken without a word; `./NAME` is the file.

    Raises:
        NetArgumentError: it says nothing that is known, or arguments that are no literals.
    """
    if is_factory(text):
        return parse_factory(text)
    is_file = _is_file(text)
    try:
        spec = get_model(text)
    except UnknownModelError as error:
        if is_file:
            return NetFile(Path(text))
        raise NetArgumentError(f"{short(text)}: {_what_is_wrong(text, error)}") from error
    if is_file:
        raise NetArgumentError(
            f"{text}: is the name of a model and a file in this folder. Write ./{text} for the file, or run "
            f"triport in another folder for the model"
        )
    return Registered(spec)


def text_of(what: Any) -> str:
    """Return what messages call a NET that is not looked up yet."""
    return os.fspath(what) if isinstance(what, str | os.PathLike) else type(what).__name__


def is_factory(text: str) -> bool:
    """Return whether a word has the form of a factory in the user's code; a file that is there has not.

    A folder with source that triport wrote is one too.
    """
    if len(text) > _MOST_CHARACTERS or _is_file(text):
        return False
    return _FACTORY.fullmatch(text) is not None or written_source(text) is not None


def written_source(text: str) -> Path | None:
    """Return the source in a folder that `convert` wrote, None where a word is no such folder."""
    if not _is_folder(text):
        return None
    from triport.converters.onnx_import.written import source_in

    return source_in(Path(text))


def parse_factory(text: str, option: str = "") -> Factory:
    """Return what "package.module:factory" says, with or without arguments.

    Args:
        text: what the user wrote.
        option: which option it is of, for the messages; none is an argument.

    Raises:
        NetArgumentError: it is of another form, or an argument is no literal.
    """
    said = f"{option} {short(text)}".strip()
    if len(text) > _MOST_CHARACTERS:
        raise NetArgumentError(
            f"{said}: has {counted(len(text), 'character')}, expected at most {_MOST_CHARACTERS:,}"
        )
    match = _FACTORY.fullmatch(text)
    written = written_source(text)
    if written is not None:
        return Factory(text, written, "build")
    if match is None:
        raise NetArgumentError(
            f"{said}: expected package.module:factory, path/file.py:factory, or one of these with literals: "
            "\"package.module:factory('name', key=1)\""
        )
    module = _module(match["where"], said)
    if match["call"] is None:
        return Factory(text, module, match["attribute"])
    arguments, keywords = _literals(match["call"].strip(), said)
    return Factory(text, module, match["attribute"], arguments, keywords, is_called=True)


def _module(where: str, said: str) -> str | Path:
    path = Path(where)
    if path.suffix == ".py" or "/" in where:
        if path.is_file() and path.suffix == ".py":
            return path
        if path.suffix != ".py" and path.with_name(f"{path.name}.py").is_file():
            raise NetArgumentError(f"{said}: {short(where)} is no file, {short(where)}.py is: write that")
        what = "there is no such file" if path.suffix == ".py" else "a file of Python code ends in .py"
        raise NetArgumentError(f"{said}: {short(where)}: {what}. The path begins in {Path.cwd()}")
    if not re.fullmatch(_DOTTED, where):
        raise NetArgumentError(
            f"{said}: {short(where)} is neither the name of a Python module, such as package.module, nor the "
            f"path of a .py file"
        )
    return where


def _literals(call: str, said: str) -> tuple[tuple[Any, ...], tuple[tuple[str, Any], ...]]:
    """Return the arguments of a call, which is read as text and never run."""
    try:
        expression = ast.parse(f"f{call}", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NetArgumentError(
            f"{said}: {short(call)} cannot be read as arguments: {getattr(error, 'msg', error)}"
        ) from error
    if not isinstance(expression, ast.Call) or not isinstance(expression.func, ast.Name):
        raise NetArgumentError(f"{said}: expected one call, found more behind it: {short(call)}")
    keywords = [keyword.arg for keyword in expression.keywords]
    twice = {name for name in keywords if name is not None and keywords.count(name) > 1}
    if twice:
        raise NetArgumentError(f"{said}: the argument {', '.join(sorted(twice))} is given twice")
    return (
        tuple(_literal(node, said) for node in expression.args),
        tuple((keyword.arg or "", _literal(keyword, said)) for keyword in expression.keywords),
    )


def _literal(node: ast.expr | ast.keyword, said: str) -> Any:
    is_unpacked = isinstance(node, ast.Starred) or (isinstance(node, ast.keyword) and node.arg is None)
    value = node.value if isinstance(node, ast.keyword) else node
    try:
        if is_unpacked:
            raise ValueError
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise NetArgumentError(
            f"{said}: the argument {short(ast.unparse(node))} is no literal. Numbers, texts, True, False, "
            f"None, and tuples, lists, sets and dicts of them are read; nothing is evaluated. Write a "
            f"function that makes the network with what else it needs, and name that"
        ) from error


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


def _is_folder(text: str) -> bool:
    try:
        return Path(text).is_dir()
    except (OSError, ValueError):
        return False


def _what_is_wrong(text: str, unknown: UnknownModelError) -> str:
    if Path(text).suffix in (".onnx", ".mindir", ".ckpt", ".pth", ".pt", ".safetensors") or "/" in text:
        folder = "is a folder, and not one that `convert` wrote one graph's source into"
        what = folder if _is_folder(text) else "there is no such file"
        if is_pattern(text):
            return f"{what}; {PATTERN_HINT}"
        if not _is_folder(text) and "did you mean" in (hint := missing_file_hint(text)):
            return f"{what}; {hint}"
        return f"{what}. Expected {FORMS}"
    return f"{unknown} It is no file and no factory either: expected {FORMS}"
