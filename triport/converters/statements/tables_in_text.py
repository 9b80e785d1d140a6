"""Tables in a text, as scripts keep them: JSON, YAML, a Python configuration, a Namespace, a command.

A text is data here. YAML's tags make nothing, and of Python only what literals and calls like
`dict(type="ResNet", depth=50)` say is taken, by its syntax tree: nothing is looked up, nothing runs.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Callable
from typing import Any

# what mmengine and detectron2 call the configurations that one is a change of
BASE = "_base_"
MAX_CHARACTERS = 1 << 18
_MAX_ALIASES = 20  # of YAML: each may stand for all that the one before stands for
_YAML = re.compile(r"^[\w\"'-][^\n:]{0,60}:(\s|$)", re.MULTILINE)
_PYTHON = re.compile(r"^\w{1,60}\s*=", re.MULTILINE)
_CALL = re.compile(r"\w{1,60}\(")
_WORDS_OF_A_COMMAND = re.compile(r"(^|\s)--[A-Za-z][\w-]*[\s=]\S")
_OPTION = re.compile(r"--?([A-Za-z][\w.-]*)(?:=(.*))?", re.DOTALL)


class NotATableError(ValueError):
    """A text is no table that can be read without running anything; the message says why."""


def table_of(text: str) -> dict[str, Any] | None:
    """Return the table that a text is; None where it is none, or cannot be read."""
    if len(text) > MAX_CHARACTERS:
        return None
    for looks_like, read in _KINDS:
        if looks_like(text.lstrip()):
            try:
                return read(text)
            except NotATableError:
                continue
    return None


def names_in(text: str) -> list[str]:
    """Return the names that a text lists, in JSON or as Python prints it, by place or number; [] if none.

    Ultralytics writes `{0: 'person', 1: 'bicycle'}` into the metadata of an ONNX file, others `["person"]`.
    """
    if len(text) > MAX_CHARACTERS or not text.lstrip().startswith(("[", "{")):
        return []
    try:
        found = _literal(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    if isinstance(found, dict) and {str(key) for key in found} == {str(place) for place in range(len(found))}:
        found = list(found.values())
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else []


def json_table(text: str) -> dict[str, Any]:
    """Read JSON.

    Raises:
        NotATableError: it is none, or no table.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotATableError(f"no JSON: {error}") from error
    return _table(found)


def yaml_table(text: str) -> dict[str, Any]:
    """Read YAML; what has a tag of its own, such as `!!python/object`, is read as the plain values in it.

    Raises:
        NotATableError: it is none, or no table.
    """
    import yaml

    try:
        aliases = sum(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader))
        if aliases > _MAX_ALIASES:
            raise NotATableError(f"{aliases} aliases")
        found = yaml.load(text, Loader=_plain_loader())
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise NotATableError(f"no YAML: {' '.join(str(error).split())}") from error
    return _table(found)


def python_table(text: str) -> dict[str, Any]:
    """Read the literals that a Python configuration assigns at its first level, and that it builds on others.

    Raises:
        NotATableError: it is no Python.
    """
    try:
        body = ast.parse(text).body
        assigned = {
            target.id: _literal(statement.value)
            for statement in body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotATableError(f"no Python: {error}") from error
    bases = {BASE: "read_base()"} if any(isinstance(one, ast.With) for one in body) else {}
    return bases | {name: value for name, value in assigned.items() if value is not None}


def _namespace(text: str) -> dict[str, Any]:
    try:
        return _table(_literal(ast.parse(text.strip(), mode="eval").body))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotATableError(str(error)) from error


def _command(text: str) -> dict[str, Any]:
    """Read the options of a command: `--key value`, `--key=value` and `--flag`."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise NotATableError(str(error)) from error
    found: dict[str, Any] = {}
    for word, following in zip(words, [*words[1:], "--"], strict=True):
        option = _OPTION.fullmatch(word)
        if option is not None:
            key, value = option.groups()
            is_flag = (value is None and _OPTION.fullmatch(following) is not None) or following == "--"
            found[key] = value if value is not None else True if is_flag else following
    return found


def _literal(node: ast.expr) -> Any:
    """Return what a literal, or a call with keywords, says; None for what would have to be run."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Call):
        return {word.arg: _literal(word.value) for word in node.keywords if word.arg is not None}
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {k.value: _literal(v) for k, v in pairs if isinstance(k, ast.Constant)}
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand)
        return -value if isinstance(value, int | float) else None
    return None


def _plain_loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML without tags, and without merges, which can grow."""

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            """Leave `<<` a key as any other."""

    def plain(loader: Any, _: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_scalar(node)

    Loader.add_multi_constructor("", plain)
    return Loader


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotATableError("no table of keys and values")
    return value


_KINDS: tuple[tuple[Callable[[str], Any], Callable[[str], dict[str, Any]]], ...] = (
    (lambda text: text.startswith("{"), json_table),
    (_CALL.match, _namespace),
    (_PYTHON.search, python_table),
    (_WORDS_OF_A_COMMAND.search, _command),
    (_YAML.search, yaml_table),
)
