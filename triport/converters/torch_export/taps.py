"""The Module with what goes into and comes out of each innermost module as outputs of their own."""

from __future__ import annotations

from typing import Any, NamedTuple

from triport.converters.environment import import_torch

from .network import TorchNet


class Tap(NamedTuple):
    """One tensor on its way: what module, of which class, and whether it goes in or comes out."""

    path: str
    kind: str
    is_input: bool
    parent: str

    def __str__(self) -> str:
        if self.is_input:
            return f"before {self.path} ({self.kind}), in what {self.parent}.forward computes itself"
        return f"{self.path} ({self.kind})"


def tapped(net: TorchNet) -> Any:
    """Return a Module that returns the taps in the order of the run, and then the outputs.

    Its `taps` are those of the last run. What a later in-place operation changes is copied before.
    """
    torch: Any = import_torch()
    kinds = {path: type(one).__name__ for path, one in net.module.named_modules()}
    leaves = {
        path: one for path, one in net.module.named_modules() if path and next(one.children(), None) is None
    }

    class Tapped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net.module
            self.taps: list[Tap] = []

        def names(self) -> list[str]:
            """Return a name for each output."""
            return [*(f"tap_{index}" for index in range(len(self.taps))), *net.output_names]

        def forward(self, *tensors: Any) -> tuple[Any, ...]:
            self.taps, found, hooks = [], [], []

            def note(path: str, values: Any, is_input: bool) -> None:
                for value in values if isinstance(values, tuple | list) else (values,):
                    if isinstance(value, torch.Tensor) and value.is_floating_point():
                        parent = kinds[path.rpartition(".")[0]]
                        self.taps.append(Tap(path, kinds[path], is_input, parent))
                        found.append(value.clone())

            def before(path: str) -> Any:
                return lambda module, given: note(path, given, True)

            def after(path: str) -> Any:
                return lambda module, given, result: note(path, result, False)

            for path, leaf in leaves.items():
                hooks += [
                    leaf.register_forward_pre_hook(before(path)),
                    leaf.register_forward_hook(after(path)),
                ]
            try:
                results = net.wrapped(*tensors)
            finally:
                for hook in hooks:
                    hook.remove()
            return (*found, *results)

    return Tapped()
