"""Source beside float64 module by module: each is given float64's values, so that no noise grows.

Where a network makes 1e-3 of one rounding, two float32 runs of it are as far apart as that at the end, and a
fault could hide there. So the source that was written, as it stands, goes on behind each of its modules with
the number that PyTorch's source of the same graph has there in float64, cut to float32. What a module makes,
and what the code between two of them makes, is then compared on the same numbers, where its noise is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from triport.converters.onnx_import.targets import Target
from triport.parity.judge.difference import difference
from triport.parity.judge.noise import noises_of
from triport.parity.judge.tolerance import DRAWS, FLOAT32, WIDEST, within
from triport.reference_models.errors import counted

from .exact import InDouble
from .judge import OneFunction, allowed
from .result import SourceTrial
from .runs import array_in, mindspore_array, run, tensor_in

Key = tuple[str, int, int]  # the module's path, which of its calls, which of its outputs


@dataclass(frozen=True, slots=True)
class Brought:
    """What a run made in the end, and at each call of a module from the values it was given."""

    outputs: list[np.ndarray]
    made: dict[Key, np.ndarray]

    def beside(self, keys: list[Key]) -> list[np.ndarray] | None:
        """Return the outputs and the values of these calls; None where a call is missing, or is one more."""
        if set(self.made) != set(keys):
            return None
        return [*self.outputs, *(self.made[key] for key in keys)]


def proven_by_modules(
    verdict: SourceTrial,
    network: Any,
    target: Target,
    feed: dict[str, np.ndarray],
    exact: InDouble,
    one: OneFunction,
) -> SourceTrial:
    """Return the verdict of a run whose modules go on with float64's values, or the one before.

    Args:
        verdict: on the run as it is.
        network: the source's.
        target: its framework.
        feed: the inputs.
        exact: the source for PyTorch, in float64.
        one: that it and the graph are one function, which ONNX Runtime computes.
    """
    paths = _paths(network, target) & _paths(exact.network, "pytorch")
    true = _brought(exact.network, "pytorch", paths, None, lambda: exact(feed))
    if true is None or not true.made:
        return verdict
    keys = list(true.made)
    called = {path for path, _, _ in keys}  # what only holds others is called in one of the two, or in none
    given = {key: array.astype(np.float32) for key, array in true.made.items()}
    found = _brought(network, target, called, given, lambda: run(network, target, list(feed.values())))
    # so far is any float32 run of one module from float64, and of what is between two
    draws = [
        _brought(exact.network, "pytorch", called, given, partial(exact.rounded, feed, seed))
        for seed in range(DRAWS)
    ]
    mine, right, *drawn = (each.beside(keys) if each else None for each in (found, true, *draws))
    if mine is None or right is None or any(each is None for each in drawn):
        return verdict
    if any(a.shape != b.shape for a, b in zip(mine, right, strict=True)):
        return verdict
    noises = noises_of([right, *(each for each in drawn if each is not None)])
    least = allowed([array.astype(np.float32) for array in right])
    limits = [FLOAT32.tolerance_of(noise.size, each) for noise, each in zip(noises, least, strict=True)]
    apart = [difference(a, b) for a, b in zip(mine, right, strict=True)]
    if any(noise.unsure.any() for noise in noises) or max(limits) > WIDEST or not within(apart, limits):
        return verdict
    why = (
        f"in float64 the graph is {one.apart:.1e} from the source for PyTorch, and ONNX Runtime "
        f"{one.its:.1e}{_told(one)}; given its values in {counted(len(keys), 'call')} of modules, this "
        f"source is {max(apart):.1e} from it there, of at most {max(limits):.1e}"
    )
    return replace(verdict, judged_by="modules", passed=True, why=why)


def _told(one: OneFunction) -> str:
    """Return how far ONNX Runtime is off at one node, where it is too far off in the end."""
    return "" if one.node is None else f", but at most {one.node:.1e} at any node that is given its values"


def _paths(network: Any, target: Target) -> set[str]:
    return {path for path, _ in _modules(network, target)}


def _modules(network: Any, target: Target) -> Iterator[tuple[str, Any]]:
    """Give the modules within a network by their paths."""
    found = network.named_modules() if target == "pytorch" else network.cells_and_names()
    return ((path, module) for path, module in found if path)


def _brought(
    network: Any,
    target: Target,
    paths: set[str],
    given: dict[Key, np.ndarray] | None,
    run: Callable[[], list[np.ndarray] | None],
) -> Brought | None:
    """Return what a run brings to each call of these modules, which goes on with what is given there.

    Without values that are given it goes on with its own, cut to float32. None where it fails.
    """
    made: dict[Key, np.ndarray] = {}

    def taken(path: str, outputs: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        call = sum(key[0] == path and key[2] == 0 for key in made)
        keys = [(path, call, place) for place in range(len(outputs))]
        made.update(zip(keys, outputs, strict=True))
        if given is None:
            return [array.astype(np.float32) for array in outputs]
        return [given[key] for key in keys]

    try:
        with _hooked(network, target, paths, taken):
            outputs = run()
    except Exception:
        return None
    return None if outputs is None else Brought(outputs, made)


@contextmanager
def _hooked(
    network: Any,
    target: Target,
    paths: set[str],
    taken: Callable[[str, tuple[np.ndarray, ...]], list[np.ndarray]],
) -> Iterator[None]:
    """Let modules give other values where what they make is of floating point."""

    def hook(path: str) -> Callable[[Any, Any, Any], Any]:
        def after(module: Any, arguments: Any, output: Any) -> Any:
            outputs = output if isinstance(output, tuple) else (output,)
            arrays = tuple(_array(each, target) for each in outputs)
            if any(array.dtype not in (np.float32, np.float64) for array in arrays):
                return None
            others = [
                tensor_in(target, a, each) for a, each in zip(taken(path, arrays), outputs, strict=True)
            ]
            return tuple(others) if isinstance(output, tuple) else others[0]

        return after

    handles = [
        module.register_forward_hook(hook(path))
        for path, module in _modules(network, target)
        if path in paths
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _array(tensor: Any, target: Target) -> np.ndarray:
    return array_in(tensor) if target == "pytorch" else mindspore_array(tensor)
