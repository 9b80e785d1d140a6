"""What a file says of itself, and whether it holds: a claim to check, not a comment to skip.

A kind of statement is a module here that defines

    read(checkpoint): yields the Statements of this kind that a file makes, or that lie beside it

and is found by discovery. `judge` holds a statement against a model, `preparation` says how images are
prepared and how that is known.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

from triport.converters.formats import Checkpoint
from triport.converters.statements.judge import Holds, Judgement, judge
from triport.converters.statements.statement import Statement

__all__ = ["Holds", "Judgement", "Statement", "judge", "statements_of"]


def statements_of(checkpoint: Checkpoint) -> list[Statement]:
    """Return all that a file says of itself and that can be held against a model."""
    return [statement for kind in _kinds() for statement in kind.read(checkpoint)]


@cache
def _kinds() -> list[ModuleType]:
    names = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return [module for module in modules if hasattr(module, "read")]
