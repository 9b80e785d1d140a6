"""What can be wrong of a layer: changes of its parameters, its attributes or its function, as data.

A fault is made in PyTorch, as whoever translates a network makes it; the arrays are NumPy's and are changed
in place. benchmarks/faults.py puts it into networks, and tests see that parity catches each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Arrays of a layer by leaf
Leaves = dict[str, Any]
Change = Callable[[Leaves], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a layer.

    `change` makes its arrays wrong. `attributes` are the module's and what they become of what they are.
    `instead` is the function of torch.nn.functional that is computed in place of the layer's, "identity"
    for none, with `options`. `where` says which modules it can be made in.
    """

    name: str
    change: Change | None = None
    attributes: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    instead: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    where: Callable[[Any], bool] = lambda module: True

    def fits(self, module: Any) -> bool:
        """Whether the module is one that it can be made in."""
        return all(hasattr(module, name) for name in self.attributes) and self.where(module)


def swapped(a: str, b: str) -> Change:
    """Return what exchanges two leaves."""

    def change(leaves: Leaves) -> None:
        kept = leaves[a].copy()
        leaves[a][...] = leaves[b]
        leaves[b][...] = kept

    return change


def changed(leaf: str, how: Callable[[Any], Any]) -> Change:
    """Return what puts how(array) in the place of a leaf's array."""

    def change(leaves: Leaves) -> None:
        leaves[leaf][...] = how(leaves[leaf].copy())

    return change


def reordered(order: Sequence[int], *prefixes: str) -> Change:
    """Return what puts the equal blocks of the first axis into another order, in leaves that begin so."""

    def change(leaves: Leaves) -> None:
        for name, array in leaves.items():
            if name.startswith(prefixes):
                blocks = array.reshape(len(order), -1, *array.shape[1:])
                blocks[...] = blocks[list(order)]

    return change


def block_changed(leaf: str, index: int, of: int, how: Callable[[Any], Any]) -> Change:
    """Return what changes one of the equal blocks of a leaf's first axis."""

    def change(leaves: Leaves) -> None:
        blocks = leaves[leaf].reshape(of, -1, *leaves[leaf].shape[1:])
        blocks[index] = how(blocks[index].copy())

    return change


def rolled(array: Any, axis: int = 0) -> Any:
    """Return an array with the last along an axis in the first place."""
    count = array.shape[axis]
    return array.take([count - 1, *range(count - 1)], axis)


def other_epsilon(eps: float) -> float:
    """Return the epsilon that another framework or family has."""
    return 1e-3 if eps < 1e-4 else 1e-5
