"""Which axes could be free, and at which sizes the Module itself runs, so that a free axis can be proven."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from triport.converters.torch_export.network import TorchNet
from triport.converters.torch_export.observed import asked_by_module
from triport.reference_models.errors import TriportError, counted

from .feeds import ordinary

NUM_PROOFS = 2
BATCHES = (1, 3, 4, 5)
MOST_ASKED = 24
MOST_ELEMENTS = 1 << 22  # of an input: 27 images of 224 x 224


@dataclass(frozen=True, slots=True)
class SizePlan:
    """With which sizes a graph is traced, and at which others it is compared.

    `fixed` says of an axis why it cannot be free. `too_large` are sizes at which the Module's code goes
    another way, and at which it is not run; `unseen` says of an axis why there may be more.
    """

    traced: Mapping[str, int]
    proofs: tuple[Mapping[str, int], ...]
    fixed: Mapping[str, str]
    too_large: tuple[tuple[str, int], ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)

    @property
    def free(self) -> tuple[str, ...]:
        """The axes that may be free."""
        return tuple(axis for axis in self.traced if axis not in self.fixed)


def plan_axes(net: TorchNet, seed: int) -> SizePlan:
    """Ask the Module at which sizes it runs.

    A graph is traced with sizes of two and more: what is right for one is often right for one alone. It is
    compared at two other sizes of each free axis, a batch of one among them, and where the Module's own code
    goes another way.

    Raises:
        TriportError: it does not run with the sizes that the user described.
    """
    described = dict(net.sizes)
    count = len(net.run(ordinary(net.inputs, described, seed).arrays))
    fixed: dict[str, str] = {}
    traced = dict(described)
    for axis, size in described.items():
        if size == 1:
            problem = _problem(net, {**traced, axis: 2}, seed, count)
            if problem is None:
                traced[axis] = 2
            else:
                fixed[axis] = f"with {axis}=2 {net.name} itself {problem}"
    others: dict[str, list[int]] = {}
    for axis, size in traced.items():
        if axis in fixed:
            continue
        wanted = BATCHES if described[axis] == 1 or axis == "N" else (size // 2, size - 1, size + 1, 2 * size)
        found: list[int] = []
        problem = None
        for other in dict.fromkeys(wanted):
            if other < 1 or other == size or len(found) == NUM_PROOFS:
                continue
            refusal = _problem(net, {**traced, axis: other}, seed, count)
            if refusal is None:
                found.append(other)
            problem = problem or refusal
        if found == [1] and problem:  # one stretches to any size: that is no second size that it takes
            fixed[axis] = (
                f"{net.name} itself runs with {axis}=1 and {axis}={size} alone: otherwise it {problem}"
            )
        elif found:
            others[axis] = found
        else:
            fixed[axis] = f"with another size {net.name} itself {problem}"
    proofs = [
        {
            axis: others[axis][place % len(others[axis])] if axis in others else size
            for axis, size in traced.items()
        }
        for place in range(NUM_PROOFS)
    ]
    if any(
        _problem(net, sizes, seed, count) for sizes in proofs
    ):  # they do not go together: one after another
        proofs = [{**traced, axis: size} for axis, sizes in others.items() for size in sizes]
    asked, too_large, unseen = _asked(net, others, traced, seed, count)
    unique = [dict(one) for one in dict.fromkeys(tuple(sizes.items()) for sizes in (*proofs, *asked))]
    return SizePlan(traced, tuple(unique), fixed, tuple(too_large), unseen)


def _asked(
    net: TorchNet, others: Mapping[str, Sequence[int]], traced: Mapping[str, int], seed: int, count: int
) -> tuple[list[Mapping[str, int]], list[tuple[str, int]], dict[str, str]]:
    """Return the sizes at which the Module's code may go another way, where it runs, and those beyond.

    Of an axis of which these may not be all, it is said why.
    """
    run: list[Mapping[str, int]] = []
    too_large: list[tuple[str, int]] = []
    unseen = {}
    for axis, sizes in others.items():
        asked = asked_by_module(net, axis, traced, (traced[axis], *sizes))
        if asked.unseen:
            unseen[axis] = asked.unseen
        for size in asked.sizes:
            at = {**traced, axis: size}
            if any(math.prod(given.sized(at)) > MOST_ELEMENTS for given in net.inputs):
                too_large.append((axis, size))
            elif len(run) >= MOST_ASKED:
                unseen.setdefault(axis, f"its code may go another way at {size} and more")
            elif _problem(net, at, seed, count) is None:
                run.append(at)
    return run, too_large, unseen


def _problem(net: TorchNet, sizes: Mapping[str, int], seed: int, count: int) -> str | None:
    """Return what the Module does with these sizes that no graph can, None if it returns `count` tensors."""
    try:
        found = len(net.run(ordinary(net.inputs, sizes, seed).arrays))
    except TriportError as error:
        return f"does not run: {str(error).partition(': ')[2][:300]}"
    return None if found == count else f"returns {counted(found, 'tensor')}, not {count}"
