"""A network that a program has made and hands over: a torch.nn.Module or a mindspore.nn.Cell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from triport.reference_models.spec import Runtime


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A Module or a Cell, and the runtime that runs it."""

    network: Any
    runtime: Runtime

    @property
    def text(self) -> str:
        """What messages call it: its class."""
        return type(self.network).__name__

    name = text


def runtime_of(network: Any) -> Runtime | None:
    """Return whether an object is a PyTorch Module or a MindSpore Cell, None if neither.

    A framework that was not imported can have made nothing, so none is imported to ask.
    """
    runtimes: tuple[tuple[Runtime, str, str], ...] = (
        ("pytorch", "torch", "Module"),
        ("mindspore", "mindspore", "Cell"),
    )
    for runtime, package, base in runtimes:
        kind = getattr(getattr(sys.modules.get(package), "nn", None), base, None)
        if isinstance(kind, type) and isinstance(network, kind):
            return runtime
    return None


@contextmanager
def as_given(*nets: Any) -> Iterator[None]:
    """Give every Cell of a program its values back when the block ends; of a Module a copy is worked with."""
    cells = [net for net in nets if runtime_of(net) == "mindspore"]
    kept = [(one, one.asnumpy().copy(), one.requires_grad) for cell in cells for one in cell.get_parameters()]
    training = [cell.training for cell in cells]
    try:
        yield
    finally:
        for parameter, value, trained in kept:
            parameter.set_data(sys.modules["mindspore"].Tensor(value))
            parameter.requires_grad = trained
        for cell, mode in zip(cells, training, strict=True):
            cell.set_train(mode)
