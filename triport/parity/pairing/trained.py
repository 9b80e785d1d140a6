"""What two networks that compute the same do otherwise in training: how fast statistics follow, dropout."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from triport.converters.naming.pair_names import PairNames
from triport.reference_models.kinds import KINDS
from triport.reference_models.modules import Part

from .comparing import SAME_OUTPUTS, apart
from .correspondence import modules_with_parameters, watched_parts
from .observed import observe
from .proof import Draw
from .settings import Settings, momentum_of, settings_of
from .sides import Side

_WITH_STATISTICS = (KINDS["norm"], KINDS["instance_norm"])
_SAME = SAME_OUTPUTS[False]


def trained_otherwise(a: Side, b: Side, names: PairNames) -> tuple[str, ...]:
    """Return a sentence for each two values of momentum with which norms meet, and one for dropout.

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
    sentences = [_sentence(momenta, paths) for momenta, paths in found.items()]
    rates = _rates(a_parts), _rates(b_parts)
    if rates[0] != rates[1]:
        sentences.append(f"in training they part: {_said(rates[0])} of a, {_said(rates[1])} of b")
    return tuple(sentences)


def dropped_otherwise(a: Side, b: Side, draw: Draw) -> tuple[str, ...]:
    """Return a sentence where dropout of the same rates has other places with a map.

    Each dropout multiplies what it is given by what is left of it: outputs are apart where twins have each
    other's rate.

    Args:
        a: the first side, whose values are changed.
        b: likewise.
        draw: values that fit the map.
    """
    rates = [_rates_by_path(side) for side in (a, b)]
    if not rates[0] or Counter(rates[0].values()) != Counter(rates[1].values()):
        return ()
    draw.give(b)
    outputs = [_with_shares(side, draw.feed(), known) for side, known in zip((a, b), rates, strict=True)]
    if apart(*outputs) <= _SAME:
        return ()
    return (
        "in training they part: dropout of these rates has other places with this map; of interchangeable "
        "layers each may have the other's",
    )


def _with_shares(side: Side, feed: Sequence[np.ndarray], rates: Mapping[str, float]) -> list[np.ndarray]:
    """Return the outputs of a side whose dropouts return the share that they leave."""
    parts = {path: part for path, part in watched_parts(side).items() if path in rates}

    def returned(path: str, number: int, arrays: list[np.ndarray]) -> list[np.ndarray]:
        return [one * one.dtype.type(1 - rates[path]) for one in arrays]

    return observe(side, feed, parts, lambda path, number, arrays: None, returned)


def _rates_by_path(side: Side) -> dict[str, float]:
    return {path: rate for path, part in watched_parts(side).items() if (rate := _rate(part))}


def layers_settings(side: Side) -> dict[str, Settings]:
    """Return what each layer of a known kind computes and is trained with, by its path."""
    return {
        path: {
            **settings_of(part.module, part.kind, ()),
            **({"momentum": momentum_of(part.module) or 0.0} if part.kind in _WITH_STATISTICS else {}),
        }
        for path, part in watched_parts(side).items()
        if part.kind is not None and part.kind.leaves
    }


def _rates(parts: Mapping[str, Part]) -> Counter[float]:
    """Return how often a network has a layer that drops so large a share of what it is given."""
    return Counter(rate for part in parts.values() if (rate := _rate(part)))


def _rate(part: Part) -> float:
    """Return how large a share a module drops; 0 for what is no dropout."""
    if part.kind is not KINDS["dropout"]:
        return 0.0
    # mindspore.nn's newer argument comes first, and the older one has a value in any case
    rate = getattr(part.module, "p", None)
    share = 1 - getattr(part.module, "keep_prob", 1.0) if rate is None else rate
    return round(float(share), 6)


def _said(rates: Counter[float]) -> str:
    if not rates:
        return "no dropout"
    return "dropout " + ", ".join(
        f"{rate:g} in {count} layer{'s' * (count > 1)}" for rate, count in sorted(rates.items())
    )


def _sentence(momenta: tuple[Any, Any], paths: list[tuple[str, str]]) -> str:
    (first, second), *others = paths
    more = f", and {len(others)} more" if others else ""
    shares = " and ".join("no" if one is None else f"{one:g}" for one in momenta)
    return (
        f"in training they part: momentum {shares}, as PyTorch counts it, of {first} and {second}{more}: "
        f"their statistics follow the batches at another pace"
    )
