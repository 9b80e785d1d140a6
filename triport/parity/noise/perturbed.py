"""PyTorch in float32 with the roundings of a lower precision put in at random.

What a lower precision costs a network is decided by how it rounds weights and what layers are given. Here
each of these values is moved at random by up to one rounding of that precision: runs that differ in the
draw are as far from each other as that precision is from itself, on any machine, whether or not it has
a unit that computes so. (Known as Monte Carlo arithmetic: D. S. Parker, 1997.)

A floating-point number is moved by a share of itself. In fixed point the steps are even over the range of an
output channel's weights, and of all that a layer is given; the layers are of the kinds that are quantised.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from triport.converters.torch_export.kept import Kept
from triport.parity.calls import Feed, ReferenceNames, Visit
from triport.parity.runtimes.pytorch import Order, PyTorchRunner
from triport.reference_models.kinds import kind_of
from triport.reference_models.network import Arrays, Network


class PerturbedRunner(PyTorchRunner):
    """The network's Module on the CPU, each run perturbed otherwise; the same seed gives the same runs."""

    def __init__(
        self,
        network: Network,
        parameters: Arrays,
        *,
        rounding: float,
        fixed_point: bool = False,
        draws: int = PyTorchRunner.draws,
        seed: int,
    ) -> None:
        """Build the network; `rounding` is the largest error of one, relative to a number, or to a range."""
        super().__init__(network, parameters)
        self._kept = Kept(self._net)
        self._rounding, self._fixed_point = rounding, fixed_point
        self.draws = self.most_draws = draws
        self._random = self._torch.Generator().manual_seed(seed)

    def run(self, feed: Arrays, order: Order = "contiguous") -> dict[str, np.ndarray]:
        """Return the outputs of one perturbed run."""
        with self._perturbed():
            return super().run(feed, order)

    def trace(
        self,
        feed: Arrays,
        visit: Visit,
        fed: Feed | None = None,
        beside: ReferenceNames | None = None,
        order: Order = "contiguous",
    ) -> dict[str, np.ndarray]:
        """Tell `visit` of every call of one perturbed run."""
        with self._perturbed():
            return super().trace(feed, visit, fed, beside, order)

    @contextmanager
    def _perturbed(self) -> Iterator[None]:
        weights = self._net.state_dict()
        self._net.load_state_dict(
            {
                name: self._moved(value, self._size_of(value)) if self._is_rounded(value) else value
                for name, value in weights.items()
            },
            assign=True,
        )
        self._kept.forget()
        handles = []
        for module in self._net.modules():
            kind = kind_of(module)
            layer = kind is not None and kind.quantised
            if layer if self._fixed_point else next(module.children(), None) is None:
                handles.append(
                    module.register_forward_pre_hook(
                        lambda _, arguments: (self._moved(arguments[0], self._range_of(arguments[0])),)
                    )
                )
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._net.load_state_dict(weights, assign=True)
            self._kept.forget()

    def _is_rounded(self, weights: Any) -> bool:
        # what a BatchNorm has, and a bias, is of one axis
        return weights.ndim > 1 if self._fixed_point else weights.is_floating_point()

    def _size_of(self, weights: Any) -> Any:
        """Return what the roundings of weights are relative to."""
        if not self._fixed_point:
            return weights
        return weights.abs().amax(tuple(range(1, weights.ndim)), keepdim=True)

    def _range_of(self, given: Any) -> Any:
        """Return what the roundings of a layer's input are relative to; zero is always in its range."""
        if not self._fixed_point:
            return given
        return (given.amax().clamp(min=0) - given.amin().clamp(max=0)) / 2

    def _moved(self, tensor: Any, size: Any) -> Any:
        roundings = 2 * self._torch.rand(tensor.shape, generator=self._random, dtype=tensor.dtype) - 1
        return tensor + self._rounding * roundings * size
