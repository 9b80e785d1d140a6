"""What a Module keeps of its parameters and of its inputs' sizes between calls, beside its state."""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Sequence
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

import numpy as np

from triport.converters.environment import import_torch
from triport.converters.networks.asked_by_code import is_own_module, own_codes, own_kinds

_CONTAINERS = (dict, list, set, deque, defaultdict, OrderedDict, Counter)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_OF_HOOKS = ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
_MOST_HELD = 10_000  # a larger container or array is a table, and nothing that a call fills
_EMPTY = object()
Held = list[tuple[Any, Any]]  # an object, and what it held


class Kept:
    """What a Module's code can write, as it is now, before it runs with other values.

    A Module may keep a result of its parameters, in a dict as LeViT's attention biases or in an attribute
    that was None. With other values it would go on computing with the old one, and so would a copy of it. It
    may as well keep the size of its first inputs: in a buffer that its first call registers, in an object
    or an array that it has, in a function's closure, default or attribute, in its class, or in a variable of
    the file that its class is in.
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
        self._named = {name for code in own_codes(parts) for name in code.co_names}
        self._shared = [(one, self._named_values(one)) for one in (*kinds, *files) if one is not None]
        self._owners, self._containers, self._arrays, self._cells = Held(), Held(), Held(), Held()
        self._reach([*parts, *(function for kind in kinds for function in _functions_of(kind))])

    def forget(self) -> None:
        """Put back what was there, and with it whatever was kept since."""
        _train_and_back(self._module)
        changes = [self._put_attributes(), self._put_shared(), self._put_values(), self._put_buffers()]
        # hooks that a call hung are noted somewhere; it would hang them again
        for owner, hooks, keys in self._hooks if any(changes) else ():
            for key in getattr(owner, hooks).keys() - keys:
                if not _is_ours(getattr(owner, hooks)[key]):
                    for name in (hooks, *_OF_HOOKS):
                        getattr(owner, name).pop(key, None)

    def _put_attributes(self) -> bool:
        """Put attributes of objects back; return whether any was another."""
        changed = [(one, held) for one, held in self._owners if not _is_same(self._of(one), held)]
        for owner, attributes in changed:
            for name in self._of(owner).keys() - attributes.keys():
                del owner.__dict__[name]
            owner.__dict__.update(attributes)
        return bool(changed)

    def _put_shared(self) -> bool:
        """Put variables of classes and files back; return whether any was another."""
        is_changed = False
        for shared, values in self._shared:
            now = self._named_values(shared)
            if not _is_same(now, values):
                is_changed = True
                for name in now.keys() - values.keys():
                    delattr(shared, name)
                for name, value in values.items():
                    if now.get(name) is not value:
                        setattr(shared, name, value)
        return is_changed

    def _put_values(self) -> bool:
        """Put what containers, arrays and closures held back; return whether any was another."""
        containers = [(one, held) for one, held in self._containers if not _is_same(one, held)]
        for container, held in containers:
            container.clear()
            (container.extend if isinstance(container, list | deque) else container.update)(held)
        arrays = [(one, held) for one, held in self._arrays if not _is_equal(one, held)]
        for array, held in arrays:
            (array.data.copy_ if hasattr(array, "data_ptr") else partial(np.copyto, array))(held)
        cells = [(one, held) for one, held in self._cells if _content(one) is not held]
        for cell, held in cells:
            if held is _EMPTY:
                del cell.cell_contents
            else:
                cell.cell_contents = held
        return bool(containers or arrays or cells)

    def _put_buffers(self) -> bool:
        """Take buffers away that were registered since; return whether there was any."""
        added = [(one, name) for one, names in self._buffers for name in one._buffers.keys() - names]
        for owner, name in added:
            delattr(owner, name)
        return bool(added)

    def _reach(self, roots: Sequence[Any]) -> None:
        """Note the objects, containers, arrays and closures that code can write, with what they hold."""
        tensor, state = import_torch().Tensor, set[int]()
        for part in (one for one in roots if hasattr(one, "_buffers")):
            state |= {id(one) for one in (*part._buffers.values(), *part._parameters.values())}
        inside, seen = {id(one) for one in roots}, set[int]()
        waiting = [*roots, *(value for _, values in self._shared for value in values.values())]
        while waiting:
            one = waiting.pop()
            if id(one) in seen or id(one) in state:
                continue
            seen.add(id(one))
            if type(one) in _CONTAINERS:
                if len(one) <= _MOST_HELD:
                    self._containers.append((one, one.copy()))
                    waiting += one.values() if isinstance(one, dict) else one
            elif type(one) is tensor:
                if one.numel() <= _MOST_HELD:
                    self._arrays.append((one, one.detach().clone()))
            elif type(one) is np.ndarray:
                if one.size <= _MOST_HELD and one.flags.writeable:
                    self._arrays.append((one, one.copy()))
            elif isinstance(one, tuple):
                waiting += one
            elif isinstance(one, FunctionType):
                waiting += self._behind(one)
            elif isinstance(one, MethodType):
                waiting += [one.__func__, one.__self__]
            elif isinstance(one, partial):
                waiting += [one.func, *one.args, *one.keywords.values()]
            elif isinstance(one, type):
                if _is_own(one):
                    self._shared.append((one, self._named_values(one)))
                    waiting += [*self._shared[-1][1].values(), *_functions_of(one)]
            elif id(one) in inside or _is_own(one):
                self._owners.append((one, self._of(one)))
                waiting += self._owners[-1][1].values()

    def _behind(self, function: FunctionType) -> list[Any]:
        """Note what a function holds in its attributes and its closure; return it, with its defaults."""
        if not is_own_module(str(function.__module__)):
            return []
        cells = [(cell, _content(cell)) for cell in function.__closure__ or ()]
        self._cells += cells
        self._owners.append((function, dict(vars(function))))
        defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        return [*(held for _, held in cells), *defaults, *vars(function).values()]

    def _of(self, owner: Any) -> dict[str, Any]:
        return {name: value for name, value in vars(owner).items() if name not in self._others}

    def _named_values(self, shared: Any) -> dict[str, Any]:
        """Return the variables of a class or of a file that code names."""
        named = self._named
        return {name: value for name, value in vars(shared).items() if name in named and name[:2] != "__"}


def _train_and_back(module: Any) -> None:
    """Put a Module into training mode, which is when many forget what they keep, and each part back."""
    modes = [(one, one.training) for one in module.modules()]
    module.train()
    for one, mode in modes:
        one.training = mode


def _functions_of(kind: type) -> list[FunctionType]:
    """Return the functions that a class has as methods, of whatever kind."""
    found = []
    for held in vars(kind).values():
        function = held.fget if isinstance(held, property) else getattr(held, "__func__", held)
        if isinstance(function, FunctionType):
            found.append(function)
    return found


def _content(cell: CellType) -> Any:
    """Return what a cell of a closure holds, `_EMPTY` if nothing."""
    try:
        return cell.cell_contents
    except ValueError:
        return _EMPTY


def _is_own(value: Any) -> bool:
    """Whether a class, or that of an object, is neither of a framework nor of Python or of this package."""
    kind = value if isinstance(value, type) else type(value)
    is_writable = isinstance(value, type) or type(getattr(value, "__dict__", None)) is dict
    return is_writable and is_own_module(str(kind.__module__))


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


def _is_equal(array: Any, held: Any) -> bool:
    """Whether an array has the numbers that it had, bit for bit, NaN among them."""
    if isinstance(array, np.ndarray):
        return array.tobytes() == held.tobytes()
    torch = import_torch()
    if array.shape != held.shape or array.dtype != held.dtype:
        return False
    one, other = (each.detach().reshape(-1).contiguous().view(torch.uint8) for each in (array, held))
    return bool(torch.equal(one, other))
