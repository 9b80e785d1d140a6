"""Blocks as classes: constructors, equal ones made one, what differs between them made arguments."""

from __future__ import annotations

import ast
import itertools
from typing import Any

from .alike import ForwardBody
from .body import Shared
from .class_names import wanted_name
from .devices import with_devices
from .equal_classes import Class, call_of, one_class_each
from .expressions import OMIT, code, copied, literal, name, text_of
from .members import TextKeys, Tree, assigned, place_of
from .numbered import numbered_in_turn
from .reading import ImportRefusedError
from .runs import with_runs
from .state import Held
from .translate import Written
from .variables import nested, renamed


def classes_of(root: Written, shared: Shared, root_name: str, taken: set[str]) -> list[Class]:
    """Return the classes of a network, each after those that it uses."""
    return _Classes(shared, taken).all(root, root_name)


class _Classes:
    def __init__(self, shared: Shared, taken: set[str]) -> None:
        self.shared, self.taken = shared, taken
        self.names: set[str] = set(taken)
        self.made: dict[int, ast.expr] = {}  # of each block, the expression that makes it
        self.classes: list[Class] = []
        self.parameters: dict[str, tuple[str, ...]] = {}  # of each class, those that are given by position
        self._trees: dict[int, Tree] = {}
        self._members: dict[str, list[tuple[str, Any]]] = {}  # of each block, those that no inner one has

    def all(self, root: Written, root_name: str) -> list[Class]:
        levels: dict[int, list[Written]] = {}
        _by_height(root, levels)
        paths = {each.block.path for level in levels.values() for each in level}
        for path, member in self.shared.state.members.items():
            self._members.setdefault(_innermost(path, paths), []).append((path, member))
        self.names.add(root_name)
        for height in sorted(levels):
            self._level([each for each in levels[height] if each is not root])
        whole = self._draft(root)
        whole.name = root_name
        self._finish(whole)
        return self.classes

    def _level(self, blocks: list[Written]) -> None:
        """Make classes of blocks that do not hold one another; those that are alike become one."""
        drafts = []
        for block in blocks:
            draft = self._draft(block)
            listed = numbered_in_turn(draft, self.shared.target)
            if listed is None:
                drafts.append(draft)
            else:
                self.made[id(block)] = listed
        for made, held in one_class_each(drafts, self.parameters):
            made.name = self._name(made)
            given = [each.name for each in made.arguments if each.default is None]
            self.parameters[made.name] = tuple(given)
            for i, each_held in enumerate(held):
                self.made[id(each_held.written)] = call_of(made, i)
            self._finish(made)

    def _name(self, made: Class) -> str:
        wanted = wanted_name(made)
        chosen, number = wanted, 1
        while chosen in self.names:
            number += 1
            chosen = f"{wanted}{number}"
        self.names.add(chosen)
        return chosen

    def _draft(self, written: Written) -> Class:
        """Return a block as a class of its own, its forward pass in single statements."""
        tree = self._tree(written)
        statements = with_runs(written.statements, tree, self.shared)
        tree.order_by(statements)
        if written.inner or tree.holds_containers or tree.kind != "holder":
            statements = [TextKeys(tree, self._tree).visit(each) for each in copied(statements)]
        body = ForwardBody(
            written.arguments,
            statements,
            frozenset(tree.members),
            frozenset(written.numbers),
            tuple(self.shared.shapes.get(each) for each in written.arguments),
        )
        return Class("", self._constructor(tree), body, written, [written.block.path])

    def _finish(self, made: Class) -> None:
        """Give a class' variables their last names, and keep it."""
        taken = self.taken | {"self"}
        last: dict[str, str] = {}
        for variable in made.body.arguments:
            noun = self.shared.nouns[variable]
            final, number = noun, 1
            while final in last.values() or final in taken:
                number += 1
                final = f"{noun}{number}"
            last[variable] = final
        made.forward = renamed(
            nested(made.body.statements, self.shared.nouns), self.shared.nouns, last, taken
        )
        made.forward_arguments = [last[v] for v in made.body.arguments]
        tensors = [last[v] for v in made.body.arguments if v not in made.body.numbers]
        if self.shared.target == "pytorch" and tensors:
            made.forward = with_devices(made.forward, tensors[0])
        self.classes.append(made)

    def _tree(self, written: Written) -> Tree:
        """Return a block's members, nested as their paths are; once, for `runs.py` changes it."""
        found = self._trees.get(id(written))
        if found is not None:
            return found
        prefix = written.block.path + "." if written.block.path else ""
        inner = {each.block.path: each for each in written.inner}
        tree = Tree(self.shared.target)
        for path, member in self._members.get(written.block.path, ()):
            tree.put(path[len(prefix) :].split("."), member)
        for path, each in inner.items():
            tree.put(path[len(prefix) :].split("."), each)
        self._trees[id(written)] = tree
        return tree

    def _constructor(self, tree: Tree) -> dict[str, list[ast.stmt]]:
        """Return the statements that make each member."""
        found: dict[str, list[ast.stmt]] = {}
        for key, member in tree.members.items():
            found[key] = []
            self._put(ast.Name("self", ast.Load()), tree, key, member, found[key])
        return found

    def _put(self, owner: ast.expr, tree: Tree, key: str, member: Any, statements: list[ast.stmt]) -> None:
        """Put a member into a container that was not made with it, and its own members into it."""
        kind = tree.kind
        place = place_of(owner, key, "holder" if isinstance(member, Held) else kind)
        is_made = kind not in ("holder", "numbered")
        if isinstance(member, Held):
            statements.append(self._held(owner, key, place, member))
        elif not is_made:
            made = self._container(member) if isinstance(member, Tree) else self._made(member)
            statements.append(self._added(owner, key, place, kind, made))
        if isinstance(member, Tree):
            for inner, each in member.members.items():
                self._put(place, member, inner, each, statements)

    def _container(self, tree: Tree) -> ast.expr:
        """Return what makes a list, a dict or a plain holder of layers."""
        framework = self.shared.framework
        if tree.kind in ("holder", "numbered"):
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
            return code("f(*xs)", f=kind, xs=_shortened(made))
        if equal:
            return code("f([x for _ in range(n)])", f=name(framework.lists[0]), x=made[0], n=len(made))
        return code("f(xs)", f=name(framework.lists[0]), xs=_shortened(made))

    def _made(self, member: Any) -> ast.expr:
        return copied(self.made[id(member)] if isinstance(member, Written) else member.constructor)

    def _added(self, owner: ast.expr, key: str, place: ast.expr, kind: str, member: ast.expr) -> ast.stmt:
        """Return the statement that puts a layer into a holder, or under a name that is a number."""
        if kind == "holder":
            return assigned(place, member)
        put = "x.add_module(k, m)" if self.shared.target == "pytorch" else "x.insert_child_to_cell(k, m)"
        return ast.Expr(code(put, x=copied(owner), k=key, m=member))

    def _held(self, owner: ast.expr, key: str, place: ast.expr, held: Held) -> ast.stmt:
        shape = list(held.array.shape)
        dtype: Any = self.shared.framework.dtype(str(held.array.dtype))
        if dtype is None:
            raise ImportRefusedError(
                f"the tensor '{key}' is of {held.array.dtype}, which {self.shared.framework.shown} has not"
            )
        if self.shared.target == "pytorch":
            given = OMIT if str(held.array.dtype) == "float32" else dtype
            size = shape if len(shape) != 0 else [()]
            empty = code("torch.empty(*s, dtype=d)", s=size, d=given)
            if held.trained:
                return assigned(place, code("nn.Parameter(x)", x=empty))
            return ast.Expr(code("x.register_buffer(n, e)", x=copied(owner), n=key, e=empty))
        zeros = code(
            "Parameter(mindspore.ops.zeros(s, d), requires_grad=r)",
            s=tuple(shape),
            d=dtype,
            r=OMIT if held.trained else False,
        )
        return assigned(place, zeros)


def _shortened(made: list[ast.expr]) -> list[ast.expr]:
    """Return the members of a list, three and more equal ones in a row as one that is repeated."""
    found: list[ast.expr] = []
    for _, group in itertools.groupby(made, text_of):
        equal = list(group)
        if len(equal) < 3:
            found += equal
        else:
            repeated = code("[x for _ in range(n)]", x=equal[0], n=len(equal))
            found.append(ast.Starred(repeated, ast.Load()))
    return found


def _innermost(path: str, blocks: set[str]) -> str:
    """Return the path of the innermost block around a path, "" if there is none."""
    while path:
        path = path.rpartition(".")[0]
        if path in blocks:
            break
    return path


def _by_height(written: Written, levels: dict[int, list[Written]]) -> int:
    height = 1 + max((_by_height(each, levels) for each in written.inner), default=-1)
    levels.setdefault(height, []).append(written)
    return height
