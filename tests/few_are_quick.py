"""Long lists of spellings of one case: some of them run in every test run, the rest in the slow one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def one_in(step: int, values: Iterable[Any]) -> list[Any]:
    """Return parameters of a test: each `step`-th, from the first on, is quick, the others are slow.

    A tuple holds the values of several parameters.
    """
    rows = [value if isinstance(value, tuple) else (value,) for value in values]
    return [
        pytest.param(*row, marks=pytest.mark.slow if place % step else ()) for place, row in enumerate(rows)
    ]
