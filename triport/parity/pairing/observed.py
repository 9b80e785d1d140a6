"""Runs a side of a pair and watches its innermost modules: what each is given and returns, or is to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from triport.converters.environment import import_mindspore, import_torch
from triport.converters.torch_export.arrays import array_of
from triport.parity.subjects.nesting import leaves, replaced
from triport.reference_models.modules import Part, parts_of

from .sides import Side

# a module, by its path, and which of its calls, from 1
Call = tuple[str, int]
# (path, number of the call from 1, arrays) -> other arrays in their place, or None
Change = Callable[[str, int, list[np.ndarray]], Sequence[np.ndarray] | None]


def observe(
    side: Side,
    feed: Sequence[np.ndarray],
    parts: Mapping[str, Part],
    given: Change,
    returned: Change,
    skipped: Mapping[Call, Skipped] | None = None,
    bare: set[Call] | None = None,
) -> list[np.ndarray]:
    """Run a side and return its outputs.

    Args:
        side: has its values.
        feed: the inputs in order.
        parts: the modules to watch, by path, outermost first.
        given: is told what a module is given before each call, and may give it something else.
        returned: is told what it returned, and may let it return something else.
        skipped: the calls that compute nothing, of which `given` and `returned` are told nothing.
        bare: is told the calls that return a tensor and nothing around it.
    """
    hooks = _TorchHooks() if side.runtime == "pytorch" else _MindSporeHooks()
    counts = Counter[str]()
    # what the call that has begun returns instead of computing, by the module's path
    instead: dict[str, np.ndarray] = {}
    skipped = skipped or {}

    def before(path: str, arguments: Any) -> Any:
        counts[path] += 1
        if (path, counts[path]) in skipped:
            instead[path] = skipped[path, counts[path]].returned
            counts.update(skipped[path, counts[path]].inside)
            return None
        return hooks.changed(arguments, lambda arrays: given(path, counts[path], arrays))

    def after(path: str, output: Any) -> Any:
        if (path, counts[path]) in skipped:
            return None
        if bare is not None and hooks.is_tensor(output):
            bare.add((path, counts[path]))
        return hooks.changed(output, lambda arrays: returned(path, counts[path], arrays))

    handles: list[Any] = []
    try:
        for path, part in parts.items():
            handles += hooks.put(path, part, before, after)
        for path in {path for path, _ in skipped}:
            handles.append(hooks.skip(parts[path].module, path, instead))
        # what is not computed has left what code reads in the run before
        return side.outputs(feed, anew=not skipped)
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A call that computes nothing: what it returns, and how often each module is called inside it.

    Code may change what is returned, in place: it is nobody else's.
    """

    returned: np.ndarray
    inside: Mapping[str, int]


def every_part(side: Side) -> dict[str, Part]:
    """Return every module of a side, to be watched as a whole."""
    return {part.path: replace(part, leaf=True) for part in parts_of(side.net)}


def called_with(side: Side, part: Part, array: np.ndarray) -> np.ndarray | None:
    """Return what a module returns by itself when it is given this; None where that is not one tensor."""
    hooks = _TorchHooks() if side.runtime == "pytorch" else _MindSporeHooks()
    return hooks.called_with(part.module, array)


class _Hooks:
    """What a framework's tensors and hooks are."""

    def is_tensor(self, value: Any) -> bool:
        raise NotImplementedError

    def array(self, tensor: Any) -> np.ndarray:
        raise NotImplementedError

    def tensor(self, array: np.ndarray, like: Any) -> Any:
        raise NotImplementedError

    def changed(self, value: Any, change: Callable[[list[np.ndarray]], Sequence[np.ndarray] | None]) -> Any:
        """Return a value with other arrays for its tensors; None: it is to stay."""
        tensors = list(leaves(value, self.is_tensor))
        arrays = change([self.array(one) for one in tensors])
        if arrays is None:
            return None
        others = [self.tensor(array, like) for array, like in zip(arrays, tensors, strict=True)]
        return replaced(value, self.is_tensor, iter(others))

    def called_with(self, module: Any, array: np.ndarray) -> np.ndarray | None:
        try:
            returned = list(leaves(self.called(module, np.array(array)), self.is_tensor))
        except (RuntimeError, TypeError, ValueError):
            # not made for such an input
            return None
        return self.array(returned[0]) if len(returned) == 1 else None

    def called(self, module: Any, array: np.ndarray) -> Any:
        raise NotImplementedError

    def made(self, array: np.ndarray) -> Any:
        """Return a tensor with these values, and of their type; the array may be changed with it."""
        raise NotImplementedError

    # what a module's own code is called
    code: str

    def skip(self, module: Any, path: str, instead: dict[str, np.ndarray]) -> _Replaced:
        """Let a module return what stands in `instead` under its path, once, and compute nothing."""
        own = getattr(module, self.code)

        def code(*args: Any, **words: Any) -> Any:
            array = instead.pop(path, None)
            return own(*args, **words) if array is None else self.made(array)

        return _Replaced(module, self.code, code)


class _Replaced:
    """An attribute of an object that is another one until it is removed."""

    def __init__(self, owner: Any, name: str, value: Any) -> None:
        self._attributes, self._name = vars(owner), name
        self._own = self._attributes.get(name)
        self._attributes[name] = value

    def remove(self) -> None:
        """Let the attribute be what it was."""
        del self._attributes[self._name]
        if self._own is not None:
            self._attributes[self._name] = self._own


class _TorchHooks(_Hooks):
    code = "forward"

    def __init__(self) -> None:
        self._torch = import_torch()

    def is_tensor(self, value: Any) -> bool:
        return isinstance(value, self._torch.Tensor)

    def array(self, tensor: Any) -> np.ndarray:
        return array_of(tensor).copy()

    def tensor(self, array: np.ndarray, like: Any) -> Any:
        return self._torch.from_numpy(np.array(array)).to(like.dtype)

    def called(self, module: Any, array: np.ndarray) -> Any:
        with self._torch.no_grad():
            return module(self.made(array))

    def made(self, array: np.ndarray) -> Any:
        return self._torch.from_numpy(array)

    def put(self, path: str, part: Part, before: Any, after: Any) -> list[Any]:
        return [
            part.module.register_forward_pre_hook(lambda _, a, k: before(path, (a, k)), with_kwargs=True),
            *on_return(part, lambda output: after(path, output)),
        ]


class _MindSporeHooks(_Hooks):
    code = "construct"

    def __init__(self) -> None:
        self._mindspore = import_mindspore()

    def is_tensor(self, value: Any) -> bool:
        # a parameter that a Cell hands to a Cell is no activation
        parameter = self._mindspore.Parameter
        return isinstance(value, self._mindspore.Tensor) and not isinstance(value, parameter)

    def array(self, tensor: Any) -> np.ndarray:
        found: np.ndarray = tensor.asnumpy().copy()
        return found

    def tensor(self, array: np.ndarray, like: Any) -> Any:
        return self._mindspore.Tensor(np.asarray(array, order="C"), dtype=like.dtype)

    def called(self, module: Any, array: np.ndarray) -> Any:
        return module(self.made(array))

    def made(self, array: np.ndarray) -> Any:
        return self._mindspore.Tensor(np.asarray(array, order="C"))

    def put(self, path: str, part: Part, before: Any, after: Any) -> list[Any]:
        return [
            part.module.register_forward_pre_hook(lambda _, arguments: before(path, arguments)),
            part.module.register_forward_hook(lambda _, arguments, output: after(path, output)),
        ]


def on_return(part: Part, tell: Callable[[Any], Any]) -> list[Any]:
    """Put hooks on a Module that are told what it returned, and may say what it is to return instead.

    What a layer with others inside it computes itself is what it gives to the first that it calls.
    """
    module = part.module
    if part.leaf:
        return [module.register_forward_hook(lambda _, arguments, output: tell(output))]
    is_open = False

    def opened(*_: Any) -> None:
        nonlocal is_open
        is_open = True

    def inside(_: Any, arguments: Any, words: Any) -> Any:
        nonlocal is_open
        if not is_open:
            return None
        is_open = False
        return tell((arguments, words))

    return [
        module.register_forward_pre_hook(opened),
        *(one.register_forward_pre_hook(inside, with_kwargs=True) for one in module.children()),
    ]
