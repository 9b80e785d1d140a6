"""A pair whose graphs differ, run as if they did not: what parts returns what the other side does.

With the values of the sizes, which every right map moves alike, both sides compute the same until a module
parts: a pool with another padding, a norm with another epsilon. There the Module that follows returns what
its counterpart on the other side did, and hands back the gradient that its counterpart does. All else has
equal gradients again, as in a pair of one graph. This helps to find a map; it proves nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from triport.converters.environment import import_torch
from triport.parity.subjects.nesting import leaves, replaced
from triport.reference_models.modules import Part

from .beside import Beside, Found
from .correspondence import could_be, owners_of, unlikeness, watched_parts
from .layouts import Layout
from .observed import observe, on_return
from .pieces import key_of
from .recording import Recorded, Recording
from .sides import See, Side

Call = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _ByShapes:
    """A module may be any of its kind whose parameters have the same sizes."""

    owned: tuple[dict[str, Counter[tuple[int, ...]]], dict[str, Counter[tuple[int, ...]]]]
    parts: dict[str, Part]

    def is_certain(self, path: str) -> bool:
        """Never: nothing is matched yet."""
        return False

    def among(self, path: str, calls: Sequence[Recorded]) -> list[Recorded]:
        """Return the calls of what could stand in a module's place."""
        part, sizes = self.parts[path], self.owned[1].get(path)
        if part.kind is None and sizes is not None:
            return []
        alike = [
            call for call in calls if could_be(call.part, part) and self.owned[0].get(call.path) == sizes
        ]
        return sorted(alike, key=lambda call: unlikeness(call.part, part))


def partings_of(first: Side, second: Side, feed: Sequence[np.ndarray]) -> list[Found]:
    """Return the modules of the second side that part from the first, while all pieces have common values."""
    parts = watched_parts(first), watched_parts(second)
    owned = tuple(_sizes_owned(side, of_side) for side, of_side in zip((first, second), parts, strict=True))
    recording = Recording(first, feed, parts[0], first.is_double and second.is_double)
    beside = Beside(recording, _ByShapes((owned[0], owned[1]), parts[1]), parts[1])
    observe(second, feed, parts[1], beside.given, beside.returned)
    return beside.partings


def _sizes_owned(side: Side, parts: dict[str, Part]) -> dict[str, Counter[tuple[int, ...]]]:
    found: dict[str, Counter[tuple[int, ...]]] = defaultdict(Counter)
    for name, path in owners_of(side, parts).items():
        if path and name in side.parameters:
            found[path][key_of(side.parameters[name].shape)] += 1
    return dict(found)


@dataclass(frozen=True, slots=True)
class Steered:
    """Both sides with what parts steered, and the names of the parameters of the modules that part."""

    sides: tuple[Side, Side]
    names: tuple[frozenset[str], frozenset[str]]


def steered_sides(a: Side, b: Side, feed: Sequence[np.ndarray]) -> Steered | None:
    """Return both sides with what parts steered; None where nothing does, or neither is a Module.

    Both sides have the values of their sizes. The steered one must run after the other.
    """
    if "pytorch" not in (a.runtime, b.runtime):
        return None
    first, second = (a, b) if b.runtime == "pytorch" else (b, a)
    found = partings_of(first, second, feed)
    if not found:
        return None
    taken = Taken()
    sides: tuple[Any, Any] = _Told(first, found, taken), _Follower(second, found, taken)
    names = (
        _names_in(first, {one.a.path for one in found}),
        _names_in(second, {one.b.path for one in found}),
    )
    return Steered(sides, names) if first is a else Steered(sides[::-1], names[::-1])


def _names_in(side: Side, paths: set[str]) -> frozenset[str]:
    return frozenset(name for name, path in owners_of(side, watched_parts(side)).items() if path in paths)


@dataclass
class Taken:
    """What the calls that part on the other side returned, and the gradients of what they were given."""

    outputs: dict[Call, list[np.ndarray]] = field(default_factory=dict)
    gradients: dict[Call, list[np.ndarray | None]] = field(default_factory=dict)


class _Wrapped:
    """A side with hooks while it runs; all else is the side's."""

    def __init__(self, side: Side, found: Sequence[Found], taken: Taken) -> None:
        self._side, self._found, self._taken = side, found, taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._side, name)

    def _hooked(self) -> Any:
        raise NotImplementedError

    def outputs(self, feed: Sequence[np.ndarray]) -> list[np.ndarray]:
        with self._hooked():
            return self._side.outputs(feed)

    def gradients(
        self,
        feed: Sequence[np.ndarray],
        weights: Callable[[int, int], np.ndarray],
        see: See,
        names: Collection[str],
    ) -> list[np.ndarray]:
        with self._hooked():
            return self._side.gradients(feed, weights, see, names)


class _Told(_Wrapped):
    """The side that is followed: tells what the modules that part return and hand back."""

    def gradients(
        self,
        feed: Sequence[np.ndarray],
        weights: Callable[[int, int], np.ndarray],
        see: See,
        names: Collection[str],
    ) -> list[np.ndarray]:
        # what is handed back must not hang on which parameters this side is asked for
        return super().gradients(feed, weights, see, list(self._side.parameters))

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        self._taken.outputs.clear()
        self._taken.gradients.clear()
        parts = {one.a.path: one.a.part for one in self._found}
        handles: list[Any] = []
        try:
            for path, part in parts.items():
                if self._side.runtime == "pytorch":
                    handles += self._in_torch(path, part)
                else:
                    handles += self._in_mindspore(path, part.module)
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _in_torch(self, path: str, part: Part) -> list[Any]:
        torch = import_torch()
        counts = Counter[str]()

        def is_tensor(value: Any) -> bool:
            return isinstance(value, torch.Tensor)

        def before(_: Any, args: Any, words: Any) -> Any:
            counts[path] += 1
            call = path, counts[path]
            tensors = list(leaves((args, words), is_tensor))
            kept: list[np.ndarray | None] = [None] * len(tensors)
            self._taken.gradients[call] = kept

            def keep(place: int, gradient: Any) -> None:
                kept[place] = gradient.detach().resolve_conj().resolve_neg().numpy().copy()

            others = []
            for place, tensor in enumerate(tensors):
                if tensor.requires_grad:
                    tensor = tensor.clone()  # its gradient is that of this module alone
                    tensor.register_hook(lambda gradient, place=place: keep(place, gradient))
                others.append(tensor)
            return replaced((args, words), is_tensor, iter(others))

        def after(output: Any) -> None:
            tensors = leaves(output, is_tensor)
            self._taken.outputs[path, counts[path]] = [
                one.detach().resolve_conj().resolve_neg().numpy().copy() for one in tensors
            ]

        return [
            part.module.register_forward_pre_hook(before, with_kwargs=True),
            *on_return(part, after),
        ]

    def _in_mindspore(self, path: str, module: Any) -> list[Any]:
        calls: list[int] = []

        def after(_: Any, args: Any, output: Any) -> None:
            calls.append(len(calls) + 1)
            tensors = leaves(output, lambda value: hasattr(value, "asnumpy"))
            self._taken.outputs[path, calls[-1]] = [one.asnumpy().copy() for one in tensors]

        def back(_: Any, given: Any, returned: Any) -> None:
            # the last call comes back first
            done = sum(key[0] == path for key in self._taken.gradients)
            number = len(calls) - done
            self._taken.gradients[path, number] = [
                None if one is None else one.asnumpy().copy() for one in given
            ]

        return [module.register_forward_hook(after), module.register_backward_hook(back)]


class _Follower(_Wrapped):
    """The Module that returns, and hands back, what the other side does, at the calls that part."""

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
            # what flows through the module reaches its own parameters alone
            return replaced((args, words), is_tensor, (one.detach() for one in given[path]))

        def after(output: Any) -> Any:
            found = by_call.get((path, counts[path]))
            if found is None:
                return None
            call = found.a.path, found.a.number
            tensors = list(leaves(output, is_tensor))
            steered = [
                self._joined(torch, tensor, array, found.layouts, given[path], call)
                for tensor, array in zip(tensors, self._taken.outputs[call], strict=False)
            ]
            return replaced(output, is_tensor, iter(steered)) if len(steered) == len(tensors) else None

        return [
            part.module.register_forward_pre_hook(before, with_kwargs=True),
            *on_return(part, after),
        ]

    def _joined(
        self,
        torch: Any,
        own: Any,
        array: np.ndarray,
        layouts: Sequence[Layout],
        given: Sequence[Any],
        call: Call,
    ) -> Any:
        """Return the other side's output, through which gradients reach own parameters and what was given."""
        layout = layouts[0] if layouts else Layout(())
        value = torch.from_numpy(np.ascontiguousarray(layout.applied(array, tuple(own.shape)))).to(own.dtype)
        if own.requires_grad:
            value = value + _fitted(torch, own - own.detach(), value.shape)
        taken = self._taken.gradients

        def handed_back(place: int, like: Any) -> Any:
            gradients = taken.get(call, [])
            gradient = gradients[place] if place < len(gradients) else None
            if gradient is None:
                return torch.zeros_like(like)
            moved = layouts[place].applied(gradient, tuple(like.shape))
            return torch.from_numpy(np.ascontiguousarray(moved)).to(like.dtype).reshape(like.shape)

        for place, tensor in enumerate(given):
            if tensor.requires_grad:
                value = value + _nothing(torch).apply(
                    tensor, value.shape, lambda like, place=place: handed_back(place, like)
                )
        return value


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
