"""Layers behind code that computes otherwise: given what their counterparts are, and what that still proves.

A layer that is given its counterpart's input returns what that does whatever its row is, if the sizes fit.
What shows that the row is right is what is left then:

- it stands alone: any other such layer of its sizes reaches other ones of the layers that are compared;
- what flows into the code, and into no layer or output that is compared, is drawn anew: the layer behind the
  code must be given something else in the same channels on both sides. These must be alike to begin with.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from triport.converters.environment import import_torch
from triport.converters.naming.pair_names import PairNames
from triport.converters.networks.factories import users_code
from triport.parity.subjects.nesting import leaves, replaced
from triport.reference_models.errors import TriportError
from triport.reference_models.modules import Part

from .beside import Handed
from .channels import DRAWN_LIKE, LIKE, channels_of, keeps_channels, moved_alike
from .comparing import projected
from .correspondence import owners_of
from .observed import observe
from .pieces import key_of
from .proof import feed_of
from .sides import Side
from .sides.module import ModuleSide
from .values import own_value

Call = tuple[str, int]
# so few values of a channel say nothing: more inputs are drawn
_FEWEST, _MOST_FEEDS = 48, 24
# layers that are drawn anew, one at a time, and how often a vector is
_MOST_DRAWN, _DRAWS = 48, 8
# what roundings make of a gradient that is zero, relative to the largest
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides, the map, which module of b is which of a by b's paths, and the modules that are watched."""

    a: Side
    b: Side
    names: PairNames
    paired: Mapping[str, str]
    parts: tuple[Mapping[str, Part], Mapping[str, Part]]
    feed: Sequence[np.ndarray]


@dataclass(frozen=True, slots=True)
class Shown:
    """Names of the first side of which nothing shows that their row is right.

    `in_full` is whether whatever flows into the code flows into what is compared too.
    """

    not_shown: tuple[str, ...]
    in_full: bool


def shown(pair: Pair, handed: Sequence[Handed]) -> Shown:
    """Return what is shown of layers that are given what their counterparts are.

    Args:
        pair: both sides, with the same values, as the rows move them.
        handed: the calls of these layers.
    """
    return _Layers(pair, handed).shown()


class _Layers:
    """The layers behind code that parts, and how they are run."""

    def __init__(self, pair: Pair, handed: Sequence[Handed]) -> None:
        self._pair, self._handed = pair, handed
        self._calls: tuple[dict[Call, Handed], dict[Call, Handed]] = (
            {(one.a.path, one.a.number): one for one in handed},
            {(one.b.path, one.number): one for one in handed},
        )
        behind = {one.b.path for one in handed}
        self._compared = [path for path in pair.paired if path not in behind]
        self._of_a = _owned(pair.a, pair.parts[0])

    def shown(self) -> Shown:
        """Return the names of the layers, and of what flows into the code alone, unless all is shown."""
        swallowed = self._swallowed()
        if swallowed is not None and not self._is_any_alike() and self._is_laid_out_alike(swallowed):
            return Shown((), not swallowed)
        rows = [self._pair.names.rows[at].a for of_layer in swallowed or () for at in of_layer]
        of_layers = [self._of_a[one.a.path] for one in self._handed]
        return Shown(tuple(dict.fromkeys(name for names in (*of_layers, *rows) for name in names)), False)

    # --- one of its sizes ---

    def _is_any_alike(self) -> bool:
        """Whether a layer could stand in another's place."""
        sizes = defaultdict(list)
        for path in {one.b.path: None for one in self._handed}:
            first = self._pair.paired[path]
            about = Counter(key_of(self._pair.a.parameters[name].shape) for name in self._of_a[first])
            sizes[frozenset(about.items())].append(path)
        for paths in sizes.values():
            if len(paths) > 1:
                places = [self._place(path) for path in paths]
                if None in places or len(set(places)) < len(places):
                    return True
        return False

    def _place(self, path: str) -> frozenset[str] | None:
        """Return the layers that are compared and reached from one, if these are the same on both sides."""
        of_b = {self._pair.paired[one] for one in self._reached(1, path)}
        of_a = self._reached(0, self._pair.paired[path]) & {self._pair.paired[one] for one in self._compared}
        return frozenset(of_a) if of_a == of_b else None

    def _reached(self, place: int, path: str) -> set[str]:
        """Return the modules that are given something else once a layer returns something else."""
        random = np.random.default_rng(0)
        plain: dict[Call, list[np.ndarray]] = {}
        changed: dict[Call, list[np.ndarray]] = {}

        def returned(at: str, number: int, arrays: list[np.ndarray]) -> list[np.ndarray] | None:
            if at != path:
                return None
            sizes = [np.abs(one).max(initial=0) + 1 for one in arrays]
            return [
                (one + size * random.standard_normal(one.shape)).astype(one.dtype)
                for one, size in zip(arrays, sizes, strict=True)
            ]

        self._run(place, self._pair.feed, plain)
        self._run(place, self._pair.feed, changed, returned)
        owners = set(self._compared) if place else {self._pair.paired[one] for one in self._compared}
        return {
            at
            for (at, number), arrays in plain.items()
            if at in owners and not _equal(arrays, changed.get((at, number), []))
        }

    def _run(
        self,
        place: int,
        feed: Sequence[np.ndarray],
        given: dict[Call, list[np.ndarray]],
        returned: Callable[[str, int, list[np.ndarray]], list[np.ndarray] | None] = lambda *_: None,
        *,
        hands: bool = True,
    ) -> None:
        """Run a side, with layers behind code given what is recorded, and keep what is given to all."""
        side, parts = (self._pair.a, self._pair.b)[place], self._pair.parts[place]

        def hand(path: str, number: int, arrays: list[np.ndarray]) -> list[np.ndarray] | None:
            given[path, number] = arrays
            one = self._calls[place].get((path, number))
            if one is None or not hands or [x.shape for x in arrays] != [x.shape for x in one.a.given]:
                return None
            return [np.asarray(new, old.dtype) for new, old in zip(one.a.given, arrays, strict=True)]

        observe(side, feed, parts, hand, returned)

    # --- channels ---

    def _is_laid_out_alike(self, swallowed: Sequence[Sequence[int]]) -> bool:
        """Whether what is behind code has its channels in the same order on both sides."""
        if len(swallowed) > _MOST_DRAWN:
            return False
        fewest = min(len(channels_of(one.a.given[0], one.b, one.own[0])[0]) for one in self._handed)
        count = -(-_FEWEST // max(fewest, 1))
        feeds = self._feeds(count)
        plain = [self._given(feed) for feed in feeds]
        if not all(self._is_alike(one, plain) for one in self._handed):
            return False
        values = {name: np.array(array) for name, array in self._pair.a.values().items()}
        few: list[Sequence[np.ndarray]] | None = None
        for rows in swallowed:
            names = [name for row in rows for name in self._pair.names.rows[row].a]
            # what is the same for every example says something of its channels in several draws alone
            is_vector = all(len(key_of(values[name].shape)) < 2 for name in names if name in values)
            if is_vector and few is None:
                few = self._feeds(-(-count // _DRAWS))
                few_plain = [self._given(feed) for feed in few]
            these, before = (few, few_plain) if is_vector and few else (feeds, plain)
            drawn = [self._drawn(rows, values, these, draw) for draw in range(_DRAWS if is_vector else 1)]
            self._draw(rows, values.__getitem__)
            behind = next((one for one in self._handed if self._is_moved(one, before, drawn[0])), None)
            if behind is None or not self._moves_alike(behind, before, drawn):
                return False
        return True

    def _is_alike(self, one: Handed, plain: Sequence[Any]) -> bool:
        a, b = self._channels(one, plain)
        if not len(a) or not len(b) or 2 * np.count_nonzero(np.ptp(a, 0)) <= a.shape[1]:
            return False
        first, second = (np.where(np.ptp(each, 0), each - each.mean(0), 0) for each in (a, b))
        return moved_alike(first, second, LIKE)

    def _drawn(
        self,
        rows: Sequence[int],
        values: Mapping[str, np.ndarray],
        feeds: Sequence[Sequence[np.ndarray]],
        draw: int,
    ) -> list[Any]:
        """Return what is given to all with these rows drawn anew."""
        roles = {name: one.role for name, one in self._pair.a.parameters.items()}
        self._draw(rows, lambda name: own_value(values[name].shape, roles[name], f"{name} {draw}"))
        return [self._given(feed) for feed in feeds]

    def _moves_alike(self, behind: Handed, plain: Sequence[Any], drawn: Sequence[Sequence[Any]]) -> bool:
        moved = [self._channels(behind, one, plain) for one in drawn]
        a, b = (np.concatenate(each) for each in zip(*moved, strict=True))
        return moved_alike(a, b, DRAWN_LIKE)

    def _feeds(self, count: int) -> list[Sequence[np.ndarray]]:
        """Return so many inputs, the further ones in one batch where the networks take it."""
        more = [feed_of(self._pair.a, 100 + seed) for seed in range(min(count, _MOST_FEEDS) - 1)]
        if len(more) > 1 and all(array.ndim for array in more[0]):
            batch = [np.concatenate(arrays) for arrays in zip(*more, strict=True)]
            try:
                with users_code("a larger batch"):
                    self._given(batch)
            except TriportError:
                return [self._pair.feed, *more]
            return [self._pair.feed, batch]
        return [self._pair.feed, *more]

    def _given(self, feed: Sequence[np.ndarray]) -> tuple[dict[Call, list[np.ndarray]], ...]:
        found: tuple[dict[Call, list[np.ndarray]], dict[Call, list[np.ndarray]]] = ({}, {})
        for place in (0, 1):
            # what is recorded is of one input: with others each side is as it is
            self._run(place, feed, found[place], hands=place == 1 and feed is self._pair.feed)
        return found

    def _channels(self, one: Handed, *runs: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return what a layer is given on both sides, (values, channels); of two runs how it differs."""
        sides: list[list[np.ndarray]] = [[], []]
        for several in zip(*runs, strict=True):
            both = [channels_of(run[0][_call_a(one)][0], one.b, run[1][_call_b(one)][0]) for run in several]
            for place in (0, 1):
                arrays = [pair[place] for pair in both]
                sides[place].append(arrays[0] if len(arrays) == 1 else arrays[0] - arrays[1])
        return np.concatenate(sides[0]), np.concatenate(sides[1])

    def _is_moved(self, one: Handed, plain: Any, drawn: Any) -> bool:
        return not _equal(plain[0][0][_call_a(one)], drawn[0][0][_call_a(one)])

    def _draw(self, rows: Iterable[int], value: Callable[[str], np.ndarray]) -> None:
        for place in rows:
            row = self._pair.names.rows[place]
            arrays = [value(name) for name in row.a]
            for side, names, made in (
                (self._pair.a, row.a, arrays),
                (self._pair.b, row.b, row.forward(arrays)),
            ):
                given = zip(names, made, strict=True)
                side.set_values({name: array for name, array in given if name in side.parameters})

    def _swallowed(self) -> list[list[int]] | None:
        """Return rows of which some values reach nothing that is compared, by the module that owns them.

        None: no side is a Module, which alone can tell it.
        """
        place = next((at for at in (1, 0) if isinstance((self._pair.a, self._pair.b)[at], ModuleSide)), None)
        if place is None:
            return None
        side = (self._pair.a, self._pair.b)[place]
        assert isinstance(side, ModuleSide)
        # with the same values in both runs: a ReLU that lets nothing through is the same one
        plain, told = (
            _gradients(
                side, self._pair.feed, _Hooks(side, self._pair.parts[place], self._calls[place], watched)
            )
            for watched in (None, self._watched(place))
        )
        largest = max((np.abs(one).max(initial=0.0) for one in plain.values()), default=0.0)
        names = {
            name
            for name, one in plain.items()
            if name not in told or bool(((np.abs(one) > _NOTHING * largest) & (told[name] == 0)).any())
        }
        # in a layer that returns the same each row has its place; elsewhere each has to be looked at
        owners = owners_of(self._pair.b, self._pair.parts[1])
        # a norm behind code returns the channels as it is given them, and what it is given is looked at
        kept = {one.b.path for one in self._handed if keeps_channels(one.b)}
        found: dict[object, list[int]] = defaultdict(list)
        for at, row in enumerate(self._pair.names.rows):
            if names & {*(row.a, row.b)[place]}:
                owner = owners.get(row.b[0], "") if row.b else ""
                if owner not in kept:
                    found[owner if owner in self._pair.paired else at].append(at)
        return list(found.values())

    def _watched(self, place: int) -> frozenset[str]:
        return frozenset(self._compared if place else (self._pair.paired[one] for one in self._compared))


class _Hooks:
    """Hooks on a Module that give layers behind code what is recorded.

    With layers to watch those behind code are cut off from it, and what is given to the ones that are watched
    counts in what is derived.
    """

    def __init__(
        self,
        side: ModuleSide,
        parts: Mapping[str, Part],
        calls: Mapping[Call, Handed],
        watched: frozenset[str] | None,
    ) -> None:
        self._side, self._parts, self._calls, self._watched = side, parts, calls, watched
        self._handles: list[Any] = []

    def __enter__(self) -> None:
        torch = import_torch()
        counts = Counter[str]()

        def is_tensor(value: Any) -> bool:
            return isinstance(value, torch.Tensor)

        def instead(array: np.ndarray, own: Any) -> Any:
            value = own.detach()
            if array.shape == tuple(own.shape):
                value = torch.from_numpy(np.array(array)).to(own.dtype)
            return value if self._watched is not None else value + (own - own.detach())

        def before(path: str, given: Any) -> Any:
            counts[path] += 1
            tensors = list(leaves(given, is_tensor))
            one = self._calls.get((path, counts[path]))
            if one is not None:
                return replaced(given, is_tensor, map(instead, one.a.given, tensors))
            for place, tensor in enumerate(tensors if path in (self._watched or ()) else ()):
                if tensor.requires_grad:
                    weight = torch.from_numpy(projected(place, tensor.numel(), counts[path]))
                    self._side.added.append((tensor.reshape(-1) * weight.to(tensor.dtype)).sum())
            return None

        for path, part in self._parts.items():
            self._handles.append(
                part.module.register_forward_pre_hook(
                    lambda _, args, words, path=path: before(path, (args, words)), with_kwargs=True
                )
            )

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()


def _gradients(side: ModuleSide, feed: Sequence[np.ndarray], hooks: _Hooks) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}

    def see(name: str, gradient: np.ndarray | None) -> None:
        if gradient is not None:
            found[name] = np.array(gradient, np.float64)

    with hooks:
        side.gradients(feed, lambda at, size: projected(at, size, 0), see, list(side.parameters))
    return found


def _owned(side: Side, parts: Mapping[str, Part]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, path in owners_of(side, parts).items():
        if path and name in side.parameters:
            found[path].append(name)
    return found


def _call_a(one: Handed) -> Call:
    return one.a.path, one.a.number


def _call_b(one: Handed) -> Call:
    return one.b.path, one.number


def _equal(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    return len(one) == len(other) and all(np.array_equal(*both) for both in zip(one, other, strict=True))
