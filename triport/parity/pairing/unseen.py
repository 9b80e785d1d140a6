"""What differs between two networks whose outputs are equal in float32: in float64, and in their settings."""

from __future__ import annotations

from collections.abc import Sequence

from triport.converters.naming.pair_names import PairNames

from .comparing import SAME_OUTPUTS
from .correspondence import modules_with_parameters, watched_parts
from .result import Trial
from .settings import differences, settings_of
from .sides import Side


def unseen(a: Side, b: Side, names: PairNames, trials: Sequence[Trial]) -> tuple[str, ...]:
    """Return sentences on what differs too little for float32 to show."""
    worst = max(trials, key=lambda one: one.needed_tolerance)
    said = []
    is_exact = a.is_double and b.is_double and not any(row.computes for row in names.rows)
    if is_exact and worst.needed_tolerance > SAME_OUTPUTS[True]:
        said.append(
            f"in float64 the outputs are {worst.needed_tolerance:.1e} of the largest value apart, more than "
            f"float64 rounds, and float32 hides it: something differs a little, or one of the two computes a "
            f"part in float32"
        )
    if worst.reshaped:
        said.append(f"outputs have other shapes, and the same values in the same order: {worst.reshaped}")
    return (*said, *_set_otherwise(a, b, names))


def _set_otherwise(a: Side, b: Side, names: PairNames) -> list[str]:
    """Return a sentence for each setting in which layers with the same parameters differ."""
    a_parts, b_parts = watched_parts(a), watched_parts(b)
    found: dict[str, list[tuple[str, str]]] = {}
    for second, first in modules_with_parameters(a, b, names, a_parts, b_parts).items():
        one, other = a_parts[first], b_parts[second]
        # what a padding is follows from what a layer is given, which is not known here
        if one.kind is not other.kind or one.kind is None or not one.kind.leaves:
            continue
        if not any(leaf.seeding == "scale" for leaf in one.kind.leaves):
            continue
        for said in differences(
            settings_of(one.module, one.kind, ()), settings_of(other.module, other.kind, ())
        ):
            found.setdefault(said, []).append((first, second))
    return [
        f"{said}, of {paths[0][0]} and {paths[0][1]}"
        + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
        + ": too little to be seen in these outputs"
        for said, paths in found.items()
    ]
