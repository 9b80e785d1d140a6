"""What a Module keeps of its parameters between calls, beside its state."""

from __future__ import annotations

from typing import Any

from triport.converters.environment import import_torch


class Kept:
    """A Module's own attributes as they are now, before it runs with other values.

    A Module may keep a result of its parameters, in a dict as LeViT's attention biases or in an attribute
    that was None. With other values it would go on computing with the old one, and so would a copy of it.
    """

    def __init__(self, module: Any) -> None:
        """Let the Module forget what it can, and remember the rest, without parameters and buffers."""
        torch = import_torch()
        self._module = module
        # PyTorch's own, and what stands for a call for a while
        self._others = frozenset(vars(torch.nn.Module())) | {"forward"}
        _train_and_back(module)
        self._attributes = [
            (one, self._of(one)) for one in module.modules() if not isinstance(one, torch.jit.ScriptModule)
        ]

    def forget(self) -> None:
        """Put the attributes back, and with them whatever was kept since."""
        _train_and_back(self._module)
        for one, attributes in self._attributes:
            for name in self._of(one).keys() - attributes.keys():
                del one.__dict__[name]
            one.__dict__.update({name: _shallow(value) for name, value in attributes.items()})

    def _of(self, module: Any) -> dict[str, Any]:
        return {name: _shallow(value) for name, value in vars(module).items() if name not in self._others}


def _train_and_back(module: Any) -> None:
    """Put a Module into training mode, which is when many forget what they keep, and each part back."""
    modes = [(one, one.training) for one in module.modules()]
    module.train()
    for one, mode in modes:
        one.training = mode


def _shallow(value: Any) -> Any:
    return value.copy() if type(value) in (dict, list, set) else value
