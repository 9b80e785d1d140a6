"""Python expressions as syntax trees: what a file says can become a number, a string or a name, never code.

Templates are texts of ours. `code("torch.cat(xs, dim=axis)", xs=[...], axis=1)` puts trees in the places of
the names `xs` and `axis`; precedence and quoting are the business of `ast`.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
from functools import cache
from typing import Any

import numpy as np

_HYPHENED = re.compile(r"[A-Za-z][A-Za-z0-9_]*(-[A-Za-z0-9_]+)+\Z")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class _Omitted:
    """The value of a keyword argument that is left out."""


OMIT = _Omitted()


def is_identifier(text: str) -> bool:
    """Return whether a text can stand as a name in Python source (ASCII only)."""
    return bool(_IDENTIFIER.match(text)) and not keyword.iskeyword(text) and not keyword.issoftkeyword(text)


def is_key(text: str) -> bool:
    """Return whether a step of a path is no attribute but a key: a number, or `block1-0`."""
    return text.isascii() and (text.isdigit() or bool(_HYPHENED.match(text)))


def name(text: str) -> ast.expr:
    """Return a name, or a dotted one, as an expression; each part is checked."""
    parts = text.split(".")
    for part in parts:
        if not (is_identifier(part) or (part != parts[0] and is_key(part))):
            raise ValueError(f"not a name: {text!r}")
    tree: ast.expr = ast.Name(parts[0], ast.Load())
    for part in parts[1:]:
        if is_key(part):
            tree = ast.Subscript(tree, ast.Constant(int(part) if part.isdigit() else part), ast.Load())
        else:
            tree = ast.Attribute(tree, part, ast.Load())
    return tree


def literal(value: Any) -> ast.expr:
    """Return a value as an expression.

    Lists and tuples may hold expressions; numbers are written so that they are read back exactly.
    """
    if isinstance(value, ast.expr):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list):
        return ast.List([literal(item) for item in value], ast.Load())
    if isinstance(value, tuple):
        return ast.Tuple([literal(item) for item in value], ast.Load())
    if isinstance(value, float) and not math.isfinite(value):
        return ast.Call(ast.Name("float", ast.Load()), [ast.Constant(str(value))], [])
    if isinstance(value, int | float) and not isinstance(value, bool):
        negative = math.copysign(1, value) < 0
        return ast.UnaryOp(ast.USub(), ast.Constant(-value)) if negative else ast.Constant(value)
    if value is None or isinstance(value, bool | str):
        return ast.Constant(value)
    raise TypeError(f"{type(value).__name__} is no literal")


def code(template: str, **parts: Any) -> ast.expr:
    """Return the template's expression with a tree for each name that `parts` has.

    A part that is a list or a tuple becomes one, after a star its members; a keyword argument whose part is
    OMIT is left out, and `*xs` with OMIT too.
    """
    return _Filled(parts).visit(_parsed(template).body)


@cache
def _parsed(template: str) -> ast.Expression:
    return ast.parse(template, mode="eval")


class _Filled:
    """A copy of a tree with parts in the places of names: templates are kept and used again."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self._parts = parts

    def visit(self, node: Any) -> Any:
        """Return a node's copy: of a name the part; what is omitted is left out, stars are opened."""
        if isinstance(node, ast.Name):
            return literal(self._parts[node.id]) if node.id in self._parts else ast.Name(node.id, ast.Load())
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Tuple | ast.List):
            return node.__class__(self._list(node.elts), ast.Load())
        made = copied_node(node)
        for name in parts_of(node.__class__):
            value = getattr(node, name, None)
            if isinstance(value, list):
                setattr(
                    made, name, [self.visit(item) if isinstance(item, ast.AST) else item for item in value]
                )
            elif isinstance(value, ast.AST):
                setattr(made, name, self.visit(value))
        return made

    def _call(self, node: ast.Call) -> ast.expr:
        return ast.Call(
            self.visit(node.func),
            self._list(node.args),
            [
                ast.keyword(each.arg, self.visit(each.value))
                for each in node.keywords
                if not self._is_omitted(each.value)
            ],
        )

    def _is_omitted(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and self._parts.get(node.id) is OMIT

    def _list(self, nodes: list[ast.expr]) -> list[ast.expr]:
        """Return each filled, a star before a list of parts opened."""
        filled: list[ast.expr] = []
        for node in nodes:
            if self._is_omitted(node):
                continue
            if isinstance(node, ast.Starred) and isinstance(node.value, ast.Name):
                part = self._parts.get(node.value.id)
                if part is OMIT:
                    continue
                if isinstance(part, list | tuple):
                    filled.extend(literal(item) for item in part)
                    continue
            filled.append(self.visit(node))
        return filled


def turned(matrix: ast.expr) -> ast.expr:
    """Return the transpose of a matrix."""
    return matrix.value if isinstance(matrix, ast.Attribute) and matrix.attr == "T" else code("x.T", x=matrix)


def text_of(tree: ast.AST) -> str:
    """Return an expression or statement on one line."""
    for each in walked(tree) if isinstance(tree, ast.stmt) else ():
        if isinstance(each, ast.stmt):
            each.lineno = 0  # ast.unparse looks for a comment of its line
    return _dotted(tree) or ast.unparse(tree)


def _dotted(tree: ast.AST) -> str | None:
    """Return the text of a name or a dotted one, which most of the expressions are that are looked at."""
    if isinstance(tree, ast.Name):
        return tree.id
    owner = _dotted(tree.value) if isinstance(tree, ast.Attribute) else None
    return f"{owner}.{tree.attr}" if owner is not None and isinstance(tree, ast.Attribute) else None


def is_identity(tree: Any) -> bool:
    """Return whether an expression is `nn.Identity()`."""
    return (
        isinstance(tree, ast.Call)
        and not (tree.args or tree.keywords)
        and _dotted(tree.func) == "nn.Identity"
    )


def walked(tree: ast.AST) -> list[ast.AST]:
    """Return a tree's nodes in the order of ast.walk, contexts left out, in a fraction of the time."""
    found = [tree]
    for node in found:
        kind: Any = node.__class__
        for name in parts_of(kind):
            value = getattr(node, name, None)
            if isinstance(value, list):
                found.extend([each for each in value if isinstance(each, ast.AST)])
            elif isinstance(value, ast.AST):
                found.append(value)
    return found


@cache
def parts_of(kind: Any) -> tuple[str, ...]:
    """Return the fields of a kind of node that can hold other nodes, contexts left out."""
    plain = _PLAIN_OF.get(kind.__name__, ())
    return tuple(name for name in kind._fields if name not in ("ctx", *plain))


_PLAIN_OF = {
    "Name": ("id",),
    "Constant": ("value", "kind"),
    "Attribute": ("attr",),
    "keyword": ("arg",),
    "Assign": ("type_comment",),
    "For": ("type_comment",),
}


def names_in(tree: ast.AST) -> list[str]:
    """Return the names that an expression reads, as often as it reads them."""
    return [node.id for node in walked(tree) if isinstance(node, ast.Name)]


def copied(tree: Any) -> Any:
    """Return a tree of its own: what copy.deepcopy would, in a fraction of the time."""
    kind = tree.__class__
    if kind is list:
        return [copied(each) for each in tree]
    if not isinstance(tree, ast.AST) or isinstance(tree, _WITHOUT_PARTS):
        return tree
    made = copied_node(tree)
    fields = made.__dict__
    for name in parts_of(kind):
        if name in fields:
            fields[name] = copied(fields[name])
    return made


def copied_node(node: ast.AST) -> ast.AST:
    """Return a node of its own that holds the same."""
    made: ast.AST = node.__class__.__new__(node.__class__)
    made.__dict__.update(node.__dict__)
    return made


class Changer(ast.NodeTransformer):
    """A NodeTransformer whose trees have no statements or list members that are taken out; it is quicker."""

    def visit(self, node: Any) -> Any:
        """Return what takes a node's place."""
        kind = node.__class__
        method = getattr(self, f"visit_{kind.__name__}", None) if kind in self.kinds() else None
        return method(node) if method is not None else self.generic_visit(node)

    @classmethod
    @cache
    def kinds(cls) -> frozenset[type]:
        """Return the kinds of nodes that have a method of their own."""
        found = (getattr(ast, name[6:], None) for name in dir(cls) if name.startswith("visit_"))
        return frozenset(each for each in found if each is not None and each is not ast.Constant)

    def generic_visit(self, node: Any) -> Any:
        """Change what a node holds."""
        for name in parts_of(node.__class__):
            value = getattr(node, name, None)
            if isinstance(value, list):
                value[:] = [self.visit(each) if isinstance(each, ast.AST) else each for each in value]
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
        return node


_WITHOUT_PARTS = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
