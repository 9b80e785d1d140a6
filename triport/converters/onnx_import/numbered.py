"""Blocks that are layers of one kind in turn, with numbers in their names: a list that a loop fills."""

from __future__ import annotations

import ast
import re
from typing import Any

from .alike import numbers_in
from .equal_classes import Class
from .expressions import code, copied, literal, text_of
from .members import steps_of
from .targets import Target

_FEWEST = 3
_NUMBERED = re.compile(r"([A-Za-z_]\w*?)(\d+)")


def numbered_in_turn(made: Class, target: Target) -> ast.expr | None:
    """Return what makes `layer1`, `layer2`, ... run in turn, if a block is nothing else; or None.

    The layers may differ in numbers that grow by as much from each to the next.
    """
    names = _in_turn(made)
    if names is None or len(names) < _FEWEST or set(names) != set(made.constructor):
        return None
    found = [match for name in names if (match := _NUMBERED.fullmatch(name)) is not None]
    stems = {match[1] for match in found}
    if len(found) != len(names) or len(stems) != 1:
        return None
    first = int(found[0][2])
    if [match[2] for match in found] != [str(first + i) for i in range(len(names))]:
        return None
    layers = [_layer(made.constructor[name]) for name in names]
    layer = _growing([each for each in layers if each is not None]) if None not in layers else None
    if layer is None:
        return None
    number: ast.expr = ast.Name("i", ast.Load())
    number = code("i + n", i=number, n=first) if first else number
    name = ast.JoinedStr([literal(stems.pop()), ast.FormattedValue(number, -1)])
    kind = "nn.Sequential" if target == "pytorch" else "nn.SequentialCell"
    template = f"{kind}(OrderedDict([(name, layer) for i in range(n)]))"
    return code(template, name=name, layer=layer, n=len(names))


def _in_turn(made: Class) -> list[str] | None:
    """Return the layers of a forward pass that only gives one what the last one made."""
    if len(made.body.arguments) != 1 or made.body.numbers:
        return None
    running, names = made.body.arguments[0], []
    for statement in made.body.statements[:-1]:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        call = statement.value if isinstance(statement, ast.Assign) else None
        if not isinstance(target, ast.Name) or not isinstance(call, ast.Call) or call.keywords:
            return None
        steps = steps_of(call.func)
        if steps is None or len(steps) != 1 or [text_of(each) for each in call.args] != [running]:
            return None
        names.append(steps[0])
        running = target.id
    last = made.body.statements[-1]
    returned = last.value if isinstance(last, ast.Return) else None
    return names if isinstance(returned, ast.Name) and returned.id == running else None


def _layer(statements: list[ast.stmt]) -> ast.expr | None:
    """Return what makes a member that one statement makes."""
    one = statements[0] if len(statements) == 1 else None
    return one.value if isinstance(one, ast.Assign) and isinstance(one.value, ast.Call) else None


def _growing(layers: list[ast.expr]) -> ast.expr | None:
    """Return the layers as one expression of `i`, None if they differ in more than numbers that grow."""
    rows = [numbers_in([ast.Expr(copied(each))]) for each in layers]
    blank = {_blank(each) for each in layers}
    if len(blank) != 1 or len({len(row) for row in rows}) != 1:
        return None
    made: Any = ast.Expr(copied(layers[0]))
    for place, (parent, name, position, constant) in enumerate(numbers_in([made])):
        values: list[Any] = [row[place][3].value for row in rows]
        step = values[1] - values[0]
        if any(value != values[0] + step * i for i, value in enumerate(values)):
            return None
        if not step:
            continue
        if not all(type(value) is int for value in values) or step < 0:
            return None
        grown = code("a + d * i", a=constant.value, d=step) if step != 1 else code("a + i", a=constant.value)
        if position is None:
            setattr(parent, name, grown)
        else:
            getattr(parent, name)[position] = grown
    return made.value if isinstance(made.value, ast.expr) else None


def _blank(tree: ast.expr) -> str:
    found = ast.Expr(copied(tree))
    for *_, each in numbers_in([found]):
        each.value = "" if isinstance(each.value, int) else b""
    return ast.dump(found)
