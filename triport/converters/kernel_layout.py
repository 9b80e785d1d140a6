"""Kernels in another order of dimensions than PyTorch's and MindSpore's (out, in, height, width)."""

from __future__ import annotations

from collections.abc import Iterable

Shape = tuple[int, ...]

# where each dimension of (out, in, height, width) stands
_ORDERS = {
    "(out, height, width, in), as MLX keeps them": (0, 3, 1, 2),
    "(height, width, in, out), as TensorFlow and Flax keep them": (3, 2, 0, 1),
}


def other_layout(shapes: Iterable[tuple[Shape, Shape]]) -> str | None:
    """Return how to mend kernels that all lie in one other order; None if they do not.

    Args:
        shapes: of each tensor with another shape than its model's: the one found, and the one expected.
    """
    pairs = list(shapes)
    for order, places in _ORDERS.items():
        if pairs and all(
            len(found) == 4 and tuple(found[place] for place in places) == expected
            for found, expected in pairs
        ):
            return f"Its 4-d weights lie in the order {order}: .permute{places} each and save the file again"
    return None
