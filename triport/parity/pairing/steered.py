"""A pair whose graphs differ, run as if they did not: what parts returns what the other side does.

With the values of the sizes, which every right map moves alike, both sides compute the same until a module
parts: a pool with another padding, a norm with another epsilon. There the network that follows returns what
its counterpart on the other side did, and hands back the gradient that its counterpart does. All else has
equal gradients again, as in a pair of one graph. This helps to find a map; it proves nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from triport.converters.environment import import_torch
from triport.converters.torch_export.arrays import array_of
from triport.parity.subjects.nesting import leaves, replaced
from triport.reference_models.modules import Part

from .beside import Beside, Found
from .correspondence import could_be, owners_of, unlikeness, watched_parts
from .followers import CellFollower, ModuleFollower, Taken, Wrapped
from .observed import observe, on_return
from .pieces import key_of
from .recording import Recorded, Recording
from .sides import See, Side


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
    """Return both sides with what parts steered; None where nothing does.

    Both sides have the values of their sizes. The steered one must run after the other.
    """
    first, second = (b, a) if (a.runtime, b.runtime) == ("pytorch", "mindspore") else (a, b)
    found = partings_of(first, second, feed)
    if not found:
        return None
    taken = Taken()
    follower = ModuleFollower if second.runtime == "pytorch" else CellFollower
    sides: tuple[Any, Any] = _Told(first, found, taken), follower(second, found, taken)
    names = (
        _names_in(first, {one.a.path for one in found}),
        _names_in(second, {one.b.path for one in found}),
    )
    return Steered(sides, names) if first is a else Steered(sides[::-1], names[::-1])


def _names_in(side: Side, paths: set[str]) -> frozenset[str]:
    return frozenset(name for name, path in owners_of(side, watched_parts(side)).items() if path in paths)


class _Told(Wrapped):
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
                kept[place] = array_of(gradient).copy()

            others = []
            for place, tensor in enumerate(tensors):
                if tensor.requires_grad:
                    tensor = tensor.clone()  # its gradient is that of this module alone
                    tensor.register_hook(lambda gradient, place=place: keep(place, gradient))
                others.append(tensor)
            return replaced((args, words), is_tensor, iter(others))

        def after(output: Any) -> None:
            tensors = leaves(output, is_tensor)
            self._taken.outputs[path, counts[path]] = [array_of(one).copy() for one in tensors]

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
