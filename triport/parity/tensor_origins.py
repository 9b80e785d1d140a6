"""Which call of a module made a tensor of PyTorch."""

from __future__ import annotations

from typing import Any


class Origins:
    """Which call made a tensor, as long as nothing has written into it since."""

    def __init__(self, torch: Any) -> None:
        """Begin with no calls; `torch` is the module."""
        self._made = torch.utils.weak.WeakIdKeyDictionary()

    def add(self, tensor: Any, name: str) -> None:
        """Remember who made a tensor."""
        self._made[tensor] = name, _writes(tensor)

    def of(self, tensor: Any) -> str | None:
        """Return who made a tensor; None where nobody knows, or it is not what was returned any more."""
        name, version = self._made.get(tensor, (None, None))
        return name if version == _writes(tensor) else None


def _writes(tensor: Any) -> int:
    """Return how often a tensor was written into; one that was kept from inference mode does not count it."""
    return 0 if tensor.is_inference() else int(tensor._version)
