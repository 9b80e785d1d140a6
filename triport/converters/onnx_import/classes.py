"""Blocks as classes: constructors, equal ones made one, what differs between them made arguments."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .body import Shared
from .expressions import OMIT, code, is_identifier, literal, name, text_of
from .state import Held, Layer
from .translate import Written
from .variables import nested, renamed, used_names

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
    count: int = 1


def classes_of(root: Written, shared: Shared, root_name: str, taken: set[str]) -> list[Class]:
    """Return the classes of a network, each after those that it uses."""
    return _Classes(shared, taken).all(root, root_name)


class _Classes:
    def __init__(self, shared: Shared, taken: set[str]) -> None:
        self.shared, self.taken = shared, taken
        self.names: set[str] = set(taken)
        self.made: dict[int, ast.expr] = {}  # of each block, the expression that makes it
        self.classes: list[Class] = []

    def all(self, root: Written, root_name: str) -> list[Class]:
        levels: dict[int, list[Written]] = {}
        _by_height(root, levels)
        self.names.add(root_name)
        for height in sorted(levels):
            self._level([each for each in levels[height] if each is not root])
        self.classes.append(self._class(root, root_name))
        return self.classes

    def _level(self, blocks: list[Written]) -> None:
        """Make classes of blocks that do not hold one another; equal ones become one."""
        groups: dict[str, list[Class]] = {}
        for block in blocks:
            made = self._class(block, "")
            groups.setdefault(_form(made), []).append(made)
        for group in groups.values():
            first = group[0]
            first.name = self._name(first.written.block.path)
            first.count = len(group)
            columns = _differing(group)
            first.parameters = [column for column, _ in columns]
            values = [_values(each) for each in group]
            for i, each in enumerate(group):
                given = [values[i][places[0]] for _, places in columns]
                self.made[id(each.written)] = code("f(*xs)", f=ast.Name(first.name, ast.Load()), xs=given)
            _put_parameters(first, columns)
            self.classes.append(first)

    def _name(self, path: str) -> str:
        steps = [step for step in path.split(".") if not step.isdigit()]
        wanted = "".join(part[:1].upper() + part[1:] for part in (steps[-1] if steps else "block").split("_"))
        if path.rpartition(".")[2].isdigit():
            wanted = (
                "Block"
                if wanted.rstrip("s0123456789") in ("Layer", "Block", "Stage")
                else wanted.removesuffix("s")
            )
        wanted = wanted if is_identifier(wanted) else "Block"
        chosen, number = wanted, 1
        while chosen in self.names:
            number += 1
            chosen = f"{wanted}{number}"
        self.names.add(chosen)
        return chosen

    def _class(self, written: Written, chosen: str) -> Class:
        tree = self._tree(written)
        statements = _with_runs(written.statements, tree, self.shared)
        statements = [_Members(tree, self._tree).visit(each) for each in copy.deepcopy(statements)]
        taken = self.taken | {"self"}
        last: dict[str, str] = {}
        for variable in written.arguments:
            noun = self.shared.nouns[variable]
            final, number = noun, 1
            while final in last.values() or final in taken:
                number += 1
                final = f"{noun}{number}"
            last[variable] = final
        forward = renamed(nested(statements, self.shared.nouns), self.shared.nouns, last, taken)
        constructor = self._constructor(tree)
        return Class(chosen, [], constructor, [last[v] for v in written.arguments], forward, written)

    def _tree(self, written: Written) -> Tree:
        """Return a block's members, nested as their paths are."""
        prefix = written.block.path + "." if written.block.path else ""
        inner = {each.block.path: each for each in _direct(written)}
        tree = Tree(is_root=True)
        for path, member in self.shared.state.members.items():
            if path.startswith(prefix) and not any(path.startswith(p + ".") for p in inner):
                tree.put(path[len(prefix) :].split("."), member)
        for path, each in inner.items():
            tree.put(path[len(prefix) :].split("."), each)
        return tree

    def _constructor(self, tree: Tree) -> list[ast.stmt]:
        statements: list[ast.stmt] = []
        self._fill(ast.Name("self", ast.Load()), tree, statements)
        return statements

    def _fill(self, owner: ast.expr, tree: Tree, statements: list[ast.stmt]) -> None:
        """Put into a container what it was not made with; the class itself is made with nothing."""
        for key, member in tree.members.items():
            place = _place(owner, key, "holder" if isinstance(member, Held) else tree.kind)
            if isinstance(member, Held):
                statements.append(self._held(owner, key, place, member))
            elif isinstance(member, Tree):
                if tree.kind == "holder":
                    statements.append(_assigned(place, self._container(member)))
                self._fill(place, member, statements)
            elif tree.kind == "holder":
                statements.append(_assigned(place, self._made(member)))

    def _container(self, tree: Tree) -> ast.expr:
        """Return what makes a list, a dict or a plain holder of layers."""
        framework = self.shared.framework
        if tree.kind == "holder":
            return code("x()", x=name(framework.module))
        made = [
            self._container(each) if isinstance(each, Tree) else self._made(each)
            for each in tree.members.values()
            if not isinstance(each, Held)
        ]
        if tree.kind == "dict":
            keys: list[ast.expr | None] = [
                literal(key) for key, each in tree.members.items() if not isinstance(each, Held)
            ]
            return code("f(x)", f=name(framework.lists[1]), x=ast.Dict(keys, made))
        equal = len(made) > 2 and len({text_of(each) for each in made}) == 1
        if tree.kind == "sequential":
            kind = name("nn.Sequential" if self.shared.target == "pytorch" else "nn.SequentialCell")
            if equal:
                return code("f(*[x for _ in range(n)])", f=kind, x=made[0], n=len(made))
            return code("f(*xs)", f=kind, xs=made)
        if equal:
            return code("f([x for _ in range(n)])", f=name(framework.lists[0]), x=made[0], n=len(made))
        return code("f(xs)", f=name(framework.lists[0]), xs=made)

    def _made(self, member: Any) -> ast.expr:
        return copy.deepcopy(self.made[id(member)] if isinstance(member, Written) else member.constructor)

    def _held(self, owner: ast.expr, key: str, place: ast.expr, held: Held) -> ast.stmt:
        shape = list(held.array.shape)
        dtype: Any = self.shared.framework.dtype(str(held.array.dtype))
        if dtype is None:
            raise TypeError(str(held.array.dtype))
        if self.shared.target == "pytorch":
            given = OMIT if str(held.array.dtype) == "float32" else dtype
            size = shape if len(shape) != 0 else [()]
            empty = code("torch.empty(*s, dtype=d)", s=size, d=given)
            if held.trained:
                return _assigned(place, code("nn.Parameter(x)", x=empty))
            return ast.Expr(code("x.register_buffer(n, e)", x=copy.deepcopy(owner), n=key, e=empty))
        zeros = code(
            "Parameter(mindspore.ops.zeros(s, d), requires_grad=r)",
            s=tuple(shape),
            d=dtype,
            r=OMIT if held.trained else False,
        )
        return _assigned(place, zeros)


class Tree:
    """Members by the next step of their paths."""

    def __init__(self, is_root: bool = False) -> None:
        """Begin without members; a root is the class itself."""
        self.members: dict[str, Any] = {}
        self.in_turn = False
        self.is_root = is_root

    def put(self, steps: list[str], member: Any) -> None:
        """Add a member at a path."""
        if len(steps) == 1:
            self.members[steps[0]] = member
        else:
            self.members.setdefault(steps[0], Tree()).put(steps[1:], member)

    @property
    def kind(self) -> str:
        """Whether it is a list, a dict, a holder, or a list that runs in turn."""
        keys = list(self.members)
        if self.is_root:
            return "holder"
        if self.in_turn:
            return "sequential"
        values = list(self.members.values())
        numbered = all(key.isdigit() for key in keys) and not any(isinstance(v, Held) for v in values)
        if numbered and sorted(int(k) for k in keys) == list(range(len(keys))):
            self.members = dict(sorted(self.members.items(), key=lambda item: int(item[0])))
            return "list"
        if any(key.isdigit() for key in keys):
            return "dict"
        holds = any(isinstance(v, Held) or (isinstance(v, Tree) and v.kind == "holder") for v in values)
        return "holder" if holds else "dict"


def _place(owner: ast.expr, key: str, kind: str) -> ast.expr:
    """Return where a member lies in a container of that kind."""
    owner = copy.deepcopy(owner)
    if kind == "holder":
        if not is_identifier(key):
            raise ValueError(f"not a name: {key!r}")
        return ast.Attribute(owner, key, ast.Load())
    return ast.Subscript(owner, literal(key if kind == "dict" else int(key)), ast.Load())


def _assigned(place: ast.expr, tree: ast.expr) -> ast.stmt:
    target = copy.deepcopy(place)
    if isinstance(target, ast.Attribute | ast.Subscript):
        target.ctx = ast.Store()
    return ast.Assign([target], tree)


def _direct(written: Written) -> list[Written]:
    return written.inner


def _by_height(written: Written, levels: dict[int, list[Written]]) -> int:
    height = 1 + max((_by_height(each, levels) for each in written.inner), default=-1)
    levels.setdefault(height, []).append(written)
    return height


class _Members(ast.NodeTransformer):
    """Puts text keys where numbered layers lie in a dict."""

    def __init__(self, tree: Tree, tree_of: Callable[[Written], Tree]) -> None:
        self._tree, self._tree_of = tree, tree_of

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Return the access with the container's kind of key."""
        return self._access(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Return the access with the container's kind of key."""
        return self._access(node)

    def _access(self, node: ast.Attribute | ast.Subscript) -> ast.AST:
        steps = _steps(node)
        if steps is None:
            self.generic_visit(node)
            return node
        found: Any = self._tree
        for step in steps[:-1]:
            found = found.members.get(step) if isinstance(found, Tree) else None
            found = self._tree_of(found) if isinstance(found, Written) else found
        self.generic_visit(node)
        is_kept = isinstance(found, Tree) and not isinstance(found.members.get(steps[-1]), Held)
        if isinstance(found, Tree) and is_kept and found.kind == "dict":
            return ast.Subscript(node.value, ast.Constant(steps[-1]), ast.Load())
        return node


def _steps(node: ast.AST) -> list[str] | None:
    """Return the path of `self.a.b[0]`, or None."""
    steps: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            steps.append(node.attr)
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            steps.append(str(node.slice.value))
        elif isinstance(node, ast.Name) and node.id == "self":
            return steps[::-1]
        else:
            return None
        node = node.value


def _call_of(statement: ast.stmt) -> tuple[str, list[str], ast.Call] | None:
    """Return target, path and call of `v = self.a[0](...)`."""
    if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
        return None
    value = statement.value
    if not isinstance(value, ast.Call) or value.keywords:
        return None
    steps = _steps(value.func)
    return (statement.targets[0].id, steps, value) if steps else None


def _with_runs(statements: list[ast.stmt], tree: Tree, shared: Shared) -> list[ast.stmt]:
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
        key == ".".join((_steps(n) or [""])[:-1])
        for s in other
        for n in ast.walk(s)
        if isinstance(n, ast.Subscript)
    ):
        return None
    return container, len(container.members)


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


def _values(made: Class) -> list[Any]:
    return [each.value for *_, each in _constants(made)]


def _form(made: Class) -> str:
    """Return what is the same in classes that can be one: all but the constructor's numbers."""
    blank = replace(made, constructor=copy.deepcopy(made.constructor))
    for *_, each in _constants(blank):
        each.value = "" if isinstance(each.value, int) else b""
    parts = [ast.dump(s) for s in blank.constructor + blank.forward]
    return "\n".join([*parts, str(made.arguments)])


def _differing(group: list[Class]) -> list[tuple[str, list[int]]]:
    """Return the numbers that differ in a group: a name for each, and its places in the constructor."""
    table = [_values(each) for each in group]
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


def _argument_name(constant: tuple[ast.AST, str, int, ast.Constant]) -> str:
    node, field, position, _ = constant
    if isinstance(node, ast.keyword) and node.arg:
        return node.arg
    if isinstance(node, ast.Call) and field == "args":
        positions = _POSITIONS.get(text_of(node.func).rpartition(".")[2], ())
        if position < len(positions):
            return positions[position]
    return "size"


def _put_parameters(made: Class, columns: list[tuple[str, list[int]]]) -> None:
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


__all__ = ["Class", "Layer", "classes_of"]
