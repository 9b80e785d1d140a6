"""By what a Module's own code decides, seen as it runs with sizes that tell."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any

import numpy as np

from triport.converters.environment import import_torch
from triport.converters.networks.asked_by_code import AskedSizes, NetworkRuns, Tell, asked_by_code, kept
from triport.converters.networks.telling_sizes import TellingSizes, plain
from triport.reference_models.network import Input, Integers

from .network import TorchNet
from .values_read import READS

# of an input: 1 GB of float32, and what takes no time
_MOST_ELEMENTS, _FEW_ELEMENTS = 1 << 28, 1 << 18


def asked_by_module(net: TorchNet, axis: str, sizes: Mapping[str, int], tried: Sequence[int]) -> AskedSizes:
    """Return the sizes of an axis at which a Module's code may go another way, without those in `tried`."""
    torch: Any = import_torch()
    calls: dict[int, list[str]] = {}
    reads: list[bool] = []
    mode: Any = torch.overrides.TorchFunctionMode

    class Told(mode):
        def __init__(self, tell: Tell) -> None:
            super().__init__()
            self.tell, self.calls = tell, list[str]()
            self.reads = False

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            found = func(*args, **(kwargs or {}))
            if isinstance(found, torch.Tensor):
                self.calls.append(getattr(func, "__name__", ""))
            self.reads |= getattr(func, "__name__", "") in READS
            if type(found) is int:
                return self.tell((found,))[0]
            if type(found) in (tuple, list) and any(isinstance(one, torch.Tensor) for one in found):
                plain(self.tell((len(found),))[0], "how many tensors there are")
            is_sizes = isinstance(found, tuple) and bool(found) and all(type(one) is int for one in found)
            return TellingSizes(self.tell(tuple(found))) if is_sizes else found

    def run(size: int, tell: Tell) -> None:
        inputs = [_filled(given, {**sizes, axis: size}) for given in net.inputs]
        told = Told(tell)
        with torch.no_grad(), uncompiled(torch), told:
            net.wrapped(*net.tensors(inputs))
        calls[size] = told.calls
        reads.append(told.reads)

    def values(tensor: Any) -> np.ndarray:
        with torch._C.DisableTorchFunction():
            return np.asarray(tensor.detach().tolist())

    parts = [*net.module.modules()]
    elements = (math.prod(given.sized({**sizes, axis: 1})) for given in net.inputs if axis in given.shape)
    one = max(elements, default=1)
    asked = asked_by_code(parts, NetworkRuns(run, values), tried, _MOST_ELEMENTS // one, _FEW_ELEMENTS // one)
    if any(reads) and not asked.unseen:
        asked = asked._replace(unseen="its code reads a value of a tensor, which may follow from the size")
    # where what fails decides, as in `try`, other functions are called
    with suppress(Exception), kept(parts):
        if sizes[axis] not in calls:
            run(sizes[axis], lambda shape: shape)
        traced = calls.pop(sizes[axis])
        other = [size for size, called in calls.items() if called != traced][:1]
        return asked._replace(sizes=tuple(dict.fromkeys((*other, *asked.sizes))))
    return asked


def uncompiled(torch: Any) -> Any:
    """Let what torch.compile would compile run as it is; PyTorch before 2.6 has no way to."""
    is_there = "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance")
    return torch.compiler.set_stance("force_eager") if is_there else nullcontext()


def _filled(given: Input, sizes: Mapping[str, int]) -> np.ndarray:
    """Return ones; whole numbers are the least that the input takes."""
    number = given.values.low if isinstance(given.values, Integers) else 1
    return np.full(given.sized(sizes), number, given.dtype)
