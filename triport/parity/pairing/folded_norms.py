"""BatchNorms that the second side has folded into the layers before them."""

from __future__ import annotations

from triport.converters.naming.one_way_steps import FoldBatchNorm
from triport.converters.naming.pair_names import PairRow
from triport.reference_models.kinds import KINDS

from .calls import Calls
from .pieces import Piece
from .state import Match, Matching

_LAYERS = tuple(KINDS[name] for name in ("conv", "conv_transposed", "dense", "norm"))
_ADDED = ("shift", "norm shift")


def join_to_layers(matching: Matching) -> None:
    """Match what each folded norm adds with the bias of the layer that the norm is behind.

    Where two layers are added up, what their norms add has one gradient, and nothing else tells them apart;
    but the factor of a norm is that of the layer before it.
    """
    a, b = (side.parameters for side in matching.sides)
    known = {match.a.name for match in matching.matches.values()}
    gone = {one.owner for name, one in a.items() if one.role == "variance" and name not in known}
    if not gone:
        return
    behind = Calls(matching.sides[0], matching.feed, _LAYERS).norms_behind()
    weights = {
        a[match.a.name].owner: b[match.b.name].owner
        for match in matching.matches.values()
        if len(match.a.shape) > 1
    }
    for layer, norm in behind.items():
        if norm not in gone or layer not in weights:
            continue
        added, bias = (
            [
                piece
                for piece in matching.pieces[place]
                if parameters[piece.name].owner == owner and parameters[piece.name].role in _ADDED
            ]
            for place, parameters, owner in ((0, a, norm), (1, b, weights[layer]))
        )
        if len(added) == len(bias) == 1 and added[0].shape == bias[0].shape:
            _exchange(matching, added[0], bias[0])


def _exchange(matching: Matching, a: Piece, b: Piece) -> None:
    """Match two pieces, and what they were matched with with each other."""
    before, after = matching.matches.get(a), matching.taken.get(b)
    if before is not None and before is after:
        return
    for match in (before, after):
        if match is not None:
            matching.drop(match)
    matching.accept(Match(a, b, (0,), "the layer that the norm is behind"))
    if before is not None and after is not None:
        matching.accept(Match(after.a, before.b, (0,), "gradient"))


def folded_rows(matching: Matching) -> list[PairRow]:
    """Return rows of layers with a BatchNorm behind them that the second side has folded into the layer."""
    a, b = (side.parameters for side in matching.sides)
    to_b = {match.a.name: match.b.name for match in matching.matches.values()}
    from_b = {match.b.name: match.a.name for match in matching.matches.values()}
    rows = []
    for name, one in a.items():
        if name in to_b or one.role != "variance" or one.epsilon is None:
            continue
        norm = {
            other.leaf.name: other.name for other in a.values() if other.owner == one.owner and other.leaf
        }
        needed = [norm.get(leaf, "") for leaf in ("weight", "bias", "running_mean", "running_var")]
        bias = to_b.get(needed[1])
        if bias is None or any(leaf in to_b for leaf in (needed[0], *needed[2:])):
            continue
        weights = [
            other.name
            for other in b.values()
            if other.owner == b[bias].owner
            and other.name in from_b
            and other.leaf
            and other.leaf.name == "weight"
        ]
        if len(weights) != 1 or a[from_b[weights[0]]].shape != b[weights[0]].shape:
            continue
        weight = from_b[weights[0]]
        axis = int(a[weight].kind is KINDS["conv_transposed"])
        if a[weight].shape[axis] != one.size:
            continue
        biases = [
            other.name
            for other in a.values()
            if other.owner == a[weight].owner and other.name not in to_b and other.role == "shift"
        ]
        rows.append(
            PairRow(
                (weight, *biases, *needed),
                (weights[0], bias),
                (FoldBatchNorm(axis, one.epsilon),),
                "the norm is folded",
            )
        )
    return rows
