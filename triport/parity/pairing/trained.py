"""What two networks that compute the same do otherwise once they are trained: how fast statistics follow."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from triport.converters.naming.pair_names import PairNames
from triport.reference_models.kinds import KINDS

from .correspondence import modules_with_parameters, watched_parts
from .settings import momentum_of
from .sides import Side

_WITH_STATISTICS = (KINDS["norm"], KINDS["instance_norm"])


def trained_otherwise(a: Side, b: Side, names: PairNames) -> tuple[str, ...]:
    """Return a sentence for each two values of momentum with which a norm of one side meets one of the other.

    Momentum is said as PyTorch counts it: the share of a new batch. MindSpore counts what is left of the old.
    """
    a_parts, b_parts = watched_parts(a), watched_parts(b)
    found: dict[tuple[Any, Any], list[tuple[str, str]]] = defaultdict(list)
    for second, first in modules_with_parameters(a, b, names, a_parts, b_parts).items():
        parts = a_parts[first], b_parts[second]
        if all(part.kind in _WITH_STATISTICS for part in parts):
            momenta = momentum_of(parts[0].module), momentum_of(parts[1].module)
            if momenta[0] != momenta[1]:
                found[momenta].append((first, second))
    return tuple(_sentence(momenta, paths) for momenta, paths in found.items())


def _sentence(momenta: tuple[Any, Any], paths: list[tuple[str, str]]) -> str:
    (first, second), *others = paths
    more = f", and {len(others)} more" if others else ""
    shares = " and ".join("no" if one is None else f"{one:g}" for one in momenta)
    return (
        f"in training they part: momentum {shares}, as PyTorch counts it, of {first} and {second}{more}: "
        f"their statistics follow the batches at another pace"
    )
