"""By what a Cell's own code decides, seen as it runs: operator by operator, with sizes that tell."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import Any

import numpy as np

from triport.converters.networks.asked_by_code import AskedSizes, NetworkRuns, Tell, asked_by_code, own_kinds
from triport.converters.networks.input_specs import InputSpec
from triport.converters.networks.telling_sizes import is_framework, plain

from .quiet import context_kept, silenced

# of a batch that only a branch asks for, 1 GB of float32; and what takes no time
MOST_ELEMENTS, _FEW_ELEMENTS = 1 << 28, 1 << 18


def asked_by_cell(
    cell: Any, resized: Callable[[int], Sequence[InputSpec]], tried: Sequence[int], elements: int
) -> AskedSizes:
    """Return the batch sizes at which a Cell's code may go another way, of those that are not tried anyway.

    Args:
        cell: the Cell.
        resized: the inputs at a batch size.
        tried: the batch sizes that are tried anyway.
        elements: how many numbers of one image the largest input holds.
    """
    parts = [one for _, one in cell.cells_and_names()]

    def run(size: int, tell: Tell) -> None:
        import mindspore

        with ExitStack() as stack:
            for entered in (silenced(), context_kept(), _uncompiled(parts)):
                stack.enter_context(entered)
            # what fails is raised here, and not by whatever runs next
            mindspore.set_context(mode=mindspore.PYNATIVE_MODE, pynative_synchronize=True)
            inputs = [
                mindspore.Tensor(_filled(spec), getattr(mindspore, spec.dtype)) for spec in resized(size)
            ]
            with _sizes_told(tell):
                cell(*inputs)

    return asked_by_code(
        parts,
        NetworkRuns(run, lambda tensor: tensor.asnumpy()),
        tried,
        MOST_ELEMENTS // elements,
        _FEW_ELEMENTS // elements,
    )


def _filled(spec: InputSpec) -> np.ndarray:
    """Return ones; whole numbers are 0, which any table has."""
    return np.full(spec.shape, 0.0 if "int" in spec.dtype else 1.0, np.float32)


@contextmanager
def _sizes_told(tell: Tell) -> Iterator[None]:
    """Let every tensor say its sizes in other numbers."""
    import mindspore

    kind: Any = mindspore.Tensor

    def shape(tensor: Any) -> tuple[int, ...]:
        return tell(tensor._shape)

    def count(tensor: Any) -> int:
        return math.prod(shape(tensor))

    def cut(tensor: Any, key: Any) -> Any:
        """Take a part of a tensor; where a slice ends within it or behind it is a condition."""
        for size, one in zip(shape(tensor), key if isinstance(key, tuple) else (key,), strict=False):
            if one is None or one is ...:
                break
            for end in (one.start, one.stop) if isinstance(one, slice) else ():
                if isinstance(end, int):
                    operator.gt(size, abs(end))  # a size notes what it is compared with
        return item(tensor, key)

    def walk(tensor: Any) -> Iterator[Any]:
        plain(shape(tensor)[0], "how many tensors there are")
        return (item(tensor, place) for place in range(tensor._shape[0]))

    item = kind.__getitem__
    others = {
        "shape": property(shape, kind.shape.fset),
        "size": property(count),
        "nbytes": property(lambda tensor: count(tensor) * tensor._itemsize),
        "numel": count,
        "__getitem__": cut,
        "__iter__": walk,
        "__len__": lambda tensor: plain(shape(tensor)[0], "len()"),
    }
    before = {name: vars(kind)[name] for name in others if name in vars(kind)}
    try:
        for name, other in others.items():
            setattr(kind, name, other)
        yield
    finally:
        for name in others:
            if name in before:
                setattr(kind, name, before[name])
            else:
                delattr(kind, name)


@contextmanager
def _uncompiled(parts: Sequence[Any]) -> Iterator[None]:
    """Let methods that MindSpore would compile run as they are."""
    before = [
        (kind, name, held)
        for kind in own_kinds(parts)
        for name, held in vars(kind).items()
        if isinstance(held, FunctionType) and hasattr(held, "__wrapped__")
    ]
    try:
        for kind, name, held in before:
            if is_framework(held.__globals__["__name__"]):
                setattr(kind, name, inspect.unwrap(held))
        yield
    finally:
        for kind, name, held in before:
            setattr(kind, name, held)
