"""What a class is called: by the blocks that it is of, or by the layers that it holds."""

from __future__ import annotations

import ast
from collections import Counter

from .equal_classes import Class
from .expressions import is_identifier, is_key, text_of
from .members import steps_of

# steps of paths that say where a block lies and not what it is
_PLACES = frozenset(
    (
        "layer",
        "layers",
        "block",
        "blocks",
        "stage",
        "stages",
        "model",
        "module",
        "features",
        "feature",
        "body",
    )
)
_PLACES |= frozenset(("net", "network", "backbone", "trunk", "units", "cells", "encoder_layers", "h", "m"))
# steps that say more than the layers do
_KNOWN = frozenset(("mlp", "ffn", "ff", "feed_forward"))
_LAYERS = {
    "Conv1d": "Conv",
    "Conv2d": "Conv",
    "Conv3d": "Conv",
    "BatchNorm1d": "BN",
    "BatchNorm2d": "BN",
    "Linear": "Linear",
    "Dense": "Linear",
    "LayerNorm": "LN",
}
_FUNCTIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "silu": "SiLU",
    "gelu": "GELU",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "hardswish": "Hardswish",
}


def wanted_name(made: Class) -> str:
    """Return what a class would be called if no other had the name."""
    by_layers = _of_layers_in_turn(made)
    if by_layers is not None and not all(path.rpartition(".")[2] in _KNOWN for path in made.paths):
        return by_layers
    names = Counter("Stage" if _is_stage(path, made) else _of_path(path) for path in made.paths)
    return names.most_common(1)[0][0]


def _is_stage(path: str, made: Class) -> bool:
    """Return whether a numbered block holds numbered blocks."""
    steps = path.split(".")
    inner = [each.block.path for each in made.written.inner]
    is_place = len(steps) > 1 and is_key(steps[-1]) and steps[-2] in ("stages", "stage", "layers", "layer")
    return is_place and any(is_key(each.rpartition(".")[2]) for each in inner)


def _of_path(path: str) -> str:
    steps = path.split(".")
    is_numbered = is_key(steps[-1])
    named = [step for step in steps if not is_key(step)]
    step = (named[-1] if named else "block").rstrip("0123456789").rstrip("_")
    step = "self_attention" if step == "self" else step
    if (is_numbered and step in _PLACES) or len(step) < 2:
        return "Block"
    if len(step) == 2:
        return step.upper()
    if is_numbered and step.endswith("s"):
        step = step.removesuffix("s")
    found = "".join(part[:1].upper() + part[1:] for part in step.split("_"))
    return found if is_identifier(found) else "Block"


def _of_layers_in_turn(made: Class) -> str | None:
    """Return `ConvBNReLU` of a class that is these three in turn, None of what is more."""
    parts = []
    before = made.body.arguments[0] if len(made.body.arguments) == 1 else None
    for statement in made.body.statements[:-1]:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            return None
        call = statement.value
        if not isinstance(call, ast.Call) or not call.args or text_of(call.args[0]) != before:
            return None
        steps = steps_of(call.func)
        part = _part(made, steps[0]) if steps and len(steps) == 1 else None
        part = part or (_FUNCTIONS.get(text_of(call.func).rpartition(".")[2]) if steps is None else None)
        if part is None:
            return None
        parts.append(part)
        before = statement.targets[0].id
    returned = made.body.statements[-1]
    is_last = (
        isinstance(returned, ast.Return) and returned.value is not None and text_of(returned.value) == before
    )
    return (
        "".join(parts)
        if is_last and 2 <= len(parts) <= 4 and any(p in _LAYERS.values() for p in parts)
        else None
    )


def _part(made: Class, member: str) -> str | None:
    """Return what a layer is called in the name of a class."""
    for statement in made.constructor.get(member, []):
        value = statement.value if isinstance(statement, ast.Assign) else None
        if isinstance(value, ast.IfExp):
            value = value.body
        if isinstance(value, ast.Call):
            return _LAYERS.get(text_of(value.func).rpartition(".")[2])
    return None
