"""docs/operators.md is generated."""

from __future__ import annotations

from triport.converters.mindir.operator_table import PATH, make_table
from triport.converters.mindir.operators import load_operators


def test_is_not_stale() -> None:
    assert PATH.read_text(encoding="utf-8") == make_table(), (
        "run python -m triport.converters.mindir.operator_table"
    )


def test_names_every_primitive() -> None:
    table = make_table()
    assert [name for name in load_operators() if f"`{name}`" not in table] == []
