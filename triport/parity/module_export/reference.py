"""What a Module computes in float64, and how far it is from itself in its own precision.

A tolerance must come from the network and the input. So the Module runs a few times more, none of them
judged, with inputs, parameters and the result of every innermost module moved by one rounding: the largest
distance between these runs is its noise. What they all have in common does not widen the tolerance.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from triport.converters.environment import import_torch
from triport.converters.torch_export.network import TorchNet
from triport.converters.torch_export.values_read import Reads, narrow_steps, watched
from triport.parity.judge.difference import difference
from triport.parity.judge.noise import Noise, noises_of, nudged
from triport.parity.judge.tolerance import (
    CALIBRATIONS,
    DRAWS,
    FLOAT32,
    WIDEST,
    WIDEST_NARROW,
    Calibration,
)
from triport.reference_models.errors import TriportError

from .feeds import ModuleFeed


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What is right for one feed, output by output, and how far the Module is from itself there."""

    feed: ModuleFeed
    outputs: list[np.ndarray]
    noises: list[Noise]


class ModuleReference:
    """The Module with one set of values, asked for what is right.

    `values` are others than its own, by name; `reads` collects where values decide, `narrow` which steps
    are not in float64 although the Module is.
    """

    def __init__(self, net: TorchNet, values: Mapping[str, Any] | None = None, wrapped: Any = None) -> None:
        self.net, self.values, self.wrapped = net, values, wrapped
        self.reads: Reads = {}
        self.is_float64 = True
        self.narrow: dict[str, int] = {}
        self.narrow_types: set[str] = set()
        self._found: dict[int, tuple[ModuleFeed, Expected]] = {}

    @property
    def calibration(self) -> Calibration:
        """How the noise of this precision becomes a tolerance."""
        return CALIBRATIONS.get(self.precision, FLOAT32)

    @property
    def precision(self) -> str:
        """The Module's, or what its code computes with in between: a runtime may leave that rounding out."""
        within = (dtype for dtype in ("bfloat16", "float16") if dtype in self.narrow_types)
        return next(within, self.net.precision)

    def expected(self, feed: ModuleFeed) -> Expected:
        """Return what is right for a feed; each is computed once.

        Raises:
            TriportError: the Module itself fails on it.
        """
        if id(feed) not in self._found:
            with self.net.with_values(self.values or {}):
                self._found[id(feed)] = feed, self._compute(feed)
        return self._found[id(feed)][1]

    def _compute(self, feed: ModuleFeed) -> Expected:
        with watched(self.reads):
            plain = self.net.run(feed.arrays, wrapped=self.wrapped)
        exact = self._run_exactly(feed, plain)
        draws = [plain, *(self._run_rounded(feed, seed) for seed in range(DRAWS))]
        noises = noises_of(draws, exact)
        if self._is_another_function(plain, exact, noises):
            self.is_float64 = False
            exact = _in_its_own(plain)
            noises = noises_of(draws, exact)
        return Expected(feed, exact, noises)

    def _is_another_function(
        self, plain: Sequence[np.ndarray], exact: Sequence[np.ndarray], noises: Sequence[Noise]
    ) -> bool:
        """Whether it is something else in float64, as of code that asks for dtype or nbytes."""
        return any(
            one.shape != other.shape
            or (
                one.dtype.kind == "f"
                and self.calibration.tolerance_of(noise.size) <= WIDEST
                and difference(_where_both(one, other), _where_both(other, one)) > WIDEST_NARROW
            )
            for one, other, noise in zip(plain, exact, noises, strict=True)
        )

    def _run_exactly(self, feed: ModuleFeed, plain: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run in float64; a Module that cannot is its own reference in the precision that it has."""
        if self.is_float64:
            try:
                with self.net.in_float64(), narrow_steps(self.narrow, self.narrow_types):
                    return self.net.run(feed.arrays, wrapped=self.wrapped)
            except TriportError:
                self.is_float64 = False
        return _in_its_own(plain)

    def _run_rounded(self, feed: ModuleFeed, seed: int) -> list[np.ndarray]:
        rounding, random = self.calibration.rounding, np.random.default_rng(seed)
        # numbers on edges are not moved: they would be ordinary ones
        step = 0.0 if feed.is_exact else 2 * rounding
        arrays = [nudged(array, random, step) for array in feed.arrays]
        with (
            self.net.with_values(_nudged_values(self.net, random, 2 * rounding)),
            _rounded_results(self.net.module, rounding, seed),
        ):
            return self.net.run(arrays, wrapped=self.wrapped)


def _in_its_own(plain: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return what the Module computes in the precision that it has, as what is right."""
    return [array.astype(np.float64) if array.dtype.kind == "f" else array for array in plain]


def _where_both(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the numbers of an array where another one has finite ones too."""
    found: np.ndarray = one[np.isfinite(one) & np.isfinite(other)]
    return found


def _nudged_values(net: TorchNet, random: np.random.Generator, step: float) -> dict[str, Any]:
    """Return the Module's values, each a step down, as it is, or a step up."""
    torch, aliases = import_torch(), net.aliases()
    return {
        name: torch.from_numpy(nudged(tensor.detach().double().numpy(), random, step)).to(tensor.dtype)
        for name, tensor in net.state.items()
        if tensor.is_floating_point() and name not in aliases
    }


@contextlib.contextmanager
def _rounded_results(module: Any, rounding: float, seed: int) -> Iterator[None]:
    """Move what every innermost module returns by up to one rounding of itself, at random."""
    torch = import_torch()
    generator = torch.Generator().manual_seed(seed)

    def move(result: Any) -> Any:
        if isinstance(result, torch.Tensor) and result.is_floating_point():
            steps = 2 * torch.rand(result.shape, generator=generator, dtype=torch.float32) - 1
            return result * (1 + rounding * steps).to(result.dtype)
        if type(result) in (tuple, list):
            return type(result)(map(move, result))
        return result

    leaves = [one for one in module.modules() if next(one.children(), None) is None]
    hooks = [leaf.register_forward_hook(lambda _, given, result: move(result)) for leaf in leaves]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
