"""A model's definition as one file of plain PyTorch or MindSpore, so that weights run without triport.

The file is made of the definitions here (`reference_models`): the functions and classes that the
model's `build` reaches, in their order, with the model's own numbers.
"""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from triport.reference_models.errors import TriportError
from triport.reference_models.spec import ModelSpec

_DEFINITIONS = "triport.reference_models"
_FRAMEWORK = {"pytorch": ("torch", "PyTorch"), "mindspore": ("mindspore", "MindSpore")}


class DefinitionError(TriportError):
    """A definition cannot be made into one file: a fault of triport's."""


@dataclass(frozen=True, slots=True)
class _Module:
    """A source file's top-level statements by the names that they bind."""

    lines: list[str]
    statements: dict[str, ast.stmt]

    def text(self, node: ast.stmt) -> str:
        decorators = getattr(node, "decorator_list", [])
        start = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        return "\n".join(self.lines[start - 1 : node.end_lineno])


def standalone(spec: ModelSpec, runtime: str, num_classes: int, version: str) -> str:
    """Return the source of a module whose `network()` builds the model; it imports one framework only.

    Args:
        spec: the model.
        runtime: "pytorch" or "mindspore".
        num_classes: outputs of the head.
        version: triport's, for the docstring.

    Raises:
        DefinitionError: two of the files that it is made of use one name for two things.
    """
    suffix, framework = _FRAMEWORK[runtime]
    family = f"{_DEFINITIONS}.{spec.family}"
    layers, config, net = f"{_DEFINITIONS}.layers_{suffix}", f"{family}.spec", f"{family}.net_{suffix}"
    modules = {name: _read(name) for name in (layers, config, net)}
    needed: dict[str, dict[str, ast.stmt]] = {name: {} for name in modules}
    imports: dict[str, str] = {}
    waiting = [(net, "build"), (config, type(spec.config).__name__)]
    while waiting:
        module, name = waiting.pop()
        node = modules[module].statements.get(name)
        if node is None or name in needed[module]:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = _origin(node, module)
            if origin in modules:
                waiting.append((origin, name))
            elif origin.startswith(_DEFINITIONS):
                raise DefinitionError(
                    f"{module} takes {name} from {origin}, which is not part of a definition"
                )
            else:
                imports[name] = _import_line(node, name)
            continue
        needed[module][name] = node
        names = {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}
        waiting += [(module, used) for used in names]
    _check_apart(spec, needed)
    parts = [
        f'"""{spec.name} in {framework}: the definition that its weights are for, and nothing else.\n\n'
        f'Made by triport {version} from its reference_models; Apache-2.0.\n"""\n\n'
        "from __future__ import annotations\n\n" + "\n".join(sorted(set(imports.values()))) + "\n",
    ]
    for module, statements in needed.items():
        nodes = sorted({id(node): node for node in statements.values()}.values(), key=lambda n: n.lineno)
        parts += [modules[module].text(node) + "\n" for node in nodes]
    kind = "nn.Module" if runtime == "pytorch" else "nn.Cell"
    parts.append(
        f"def network() -> {kind}:\n"
        f'    """Return {spec.name} with {num_classes} classes, its weights not loaded."""\n'
        f"    return build({spec.config!r}, {num_classes})\n"
    )
    return "\n\n".join(parts)


def _read(name: str) -> _Module:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise DefinitionError(f"{name} has no source file")
    text = Path(found.origin).read_text(encoding="utf-8")
    statements: dict[str, ast.stmt] = {}
    for node in ast.parse(text).body:
        for bound in _bound(node):
            statements[bound] = node
    return _Module(text.splitlines(), statements)


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _origin(node: ast.Import | ast.ImportFrom, module: str) -> str:
    if isinstance(node, ast.Import):
        return node.names[0].name
    if node.level:
        package = module.rsplit(".", node.level)[0]
        return f"{package}.{node.module}" if node.module else package
    return node.module or ""


def _import_line(node: ast.Import | ast.ImportFrom, name: str) -> str:
    if isinstance(node, ast.Import):
        return f"import {name}"
    return f"from {node.module} import {name}"


def _check_apart(spec: ModelSpec, needed: dict[str, dict[str, ast.stmt]]) -> None:
    """Raise DefinitionError if two modules bind one name, which one file cannot."""
    seen: dict[str, str] = {}
    for module, statements in needed.items():
        for name in statements:
            if name in seen:
                raise DefinitionError(f"{spec.name}: both {seen[name]} and {module} define {name}")
            seen[name] = module
