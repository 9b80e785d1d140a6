"""What a pickle of torch.save refers to outside itself: storages, and classes beside their source."""

from __future__ import annotations

from typing import Any

from triport.converters.formats.pickled_values import Global, Opaque, Storage
from triport.converters.formats.rebuilt_tensors import STORAGES
from triport.converters.formats.tensors import short


class ReferenceRefusedError(Exception):
    """A reference that no torch.save writes; the text follows the pickle's name in a message."""


class TorchReferences:
    """The storages that the pickles of one file name.

    Attributes:
        storages: what the pickles say of each storage, by key.
        unknown: the classes of storages that are not known here, by key.
    """

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}
        self.unknown: dict[str, Global] = {}

    def __call__(self, identity: Any) -> Any:
        """Return what a reference stands for.

        Args:
            identity: ("storage", class, key, location, count[, view]) or ("module", class, file, source).

        Raises:
            ReferenceRefusedError, TypeError: it is neither.
        """
        if type(identity) is tuple and identity[:1] == ("module",) and len(identity) > 1:
            return identity[1]
        if type(identity) is not tuple or len(identity) not in (5, 6) or identity[0] != "storage":
            raise ReferenceRefusedError("has a reference that is no torch storage")
        _, kind, key, _, count = identity[:5]
        view = identity[5] if len(identity) == 6 else None
        key = str(key) if type(key) is int else key
        if type(key) is not str or type(count) is not int or count < 0 or not isinstance(kind, Global):
            raise TypeError
        if kind not in STORAGES:
            self.unknown[key] = kind
            return Opaque(kind)
        first = 0
        if view is not None:
            _, first, length = view
            if type(first) is not int or type(length) is not int or not 0 <= first <= first + length <= count:
                raise TypeError
        storage = Storage(key, STORAGES[kind], count, first)
        if self.storages.setdefault(key, storage).dtype != storage.dtype:
            raise ReferenceRefusedError(f"gives storage '{short(key)}' two types")
        return storage
