"""How the outputs of a Module are shaped at sizes of its free axes at which nothing is compared.

The Module runs once on tensors without values, whose free axes are symbols; PyTorch notes each condition on
them: of `x[:10]` there are as many rows as the input has up to ten. The nearest sizes at which one of these
turns out otherwise are tried, without values too.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from triport.converters.environment import import_torch
from triport.converters.versions.torch_conditions import says_conditions

from .exporters import free_axes, without_logs
from .network import TorchNet

LARGEST = 1024
_NEAR = 64
_MOST_SHAPES = 12

Shape = tuple[int, ...]


class ShapeRun(NamedTuple):
    """What a run without values told: conditions, and the outputs' shapes; None if it failed."""

    conditions: list[Any]
    axis_of: Mapping[Any, str]
    shapes: list[Shape] | None


def shapes_elsewhere(
    net: TorchNet, axes: Sequence[str], sizes: Mapping[str, int]
) -> Iterator[tuple[dict[str, int], list[Shape]]]:
    """Yield further sizes, each with one axis changed, at which outputs may be shaped otherwise, and how.

    The shapes are those of a run without values.
    """
    run = _run(net, axes, sizes)
    asked = (turn for condition in run.conditions for turn in _turns(condition, run.axis_of, sizes))
    for axis, size in list(dict.fromkeys(asked))[:_MOST_SHAPES]:
        other = {**sizes, axis: size}
        shapes = _run(net, axes, other).shapes
        if shapes is not None:
            yield other, shapes


def _turns(asked: Any, axis_of: Mapping[Any, str], sizes: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yield the nearest sizes below and above, axis by axis, at which a condition is not fulfilled."""
    axis_of = {symbol: axis_of[symbol] for symbol in asked.free_symbols}
    whole = {int(number) for number in asked.atoms() if number.is_Integer}
    # `12 * n == 960` is of a size of 80
    whole |= {number // other for number in whole for other in whole if other > 1}
    numbers = {number + step for number in whole for step in (-1, 0, 1)}
    for axis in dict.fromkeys(axis_of.values()):
        size = sizes[axis]
        tried = sorted(numbers | {*range(size - _NEAR, size + _NEAR)})
        other = [
            one
            for one in tried
            if 2 <= one <= LARGEST
            and not asked.xreplace(
                {symbol: one if name == axis else sizes[name] for symbol, name in axis_of.items()}
            )
        ]
        yield from ((axis, one) for one in [one for one in other if one < size][-1:])
        # at the first it may still be the same, as min(x.shape[0], 4) is at 4
        yield from ((axis, one) for one in [one for one in other if one > size][:2])


def _run(net: TorchNet, axes: Sequence[str], sizes: Mapping[str, int]) -> ShapeRun:
    """Run the Module without values."""
    torch = import_torch()
    if not says_conditions(torch):
        return ShapeRun([], {}, None)
    from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

    noted = ShapeEnv()
    without_values = FakeTensorMode(shape_env=noted, allow_non_fake_inputs=True)
    random = np.random.default_rng(0)
    given: list[Any] = []
    axis_of: dict[Any, str] = {}
    for one, places in zip(net.inputs, free_axes(net, axes).values(), strict=True):
        (tensor,) = net.tensors([one.draw(sizes, random)])
        kinds = [
            DimDynamic.DYNAMIC if place in places else DimDynamic.STATIC for place in range(tensor.dim())
        ]
        given.append(
            without_values.from_tensor(
                tensor, static_shapes=False, symbolic_context=StatelessSymbolicContext(kinds)
            )
        )
        # a size of one is a number, and no symbol
        of = {axis: given[-1].shape[place] for place, axis in places.items()}
        axis_of |= {size.node.expr: axis for axis, size in of.items() if isinstance(size, torch.SymInt)}
    shapes: list[Shape] | None = None
    with without_logs(), suppress(Exception):  # what was noted until it failed is true all the same
        with FakeCopyMode(without_values):
            # what a Module keeps between calls stays in the copy
            copied = copy.deepcopy(net.wrapped)
        with without_values, torch.no_grad():
            results = copied(*given)
        shapes = [
            (*(one.node.hint if isinstance(one, torch.SymInt) else one for one in result.shape),)
            + (2,) * result.is_complex()
            for result in results
        ]
    conditions = dict.fromkeys(guard.expr for guard in noted.guards)
    return ShapeRun([one for one in conditions if one.free_symbols <= axis_of.keys()], axis_of, shapes)
