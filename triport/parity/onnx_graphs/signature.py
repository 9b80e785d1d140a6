"""Which input and output of an ONNX file is which of a network's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from triport.reference_models.errors import TriportError, counted
from triport.reference_models.network import Arrays, Input, Network

# as ONNX Runtime writes them
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


class SignatureError(TriportError):
    """A file has other inputs or outputs than the network."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The file's names of a network's inputs and outputs.

    `dtypes` and `shapes` are what the file says of its inputs, by the network's names: a side that is no
    number is free. `row_count` is how many rows it always takes, where that is fixed. `others` are outputs
    that are none of the network's.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    dtypes: Mapping[str, str]
    shapes: Mapping[str, tuple[Any, ...]]
    row_count: int | None
    row_axes: Mapping[str, int]
    others: tuple[str, ...]

    def cast(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return a feed under the file's names and in its dtypes."""
        return {
            theirs: np.ascontiguousarray(feed[name], self.dtypes[name])
            for name, theirs in self.inputs.items()
        }

    def takes(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether inputs may have these shapes; rows are fed in pieces where their number is fixed."""
        return all(
            not isinstance(side, int) or side == shapes[name][axis]
            for name, sides in self.shapes.items()
            for axis, side in enumerate(sides)
            if self.row_count is None or axis != self.row_axes.get(name)
        )

    def refusal_of(self, shapes: Mapping[str, tuple[int, ...]]) -> str:
        """Return what a file takes instead of inputs of these shapes, and what gives it that."""
        wanted = ", ".join(f"{name} ({', '.join(map(str, sides))})" for name, sides in self.shapes.items())
        given = ", ".join(f"({', '.join(map(str, shape))})" for shape in shapes.values())
        sizes = {tuple(sides[2:]) for sides in self.shapes.values() if len(sides) == 4}
        height, width = sizes.pop() if len(sizes) == 1 else (None, None)
        is_square = isinstance(height, int) and height == width
        hint = f". It was made for images of {height} px: add --size {height}" if is_square else ""
        return f"it takes {wanted}, and was given {given}{hint}"


def signature_of(network: Network, inputs: Sequence[Any], outputs: Sequence[Any]) -> Signature:
    """Return what is which: by name where the file has the network's names, and else in order.

    Args:
        network: what the file is to be.
        inputs: the session's, with name, type and shape.
        outputs: likewise.

    Raises:
        SignatureError: there are others, or of another type or shape.
    """
    taken = _paired([given.name for given in network.inputs], [value.name for value in inputs])
    returned = _paired(network.outputs, [value.name for value in outputs])
    by_name = {value.name: value for value in inputs}
    if not taken or any(
        not _fits(given, by_name[taken[given.name]]) for given in network.inputs if given.name in taken
    ):
        expected = ", ".join(_described(given) for given in network.inputs)
        raise SignatureError(f"expected {expected}; found {_found(inputs, outputs)}")
    if len(returned) != len(network.outputs):
        count = len(network.outputs)
        wanted = "one output, or one" if count == 1 else f"{counted(count, 'output')}"
        raise SignatureError(
            f"expected {wanted} called {', '.join(network.outputs)}; found {_found(inputs, outputs)}"
        )
    shapes = {name: tuple(by_name[theirs].shape) for name, theirs in taken.items()}
    row_axes = network.rows.inputs if network.rows is not None else {}
    sizes = {shapes[name][axis] for name, axis in row_axes.items() if name in shapes}
    size = sizes.pop() if len(sizes) == 1 else None
    return Signature(
        taken,
        returned,
        {name: _DTYPES[by_name[theirs].type] for name, theirs in taken.items()},
        shapes,
        size if isinstance(size, int) else None,
        row_axes,
        tuple(value.name for value in outputs if value.name not in returned.values()),
    )


def _paired(ours: Sequence[str], theirs: Sequence[str]) -> dict[str, str]:
    """Return their name of each of ours; an input that is not read may be missing from a file."""
    if set(ours) <= set(theirs) or (theirs and set(theirs) <= set(ours)):
        return {name: name for name in ours if name in theirs}
    return dict(zip(ours, theirs, strict=True)) if len(ours) == len(theirs) else {}


def _fits(given: Input, value: Any) -> bool:
    """Whether a file's input may be this one: floating point both, or integers both."""
    dtype = _DTYPES.get(value.type)
    if dtype is None or np.dtype(dtype).kind != np.dtype(given.dtype).kind:
        return False
    return len(value.shape) == len(given.shape) and all(
        not isinstance(theirs, int) or not isinstance(ours, int) or theirs == ours
        for theirs, ours in zip(value.shape, given.shape, strict=True)
    )


def _described(given: Input) -> str:
    return f"{given.name} ({', '.join(map(str, given.shape))}) {given.dtype}"


def _found(inputs: Sequence[Any], outputs: Sequence[Any]) -> str:
    return ", ".join(f"{value.name} {value.type} {value.shape}" for value in [*inputs, *outputs])
