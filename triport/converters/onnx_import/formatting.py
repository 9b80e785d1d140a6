"""Statements as lines of at most WIDTH characters, broken where a formatter would break them."""

from __future__ import annotations

import ast
import textwrap

from .expressions import Changer, copied, text_of, walked

WIDTH = 110
_STEP = "    "


def lines_of(statement: ast.stmt, indent: str = "") -> list[str]:
    """Return the lines of a statement, nested ones included: what they say is read again."""
    if any(isinstance(node, ast.UnaryOp) for node in walked(statement)):
        statement = _Signs().visit(copied(statement))
    whole = text_of(statement)
    if _is_plain(statement, indent + whole):
        return [indent + whole]
    lines = _lines_of(statement, indent)
    if lines == [indent + whole]:
        return lines
    if _said(textwrap.dedent("\n".join(lines))) == _said(whole):
        return lines
    return [indent + line for line in whole.splitlines()]


def _is_plain(statement: ast.stmt, line: str) -> bool:
    """Return whether a statement's text stays as it is: one short line without a string or a bare tuple."""
    if not isinstance(statement, ast.Assign | ast.Return | ast.Expr) or not isinstance(
        statement.value, ast.Call | ast.BinOp | ast.Subscript | ast.Attribute | ast.Name
    ):
        return False
    is_tuple = isinstance(statement, ast.Assign) and not isinstance(
        statement.targets[0], ast.Name | ast.Attribute
    )
    return not is_tuple and len(line) <= WIDTH and not set(line) & {"'", '"', "\n"}


class _Signs(Changer):
    """Lets a negative number be taken off that is added, and the other way round: x - 0.5 for x + -0.5."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.BinOp:
        """Return the sum or difference with a number that has no sign."""
        self.generic_visit(node)
        right = node.right
        if not (isinstance(right, ast.UnaryOp) and isinstance(right.op, ast.USub)):
            return node
        if not isinstance(right.operand, ast.Constant):
            return node
        if isinstance(node.op, ast.Add):
            return ast.BinOp(node.left, ast.Sub(), right.operand)
        return ast.BinOp(node.left, ast.Add(), right.operand) if isinstance(node.op, ast.Sub) else node


def _said(text: str) -> str:
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return ""


def _lines_of(statement: ast.stmt, indent: str) -> list[str]:
    """Return the lines of a statement as they should say the same."""
    if isinstance(statement, ast.For):
        head = f"{indent}for {text_of(statement.target)} in {text_of(statement.iter)}:"
        return [head, *_body(statement.body, indent)]
    if isinstance(statement, ast.While):
        return [f"{indent}while {text_of(statement.test)}:", *_body(statement.body, indent)]
    if isinstance(statement, ast.If):
        lines = [f"{indent}if {text_of(statement.test)}:", *_body(statement.body, indent)]
        return lines + ([f"{indent}else:", *_body(statement.orelse, indent)] if statement.orelse else [])
    if isinstance(statement, ast.Assign):
        target = text_of(statement.targets[0])
        if isinstance(statement.targets[0], ast.Tuple) and len(statement.targets[0].elts) > 1:
            target = target[1:-1]
        target = _double_quoted(target, statement.targets[0])
        return _broken(f"{indent}{target} = ", statement.value, "", indent)
    if isinstance(statement, ast.Return) and statement.value is not None:
        return _broken(f"{indent}return ", statement.value, "", indent)
    if isinstance(statement, ast.Expr):
        return _broken(indent, statement.value, "", indent)
    return [indent + line for line in text_of(statement).splitlines()]


def definition(name: str, arguments: list[str], result: str, indent: str) -> list[str]:
    """Return the head of a function, its arguments on lines of their own where they are too long."""
    whole = f"{indent}def {name}({', '.join(arguments)}) -> {result}:"
    if len(whole) <= WIDTH:
        return [whole]
    inner = indent + _STEP
    joined = inner + ", ".join(arguments)
    lines = [joined] if len(joined) <= WIDTH else [f"{inner}{each}," for each in arguments]
    return [f"{indent}def {name}(", *lines, f"{indent}) -> {result}:"]


def _body(statements: list[ast.stmt], indent: str) -> list[str]:
    return [line for statement in statements for line in _lines_of(statement, indent + _STEP)] or [
        indent + _STEP + "pass"
    ]


def _broken(head: str, tree: ast.expr, tail: str, indent: str) -> list[str]:
    """Return `head tree tail` on one line, or with the members of its brackets on lines of their own."""
    whole = head + text_of(tree).replace("\n", " ") + tail
    if len(whole) <= WIDTH:
        return [_double_quoted(whole, tree)]
    inner = indent + _STEP
    if isinstance(tree, ast.Call) and (tree.args or tree.keywords):
        members: list[tuple[str, ast.expr]] = [("", each) for each in tree.args]
        members += [(f"{each.arg}=" if each.arg else "**", each.value) for each in tree.keywords]
        if isinstance(tree.func, ast.Attribute) and len(f"{head}{text_of(tree.func)}(") > WIDTH:
            given = text_of(ast.Call(ast.Name("x", ast.Load()), tree.args, tree.keywords))[1:]
            return _broken(head, tree.func.value, f".{tree.func.attr}{given}{tail}", indent)
        return _members(f"{head}{text_of(tree.func)}(", members, f"){tail}", indent)
    if isinstance(tree, ast.Dict) and tree.values:
        lines = []
        for key, value in zip(tree.keys, tree.values, strict=True):
            lines += _broken(f"{inner}{text_of(key)}: " if key else inner, value, ",", inner)
        return [head + "{", *(_double_quoted(line, tree) for line in lines), f"{indent}}}{tail}"]
    if isinstance(tree, ast.Tuple | ast.List) and tree.elts:
        opening, closing = "()" if isinstance(tree, ast.Tuple) else "[]"
        return _members(head + opening, [("", each) for each in tree.elts], closing + tail, indent)
    if isinstance(tree, ast.ListComp):
        after = text_of(ast.ListComp(ast.Constant(0), tree.generators))[3:-1]
        lines = [*_broken(inner, tree.elt, "", inner), inner + after]
        return [f"{head}[", *lines, f"{indent}]{tail}"]
    if isinstance(tree, ast.BinOp | ast.Compare | ast.IfExp) and not head.rstrip().endswith("("):
        return [f"{head}(", *_operands(tree, inner), f"{indent}){tail}"]
    if isinstance(tree, ast.Subscript | ast.Attribute) and not head.rstrip().endswith("("):
        after = (
            text_of(ast.Subscript(ast.Name("x", ast.Load()), tree.slice, ast.Load()))[1:]
            if isinstance(tree, ast.Subscript)
            else f".{tree.attr}"
        )
        return _broken(head, tree.value, after + tail, indent)
    return [_double_quoted(whole, tree)]


def _operands(tree: ast.expr, indent: str) -> list[str]:
    """Return the lines of a long expression within brackets."""
    if isinstance(tree, ast.BinOp) and len(indent + text_of(tree)) > WIDTH:
        symbol = text_of(ast.BinOp(ast.Name("a", ast.Load()), tree.op, ast.Name("b", ast.Load())))[2:-1]
        left = text_of(ast.BinOp(tree.left, tree.op, ast.Name("b", ast.Load())))[: -len(f" {symbol}b")]
        return [*_fitting(left, tree.left, indent), *_right(tree, symbol, indent)]
    if isinstance(tree, ast.Compare) and len(tree.ops) == 1 and len(indent + text_of(tree)) > WIDTH:
        last = ast.Name("b", ast.Load())
        start = text_of(ast.Compare(tree.left, tree.ops, [last]))
        symbol = text_of(ast.Compare(ast.Name("a", ast.Load()), tree.ops, [last]))[2:-1]
        start = start[: -len(f" {symbol}b")]
        return [
            *_fitting(start, tree.left, indent),
            *_broken(f"{indent}{symbol}", tree.comparators[0], "", indent),
        ]
    if isinstance(tree, ast.IfExp) and len(indent + text_of(tree)) > WIDTH:
        parts = (("", tree.body), ("if ", tree.test), ("else ", tree.orelse))
        return [line for word, part in parts for line in _broken(indent + word, part, "", indent)]
    if isinstance(tree, ast.BinOp | ast.Compare | ast.IfExp):
        return [indent + text_of(tree)]
    return _broken(indent, tree, "", indent)


def _right(tree: ast.BinOp, symbol: str, indent: str) -> list[str]:
    """Return the lines of a right operand, in brackets of its own where it needs them."""
    text = text_of(ast.BinOp(ast.Name("a", ast.Load()), tree.op, tree.right))[len(f"a {symbol}") :]
    if text == text_of(tree.right):
        return _broken(f"{indent}{symbol}", tree.right, "", indent)
    if len(indent + symbol + text) <= WIDTH:
        return [f"{indent}{symbol}{text}"]
    return [f"{indent}{symbol}(", *_operands(tree.right, indent + _STEP), f"{indent})"]


def _fitting(text: str, tree: ast.expr, indent: str) -> list[str]:
    """Return an operand, whose text may have brackets that its tree alone has not."""
    if len(indent + text) <= WIDTH or text_of(tree) != text:
        return [indent + text]
    return _operands(tree, indent) if isinstance(tree, ast.BinOp) else _broken(indent, tree, "", indent)


def _members(head: str, members: list[tuple[str, ast.expr]], tail: str, indent: str) -> list[str]:
    """Return bracketed members: all on one line of their own if they fit, else one a line."""
    inner = indent + _STEP
    joined = inner + ", ".join(prefix + text_of(each) for prefix, each in members)
    if len(joined) <= WIDTH:
        return [head, _double_quoted(joined, *(each for _, each in members)), indent + tail]
    lines = []
    for prefix, each in members:
        if isinstance(each, ast.BinOp) and not prefix:
            lines += _operands(each, inner)
            lines[-1] += ","
        else:
            lines += _broken(inner + prefix, each, ",", inner)
    return [head, *lines, indent + tail]


def _double_quoted(line: str, *trees: ast.expr) -> str:
    """Return the line with its strings in double quotes, as formatters write them, where that is the same."""
    for tree in trees:
        for node in walked(tree):
            if isinstance(node, ast.JoinedStr):
                single = text_of(node)
                if single[1] == "'" and single.count("'") == 2 and '"' not in single:
                    line = line.replace(single, single.replace("'", '"'))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                single = repr(node.value)
                if '"' not in single and "\\" not in single:
                    line = line.replace(single, f'"{node.value}"')
    return line
