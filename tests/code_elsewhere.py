"""Code that decides by the batch size, in a module of its own: networks import it and call it by its name."""

from __future__ import annotations

from typing import Any


def by_length(x: Any) -> Any:
    return x * 2 if len(x) == 80 else x * 3


def by_a_loop(x: Any) -> Any:
    factor = 1
    for _ in range(x.shape[0] // 90):
        factor = factor * 2
    return x * factor


class Scale:
    """Is no module of a framework, and is called as one."""

    def __call__(self, x: Any) -> Any:
        return by_length(x)
