"""Layers of one list that run in turn: one call, or a loop."""

from __future__ import annotations

import ast
from typing import Any

from .body import Shared
from .expressions import code, text_of
from .members import Tree, steps_of
from .variables import used_names


def with_runs(statements: list[ast.stmt], tree: Tree, shared: Shared) -> list[ast.stmt]:
    """Return the statements with layers of one list that run in turn as one call, or as a loop."""
    uses = used_names(statements)
    result: list[ast.stmt] = []
    i = 0
    while i < len(statements):
        run = _run_at(statements, i, tree, uses)
        if run is None:
            result.append(statements[i])
            i += 1
            continue
        container, length = run
        first, last = _call_of(statements[i]), _call_of(statements[i + length - 1])
        assert first is not None and last is not None
        owner: ast.expr = first[2].func.value  # type: ignore[attr-defined]
        if len(first[2].args) == 1:
            container.in_turn = True
            call = code("f(x)", f=owner, x=first[2].args[0])
            result.append(ast.Assign([ast.Name(last[0], ast.Store())], call))
        else:
            each = shared.fresh("block")
            rest = first[2].args[1:]
            step = code("f(x, *xs)", f=ast.Name(each, ast.Load()), x=ast.Name(last[0], ast.Load()), xs=rest)
            result.append(ast.Assign([ast.Name(last[0], ast.Store())], first[2].args[0]))
            result.append(
                ast.For(
                    ast.Name(each, ast.Store()),
                    owner,
                    [ast.Assign([ast.Name(last[0], ast.Store())], step)],
                    [],
                )
            )
        i += length
    return result


def _run_at(statements: list[ast.stmt], start: int, tree: Tree, uses: Any) -> tuple[Tree, int] | None:
    """Return the container all of whose members run in turn from here on, and how many these are."""
    first = _call_of(statements[start])
    if first is None or len(first[1]) < 2 or first[1][-1] != "0" or not first[2].args:
        return None
    container: Any = tree
    for step in first[1][:-1]:
        container = container.members.get(step) if isinstance(container, Tree) else None
    if not isinstance(container, Tree) or container.kind != "list" or len(container.members) < 2:
        return None
    if any(isinstance(each, Tree) for each in container.members.values()):
        return None
    before, rest = first[0], [text_of(each) for each in first[2].args[1:]]
    for offset in range(1, len(container.members)):
        if start + offset >= len(statements):
            return None
        each = _call_of(statements[start + offset])
        if each is None or each[1] != [*first[1][:-1], str(offset)] or uses[before] != 1:
            return None
        if text_of(each[2].args[0]) != before or [text_of(a) for a in each[2].args[1:]] != rest:
            return None
        before = each[0]
    other = [s for i, s in enumerate(statements) if not start <= i < start + len(container.members)]
    key = ".".join(first[1][:-1])
    if any(
        key == ".".join((steps_of(n) or [""])[:-1])
        for s in other
        for n in ast.walk(s)
        if isinstance(n, ast.Subscript)
    ):
        return None
    return container, len(container.members)


def _call_of(statement: ast.stmt) -> tuple[str, list[str], ast.Call] | None:
    """Return target, path and call of `v = self.a[0](...)`."""
    if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
        return None
    value = statement.value
    if not isinstance(value, ast.Call) or value.keywords:
        return None
    steps = steps_of(value.func)
    return (statement.targets[0].id, steps, value) if steps else None
