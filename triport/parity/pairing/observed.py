"""Runs a side of a pair and watches its innermost modules: what each is given and returns, or is to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from triport.converters.environment import import_mindspore, import_torch
from triport.converters.torch_export.arrays import array_of
from triport.parity.subjects.nesting import leaves, replaced
from triport.reference_models.modules import Part, parts_of

from .sides import Side

# a module, by its path, and which of its calls, from 1
Call = tuple[str, int]
# what a call returned, an input, by its place, or a vector of the network's own, by its name
Source = Call | int | str
# (path, number of the call from 1, arrays) -> other arrays in their place, or None
Change = Callable[[str, int, list[np.ndarray]], Sequence[np.ndarray] | None]


def observe(
    side: Side, feed: Sequence[np.ndarray], parts: Mapping[str, Part], given: Change, returned: Change
) -> list[np.ndarray]:
    """Run a side and return its outputs.

    Args:
        side: has its values.
        feed: the inputs in order.
        parts: the modules to watch, by path, outermost first.
        given: is told what a module is given before each call, and may give it something else.
        returned: is told what it returned, and may let it return something else.
    """
    hooks = _TorchHooks() if side.runtime == "pytorch" else _MindSporeHooks()
    counts = Counter[str]()

    def before(path: str, arguments: Any) -> Any:
        counts[path] += 1
        return hooks.changed(arguments, lambda arrays: given(path, counts[path], arrays))

    def after(path: str, output: Any) -> Any:
        return hooks.changed(output, lambda arrays: returned(path, counts[path], arrays))

    handles: list[Any] = []
    try:
        for path, part in parts.items():
            handles += hooks.put(path, part, before, after)
        return side.outputs(feed)
    finally:
        for handle in handles:
            handle.remove()


class Returned:
    """What each module is given and returns that is given, and returns, one tensor, by its calls."""

    def __init__(self) -> None:
        self.given: dict[Call, np.ndarray] = {}
        self.returned: dict[Source, np.ndarray] = {}
        self._order: list[Call] = []
        self._ended: dict[Source, int] = {}

    def note_given(self, path: str, number: int, arrays: Sequence[np.ndarray]) -> None:
        """Note what a module is given."""
        self._order.append((path, number))
        if len(arrays) == 1:
            self.given[path, number] = arrays[0]

    def note(self, path: str, number: int, arrays: Sequence[np.ndarray]) -> None:
        """Note what a module returns."""
        if len(arrays) == 1 and arrays[0].dtype.kind == "f":
            self.returned[path, number] = arrays[0]
            self._ended[path, number] = len(self._order)

    def before(self, call: Call) -> dict[Source, np.ndarray]:
        """Return what was returned before a module was called."""
        called = self._order.index(call)
        return {one: array for one, array in self.returned.items() if self._ended[one] <= called}


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
            returned = list(leaves(self.called(module, array), self.is_tensor))
        except (RuntimeError, TypeError, ValueError):
            # not made for such an input
            return None
        return self.array(returned[0]) if len(returned) == 1 else None

    def called(self, module: Any, array: np.ndarray) -> Any:
        raise NotImplementedError


class _TorchHooks(_Hooks):
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
            return module(self._torch.from_numpy(np.array(array)))

    def put(self, path: str, part: Part, before: Any, after: Any) -> list[Any]:
        return [
            part.module.register_forward_pre_hook(lambda _, a, k: before(path, (a, k)), with_kwargs=True),
            *on_return(part, lambda output: after(path, output)),
        ]


class _MindSporeHooks(_Hooks):
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
        return module(self._mindspore.Tensor(np.asarray(array, order="C")))

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
