"""What a person does with statements: nest what is used once, name variables by what they hold."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from .expressions import Changer, copied, names_in, text_of, walked

_WIDE = 84  # a nested expression's length
_DEEP = 3  # calls in one another


def used_names(statements: Iterable[ast.AST]) -> Counter[str]:
    """Return how often each name is read."""
    found: Counter[str] = Counter()
    for statement in statements:
        found.update(
            node.id
            for node in walked(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        )
    return found


def _made_names(statements: Iterable[ast.AST]) -> Counter[str]:
    return Counter(
        node.id
        for statement in statements
        for node in walked(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )


def without_unused(statements: list[ast.stmt], temporary: dict[str, str]) -> list[ast.stmt]:
    """Return the statements without those whose variable nobody reads, in branches and loops too."""
    while True:
        names = [node for each in statements for node in walked(each) if isinstance(node, ast.Name)]
        uses = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        unused = {node.id for node in names if node.id in temporary and node.id not in uses}
        kept = _without(statements, unused) if unused else statements
        if not unused or _count(kept) == _count(statements):
            return kept
        statements = kept


def _count(statements: list[ast.stmt]) -> int:
    return sum(isinstance(node, ast.stmt) for each in statements for node in walked(each))


def _without(statements: list[ast.stmt], unused: set[str]) -> list[ast.stmt]:
    """Return the statements without those that assign one of these names alone."""
    kept = []
    for each in statements:
        target = each.targets[0] if isinstance(each, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id in unused:
            continue
        kept.append(_with_blocks(each, lambda inner: _without(inner, unused)))
    return kept


def _with_blocks(statement: ast.stmt, change: Callable[[list[ast.stmt]], list[ast.stmt]]) -> ast.stmt:
    """Return a statement whose inner blocks are changed; a body is never empty."""
    if not isinstance(statement, ast.If | ast.For | ast.While):
        return statement
    other = copy.copy(statement)
    other.body = change(statement.body) or [ast.Pass()]
    other.orelse = change(statement.orelse)
    return other


def nested(statements: list[ast.stmt], temporary: dict[str, str]) -> list[ast.stmt]:
    """Return the statements, what is read once and short written where it is read; so in inner blocks."""
    counts = used_names(statements), _made_names(statements)
    single = {name for name in temporary if all(each[name] == 1 for each in counts)}
    return _in_order(_nested(statements, single))


def _nested(statements: list[ast.stmt], single: set[str]) -> list[ast.stmt]:
    """Return the statements of one block; `single` are the names that are made once and read once."""
    read = used_names(statements)
    waiting: dict[str, ast.expr] = {}
    result: list[ast.stmt] = []
    for given in statements:
        statement = _with_blocks(given, lambda inner: _nested(inner, single))
        simple = isinstance(statement, ast.Assign | ast.Return | ast.Expr)
        inside = {n for n in names_in(statement) if n in waiting}
        again = _made_names([statement])
        for variable in list(waiting):
            if variable not in inside and not any(n in again for n in names_in(waiting[variable])):
                continue
            value = waiting.pop(variable)
            if variable in inside and simple and _fits(statement, variable, value):
                statement = _Put({variable: value}).visit(statement)
            else:
                result.append(ast.Assign([ast.Name(variable, ast.Store())], value))
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id in single and read[target.id]:
            assert isinstance(statement, ast.Assign)
            waiting[target.id] = statement.value
        else:
            result.append(statement)
    result[:0] = [ast.Assign([ast.Name(n, ast.Store())], value) for n, value in waiting.items()]
    return result


def _in_order(statements: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements such that what is read was made before; the order is kept where it can be.

    A variable that several loops in turn take over is made by the first of them.
    """
    made: dict[str, int] = {}
    for i, each in enumerate(statements):
        for name in _made_names([each]):
            made.setdefault(name, i)
    done: set[int] = set()
    ordered: list[ast.stmt] = []

    def put(first: int) -> None:
        stack = [first]
        while stack:
            i = stack[-1]
            needed = [
                made[n]
                for n in used_names([statements[i]])
                if n in made and made[n] not in done and made[n] > i
            ]
            if i in done or not needed:
                stack.pop()
                if i not in done:
                    done.add(i)
                    ordered.append(statements[i])
            else:
                stack.append(needed[0])

    for i in range(len(statements)):
        put(i)
    return ordered


def _fits(statement: ast.stmt, variable: str, value: ast.expr) -> bool:
    """Return whether a value can be nested and the line is still easy to read."""
    if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Name):
        return True
    if isinstance(statement, ast.Expr):
        return False
    into = statement.value if isinstance(statement, ast.Assign | ast.Return) else None
    if into is None:
        return False
    if isinstance(value, ast.Call | ast.Subscript) and isinstance(into, ast.BinOp) and _depth(value) > 2:
        return False
    return (
        len(text_of(into)) + len(text_of(value)) - len(variable) <= _WIDE
        and _depth(into) + _depth(value) <= _DEEP
    )


def _depth(tree: ast.AST) -> int:
    inner = max((_depth(each) for each in ast.iter_child_nodes(tree)), default=0)
    return inner + isinstance(tree, ast.Call | ast.BinOp)


def put(tree: ast.expr, parts: Mapping[str, ast.expr]) -> ast.expr:
    """Return a copy of an expression with others in the places of names."""
    found = _Put(dict(parts)).visit(copied(tree))
    assert isinstance(found, ast.expr)
    return found


def with_names(statement: ast.stmt, names: Mapping[str, str]) -> ast.stmt:
    """Return a copy of a statement with other names of variables."""
    found = _Put({old: ast.Name(new, ast.Load()) for old, new in names.items()}).visit(copied(statement))
    assert isinstance(found, ast.stmt)
    return found


class _Put(Changer):
    """Puts trees, or other names, in the places of names."""

    def __init__(self, parts: dict[str, ast.expr]) -> None:
        self._parts = parts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return the part of that name."""
        part = self._parts.get(node.id)
        if part is None:
            return node
        return ast.Name(part.id, node.ctx) if isinstance(part, ast.Name) else part


def renamed(
    statements: list[ast.stmt], temporary: dict[str, str], arguments: dict[str, str], taken: set[str]
) -> list[ast.stmt]:
    """Return the statements with the last names of their variables.

    A variable takes over the name of one that is read for the last time where it is made, if that one was the
    main line's; else it is called by what it holds, with a number if that is taken.

    Args:
        statements: of one function.
        temporary: of each temporary name, the noun.
        arguments: of each argument's temporary name, the last one.
        taken: names that must not be used.
    """
    last = {n: i for i, each in enumerate(statements) for n in names_in(each)}
    inside = {
        n
        for each in statements
        if not isinstance(each, ast.Assign | ast.Return | ast.Expr)
        for n in names_in(each)
    }
    final = dict(arguments)
    live: dict[str, str] = {final[n]: n for n in arguments}
    done = []
    for i, statement in enumerate(statements):
        dying = [n for n in names_in(statement) if n in final and last[n] == i and n not in inside]
        targets = [
            node.id
            for node in walked(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in temporary
        ]
        for each in dying:
            live.pop(final[each], None)
        for target in dict.fromkeys(targets):
            if target in final:
                continue
            if len(targets) > 1 and last[target] == i and target not in inside and "_" not in live:
                final[target] = "_"  # one of several, which nothing reads
                continue
            noun = temporary[target]
            main = [final[n] for n in dying if final[n] not in live and final[n].rstrip("0123456789") == "x"]
            chosen = main[0] if noun == "x" and main and len(targets) == 1 and target not in inside else noun
            number = 1
            wanted = chosen
            while chosen in live or chosen in taken or (target in inside and chosen in final.values()):
                number += 1
                chosen = f"{wanted.rstrip('0123456789')}{number}" if wanted == noun else noun
                wanted = noun
            final[target] = chosen
            live[chosen] = target
        done.append(_Put({n: ast.Name(v, ast.Load()) for n, v in final.items()}).visit(copied(statement)))
        if "_" in final.values():
            _join_unread(done[-1])
        for target in targets:
            if last.get(target, -1) <= i:
                live.pop(final[target], None)
    return done


def _join_unread(statement: ast.stmt) -> None:
    """Write `x, _ = ...` for `x, (_, _) = ...`."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if not isinstance(target, ast.Tuple):
        return
    for i, each in enumerate(target.elts):
        parts = each.elts if isinstance(each, ast.Tuple) else []
        if parts and all(isinstance(part, ast.Name) and part.id == "_" for part in parts):
            target.elts[i] = ast.Name("_", ast.Store())
