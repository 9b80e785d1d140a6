"""The side of a steered pair that follows: it returns, and hands back, what the other side does.

What a module that parts is given is cut off from it, so that what flows through the module reaches its own
parameters alone; what was given gets the gradient that the other side's module hands back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from triport.converters.environment import import_mindspore, import_torch
from triport.parity.subjects.nesting import leaves, replaced
from triport.reference_models.modules import Part

from .beside import Found
from .layouts import Layout
from .observed import on_return
from .sides import See, Side
from .sides.cell import CellSide

Call = tuple[str, int]


@dataclass
class Taken:
    """What the calls that part on the other side returned, and the gradients of what they were given."""

    outputs: dict[Call, list[np.ndarray]] = field(default_factory=dict)
    gradients: dict[Call, list[np.ndarray | None]] = field(default_factory=dict)


class Wrapped:
    """A side with hooks while it runs; all else is the side's."""

    def __init__(self, side: Side, found: Sequence[Found], taken: Taken) -> None:
        self._side, self._found, self._taken = side, found, taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._side, name)

    def _hooked(self) -> Any:
        raise NotImplementedError

    def outputs(self, feed: Sequence[np.ndarray], anew: bool = True) -> list[np.ndarray]:
        """Return the outputs for inputs in order."""
        with self._hooked():
            return self._side.outputs(feed, anew)

    def called(self, feed: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[str]]:
        """Return the outputs, and the modules that own parameters in the order in which they are called."""
        with self._hooked():
            return self._side.called(feed)

    def gradients(
        self,
        feed: Sequence[np.ndarray],
        weights: Callable[[int, int], np.ndarray],
        see: See,
        names: Collection[str],
    ) -> list[np.ndarray]:
        """Run forward and backward, tell `see` of parameters' gradients, and return the outputs."""
        with self._hooked():
            return self._side.gradients(feed, weights, see, names)


class _Follower(Wrapped):
    """A side that returns, and hands back, what the other side does, at the calls that part."""

    follows = True

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        by_call = {(one.b.path, one.number): one for one in self._found}
        parts = {one.b.path: one.b for one in self._found}
        handles: list[Any] = []
        try:
            for path, part in parts.items():
                handles += self._steer(path, part, by_call)
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _steer(self, path: str, part: Part, by_call: dict[Call, Found]) -> list[Any]:
        raise NotImplementedError

    def _value(self, found: Found, place: int, shape: tuple[int, ...]) -> np.ndarray:
        """Return what the other side's call returned at a place, as this side has it."""
        layout = found.layouts[0] if found.layouts else Layout(())
        array = self._taken.outputs[found.a.path, found.a.number][place]
        return np.ascontiguousarray(layout.applied(array, shape))

    def _handed_back(self, found: Found, place: int, shape: tuple[int, ...]) -> np.ndarray | None:
        """Return the gradient of what the other side's call was given, as this side has it; None: zero."""
        gradients = self._taken.gradients.get((found.a.path, found.a.number), [])
        gradient = gradients[place] if place < len(gradients) else None
        if gradient is None or place >= len(found.layouts):
            return None
        layout = found.layouts[place]
        if layout.is_repeated:
            # what is held once is handed back all of it
            gradient = gradient.sum(0, keepdims=True) / shape[0]
        return np.ascontiguousarray(layout.applied(gradient, shape)).reshape(shape)


class ModuleFollower(_Follower):
    """A Module that follows."""

    def _steer(self, path: str, part: Part, by_call: dict[Call, Found]) -> list[Any]:
        torch = import_torch()
        counts = Counter[str]()
        given: dict[str, list[Any]] = {}

        def is_tensor(value: Any) -> bool:
            return isinstance(value, torch.Tensor)

        def before(_: Any, args: Any, words: Any) -> Any:
            counts[path] += 1
            if (path, counts[path]) not in by_call:
                return None
            given[path] = list(leaves((args, words), is_tensor))
            return replaced((args, words), is_tensor, (one.detach() for one in given[path]))

        def after(output: Any) -> Any:
            found = by_call.get((path, counts[path]))
            if found is None:
                return None
            tensors = list(leaves(output, is_tensor))
            count = len(self._taken.outputs[found.a.path, found.a.number])
            if count < len(tensors):
                return None
            steered = [
                self._joined(torch, tensor, found, place, given[path]) for place, tensor in enumerate(tensors)
            ]
            return replaced(output, is_tensor, iter(steered))

        return [
            part.module.register_forward_pre_hook(before, with_kwargs=True),
            *on_return(part, after),
        ]

    def _joined(self, torch: Any, own: Any, found: Found, place: int, given: Sequence[Any]) -> Any:
        """Return the other side's output, through which gradients reach own parameters and what was given."""
        value = torch.from_numpy(self._value(found, place, tuple(own.shape))).to(own.dtype)
        if own.requires_grad:
            value = value + _fitted(torch, own - own.detach(), value.shape)

        def handed_back(at: int, like: Any) -> Any:
            gradient = self._handed_back(found, at, tuple(like.shape))
            return torch.zeros_like(like) if gradient is None else torch.from_numpy(gradient).to(like.dtype)

        for at, tensor in enumerate(given):
            if tensor.requires_grad:
                value = value + _nothing(torch).apply(
                    tensor, value.shape, lambda like, at=at: handed_back(at, like)
                )
        return value


class CellFollower(_Follower):
    """A Cell that follows: what is handed back is derived of a sum that is added to what the Cell derives."""

    def _steer(self, path: str, part: Part, by_call: dict[Call, Found]) -> list[Any]:
        mindspore = import_mindspore()
        calls: list[list[Any]] = []
        assert isinstance(self._side, CellSide)
        added = self._side.added

        def is_tensor(value: Any) -> bool:
            return isinstance(value, mindspore.Tensor) and not isinstance(value, mindspore.Parameter)

        def before(_: Any, args: Any) -> Any:
            calls.append(list(leaves(args, is_tensor)))
            if (path, len(calls)) not in by_call:
                return None
            return replaced(args, is_tensor, map(mindspore.ops.stop_gradient, calls[-1]))

        def after(_: Any, args: Any, output: Any) -> Any:
            found = by_call.get((path, len(calls)))
            tensors = list(leaves(output, is_tensor))
            if found is None or len(self._taken.outputs[found.a.path, found.a.number]) < len(tensors):
                return None
            steered = [self._joined(mindspore, own, found, place) for place, own in enumerate(tensors)]
            for place, tensor in enumerate(calls[-1]):
                gradient = self._handed_back(found, place, tuple(tensor.shape))
                if gradient is not None and tensor.is_floating_point():
                    added.append((tensor * mindspore.Tensor(gradient, tensor.dtype)).sum())
            return replaced(output, is_tensor, iter(steered))

        return [part.module.register_forward_pre_hook(before), part.module.register_forward_hook(after)]

    def _joined(self, mindspore: Any, own: Any, found: Found, place: int) -> Any:
        """Return the other side's output, through which gradients reach own parameters."""
        value = mindspore.Tensor(self._value(found, place, tuple(own.shape)), own.dtype)
        if tuple(value.shape) != tuple(own.shape) or not own.is_floating_point():
            return value
        return value + (own - mindspore.ops.stop_gradient(own))


def _fitted(torch: Any, tensor: Any, shape: Any) -> Any:
    """Return a tensor cut, or filled up with zeros, to another shape."""
    if tensor.shape == shape or tensor.ndim != len(shape):
        return tensor if tensor.shape == shape else torch.zeros(shape, dtype=tensor.dtype)
    cut = tensor[tuple(slice(0, size) for size in shape)]
    pads = [
        side for have, want in zip(cut.shape[::-1], shape[::-1], strict=True) for side in (0, want - have)
    ]
    return torch.nn.functional.pad(cut, pads)


def _nothing(torch: Any) -> Any:
    """Return the function that adds zeros, and hands back a gradient that is known."""

    class Nothing(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, tensor: Any, shape: Any, handed_back: Any) -> Any:
            context.like, context.handed_back = tensor, handed_back
            return torch.zeros(shape, dtype=tensor.dtype)

        @staticmethod
        def backward(context: Any, gradient: Any) -> Any:
            return context.handed_back(context.like), None, None

    return Nothing
