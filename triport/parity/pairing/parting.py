"""Where two networks with the same weights part, why, and whether all the rest is equal.

The second side runs beside a recording of the first. A module of the second that is given what its
counterpart was given, and returns something else, parts: from then on it returns what its counterpart did. If
the outputs are equal in the end, these modules are all that differs. That proves the map though the graphs
differ: what each parting module is given was compared, and so was every output.

A parting module's own parameters reach nothing that is compared. They are proven where the layer, computed
with their values and with the settings of the first side, returns what the first side's does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from triport.converters.naming.pair_names import PairNames
from triport.reference_models.modules import Part

from .correspondence import modules_with_parameters, owners_of, watched_parts
from .layouts import Layout, layout_between
from .observed import observe
from .recomputed import recomputed
from .recording import Recorded, Recording
from .result import Parting
from .settings import differences, group_of, settings_of
from .sides import Side


@dataclass(frozen=True, slots=True)
class Substituted:
    """What is found with the outputs of the modules that part taken from the first side.

    Attributes:
        partings: the modules, in the order in which the first side calls them. Where the two differ in what
            is computed outside of modules, the module behind it stands there.
        equal: whether the outputs are equal then.
        unproven: names of the first side's parameters of which nothing shows that their row is right.
    """

    partings: tuple[Parting, ...]
    equal: bool
    unproven: tuple[str, ...] = ()

    @property
    def first(self) -> Parting | None:
        """The first module that parts."""
        return self.partings[0] if self.partings else None


def substituted(a: Side, b: Side, names: PairNames, feed: Sequence[np.ndarray]) -> Substituted:
    """Return where two sides part that have the same weights, as a complete map moves them.

    Args:
        a: has its values.
        b: has the same, moved by the rows.
        names: the complete map.
        feed: the inputs in order.
    """
    a_parts, b_parts = watched_parts(a), watched_parts(b)
    exact = a.is_double and b.is_double
    paired = modules_with_parameters(a, b, names, a_parts, b_parts)
    recording = Recording(a, feed, a_parts, exact)
    owners = frozenset(owners_of(a, a_parts).values()), frozenset(owners_of(b, b_parts).values())
    beside = _Beside(recording, paired, b_parts, *owners)
    modules = {path: part.module for path, part in b_parts.items()}
    outputs = observe(b, feed, modules, beside.given, beside.returned)
    equal = len(outputs) == len(recording.outputs) and all(
        layout_between(one, other, tolerance) is not None
        for one, other, tolerance in zip(recording.outputs, outputs, recording.output_tolerance, strict=True)
    )
    order = {id(call): place for place, call in enumerate(recording.calls)}
    found = sorted(beside.partings, key=lambda one: order[id(one.a)])
    said = [Parting(one.a.path, one.b.path, one.why()) for one in found]
    if not equal:
        said = _with_code(said, [order[id(one.a)] for one in found], beside, order)
    unproven = [
        name
        for one in found
        if one.b.path in paired and not one.is_explained()
        for name, parameter in a.parameters.items()
        if f"{parameter.owner}.".startswith(f"{one.a.path}.")
    ]
    return Substituted(tuple(said), equal, tuple(dict.fromkeys(unproven)))


@dataclass(eq=False)
class _Found:
    """A module that parts: a call of the first side, and the module of the second with what it returned."""

    a: Recorded
    b: Part
    given: list[np.ndarray]
    returned: list[np.ndarray]

    def why(self) -> str:
        """Return what differs, where that can be seen."""
        first, second = self.a.part.kind, self.b.kind
        if first is not None and second is not None and first is not second:
            group = group_of(first)
            return f"another {group}: {first.title} and {second.title}"
        shapes = [array.shape for array in self.a.given]
        differ = differences(
            settings_of(self.a.part.module, first, shapes),
            settings_of(self.b.module, second, [array.shape for array in self.given]),
        )
        return ", ".join(sorted(differ))

    def is_explained(self) -> bool:
        """Whether the second's parameters with the first's settings give what the first returned."""
        settings = settings_of(self.a.part.module, self.a.part.kind, [one.shape for one in self.a.given])
        made = recomputed(self.b, settings, self.given)
        return (
            made is not None
            and layout_between(self.a.returned[0], made, max(self.a.returned_tolerance[0], 1e-6)) is not None
        )


@dataclass(eq=False)
class _Beside:
    """Follows the second side's calls beside the recording of the first."""

    recording: Recording
    paired: dict[str, str]
    parts: dict[str, Part]
    a_owners: frozenset[str]
    b_owners: frozenset[str]
    partings: list[_Found] = field(default_factory=list)
    # calls of the first side whose counterpart was given something else, and the module of the second
    given_otherwise: list[tuple[Recorded, str]] = field(default_factory=list)
    # modules of the second side that had no counterpart, by the module behind them that was given otherwise
    unknown: dict[str, list[str]] = field(default_factory=dict)
    _since: list[str] = field(default_factory=list)
    _open: dict[str, tuple[list[tuple[Recorded, list[Layout]]], list[np.ndarray]]] = field(
        default_factory=dict
    )

    def given(self, path: str, number: int, arrays: list[np.ndarray]) -> list[np.ndarray] | None:
        """Find the calls of the first side that were given the same, and give the module exactly that."""
        found = [
            (call, layouts)
            for call in self._candidates(path)
            if (layouts := _layouts(call.given, arrays, call.given_tolerance)) is not None
        ]
        self._open[path] = found, arrays
        if not found:
            if path in self.paired:
                self._missed(path)
            return None
        call, layouts = found[0]
        exact = [
            layout.applied(array, other.shape)
            for layout, array, other in zip(layouts, call.given, arrays, strict=True)
        ]
        self._open[path] = found, exact
        return exact

    def returned(self, path: str, number: int, arrays: list[np.ndarray]) -> list[np.ndarray] | None:
        """Compare what the module returned; where it parts, return what its counterpart did."""
        found, given = self._open.pop(path)
        for call, _ in found:
            if _layouts(call.returned, arrays, call.returned_tolerance) is not None:
                call.is_used = True
                self._since = []
                return None
        if path not in self.paired and not found:
            self._since.append(path)
        if not found or (path not in self.paired and self._is_known(arrays)):
            return None
        call, layouts = found[0]
        call.is_used = True
        self.partings.append(_Found(call, self.parts[path], given, arrays))
        layout = layouts[0] if layouts else Layout(())
        return [layout.applied(one, other.shape) for one, other in zip(call.returned, arrays, strict=False)]

    def _candidates(self, path: str) -> list[Recorded]:
        unused = [call for call in self.recording.calls if not call.is_used]
        if path in self.paired:
            return [call for call in unused if call.path == self.paired[path]]
        kind = self.parts[path].kind
        group = group_of(kind)
        if group is None or path in self.b_owners:
            # what owns parameters and has no counterpart is compared by what follows it
            return []
        same = [
            call for call in unused if call.path not in self.a_owners and group_of(call.part.kind) == group
        ]
        return sorted(same, key=lambda call: call.part.kind is not kind)

    def _missed(self, path: str) -> None:
        calls = [call for call in self.recording.calls if call.path == self.paired[path] and not call.is_used]
        if calls:
            self.given_otherwise.append((calls[0], path))
            self.unknown.setdefault(path, self._since)
            self._since = []

    def _is_known(self, arrays: list[np.ndarray]) -> bool:
        """Whether the first side has these values anywhere: what returns them is no parting."""
        known = [
            (array, tolerance)
            for call in self.recording.calls
            for array, tolerance in (
                *zip(call.given, call.given_tolerance, strict=True),
                *zip(call.returned, call.returned_tolerance, strict=True),
            )
        ]
        return all(
            any(
                one.size == array.size and layout_between(one, array, tolerance) is not None
                for one, tolerance in known
            )
            for array in arrays
        )


def _layouts(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray], tolerances: Sequence[float]
) -> list[Layout] | None:
    """Return how each array of the first lies in the second's, where all of them are equal; else None."""
    if len(first) != len(second):
        return None
    found = []
    for one, other, tolerance in zip(first, second, tolerances, strict=True):
        layout = layout_between(one, other, tolerance)
        if layout is None:
            return None
        found.append(layout)
    return found


def _with_code(
    said: list[Parting], places: list[int], beside: _Beside, order: dict[int, int]
) -> list[Parting]:
    """Return the partings with the first that lies outside of modules, at its place."""
    calls = beside.recording.calls
    if not beside.given_otherwise:
        last = calls[-1].path if calls else "the input"
        return [*said, Parting("", "", f"after {last}, in what is computed outside of modules")]
    call, path = min(beside.given_otherwise, key=lambda one: order[id(one[0])])
    place = order[id(call)]
    first = next((at for at in range(place, 0, -1) if calls[at - 1].is_used), 0)
    before = calls[first - 1].path if first else "the input"
    call, path = _first_of_a_kind(calls[first:place], beside, path) or (call, path)
    why = f"between {before} and {call.path}, in what is computed outside of modules"
    at = sum(other < place for other in places)
    return [*said[:at], Parting(call.path, path, why), *said[at:]]


def _first_of_a_kind(between: Sequence[Recorded], beside: _Beside, path: str) -> tuple[Recorded, str] | None:
    """Return the first module of one kind on both sides of a gap: a pool, behind other code."""
    for call in between:
        for other in beside.unknown.get(path, ()):
            if call.part.kind is not None and call.part.kind is beside.parts[other].kind:
                return call, other
    return None
