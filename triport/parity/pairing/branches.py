"""Branches that one network adds up and the other keeps as one convolution, as RepVGG's are after training.

Several convolutions with a BatchNorm each, and a BatchNorm alone, are given the same and have one sum. All
but the largest are left out, and do nothing, while the first side is matched; what proves the map gives all
of them values of their own. It leads one way only: of a sum nobody can tell its parts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from triport.converters.naming.constant_steps import Insert, Pad
from triport.converters.naming.one_way_steps import FoldBatchNorm, Sum
from triport.converters.naming.pair_names import PairRow
from triport.converters.naming.step import Step
from triport.converters.naming.step_texts import Only
from triport.reference_models.kinds import KINDS

from .calls import Calls
from .comparing import ROUNDED, projected
from .pieces import Parameters, key_of
from .sides import Side, SideParameter
from .values import own_value

_NORM = ("weight", "bias", "running_mean", "running_var")
# what a BatchNorm without any effect on the sum has
_SILENT = {"weight": 0.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}


@dataclass(frozen=True, slots=True)
class Branch:
    """A BatchNorm, with the convolution before it if there is one: names of their parameters."""

    norm: tuple[str, ...]
    epsilon: float
    convolution: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of its parameters, as folding takes them."""
        return (*self.convolution, *self.norm)


@dataclass(frozen=True, slots=True)
class SummedBranches:
    """Branches with one sum: the one with the largest kernel, and the others."""

    largest: Branch
    others: tuple[Branch, ...]

    def row(self, row: PairRow, shapes: Mapping[str, tuple[int, ...]]) -> PairRow:
        """Return the row of all branches, of the one in which the largest alone is folded."""
        kernel = shapes[self.largest.convolution[0]]
        steps: list[Step] = [Only(0, len(row.a), step) for step in row.steps]
        for place, branch in enumerate(self.others, 1):
            at = 2 * place
            count = len(branch.names)
            if not branch.convolution:
                steps.append(Insert(at, "identity", kernel))
                count += 1
            elif (small := shapes[branch.convolution[0]][2:]) != kernel[2:]:
                steps.append(Only(at, 1, Pad(small, kernel[2:])))
            steps.append(Only(at, count, FoldBatchNorm(0, branch.epsilon)))
        names = (*row.a, *(name for branch in self.others for name in branch.names))
        return replace(row, a=names, steps=(*steps, Sum(2)), reason="branches are added up")


class Branches:
    """The branches of the first side that are one convolution in the second, hidden until they are shown."""

    def __init__(self, a: Side, b: Side, feed: Sequence[np.ndarray]) -> None:
        self._side, self._all = a, dict(a.parameters)
        self._blocks = _blocks(a, b, feed)
        self._hidden = {
            name: _silent(self._all[name])
            for block in self._blocks
            for branch in block.others
            for name in branch.names
        }
        self.hide()

    def hide(self) -> None:
        """Leave all but the largest branches out: they add nothing."""
        if self._hidden:
            self._side.set_values(self._hidden)
            shown = {name: one for name, one in self._all.items() if name not in self._hidden}
            self._side.parameters = shown

    def show(self) -> None:
        """Let the side have all of its parameters."""
        if self._hidden:
            self._side.parameters = self._all

    def rows(self, folded: Iterable[PairRow]) -> list[PairRow]:
        """Return rows of folded layers in which all branches stand."""
        blocks = {block.largest.convolution[0]: block for block in self._blocks}
        shapes = {name: one.shape for name, one in self._all.items()}
        return [blocks[row.a[0]].row(row, shapes) if row.a[0] in blocks else row for row in folded]


def _silent(one: SideParameter) -> np.ndarray:
    is_norm = one.kind is KINDS["norm"] and one.leaf is not None
    value = _SILENT.get(one.leaf.name, 0.0) if is_norm and one.leaf is not None else 0.0
    return np.full(one.shape, value, np.float32)


def _blocks(a: Side, b: Side, feed: Sequence[np.ndarray]) -> list[SummedBranches]:
    """Return the blocks of the first side, if the second has just that much less of what would be hidden."""
    lacked = _counted(a.parameters, a.parameters)
    lacked.subtract(_counted(b.parameters, b.parameters))
    if not any(role == "variance" and count > 0 for (_, role), count in lacked.items()):
        return []
    a.set_values({name: own_value(one.shape, one.role, name) for name, one in a.parameters.items()})
    found = [
        block
        for group in _groups(Calls(a, feed, (KINDS["conv"], KINDS["norm"])))
        if (block := _block(group, a.parameters))
    ]
    found = _summed(a, feed, found)
    gone = [name for block in found for branch in block.others for name in branch.names]
    gone += [name for block in found for name in block.largest.norm]
    fewer = _counted(a.parameters, gone)
    return found if all(lacked[about] >= count for about, count in fewer.items() if _is_told(about)) else []


def _is_told(about: tuple[tuple[int, ...], str | None]) -> bool:
    """Whether counts of it say anything: a bias of the one convolution stands against one of a norm."""
    return about[1] not in ("shift", "norm shift")


def _counted(parameters: Parameters, names: Iterable[str]) -> Counter[tuple[tuple[int, ...], str | None]]:
    return Counter((key_of(parameters[name].shape), parameters[name].role) for name in names)


def _groups(calls: Calls) -> list[list[tuple[str, ...]]]:
    """Return the modules that are given the same: paths of a convolution and a norm, or of a norm."""
    behind = calls.norms_behind()
    groups: dict[bytes, list[tuple[str, ...]]] = defaultdict(list)
    for path, given in calls.given.items():
        if calls.parts[path].kind is KINDS["norm"]:
            groups[given].append((path,))
        elif path in behind:
            groups[given].append((path, behind[path]))
    return [group for group in groups.values() if len(group) > 1]


def _block(group: Sequence[tuple[str, ...]], parameters: Parameters) -> SummedBranches | None:
    """Return the branches of modules that are given the same; None where they cannot be one convolution."""
    owned: dict[str, dict[str, str]] = defaultdict(dict)
    for name, one in parameters.items():
        if one.leaf is not None:
            owned[one.owner][one.leaf.name] = name
    found = []
    for *convolutions, norm in group:
        of_norm = tuple(owned[norm].get(leaf, "") for leaf in _NORM)
        epsilon = parameters[of_norm[0]].epsilon if of_norm[0] else None
        if "" in of_norm or epsilon is None:
            return None
        kernels = [
            tuple(owned[path][leaf] for leaf in ("weight", "bias") if leaf in owned[path])
            for path in convolutions
        ]
        found.append(Branch(of_norm, epsilon, *kernels))
    found.sort(key=lambda one: -int(np.prod(parameters[one.names[0]].shape)) if one.convolution else 0)
    largest, *others = found
    if not largest.convolution:
        return None
    shape = parameters[largest.convolution[0]].shape
    fits = all(_fits(one, shape, parameters) for one in others)
    return SummedBranches(largest, tuple(others)) if fits and others else None


def _fits(branch: Branch, kernel: tuple[int, ...], parameters: Parameters) -> bool:
    """Whether a branch can be written as a kernel of this shape, with zeros around its own."""
    if not branch.convolution:
        return parameters[branch.norm[0]].shape == kernel[:1] and all(size % 2 for size in kernel[2:])
    shape = parameters[branch.convolution[0]].shape
    around = [large - small for large, small in zip(kernel[2:], shape[2:], strict=False)]
    return (
        len(shape) == len(kernel)
        and shape[:2] == kernel[:2]
        and all(one >= 0 and one % 2 == 0 for one in around)
    )


def _summed(a: Side, feed: Sequence[np.ndarray], blocks: Sequence[SummedBranches]) -> list[SummedBranches]:
    """Return the blocks whose branches have one sum: what each of them adds has the same gradient."""
    if not blocks:
        return []
    gradients: dict[str, np.ndarray] = {}

    def see(name: str, gradient: np.ndarray | None) -> None:
        if gradient is not None:
            gradients[name] = np.array(gradient, np.float64)

    names = [name for block in blocks for one in (block.largest, *block.others) for name in one.names]
    a.gradients(feed, lambda place, size: projected(place, size, 0), see, names)
    allowed = 1e3 * ROUNDED[a.is_double]

    def is_summed(block: SummedBranches) -> bool:
        every = [name for one in (block.largest, *block.others) for name in one.norm]
        if any(name not in gradients or not gradients[name].any() for name in every):
            return False
        first = gradients[block.largest.norm[1]]
        apart = [np.linalg.norm(gradients[one.norm[1]] - first) for one in block.others]
        return bool(max(apart) <= allowed * np.linalg.norm(first))

    return [block for block in blocks if is_summed(block)]
