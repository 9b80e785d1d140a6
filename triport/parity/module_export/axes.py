"""Which axes could be free, and at which sizes the Module itself runs, so that a free axis can be proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triport.converters.torch_export.network import TorchNet
from triport.reference_models.errors import TriportError

from .feeds import ordinary

NUM_PROOFS = 2
BATCHES = (1, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Plan:
    """With which sizes a graph is traced, and at which others it is compared.

    `fixed` says of an axis why it cannot be free.
    """

    traced: Mapping[str, int]
    proofs: tuple[Mapping[str, int], ...]
    fixed: Mapping[str, str]

    @property
    def free(self) -> tuple[str, ...]:
        """The axes that may be free."""
        return tuple(axis for axis in self.traced if axis not in self.fixed)


def plan_axes(net: TorchNet, seed: int) -> Plan:
    """Ask the Module at which sizes it runs.

    A graph is traced with sizes of two and more: what is right for one is often right for one alone. It is
    compared at two other sizes of each free axis, a batch of one among them.

    Raises:
        TriportError: it does not run with the sizes that the user described.
    """
    described = dict(net.sizes)
    net.run(ordinary(net.inputs, described, seed).arrays)
    fixed: dict[str, str] = {}
    traced = dict(described)
    for axis, size in described.items():
        if size == 1:
            problem = _problem(net, {**traced, axis: 2}, seed)
            if problem is None:
                traced[axis] = 2
            else:
                fixed[axis] = f"{net.name} itself does not run with {axis}=2: {problem}"
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
            refusal = _problem(net, {**traced, axis: other}, seed)
            if refusal is None:
                found.append(other)
            problem = problem or refusal
        if found == [1] and problem:  # one stretches to any size: that is no second size that it takes
            fixed[axis] = f"{net.name} itself runs with {axis}=1 and {axis}={size} alone: {problem}"
        elif found:
            others[axis] = found
        else:
            fixed[axis] = f"{net.name} itself does not run with another size: {problem}"
    proofs = [
        {
            axis: others[axis][place % len(others[axis])] if axis in others else size
            for axis, size in traced.items()
        }
        for place in range(NUM_PROOFS)
    ]
    if any(_problem(net, sizes, seed) for sizes in proofs):  # they do not go together: one after another
        proofs = [{**traced, axis: size} for axis, sizes in others.items() for size in sizes]
    unique = [dict(one) for one in dict.fromkeys(tuple(sizes.items()) for sizes in proofs)]
    return Plan(traced, tuple(unique), fixed)


def _problem(net: TorchNet, sizes: Mapping[str, int], seed: int) -> str | None:
    """Return why the Module does not run with these sizes, None if it does."""
    try:
        net.run(ordinary(net.inputs, sizes, seed).arrays)
    except TriportError as error:
        return str(error).partition(": ")[2][:300]
    return None
