"""What a pickle becomes when it is read as data: names, storages, tensors, and objects that are not read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from triport.converters.formats.tensors import short

_MAX_KEY = 2**53
FUNCTION = "func"  # what functools.partial's attribute is called


@dataclass(frozen=True)
class Global:
    """The name of a class or function, not looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return short(f"{self.module}.{self.name}")


@dataclass(frozen=True, eq=False)
class Opaque:
    """An object that is not made: known are its class, or the function that would make it.

    `attributes` are those, and the items, that the pickle sets, `arguments` what it would be made of; no
    tensor is made of them.
    """

    kind: Global
    attributes: dict[Any, Any] = field(default_factory=dict, kw_only=True)
    arguments: tuple[Any, ...] = field(default=(), kw_only=True)

    def __str__(self) -> str:
        return str(self.kind)


@dataclass(frozen=True, eq=False)
class UnreadableTensor(Opaque):
    """A tensor whose values cannot be known without its own code.

    Attributes:
        problem: what it is and what to do; follows the tensor's name in a message.
    """

    problem: str


@dataclass(frozen=True)
class Storage:
    """Where tensors' values lie.

    Attributes:
        key: the record's name.
        dtype: of its elements; None where each tensor says it.
        count: of its elements.
        start: first element, where it is a view of the record.
    """

    key: str
    dtype: str | None
    count: int
    start: int = 0


@dataclass(frozen=True)
class PickledTensor:
    """A tensor as a pickle describes it: a view of a storage, in elements.

    Attributes:
        storage: where the values lie.
        dtype: a key of ITEM_BYTES.
        offset: of the first element.
        shape: the dimensions.
        strides: of each dimension.
        negated: whether the values are the stored ones with the opposite sign (PyTorch's lazy negative).
        conjugated: whether the values are the conjugates of the stored ones (PyTorch's lazy conjugate).
        kind: the Python subclass of torch.Tensor that it is of, if any.
    """

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    negated: bool = False
    conjugated: bool = False
    kind: Global | None = None


def checked_key(key: Any) -> Any:
    """Return a dict's key, if hashing it is no adventure: no long tuple, and no numbers made to collide."""
    kind = type(key)
    if kind is str or kind is bytes or kind is Global or kind is float or kind is bool or key is None:
        return key
    if kind is int:
        return key if abs(key) < _MAX_KEY else f"<int of {key.bit_length()} bits>"
    return f"<{describe(key)}>"


def describe(value: Any) -> str:
    """Return what a value is, in words short enough for a message."""
    if isinstance(value, Global):
        return str(value)
    if isinstance(value, Opaque):
        return f"{value.kind} instance"
    return type(value).__name__
