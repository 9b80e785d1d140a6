"""A localisation as a person, a program and a CI server read it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from triport.converters.comparison import Difference
from triport.reference_models.errors import counted

from .verdict import Localisation

SHOWN = 10
_HOW = {"by name": "tensors", "by structure": "layers, BatchNorm folded,"}


def lines_of(found: Localisation, *, named: bool = False) -> str:
    """Return the verdict, and below it what differs; `named` says of which files."""
    return "\n".join([verdict_of(found, named=named), *(f"  {line}" for line in found.lines(SHOWN))])


def verdict_of(found: Localisation, *, named: bool = False) -> str:
    """Return in one line what differs between the two files."""
    between = f"Between {found.first} and {found.second}" if named else "Between the files"
    if found.model is None:
        return (
            f"{found.first} and {found.second} are not of one model and as many classes: their weights were "
            "not compared"
        )
    compared = f"{found.compared} {_HOW[found.how]} compared {found.how}"
    if not found.compared:
        return f"{between} weights and layers were not compared"
    if found.cause == "neither" and found.not_judged:
        return f"{between} no weights differ, and the graphs are judged by their results: {compared}"
    if found.cause == "neither":
        return f"{between} neither weights nor graph differ: {compared}"
    weights = f"{counted(len(found.weights), 'difference')} in the weights, " if found.weights else ""
    verb = "differs" if found.cause == "graph" else "differ"
    return f"{between} the {found.cause} {verb}: {weights}{compared}"


def json_of(found: Localisation) -> dict[str, Any]:
    """Return what `parity --json` has under "localisation"."""
    return {
        "first": found.first,
        "second": found.second,
        "model": found.model,
        "how": found.how,
        "cause": found.cause,
        "passed": found.passed,
        "compared": found.compared,
        "weights": [one.to_dict() if isinstance(one, Difference) else asdict(one) for one in found.weights],
        "graph": list(found.graph),
        "not_judged": found.not_judged or None,
        "advice": found.advice or None,
    }
