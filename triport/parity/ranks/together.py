"""What all ranks do together: steps that each may fail at, and facts that must be the same on all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from triport.reference_models.errors import listed

from .rank import RankError, Ranks

T = TypeVar("T")


def together(ranks: Ranks, step: Callable[[], T]) -> T:
    """Return what `step` returns, when every rank is through with its own; where one fails, none goes on.

    Raises:
        RankError: another rank failed, or is gone.
    """
    if ranks.size == 1:
        return step()
    failure: Exception | None = None
    try:
        result = step()
    except Exception as error:  # whatever it is, the others must hear of it before it goes on
        failure = error
    try:
        parts = ranks.gather(np.array([failure is not None], np.int32))
    except RankError:
        if failure is None:
            raise
    if failure is not None:
        raise failure
    failed = [rank for rank, part in enumerate(parts) if part[0]]
    if failed:
        raise RankError(f"rank {failed[0]} failed: see its message")
    return result


def check_same(ranks: Ranks, facts: Mapping[str, str]) -> None:
    """Raise RankError unless all ranks state the same; every rank gives the same keys in the same order."""
    if ranks.size == 1:
        return
    own = b"".join(hashlib.sha256(fact.encode(errors="backslashreplace")).digest() for fact in facts.values())
    parts = ranks.gather(np.frombuffer(own, np.int32).reshape(len(facts), -1).copy())
    differing = [
        f"{name}: {fact[:200]} on rank {ranks.rank}; ranks that have it otherwise than rank 0: "
        + ", ".join(str(rank) for rank, part in enumerate(parts) if (part[index] != parts[0][index]).any())
        for index, (name, fact) in enumerate(facts.items())
        if any((part[index] != parts[0][index]).any() for part in parts)
    ]
    if differing:
        raise RankError(
            f"the {ranks.size} ranks do not run the same, and rows would be mixed\n{listed(differing)}\n"
            "Give every node the same files, packages and options"
        )
