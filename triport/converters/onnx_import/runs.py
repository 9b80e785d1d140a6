"""Layers of one container that run in turn: one call, or a loop.

Functions that lie between numbered layers are the layers whose numbers are missing: a state dict has no entry
for an activation or a pool.
"""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from .body import Shared
from .expressions import code, is_key, name, text_of, walked
from .members import Tree, steps_of
from .state import Layer
from .variables import used_names, with_names

_MODULES = {
    "F.relu": "nn.ReLU",
    "F.relu6": "nn.ReLU6",
    "F.silu": "nn.SiLU",
    "F.gelu": "nn.GELU",
    "F.elu": "nn.ELU",
    "F.mish": "nn.Mish",
    "F.hardswish": "nn.Hardswish",
    "F.hardsigmoid": "nn.Hardsigmoid",
    "F.leaky_relu": "nn.LeakyReLU",
    "F.max_pool2d": "nn.MaxPool2d",
    "F.avg_pool2d": "nn.AvgPool2d",
    "torch.sigmoid": "nn.Sigmoid",
    "torch.tanh": "nn.Tanh",
    "ops.relu": "nn.ReLU",
    "ops.relu6": "nn.ReLU6",
    "ops.silu": "nn.SiLU",
    "ops.sigmoid": "nn.Sigmoid",
}
_MOST_MISSING = 2  # numbers in a row for which no function is found


class _Call(NamedTuple):
    """A statement `target = call`, where a member or a function is given one variable."""

    place: int
    target: str
    steps: list[str]  # of the member that is called, none of a function
    given: str
    module: ast.expr | None  # the layer that computes what the function does


def with_runs(statements: list[ast.stmt], tree: Tree, shared: Shared) -> list[ast.stmt]:
    """Return the statements with layers of one list that run in turn as one call, or as a loop."""
    if not tree.holds_containers:
        return statements
    for path, container in list(_containers(tree)):
        if all(key.isdigit() for key in container.members):
            statements = _in_turn(statements, tree, path, container)
        elif shared.target == "pytorch":
            statements = _through_a_dict(statements, tree, path, container, shared)
    return _looped(statements, tree, shared)


def _containers(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Tree]]:
    """Give the containers of numbered layers, inner ones first."""
    for key, member in tree.members.items():
        if isinstance(member, Tree):
            yield from _containers(member, (*path, key))
    if path and all(map(is_key, tree.members)):
        yield path, tree


def _through_a_dict(
    statements: list[ast.stmt], tree: Tree, path: tuple[str, ...], container: Tree, shared: Shared
) -> list[ast.stmt]:
    """Return the statements with layers of one dict, which has them in turn, as a loop."""
    calls = [call for i, each in enumerate(statements) if (call := _call_of(i, each, tree)) is not None]
    own = [call for call in calls if tuple(call.steps[:-1]) == path]
    uses = used_names(statements)
    in_turn = all(a.target == b.given and uses[a.target] == 1 for a, b in itertools.pairwise(own))
    if [call.steps[-1] for call in own] != list(container.members) or len(own) < 2 or not in_turn:
        return statements
    if _reads_of(statements, path) != len(own):
        return statements
    block, running = shared.fresh("block"), own[-1].target
    step = code("f(x)", f=ast.Name(block, ast.Load()), x=ast.Name(running, ast.Load()))
    values = code("x.values()", x=name(".".join(("self", *path))))
    body: list[ast.stmt] = [ast.Assign([ast.Name(running, ast.Store())], step)]
    loop = [
        ast.Assign([ast.Name(running, ast.Store())], ast.Name(own[0].given, ast.Load())),
        ast.For(ast.Name(block, ast.Store()), values, body, []),
    ]
    same = {running: own[0].given} if uses[own[0].given] == 1 else {}
    places = {call.place for call in own}
    made: list[ast.stmt] = []
    for i, each in enumerate(statements):
        made += (loop[1:] if same else loop) if i == own[-1].place else [] if i in places else [each]
    return [with_names(each, same) for each in made] if same else made


def _in_turn(
    statements: list[ast.stmt], tree: Tree, path: tuple[str, ...], container: Tree
) -> list[ast.stmt]:
    """Return the statements with a container as one call, if its members run in turn."""
    keys = sorted(int(key) for key in container.members)
    calls = [call for i, each in enumerate(statements) if (call := _call_of(i, each, tree)) is not None]
    made = {call.target: call for call in calls}
    own = {int(call.steps[-1]): call for call in calls if tuple(call.steps[:-1]) == path}
    uses = used_names(statements)
    if sorted(own) != keys or _reads_of(statements, path) != len(keys):
        return statements
    between: dict[int, list[_Call]] = {}
    for before, key in zip([-1, *keys[:-1]], keys, strict=True):
        last = own[before].target if before >= 0 else None
        found = _between(own[key].given, last, made, uses, key - before - 1)
        if found is None or (last is not None and uses[last] != 1):
            return statements
        if key - before - 1 - len(found) > _MOST_MISSING:
            return statements
        between[key] = found
    if not _put_in_turn(container, tree, keys, between):
        return statements
    taken = [*own.values(), *(call for found in between.values() for call in found)]
    first, last_call = [*between[keys[0]], own[keys[0]]][0], own[keys[-1]]
    access = name(".".join(("self", *path)))
    call_of_all = code("f(x)", f=access, x=ast.Name(first.given, ast.Load()))
    indices = {each.place for each in taken}
    whole = ast.Assign([ast.Name(last_call.target, ast.Store())], call_of_all)
    return [
        whole if i == last_call.place else each
        for i, each in enumerate(statements)
        if i == last_call.place or i not in indices
    ]


def _between(
    given: str, last: str | None, made: dict[str, _Call], uses: Counter[str], room: int
) -> list[_Call] | None:
    """Return the functions between two layers; before the first one those for which there is room."""
    found: list[_Call] = []
    while given != last:
        call = made.get(given)
        if call is None or call.module is None or uses[given] != 1 or len(found) == room:
            return found if last is None else None
        found.insert(0, call)
        given = call.given
    return found


def _put_in_turn(container: Tree, tree: Tree, keys: list[int], between: dict[int, list[_Call]]) -> bool:
    """Make a container run in turn, functions its layers; False where the framework has no such one."""
    container.in_turn = True
    if container.kind != "sequential":
        container.in_turn = False
        return False
    filled: dict[str, Any] = {}
    for before, key in zip([-1, *keys[:-1]], keys, strict=True):
        missing = key - before - 1 - len(between[key])
        modules: list[ast.expr] = [code("nn.Identity()") for _ in range(missing)]
        for call in between[key]:
            modules.append(call.module if call.module is not None else code("nn.Identity()"))
            if len(call.steps) == 1:  # a pool of MindSpore, which was a layer of its own
                del tree.members[call.steps[0]]
        filled |= {str(before + 1 + i): Layer(module) for i, module in enumerate(modules)}
        filled[str(key)] = container.members[str(key)]
    container.members = filled
    return True


def _call_of(index: int, statement: ast.stmt, tree: Tree) -> _Call | None:
    if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
        return None
    target, value = statement.targets[0].id, statement.value
    if not isinstance(value, ast.Call) or not value.args or not isinstance(value.args[0], ast.Name):
        return None
    given = value.args[0].id
    steps = steps_of(value.func)
    if steps is None:
        module = _MODULES.get(text_of(value.func))
        rest = [*value.args[1:], *(each.value for each in value.keywords)]
        if module is None or not all(_is_written_out(each) for each in rest):
            return None
        made = ast.Call(name(module), value.args[1:], value.keywords)
        return _Call(index, target, [], given, made)
    if len(value.args) != 1 or value.keywords:
        return None
    own = tree.members.get(steps[0]) if len(steps) == 1 else None
    alone = own.constructor if isinstance(own, Layer) and not own.weights else None
    return _Call(index, target, steps, given, alone)


def _is_written_out(tree: ast.expr) -> bool:
    return all(
        isinstance(n, ast.Constant | ast.Tuple | ast.UnaryOp | ast.USub | ast.Load) for n in walked(tree)
    )


def _reads_of(statements: list[ast.stmt], path: tuple[str, ...]) -> int:
    """Return how often members of a container are reached."""
    return sum(
        tuple((steps_of(node) or [""])[:-1]) == path
        for statement in statements
        for node in walked(statement)
        if isinstance(node, ast.Subscript)
    )


def _looped(statements: list[ast.stmt], tree: Tree, shared: Shared) -> list[ast.stmt]:
    """Return the statements with layers of one list that take something else beside as a loop."""
    uses = used_names(statements)
    result: list[ast.stmt] = []
    same: dict[str, str] = {}  # of what a loop makes, what it was given, which goes by the same name
    i = 0
    while i < len(statements):
        length = _loop_at(statements, i, tree, uses)
        if length is None:
            result.append(statements[i])
            i += 1
            continue
        first, last = _layer_call(statements[i]), _layer_call(statements[i + length - 1])
        assert first is not None and last is not None
        owner: ast.expr = first[2].func.value  # type: ignore[attr-defined]
        each, rest, given = shared.fresh("block"), first[2].args[1:], first[2].args[0]
        if isinstance(given, ast.Name) and uses[given.id] == 1:
            running = same[last[0]] = same.get(given.id, given.id)
        else:
            running = last[0]
            result.append(ast.Assign([ast.Name(running, ast.Store())], given))
        step = code("f(x, *xs)", f=ast.Name(each, ast.Load()), x=ast.Name(running, ast.Load()), xs=rest)
        body: list[ast.stmt] = [ast.Assign([ast.Name(running, ast.Store())], step)]
        result.append(ast.For(ast.Name(each, ast.Store()), owner, body, []))
        i += length
    return [with_names(each, same) for each in result] if same else result


def _loop_at(statements: list[ast.stmt], start: int, tree: Tree, uses: Counter[str]) -> int | None:
    """Return how many members there are of a container all of which run in turn from here on."""
    first = _layer_call(statements[start])
    if first is None or len(first[1]) < 2 or first[1][-1] != "0" or len(first[2].args) < 2:
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
        each = _layer_call(statements[start + offset])
        if each is None or each[1] != [*first[1][:-1], str(offset)] or uses[before] != 1:
            return None
        if text_of(each[2].args[0]) != before or [text_of(a) for a in each[2].args[1:]] != rest:
            return None
        before = each[0]
    if _reads_of(statements, tuple(first[1][:-1])) != len(container.members):
        return None
    return len(container.members)


def _layer_call(statement: ast.stmt) -> tuple[str, list[str], ast.Call] | None:
    """Return target, path and call of `v = self.a[0](...)`."""
    if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
        return None
    value = statement.value
    if not isinstance(value, ast.Call) or value.keywords:
        return None
    steps = steps_of(value.func)
    return (statement.targets[0].id, steps, value) if steps else None
