"""Classes that are equal but for numbers: which these are, and how they become arguments of one class."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass, replace
from typing import Any

from .expressions import text_of
from .translate import Written

# of the layers' constructors, what the positions are
_POSITIONS = {
    "Conv1d": ("in_channels", "out_channels", "kernel_size"),
    "Conv2d": ("in_channels", "out_channels", "kernel_size"),
    "Conv3d": ("in_channels", "out_channels", "kernel_size"),
    "ConvTranspose2d": ("in_channels", "out_channels", "kernel_size"),
    "BatchNorm2d": ("channels",),
    "BatchNorm1d": ("channels",),
    "Linear": ("in_features", "out_features"),
    "Dense": ("in_features", "out_features"),
    "LayerNorm": ("features",),
    "Embedding": ("count", "features"),
}


@dataclass(slots=True)
class Class:
    """A class of the source."""

    name: str
    parameters: list[str]
    constructor: list[ast.stmt]
    arguments: list[str]
    forward: list[ast.stmt]
    written: Written
    paths: list[str]

    @property
    def count(self) -> int:
        """How many blocks are of the class."""
        return len(self.paths)


def form_of(made: Class) -> str:
    """Return what is the same in classes that can be one: all but the constructor's numbers."""
    blank = replace(made, constructor=copy.deepcopy(made.constructor))
    for *_, each in _constants(blank):
        each.value = "" if isinstance(each.value, int) else b""
    parts = [ast.dump(s) for s in blank.constructor + blank.forward]
    return "\n".join([*parts, str(made.arguments)])


def differing_numbers(group: list[Class]) -> list[tuple[str, list[int]]]:
    """Return the numbers that differ in a group: a name for each, and its places in the constructor."""
    table = [numbers_of(each) for each in group]
    places: dict[tuple[Any, ...], list[int]] = {}
    for i, column in enumerate(zip(*table, strict=True)):
        if len(set(column)) > 1:
            places.setdefault(column, []).append(i)
    constants = _constants(group[0])
    found: list[tuple[str, list[int]]] = []
    used: set[str] = set()
    for where in places.values():
        wanted = _argument_name(constants[where[0]])
        chosen, number = wanted, 1
        while chosen in used:
            number += 1
            chosen = f"{wanted}{number}"
        used.add(chosen)
        found.append((chosen, where))
    return found


def put_parameters(made: Class, columns: list[tuple[str, list[int]]]) -> None:
    """Put arguments where numbers stand in a constructor."""
    constants = _constants(made)
    for parameter, places in columns:
        for place in places:
            node, field, position, _ = constants[place]
            here = ast.Name(parameter, ast.Load())
            value = getattr(node, field)
            if isinstance(value, list):
                value[position] = here
            else:
                setattr(node, field, here)


def numbers_of(made: Class) -> list[Any]:
    """Return the numbers in a constructor."""
    return [each.value for *_, each in _constants(made)]


def _constants(made: Class) -> list[tuple[ast.AST, str, int, ast.Constant]]:
    """Return the numbers in a constructor, with where each stands: its parent, field and position."""
    found = []
    for statement in made.constructor:
        for node in ast.walk(statement):
            if isinstance(node, ast.Subscript):
                continue
            for field, value in ast.iter_fields(node):
                for i, each in enumerate(value if isinstance(value, list) else [value]):
                    if (
                        isinstance(each, ast.Constant)
                        and isinstance(each.value, int | float)
                        and not isinstance(each.value, bool)
                    ):
                        found.append((node, field, i, each))
    return found


def _argument_name(constant: tuple[ast.AST, str, int, ast.Constant]) -> str:
    node, field, position, _ = constant
    if isinstance(node, ast.keyword) and node.arg:
        return node.arg
    if isinstance(node, ast.Call) and field == "args":
        positions = _POSITIONS.get(text_of(node.func).rpartition(".")[2], ())
        if position < len(positions):
            return positions[position]
    return "size"
