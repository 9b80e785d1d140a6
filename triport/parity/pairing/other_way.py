"""What only the other order of two networks can give: of what is merged nobody can tell the parts."""

from __future__ import annotations

from triport.converters.naming.pair_names import PairNames

from .sides import Side

_MERGED = {
    "variance": "b's BatchNorms, or branches with one each, may be folded into layers of a",
    "magnitude": "b keeps weights as magnitude and direction, which may be merged in a",
    "vector": "b divides weights by their spectral norm, which may be merged in a",
}


def merged_in_the_first(b: Side, names: PairNames) -> tuple[str, ...]:
    """Return sentences on what is left of the second network that the first may have merged."""
    left = set(names.left_b)
    found = {_merged(b, name) for name in left}
    return tuple(
        f"{said}: then weights can only go from b to a. Give the networks in the other order"
        for kind, said in _MERGED.items()
        if kind in found
    )


def _merged(side: Side, name: str) -> str:
    one = side.parameters.get(name)
    if one is not None and one.role in ("variance", "vector"):
        return one.role
    of_weight_norm = name.endswith(".original0") or name.endswith("weight_g")
    return "magnitude" if of_weight_norm else ""
