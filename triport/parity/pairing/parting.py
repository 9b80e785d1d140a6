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
from dataclasses import dataclass, replace

import numpy as np

from triport.converters.environment import import_torch
from triport.converters.naming.pair_names import PairNames
from triport.converters.networks.factories import FactoryError
from triport.parity.kernels.approximations import approximated, told
from triport.parity.kernels.mindspore import KERNELS
from triport.reference_models.modules import Part, parts_of

from .beside import Beside, Missed
from .correspondence import could_be, modules_with_parameters, owners_of, unlikeness, watched_parts
from .crossed import are_crossed, can_change_places, could_be_code
from .crossed_channels import modules_cross_channels
from .gaps import Gaps
from .layouts import layout_between
from .observed import every_part, observe
from .proof import runs_kernels
from .recording import Recorded, Recording
from .result import Parting
from .returned import Returned
from .settings import differences, settings_of
from .sides import Side


@dataclass(frozen=True, slots=True)
class Substituted:
    """What is found with the outputs of the modules that part taken from the first side.

    Attributes:
        partings: the modules, in the order in which the first side calls them. Where the two differ in what
            is computed outside of modules, the module behind it stands there.
        equal: whether the outputs are equal then.
        unproven: names of the first side's parameters of which nothing shows that their row is right.
        but_for: the kernels of MindSpore that PyTorch had to imitate for this; "" for none.
        is_crossed: whether modules part that would not if they had each other's counterparts.
        are_known: whether all that part are layers of known kinds: none is random.
        are_mixed: whether code parts, and modules do that could do the same as code does.
    """

    partings: tuple[Parting, ...]
    equal: bool
    unproven: tuple[str, ...] = ()
    but_for: str = ""
    is_crossed: bool = False
    are_known: bool = False
    are_mixed: bool = False

    @property
    def is_proof(self) -> bool:
        """Whether modules part and all the rest is equal.

        A layer that is not shown to differ in its settings alone may have been given the wrong weights, and
        of two that differ in their settings each may have been given the other's.
        """
        return bool(self.partings) and self.equal and not self.unproven and not self.is_crossed

    @property
    def first(self) -> Parting | None:
        """The first module that parts."""
        return self.partings[0] if self.partings else None


def parted(a: Side, b: Side, names: PairNames, feed: Sequence[np.ndarray]) -> Substituted:
    """Return where two sides part, with MindSpore's kernels in PyTorch where these alone hide it."""
    found = substituted(a, b, names, feed)
    if found.is_proof or not runs_kernels(a, b):
        return found
    met: set[str] = set()
    with approximated(import_torch(), KERNELS, met):
        again = substituted(a, b, names, feed)
    said = f"MindSpore's kernels compute {told(KERNELS, met)}: all else was compared with that in PyTorch too"
    return replace(again, but_for=said) if met and again.is_proof else found


def substituted(a: Side, b: Side, names: PairNames, feed: Sequence[np.ndarray]) -> Substituted:
    """Return where two sides part that have the same weights, as a complete map moves them.

    With a wrong map a module may be made to return what code behind it cannot take: nothing is shown then.

    Args:
        a: has its values.
        b: has the same, moved by the rows.
        names: the complete map.
        feed: the inputs in order.
    """
    try:
        found = _substituted(a, b, names, feed)
        if not found.is_proof or not found.are_mixed or not can_change_places(b):
            return found
        # what one side does in a module, and the other in code, can be compared as code
        as_code = _substituted(a, b, names, feed, of_owners=True)
        return replace(found, is_crossed=as_code.is_crossed)
    except FactoryError:
        return Substituted((), equal=False)


def _substituted(
    a: Side, b: Side, names: PairNames, feed: Sequence[np.ndarray], *, of_owners: bool = False
) -> Substituted:
    """Return what parts; `of_owners`: of modules that own parameters, and all else is code."""
    a_parts, b_parts = watched_parts(a), watched_parts(b)
    if of_owners:
        a_parts, b_parts = _owning(a, a_parts), _owning(b, b_parts)
    exact = a.is_double and b.is_double
    paired = modules_with_parameters(a, b, names, a_parts, b_parts)
    recording = Recording(a, feed, a_parts, exact)
    owners = frozenset(owners_of(a, a_parts).values()), frozenset(owners_of(b, b_parts).values())
    rows = _ByRows(paired, owners[0], b_parts, owners[1])
    order = {id(call): place for place, call in enumerate(recording.calls)}
    gaps = Gaps(a, b, feed, recording, names)
    of_code: list[tuple[int, Parting]] = []
    beside, outputs = _ran_beside(b, feed, Beside(recording, rows, b_parts), None)
    if beside.given_otherwise:
        run = Returned()
        assumed, _ = _ran_beside(b, feed, Beside(recording, rows, b_parts, assumes=True), run)
        missed = assumed.given_otherwise
        passed = missed[: gaps.bridge(missed, run)]
        of_code = [(order[id(one.call)], _code_before(one, assumed, order)) for one in passed]
        beside, outputs = _ran_beside(
            b, feed, Beside(recording, rows, b_parts, gaps.forced, gaps.apart), None
        )
    layouts = [
        layout_between(one, other, tolerance)
        for one, other, tolerance in zip(recording.outputs, outputs, recording.output_tolerance, strict=False)
    ]
    equal = len(outputs) == len(recording.outputs) and None not in layouts
    equal = equal and not (gaps.found and beside.given_otherwise)
    found = sorted(beside.partings, key=lambda one: order[id(one.a)])
    placed = [(order[id(one.a)], Parting(one.a.path, one.b.path, one.why())) for one in found]
    placed = sorted([*placed, *of_code], key=lambda one: one[0])
    said = [one for _, one in placed]
    if not equal:
        said = _with_code(said, [place for place, _ in placed], beside, order)
        said = [replace(one, why=one.why + _around(a, b, one)) for one in said]
    elif turned := [
        (place, one) for place, one in enumerate(layouts, 1) if one is not None and one.is_turned
    ]:
        place, layout = turned[0]
        said.append(Parting("", "", f"output {place} has its axes in another order: {layout.axes}"))
    unproven = [
        name
        for one in found
        if one.b.path in paired and not one.is_explained()
        for name, parameter in a.parameters.items()
        if f"{parameter.owner}.".startswith(f"{one.a.path}.")
    ]
    return Substituted(
        tuple(said),
        equal,
        tuple(dict.fromkeys(unproven)),
        is_crossed=gaps.is_crossed
        or modules_cross_channels(found, a, b)
        or (can_change_places(b) and are_crossed(found, gaps.sides[0], b)),
        are_known=not of_code and all(one.is_known for one in found),
        are_mixed=bool(of_code) and any(could_be_code(one, a, b) for one in found),
    )


def _owning(side: Side, parts: dict[str, Part]) -> dict[str, Part]:
    """Return the modules that own parameters."""
    owners = {*owners_of(side, parts).values()}
    return {path: part for path, part in parts.items() if path in owners}


def _ran_beside(
    b: Side, feed: Sequence[np.ndarray], beside: Beside, run: Returned | None
) -> tuple[Beside, list[np.ndarray]]:
    """Run the second side beside a recording, and note in `run` what all of its modules return."""
    for call in beside.recording.calls:
        call.is_used = False
    if run is None:
        return beside, observe(b, feed, beside.parts, beside.given, beside.returned)

    def given(path: str, number: int, arrays: list[np.ndarray]) -> Sequence[np.ndarray] | None:
        run.begin(path, number)
        return beside.given(path, number, arrays) if path in beside.parts else None

    def returned(path: str, number: int, arrays: list[np.ndarray]) -> Sequence[np.ndarray] | None:
        other = beside.returned(path, number, arrays) if path in beside.parts else None
        # in the types that the network has them in
        made = [one.astype(like.dtype) for one, like in zip(other or arrays, arrays, strict=False)]
        run.note(path, number, made)
        return other

    parts = {**every_part(b), **beside.parts}
    return beside, observe(b, feed, parts, given, returned, bare=run.bare)


@dataclass(frozen=True, slots=True)
class _ByRows:
    """Modules that own parameters go by the rows of a map; others are any of their like."""

    paired: dict[str, str]
    a_owners: frozenset[str]
    b_parts: dict[str, Part]
    b_owners: frozenset[str]

    def is_certain(self, path: str) -> bool:
        """Whether it owns what one module of the first side owns."""
        return path in self.paired

    def among(self, path: str, calls: Sequence[Recorded]) -> list[Recorded]:
        """Return the calls of its counterpart, or of what could stand in its place."""
        if path in self.paired:
            return [call for call in calls if call.path == self.paired[path]]
        if path in self.b_owners:
            # what owns parameters and has no counterpart is compared by what follows it
            return []
        part = self.b_parts[path]
        alike = [call for call in calls if call.path not in self.a_owners and could_be(call.part, part)]
        return sorted(alike, key=lambda call: unlikeness(call.part, part))


def _with_code(
    said: list[Parting], places: list[int], beside: Beside, order: dict[int, int]
) -> list[Parting]:
    """Return the partings with the first that lies outside of modules, at its place."""
    calls = beside.recording.calls
    if not beside.given_otherwise:
        last = calls[-1].path if calls else "the input"
        return [*said, Parting("", "", f"after {last}, in what is computed outside of modules")]
    missed = min(beside.given_otherwise, key=lambda one: order[id(one.call)])
    at = sum(other < order[id(missed.call)] for other in places)
    return [*said[:at], _code_before(missed, beside, order), *said[at:]]


def _code_before(missed: Missed, beside: Beside, order: dict[int, int]) -> Parting:
    """Return the parting of code, of which a module is given what it made, and its counterpart too."""
    call, (path, _), calls = missed.call, missed.at, beside.recording.calls
    place = order[id(call)]
    first = next((at for at in range(place, 0, -1) if calls[at - 1].is_used), 0)
    before = calls[first - 1].path if first else "the input"
    between = [one.path for one in calls[first:place] if not one.is_used]
    between += [one for one in beside.unknown.get(path, ()) if one not in between]
    call, path = _first_of_a_kind(calls[first:place], beside, path) or (call, path)
    modules = f"in {', '.join(between)}, or " if between and call.path not in between else ""
    why = f"between {before} and {call.path}, {modules}in what is computed outside of modules"
    return Parting(call.path, path, why)


def _around(a: Side, b: Side, parting: Parting) -> str:
    """Return what differs in what the modules keep that two modules lie in, behind code that parts."""
    if not parting.b or "outside of modules" not in parting.why:
        return ""
    paths = [path.rpartition(".")[0] for path in (parting.a, parting.b)]
    modules = [
        next((part.module for part in parts_of(side.net) if part.path == path), None)
        for side, path in zip((a, b), paths, strict=True)
    ]
    if None in modules:
        return ""
    differ = differences(*(settings_of(module, None, ()) for module in modules))
    said = ", ".join(sorted(differ))
    return f"; {paths[0] or 'a'} and {paths[1] or 'b'} have {said}" if said else ""


def _first_of_a_kind(between: Sequence[Recorded], beside: Beside, path: str) -> tuple[Recorded, str] | None:
    """Return the first module of one kind on both sides of a gap: a pool, behind other code."""
    for call in between:
        for other in beside.unknown.get(path, ()):
            if call.part.kind is not None and call.part.kind is beside.parts[other].kind:
                return call, other
    return None
