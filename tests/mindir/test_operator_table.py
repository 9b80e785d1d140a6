"""docs/operators.md is generated."""

from __future__ import annotations

import ast
import importlib
import inspect
from typing import Any

import pytest

from triport.converters.mindir.operator_table import PATH, make_table
from triport.converters.mindir.operators import load_operators

MODULES = sorted({operator.module for operator in load_operators().values()})


def test_is_not_stale() -> None:
    assert PATH.read_text(encoding="utf-8") == make_table(), (
        "run python -m triport.converters.mindir.operator_table"
    )


def test_names_every_primitive() -> None:
    table = make_table()
    assert [name for name in load_operators() if f"`{name}`" not in table] == []


def _refusals(module: Any) -> tuple[set[str], set[str]]:
    """Return the arguments that a file's converters look at, and the reasons for which they refuse."""
    arguments, reasons = set(), set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "require" and isinstance(node.args[0], ast.Constant):
                arguments.add(node.args[0].value)
            elif node.func.attr == "unsupported":
                assert isinstance(node.args[0], ast.Name), "a reason is a constant that the operator declares"
                reasons.add(getattr(module, node.args[0].id))
    return arguments, reasons


@pytest.mark.parametrize("name", MODULES)
def test_limits_are_declared(name: str) -> None:
    """What a converter refuses, its operator declares, and the other way round."""
    module = importlib.import_module(name)
    operators = [operator for operator in load_operators().values() if operator.module == name]
    arguments, reasons = _refusals(module)
    assert arguments <= {what for operator in operators for what in operator.takes}
    assert reasons == {reason for operator in operators for reason in operator.refuses}


def test_an_undeclared_refusal_is_our_own_fault() -> None:
    from triport.converters.mindir.call import MindirCall
    from triport.converters.mindir.graph import MindirNode
    from triport.converters.mindir.operators import MindirOperator

    node = MindirNode("1", "Fake", {}, (), None, "")
    call = MindirCall(
        node, [], None, MindirOperator("Fake", lambda call, builder: None, "here", takes={"mode": (1,)})
    )  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="does not declare that it refuses where it is new"):
        raise call.unsupported("it is new")
    with pytest.raises(KeyError, match="format"):
        call.require("format", "NCHW")
    with pytest.raises(Exception, match="mode is 2, expected 1"):
        call.require("mode", 2)
