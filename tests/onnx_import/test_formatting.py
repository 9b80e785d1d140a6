"""Statements that are broken into lines say what they said on one."""

import ast

import pytest

from triport.converters.onnx_import.formatting import WIDTH, lines_of

LONG = ", ".join(f"argument_{i}" for i in range(12))
SUM = " + ".join(f"a_rather_long_name_{i}" for i in range(4))
PRODUCT = " * ".join(f"another_long_name_{i}" for i in range(4))


@pytest.mark.parametrize(
    "statement",
    [
        f"x = ({SUM}) @ (b - {PRODUCT}) * (a * b / c)",
        f"x = a ** (b ** ({SUM} - ({PRODUCT} - c)))",
        f"x = ({PRODUCT} / (a / b)) - (({SUM}) - c)",
        f"x = f(({SUM}) * (a - b), {LONG}).to(torch.uint8)",
        f"x = (({SUM}) % (a - b)).reshape({LONG})[0]",
        f"x = a if ({SUM}) == ({PRODUCT}) else (b if c else {SUM})",
        f"self.x['0'].y = f([nn.Conv2d({LONG}) for _ in range(3)])",
        f"x = {{'a': f({LONG}), 'b': -(({SUM}) - ({PRODUCT}))}}",
        f"f({LONG}, key=({SUM}) * ({PRODUCT}))",
    ],
)
def test_a_long_statement_is_broken_and_says_the_same(statement):
    tree = ast.parse(statement).body[0]
    lines = lines_of(tree, " " * 8)
    assert len(lines) > 1
    function = "\n".join(["class C:", "    def f():", *lines])
    body = ast.parse(function).body[0].body[0].body
    assert ast.dump(body[0]) == ast.dump(tree)


def test_lines_are_short():
    statements = [
        f"x = ({SUM}) @ (b - {PRODUCT}) * (a * b / c)",
        f"x = f(({SUM}) * ({PRODUCT}), {LONG}).to(d)",
    ]
    lines = [line for each in statements for line in lines_of(ast.parse(each).body[0], " " * 8)]
    assert max(map(len, lines)) <= WIDTH


def test_a_break_that_would_say_something_else_is_not_made(monkeypatch):
    from triport.converters.onnx_import import formatting

    monkeypatch.setattr(formatting, "_lines_of", lambda statement, indent: [f"{indent}x = (", "y)"])
    (line,) = lines_of(ast.parse(f"x = ({SUM}) * ({PRODUCT})").body[0], "    ")
    assert line == f"    x = ({SUM}) * ({PRODUCT})"
