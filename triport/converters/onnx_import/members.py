"""A block's members, nested as their paths are, and how they are reached."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from triport.converters.formats.tensors import short

from .expressions import Changer, code, copied, is_identifier, is_key, literal, parts_of
from .operators import Target
from .reading import ImportRefusedError
from .state import Held
from .translate import Written


class Tree:
    """Members by the next step of their paths."""

    def __init__(self, target: Target, parent: Tree | None = None) -> None:
        """Begin without members; a tree without a parent is the class itself."""
        self.members: dict[str, Any] = {}
        self.in_turn = False
        self.target, self.parent = target, parent

    def put(self, steps: list[str], member: Any) -> None:
        """Add a member at a path.

        Raises:
            ImportRefusedError: the path belongs to another member, or leads through one.
        """
        step, *rest = steps
        if not rest and step not in self.members:
            self.members[step] = member
            return
        inner = self.members.setdefault(step, Tree(self.target, self))
        if not rest or not isinstance(inner, Tree):
            raise ImportRefusedError(
                f"the names in the file give {short(step)} two meanings, a layer and a module around others; "
                "rename one of them there"
            )
        inner.put(rest, member)

    def order_by(self, statements: list[ast.stmt]) -> None:
        """Put the members of a class into the order in which they run."""
        if len(self.members) > 1 and all(is_identifier(key) for key in self.members):
            reached: dict[str, None] = {}
            for statement in statements:
                _reach(statement, reached)
            order = {key: i for i, key in enumerate(reached)}
            self.members = dict(sorted(self.members.items(), key=lambda item: order.get(item[0], len(order))))

    @property
    def holds_containers(self) -> bool:
        """Whether a member is a list, a dict or a holder of others."""
        return any(isinstance(member, Tree) for member in self.members.values())

    @property
    def kind(self) -> str:
        """Whether it is a list, a dict, a holder, a list that runs in turn, or numbered.

        MindSpore takes no dict of layers into a list or dict, and no list into a dict: there layers with
        names are attributes of a plain holder, and numbers in a dict are names of its.
        """
        own = self._own_kind
        if self.parent is None and any(map(is_key, self.members)):
            return "numbered"  # a class of its own that a file's scopes have as a list
        if self.target == "pytorch" or own == "holder":
            return own
        if own == "dict" and all(is_identifier(key) for key in self.members):
            return "holder"
        around = self.parent._own_kind if self.parent is not None else "holder"
        return "numbered" if around == "dict" or (own, around) == ("dict", "list") else own

    @property
    def _own_kind(self) -> str:
        keys = list(self.members)
        if self.parent is None:
            return "holder"
        if self.in_turn:
            return "sequential"
        values = list(self.members.values())
        numbered = all(key.isdigit() for key in keys) and not any(isinstance(v, Held) for v in values)
        if numbered and sorted(int(k) for k in keys) == list(range(len(keys))):
            self.members = dict(sorted(self.members.items(), key=lambda item: int(item[0])))
            return "list"
        if any(map(is_key, keys)):
            return "dict"
        holds = any(isinstance(v, Held) or (isinstance(v, Tree) and v._own_kind == "holder") for v in values)
        return "holder" if holds else "dict"


def _reach(tree: ast.AST, reached: dict[str, None]) -> None:
    """Add the members that are reached in a tree, in the order in which they are written."""
    if isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Name):
        if tree.value.id == "self":
            reached[tree.attr] = None
        return
    kind: Any = tree.__class__
    for name in parts_of(kind):
        value = getattr(tree, name, None)
        if isinstance(value, ast.AST):
            _reach(value, reached)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, ast.AST):
                    _reach(each, reached)


def place_of(owner: ast.expr, key: str, kind: str) -> ast.expr:
    """Return where a member lies in a container of that kind."""
    owner = copied(owner)
    if kind == "numbered":
        return code("getattr(x, k)", x=owner, k=key)
    if kind == "holder":
        if not is_identifier(key):
            raise ValueError(f"not a name: {key!r}")
        return ast.Attribute(owner, key, ast.Load())
    return ast.Subscript(owner, literal(key if kind == "dict" else int(key)), ast.Load())


def assigned(place: ast.expr, tree: ast.expr) -> ast.stmt:
    """Return the statement that puts something in a place."""
    target = copied(place)
    if isinstance(target, ast.Attribute | ast.Subscript):
        target.ctx = ast.Store()
    return ast.Assign([target], tree)


class TextKeys(Changer):
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
        steps = steps_of(node)
        if steps is None:
            self.generic_visit(node)
            return node
        found: Any = self._tree
        for step in steps[:-1]:
            found = found.members.get(step) if isinstance(found, Tree) else None
            found = self._tree_of(found) if isinstance(found, Written) else found
        self.generic_visit(node)
        is_kept = isinstance(found, Tree) and not isinstance(found.members.get(steps[-1]), Held)
        if (
            isinstance(found, Tree)
            and is_kept
            and steps[-1] in found.members
            and found.kind in ("dict", "numbered")
        ):
            return place_of(node.value, steps[-1], found.kind)
        return node


def steps_of(node: ast.AST) -> list[str] | None:
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
