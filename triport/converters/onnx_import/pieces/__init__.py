"""Functions, and records of their options, that generated source may hold: copied as text, never run here.

`pieces/pytorch/*.py` and `pieces/mindspore/*.py`; a function brings what it uses of the others.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def _functions(target: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return the text of each function and record of a framework, and the names that it uses."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for path in sorted((Path(__file__).parent / target).glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                if node.name in found:
                    raise ValueError(f"{target} has two pieces {node.name}")
                used = frozenset(each.id for each in ast.walk(node) if isinstance(each, ast.Name))
                found[node.name] = (ast.get_source_segment(text, node) or "", used)
    return found


def piece(target: str, wanted: str) -> dict[str, str]:
    """Return the texts of a function or record and of what it uses, these first."""
    functions = _functions(target)
    text, used = functions[wanted]
    found: dict[str, str] = {}
    for other in sorted(used & set(functions) - {wanted}):
        found |= piece(target, other)
    return found | {wanted: text}
