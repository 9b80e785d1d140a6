"""Weights that a network holds twice, where one was tied to another before it became an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_FEWEST = 16  # elements; smaller ones may be equal by chance
_SHOWN = 3


def notes_on_weights_held_twice(weights: Mapping[str, np.ndarray]) -> list[str]:
    """Return which matrices and kernels have the same numbers, transposed or not, in one sentence or none.

    An exporter stores a tied parameter twice where one of its layers needs it transposed, and a framework
    may need it in two shapes.

    Args:
        weights: the tensors of a network by name.
    """
    alike: dict[tuple[object, ...], list[str]] = {}
    for name, array in weights.items():
        if array.dtype.kind == "f" and array.size >= _FEWEST and np.squeeze(array).ndim > 1:
            alike.setdefault((array.dtype, *sorted(np.squeeze(array).shape)), []).append(name)
    pairs = [pair for names in alike.values() if len(names) > 1 for pair in _pairs(names, weights)]
    if not pairs:
        return []
    shown = "; ".join(f"{b} those of {a}" for a, b in pairs[:_SHOWN])
    more = f"; and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
    return [
        f"weights with the same numbers: {shown}{more}. Where these were one parameter, tie them again "
        "before training, which would move them apart"
    ]


def _pairs(names: list[str], weights: Mapping[str, np.ndarray]) -> list[tuple[str, str]]:
    """Return each name whose numbers another one before it has, with that one."""
    firsts: dict[tuple[float, float], list[str]] = {}
    found = []
    for name in names:
        array = np.squeeze(weights[name])
        key = (float(array.min()), float(array.max()))
        if key[0] == key[1]:  # zeros or ones
            continue
        same = next((each for each in firsts.get(key, []) if _are_same(np.squeeze(weights[each]), array)), "")
        if same:
            found.append((same, name))
        else:
            firsts.setdefault(key, []).append(name)
    return found


def _are_same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b) or (a.ndim == 2 and np.array_equal(a.T, b))
