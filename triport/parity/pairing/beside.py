"""Follows the calls of one side's modules beside a recording of the other's, and finds those that part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from triport.reference_models.modules import Part

from .layouts import Layout, layout_between, layout_in_batch
from .observed import Call
from .recomputed import recomputed
from .recording import Recorded, Recording
from .settings import differences, group_of, settings_of


class Counterparts(Protocol):
    """Which modules of the first side a module of the second may be."""

    def is_certain(self, path: str) -> bool:
        """Whether it is known which one it is."""
        ...

    def among(self, path: str, calls: Sequence[Recorded]) -> list[Recorded]:
        """Return the calls that may be this module's, the likeliest first."""
        ...


@dataclass(eq=False)
class Found:
    """A module that parts: a call of the first side, and the module of the second with what it returned."""

    a: Recorded
    b: Part
    number: int
    given: list[np.ndarray]
    layouts: list[Layout]

    def why(self) -> str:
        """Return what differs, where that can be seen."""
        first, second = self.a.part.kind, self.b.kind
        titles = _title(self.a.part), _title(self.b)
        if first is not None and second is not None and first is not second:
            return f"another {group_of(first)}: {titles[0]} and {titles[1]}"
        if (first is None or second is None) and titles[0] != titles[1]:
            return f"another module: {titles[0]} and {titles[1]}"
        shapes = [array.shape for array in self.a.given]
        differ = differences(
            settings_of(self.a.part.module, first, shapes),
            settings_of(self.b.module, second, [array.shape for array in self.given]),
        )
        modules = self.a.part.module, self.b.module
        said = ", ".join(sorted(differ))
        if said and self._with_settings() is False:
            said += "; with these alike they still return other values: what else differs cannot be seen"
        return said or _kept_otherwise(*modules) or _of_other_classes(*modules)

    @property
    def is_known(self) -> bool:
        """Whether both are layers of known kinds that compute the same each time."""
        kinds = self.a.part.kind, self.b.kind
        return all(kind is not None and kind.name != "dropout" for kind in kinds)

    def is_explained(self) -> bool:
        """Whether the second's parameters with the first's settings give what the first returned."""
        return self._with_settings() is True

    def _with_settings(self) -> bool | None:
        """Return whether the first's settings alone make it return the same; None: it is not known how to."""
        settings = settings_of(self.a.part.module, self.a.part.kind, [one.shape for one in self.a.given])
        made = recomputed(self.b, settings, self.given)
        if made is None:
            return None
        tolerance = max(self.a.returned_tolerance[0], 1e-6)
        return layout_between(self.a.returned[0], made, tolerance) is not None


@dataclass(frozen=True, eq=False, slots=True)
class Missed:
    """A call of the second side that was given something else than its counterpart, a call of the first."""

    call: Recorded
    at: Call
    given: list[np.ndarray]


@dataclass(eq=False)
class Beside:
    """Follows the second side's calls beside the recording of the first."""

    recording: Recording
    counterparts: Counterparts
    parts: dict[str, Part]
    # by the module's own call, those of the first side whose input it is given, whatever it was given; and
    # those with which it was compared by itself
    forced: Mapping[Call, Recorded] = field(default_factory=dict)
    apart: Mapping[Call, Recorded] = field(default_factory=dict)
    # whether what is given something else is given what its counterpart was, until it is shown that it may be
    assumes: bool = False
    partings: list[Found] = field(default_factory=list)
    # in order
    given_otherwise: list[Missed] = field(default_factory=list)
    # modules of the second side that had no counterpart, by the module behind them that was given otherwise
    unknown: dict[str, list[str]] = field(default_factory=dict)
    _since: list[str] = field(default_factory=list)
    _open: dict[str, tuple[list[tuple[Recorded, list[Layout]]], list[np.ndarray]]] = field(
        default_factory=dict
    )

    def given(self, path: str, number: int, arrays: list[np.ndarray]) -> list[np.ndarray] | None:
        """Find the calls of the first side that were given the same, and give the module exactly that."""
        if (path, number) in self.apart:
            self._use(self.apart[path, number])
            return None
        if (path, number) in self.forced:
            call = self.forced[path, number]
            self._open[path] = [(call, [Layout(tuple(range(one.ndim))) for one in call.given])], call.given
            return call.given
        found = [
            (call, layouts)
            for call in self.counterparts.among(path, self._unused())
            if (layouts := _layouts(call.given, arrays, call.given_tolerance)) is not None
        ]
        self._open[path] = found, arrays
        if not found:
            return self._missed((path, number), arrays) if self.counterparts.is_certain(path) else None
        call, layouts = found[0]
        exact = [
            layout.applied(array, other.shape)
            for layout, array, other in zip(layouts, call.given, arrays, strict=True)
        ]
        self._open[path] = found, exact
        return exact

    def returned(self, path: str, number: int, arrays: list[np.ndarray]) -> list[np.ndarray] | None:
        """Compare what the module returned; where it parts, return what its counterpart did."""
        if (path, number) in self.apart:
            return None
        found, given = self._open.pop(path)
        for call, _ in found:
            if _layouts(call.returned, arrays, call.returned_tolerance) is not None:
                self._use(call)
                return None
        is_certain = self.counterparts.is_certain(path)
        if not is_certain and not found:
            self._since.append(path)
        if not is_certain and (self.parts[path].kind is None or any(c.part.kind is None for c, _ in found)):
            # of a class that nobody knows: all that can be told is that as much is returned
            found = [one for one in found if _sizes(one[0].returned) == _sizes(arrays)]
        if not found or (not is_certain and self._is_known(arrays)):
            return None
        call, layouts = found[0]
        call.is_used = True
        self.partings.append(Found(call, self.parts[path], number, given, layouts))
        layout = layouts[0] if layouts else Layout(())
        return [layout.applied(one, other.shape) for one, other in zip(call.returned, arrays, strict=False)]

    def _use(self, call: Recorded) -> None:
        call.is_used = True
        self._since = []

    def _unused(self) -> list[Recorded]:
        return [call for call in self.recording.calls if not call.is_used]

    def _missed(self, at: Call, arrays: list[np.ndarray]) -> list[np.ndarray] | None:
        """Note that a module was given something else than its counterpart; return what it is to be given."""
        path = at[0]
        calls = self.counterparts.among(path, self._unused())
        if not calls:
            return None
        call = calls[0]
        self.given_otherwise.append(Missed(call, at, arrays))
        self.unknown.setdefault(path, self._since)
        self._since = []
        if not self.assumes:
            return None
        if [one.shape for one in call.given] == [one.shape for one in arrays]:
            self._open[path] = [(call, [Layout(tuple(range(one.ndim))) for one in call.given])], call.given
            return call.given
        call.is_used = True
        return None

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


def _kept_otherwise(a: Any, b: Any) -> str:
    """Return which buffers differ that two Modules keep as they are built: no map moves them."""
    first, second = (
        dict(one.named_buffers(recurse=False)) if hasattr(one, "named_buffers") else {} for one in (a, b)
    )
    names = [
        name
        for name, value in first.items()
        if name in second
        and value.is_floating_point()
        and (value.shape != second[name].shape or not value.equal(second[name]))
    ]
    return f"buffers of other values, which each keeps as it is built: {', '.join(names)}" * bool(names)


def _of_other_classes(a: Any, b: Any) -> str:
    """Return the names of two classes of one framework that differ."""
    if hasattr(a, "cells_and_names") != hasattr(b, "cells_and_names") or type(a).__name__ == type(b).__name__:
        return ""
    return f"another class: {type(a).__name__} and {type(b).__name__}"


def _sizes(arrays: Sequence[np.ndarray]) -> list[int]:
    return [array.size for array in arrays]


def _title(part: Part) -> str:
    return type(part.module).__name__ if part.kind is None else part.kind.title


def _layouts(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray], tolerances: Sequence[float]
) -> list[Layout] | None:
    """Return how each array of the first lies in the second's, where all of them are equal; else None."""
    if len(first) != len(second):
        return None
    found = []
    for one, other, tolerance in zip(first, second, tolerances, strict=True):
        layout = layout_in_batch(one, other, tolerance)
        if layout is None:
            return None
        found.append(layout)
    return found
