"""What a Module keeps of its parameters and of its inputs' sizes between calls, beside its state."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

from triport.converters.environment import import_torch
from triport.converters.networks.asked_by_code import own_codes, own_kinds
from triport.converters.networks.telling_sizes import is_framework

_CONTAINERS = (dict, list, set)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_OF_HOOKS = ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
_MOST_HELD = 10_000  # a larger container is a table, and nothing that a call fills
Held = list[tuple[Any, Any]]  # an object, and what it held


class Kept:
    """What a Module's code can write, as it is now, before it runs with other values.

    A Module may keep a result of its parameters, in a dict as LeViT's attention biases or in an attribute
    that was None. With other values it would go on computing with the old one, and so would a copy of it. It
    may as well keep the size of its first inputs: in a buffer that its first call registers, in an object
    that it has, in a function's closure, in its class, or in a variable of the file that its class is in.
    """

    def __init__(self, module: Any) -> None:
        """Let the Module forget what it can, and remember the rest, without parameters and buffers."""
        torch = import_torch()
        self._module = module
        # PyTorch's own, and what stands for a call for a while
        self._others = frozenset(vars(torch.nn.Module())) | {"forward"}
        _train_and_back(module)
        parts = [one for one in module.modules() if not isinstance(one, torch.jit.ScriptModule)]
        self._buffers = [(one, {*one._buffers}) for one in parts]
        # a first call may hang hooks on modules, and note in an attribute that they are there
        self._hooks = [(one, name, {*getattr(one, name)}) for one in parts for name in _HOOKS]
        kinds = own_kinds(parts)
        files = [sys.modules.get(name) for name in dict.fromkeys(kind.__module__ for kind in kinds)]
        named = {name for code in own_codes(parts) for name in code.co_names}
        self._shared = [(one, _named_values(one, named)) for one in (*kinds, *files) if one is not None]
        self._owners, self._containers = self._reached(parts, named)

    def forget(self) -> None:
        """Put the attributes back, and with them whatever was kept since."""
        _train_and_back(self._module)
        is_noted = any(not _is_same(self._of(owner), attributes) for owner, attributes in self._owners)
        for owner, attributes in self._owners:
            for name in self._of(owner).keys() - attributes.keys():
                del owner.__dict__[name]
            owner.__dict__.update(attributes)
        for shared, values in self._shared:
            for name, value in values.items():
                if vars(shared).get(name) is not value:
                    setattr(shared, name, value)
        for container, held in self._containers:
            if not _is_same(container, held):
                container.clear()
                (container.extend if isinstance(container, list) else container.update)(held)
        for owner, names in self._buffers:
            for name in owner._buffers.keys() - names:
                delattr(owner, name)
        for owner, hooks, keys in self._hooks if is_noted else ():
            for key in getattr(owner, hooks).keys() - keys:
                if not _is_ours(getattr(owner, hooks)[key]):
                    for name in (hooks, *_OF_HOOKS):
                        getattr(owner, name).pop(key, None)

    def _reached(self, parts: Sequence[Any], named: set[str]) -> tuple[Held, Held]:
        """Return the objects that code can write, with their attributes, and the containers, with copies."""
        owners, containers, seen = Held(), Held(), set[int]()
        inside = {id(one) for one in parts}
        waiting = [*parts, *(value for _, values in self._shared for value in values.values())]
        while waiting:
            one = waiting.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            if type(one) in _CONTAINERS:
                if len(one) <= _MOST_HELD:
                    containers.append((one, one.copy()))
                    waiting += one.values() if isinstance(one, dict) else one
            elif isinstance(one, FunctionType | MethodType | partial):
                waiting += _behind(one)
            elif isinstance(one, type):
                if _is_own(one):
                    self._shared.append((one, _named_values(one, named)))
                    waiting += self._shared[-1][1].values()
            elif id(one) in inside or _is_own(one):
                attributes = self._of(one)
                owners.append((one, attributes))
                waiting += attributes.values()
        return owners, containers

    def _of(self, owner: Any) -> dict[str, Any]:
        return {name: value for name, value in vars(owner).items() if name not in self._others}


def _train_and_back(module: Any) -> None:
    """Put a Module into training mode, which is when many forget what they keep, and each part back."""
    modes = [(one, one.training) for one in module.modules()]
    module.train()
    for one, mode in modes:
        one.training = mode


def _named_values(shared: Any, named: set[str]) -> dict[str, Any]:
    """Return the variables of a class or of a file that code names."""
    return {
        name: value for name, value in vars(shared).items() if name in named and not name.startswith("__")
    }


def _behind(function: Any) -> list[Any]:
    """Return what a function holds: what it closes over, or what it is called with."""
    if isinstance(function, partial):
        return [function.func, *function.args, *function.keywords.values()]
    if isinstance(function, MethodType):
        return [function.__func__, function.__self__]
    cells = function.__closure__ or ()
    return [cell.cell_contents for cell in cells if cell != CellType()]


def _is_own(value: Any) -> bool:
    """Whether a class, or that of an object, is neither of a framework nor of Python or of this package."""
    kind = value if isinstance(value, type) else type(value)
    known = {"triport", *sys.stdlib_module_names} - {"__main__"}
    name = str(kind.__module__)
    is_writable = isinstance(value, type) or type(getattr(value, "__dict__", None)) is dict
    return is_writable and not is_framework(name) and name.partition(".")[0] not in known


def _is_ours(hook: Any) -> bool:
    """Whether a hook is this package's, which hangs there while it looks at a run."""
    function = hook.func if isinstance(hook, partial) else hook
    kind = type(function.__self__) if isinstance(function, MethodType) else function
    return str(getattr(kind, "__module__", "")).partition(".")[0] == "triport"


def _is_same(container: Any, held: Any) -> bool:
    """Whether a container has what it held, the very same objects: some, as tensors, do not compare."""
    if isinstance(container, dict):
        return container.keys() == held.keys() and all(container[key] is held[key] for key in held)
    return len(container) == len(held) and all(
        one is other for one, other in zip(container, held, strict=True)
    )
