"""At which sizes of its free axes a Module's own code goes another way than at those that are compared.

The Module runs once on tensors without values, whose free axes are symbols; PyTorch notes each condition on
them by which Python code decides, such as `x.shape[0] > 8`. At the nearest size at which one of these turns
out otherwise, a graph that was traced may be another function than the Module.

By conditions of PyTorch's own, outputs have other shapes: of `x[:10]` as many rows as the input up to ten.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from triport.converters.environment import import_torch
from triport.converters.versions.torch_conditions import says_conditions

from .code_numbers import code_numbers, reads_unseen
from .exporters import free_axes, without_logs
from .network import TorchNet

LARGEST = 1024
_NEAR = 64
_MOST_RUNS = 4
_MOST_SHAPES = 12

Shape = tuple[int, ...]


class Condition(NamedTuple):
    """What code decides by, the axis of each symbol in it, and whether that code is not PyTorch's."""

    asked: Any
    axis_of: Mapping[Any, str]
    is_own: bool


class Run(NamedTuple):
    """What a run without values told: conditions, and the outputs' shapes; None if it failed.

    `numbers` are the axes whose size was asked for as a plain number: what code does with that is not seen.
    """

    conditions: list[Condition]
    shapes: list[Shape] | None
    numbers: list[str]


def asked_sizes(net: TorchNet, axes: Sequence[str], sizes: Mapping[str, int]) -> list[dict[str, int]]:
    """Return further sizes to compare at, each with one axis changed.

    None are found of a Module that does not run without values, and by a PyTorch that does not say where a
    condition stands (`says_conditions`).

    Args:
        net: the Module.
        axes: those that may be free.
        sizes: of all axes, with which a graph is traced.
    """
    found: list[dict[str, int]] = []
    numbers = list(axes) if reads_unseen(net.module) else []
    waiting = [dict(sizes)]
    for _ in range(_MOST_RUNS):  # behind a condition there may be another one
        if not waiting:
            break
        at = waiting.pop(0)
        run = _run(net, axes, at)
        numbers = numbers or run.numbers
        for condition in run.conditions:
            for axis, size in _turns(condition, at) if condition.is_own else ():
                other = {**sizes, axis: size}
                is_further = abs(size - sizes[axis]) > abs(at[axis] - sizes[axis])
                if is_further and other not in found:
                    found.append(other)
                    waiting.append(other)
    return found + [other for other in _read_as_numbers(net, numbers, sizes) if other not in found]


def _read_as_numbers(
    net: TorchNet, axes: Sequence[str], sizes: Mapping[str, int]
) -> Iterator[dict[str, int]]:
    """Yield the sizes that are numbers in the Module's code, or whose elements or bytes are."""
    for axis in axes:
        rows = {1}
        for given in net.inputs:
            of_one = math.prod(given.sized({**sizes, axis: 1}))
            rows |= {of_one, of_one * np.dtype(given.dtype).itemsize} if axis in given.shape else set()
        asked = [number // row for number in code_numbers(net.module) for row in rows if not number % row]
        for size in dict.fromkeys(asked):
            if 2 <= size <= LARGEST and size != sizes[axis]:
                yield {**sizes, axis: size}


def shapes_elsewhere(
    net: TorchNet, axes: Sequence[str], sizes: Mapping[str, int]
) -> Iterator[tuple[dict[str, int], list[Shape]]]:
    """Yield further sizes, each with one axis changed, at which outputs may be shaped otherwise, and how.

    The shapes are those of a run without values.
    """
    asked = (
        (axis, size)
        for condition in _run(net, axes, sizes).conditions
        for axis, size in _turns(condition, sizes)
    )
    for axis, size in list(dict.fromkeys(asked))[:_MOST_SHAPES]:
        other = {**sizes, axis: size}
        shapes = _run(net, axes, other).shapes
        if shapes is not None:
            yield other, shapes


def _turns(condition: Condition, sizes: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yield the nearest sizes below and above, axis by axis, at which a condition is not fulfilled."""
    asked, axis_of, _ = condition
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


def _run(net: TorchNet, axes: Sequence[str], sizes: Mapping[str, int]) -> Run:
    """Run the Module without values."""
    torch = import_torch()
    if not says_conditions(torch):
        return Run([], None, [])
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
    numbers = [
        axis
        for symbol, axis in axis_of.items()
        if shapes is None or getattr(noted.replacements.get(symbol), "is_Integer", False)
    ]
    return Run(list(_conditions(noted, axis_of)), shapes, numbers)


def _conditions(noted: Any, axis_of: Mapping[Any, str]) -> Iterator[Condition]:
    """Yield each condition on free axes alone."""
    own = Path(import_torch().__file__).parent
    found: dict[Any, Condition] = {}
    for guard in noted.guards:
        place = getattr(getattr(guard, "sloc", None), "framework_loc", None)
        symbols = guard.expr.free_symbols
        if symbols <= axis_of.keys():
            is_own = place is not None and own not in Path(place.filename).parents
            known = found.get(guard.expr)
            found[guard.expr] = Condition(
                guard.expr,
                {symbol: axis_of[symbol] for symbol in symbols},
                is_own or (known is not None and known.is_own),
            )
    yield from found.values()
