"""From two networks to the map between their parameters, and what proves it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.naming.record import values_digest
from triport.converters.networks.given import as_given
from triport.converters.networks.input_specs import InputSpec, parse_input
from triport.parity.judge.tolerance import WIDEST
from triport.reference_models.errors import TriportError, counted

from .comparing import SAME_OUTPUTS, Seen, class_of
from .constants import keep_constants
from .divided_weights import Divided, all_names, groups_of, merged, with_parts
from .exchange import exchangeable
from .filled import lacked_parts
from .folded_norms import folded_rows, join_to_layers
from .one_sided import OneSided
from .other_way import merged_in_the_first
from .own_names import in_own_names
from .parting import Substituted, parted
from .pieces import Piece, pieces_named
from .proof import TRIALS, Draw, feed_of, is_random, trial_of
from .result import PairResult, Trial
from .rows import left_of, rows_of, with_aliases, without_counterpart
from .siblings import exchanged_together
from .sides import Side
from .sides.reading import side_of
from .starting import candidates
from .state import Match, Matching
from .ties import Ties, tied_rows, untied
from .trained import trained_otherwise
from .unseen import unseen
from .values import NEUTRAL

Progress = Callable[[str], None]
# what roundings make of a gradient that is zero, relative to the largest of all gradients
_NOTHING, _NOTHING_IN_FLOAT32 = 1e-13, 1e-7
# how many draws must agree that a parameter changes nothing
_DRAWS_OF_SILENT = 4


class PairError(TriportError):
    """Two networks cannot be compared at all."""


def pair_of(a: Any, b: Any, inputs: Sequence[str], progress: Progress = lambda step: None) -> PairResult:
    """Derive the map between two networks' parameters, and prove it.

    Args:
        a: a NET.
        b: likewise.
        inputs: what goes into both, in order, as `--input` has it.
        progress: is told each step.

    Raises:
        TriportError: a network cannot be made, or not be run on such inputs.
    """
    if not inputs:
        raise PairError("a pair needs its inputs: --input 1x3x224x224, once for each input of the networks")
    specs: list[InputSpec] = [parse_input(text) for text in inputs]
    with as_given(a, b):
        return derived(side_of(a, specs, progress), side_of(b, specs, progress), progress)


def derived(a: Side, b: Side, progress: Progress = lambda step: None) -> PairResult:
    """Derive and prove the map between two sides, whose values are changed."""
    start = time.perf_counter()
    _check(a, b)
    keep_constants(a, b)
    kept = _kept_digests(a), _kept_digests(b)
    ties = untied(a, b)
    plain, divided = merged(a, b)
    parts = OneSided(plain, b, feed_of(a, 0))
    borne_out: tuple[list[object], tuple[Trial, ...]] | None = None
    proof = _Proof()
    for matching, seen in candidates(plain, b, progress):
        parts.show()
        mapped = _mapped(matching, ties, parts, divided, seen.apart <= SAME_OUTPUTS[matching.is_double])
        # the sides of the matching may be steered: what proves is how the networks are
        if not mapped.names.complete:
            proof = _Proof()
        elif not seen.is_guess:
            known = borne_out[1] if borne_out is not None and borne_out[0] == mapped.moves else ()
            proof = _proof(a, b, matching, seen, mapped, progress, known)
        elif borne_out is None:
            proof = _proof_of_guess(a, b, matching, mapped, progress)
            if all(trial.passed for trial in proof.trials):
                borne_out = mapped.moves, proof.trials
        parting = proof.parting
        if parting is not None and parting.is_proof:
            break
        parts.hide()
    parts.show()
    for side in (a, b):
        if seen.apart > SAME_OUTPUTS[matching.is_double] and is_random(side):
            raise PairError(
                f"{side.label}: returns other values each time that it is run on the same input: "
                f"nothing can be compared. Let nothing in it be random in evaluation mode"
            )
    found = PairResult(
        a=a.label,
        b=b.label,
        runtimes=(a.runtime, b.runtime),
        names=mapped.names,
        shapes=(
            {name: one.shape for name, one in a.parameters.items()},
            {name: one.shape for name, one in b.parameters.items()},
        ),
        trials=proof.trials,
        reasons=tuple(_reasons(matching, mapped.names)),
        symmetric=proof.symmetric,
        unproven=proof.unproven,
        mended=parting is not None and parting.is_proof,
        first_parting=None if parting is None else parting.first,
        notes=(
            *trained_otherwise(a, b, mapped.names),
            *proof.notes,
            *mapped.notes,
            *merged_in_the_first(b, mapped.names),
            *[trial.but_for for trial in proof.trials if trial.but_for][:1],
        ),
        seconds=time.perf_counter() - start,
        kept_sha256=kept,
    )
    return in_own_names(found, a, b)


def _kept_digests(side: Side) -> dict[str, str]:
    return {name: values_digest(array) for name, array in side.kept_values().items()}


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A map; `constants` are the values that some of the first side must have for it, by name."""

    names: PairNames
    constants: dict[Piece, float]
    ties: Ties
    parts: OneSided
    divided: Divided
    notes: tuple[str, ...]

    @property
    def moves(self) -> list[object]:
        """What is moved where, whatever it was derived from."""
        return [self.constants, *sorted((row.a, row.b, str(row.steps)) for row in self.names.rows)]

    def draw(self, a: Side, seed: int, *, is_wide: bool = False, is_calm: bool = False) -> Draw:
        """Return seeded values that fit it."""
        return Draw(a, self.names, self.constants, self.ties, seed, is_wide=is_wide, is_calm=is_calm)


@dataclass(frozen=True, slots=True)
class _Proof:
    """What numbers say of a complete map."""

    trials: tuple[Trial, ...] = ()
    symmetric: tuple[tuple[str, ...], ...] = ()
    unproven: tuple[str, ...] = ()
    parting: Substituted | None = None
    notes: tuple[str, ...] = ()


def _mapped(
    matching: Matching, ties: tuple[Ties, Ties], parts: OneSided, divided: Divided, is_same: bool
) -> _Mapped:
    """Return the map that the matches make, with what only one side has; `is_same` is said of the outputs."""
    a, b = matching.sides
    join_to_layers(matching)
    made = rows_of(matching)
    folded = folded_rows(matching)
    of_folded = {name for row in folded for name in row.a}
    packed = {name for row in made.rows for name in (*row.a, *row.b)}
    extra, constants = _lacking(matching, of_folded | packed, is_same)
    tied = tied_rows([row for row in made.rows if not of_folded & {*row.a}], ties)
    rows = parts.rows(tied.rows)
    rows = [with_aliases(row, a.parameters, b.parameters) for row in (*rows, *parts.folded(folded), *extra)]
    left = left_of(a.parameters, rows, "a"), left_of(b.parameters, rows, "b")
    kept = [tuple((name, "kept as the network is built") for name in side.kept) for side in (a, b)]
    said = [*lacked_parts(made.rows), *(f"{row.reason}: {(*row.a, *row.b)[0]}" for row in extra)]
    names = with_parts(PairNames(tuple(rows), *left, *kept), divided)
    constants |= made.constants
    notes = (*made.problems, *said, *tied.notes)
    return _Mapped(names, constants, tied.equal, parts, divided, notes)


def _proof_of_guess(a: Side, b: Side, matching: Matching, mapped: _Mapped, progress: Progress) -> _Proof:
    """Return where the outputs part with a guess, if that proves it; its trials alone where they are equal.

    Equal outputs are not enough for a guess: gradients tell more of each parameter, and which are twins.
    Where outputs were equal at the start, with one value for all of one size, they are no further apart now.
    """
    done = _trials(a, b, mapped, progress)
    trials = tuple(trial for _, trial in done)
    same = SAME_OUTPUTS[matching.is_double]
    is_further = matching.apart <= same < trials[-1].needed_tolerance
    if is_further or all(trial.passed for trial in trials):
        return _Proof(trials)
    return _proof_by_parting(a, b, matching, Seen(), mapped, done, progress)


def _proof(
    a: Side,
    b: Side,
    matching: Matching,
    seen: Seen,
    mapped: _Mapped,
    progress: Progress,
    known: tuple[Trial, ...] = (),
) -> _Proof:
    """Return what shows that a complete map is right, or where the outputs part with it.

    Args:
        a: the first side.
        b: the second.
        matching: what is matched.
        seen: its last run.
        mapped: the map.
        progress: is told each step.
        known: trials of the same map that all passed; none: they are to be made.
    """
    done = [] if known else _trials(a, b, mapped, progress)
    trials = known or tuple(trial for _, trial in done)
    if all(trial.passed for trial in trials):
        unproven = _unproven(matching, seen, mapped)
        mapped.parts.hide()
        symmetric = exchangeable(matching, progress)
        together = exchanged_together(matching.sides[0], matching.feed)
        mapped.parts.show()
        notes = (*unseen(a, b, mapped.names, trials), *together)
        return _Proof(trials, groups_of(symmetric, mapped.divided), unproven, notes=notes)
    return _proof_by_parting(a, b, matching, seen, mapped, done, progress)


def _proof_by_parting(
    a: Side,
    b: Side,
    matching: Matching,
    seen: Seen,
    mapped: _Mapped,
    done: list[tuple[Draw, Trial]],
    progress: Progress,
) -> _Proof:
    """Return where the outputs part, and whether all the rest is equal; `done` are the trials."""
    trials = tuple(trial for _, trial in done)
    progress("finding the first module that parts")
    # both sides have the values of the last trial, which is the one that did not pass
    parting = parted(a, b, mapped.names, done[-1][0].feed())
    if not parting.is_proof and any(one.role == "variance" for one in a.parameters.values()):
        progress("finding the first module that parts, with calm values")
        draw = mapped.draw(a, 0, is_calm=True)
        draw.give(b)
        calm = parted(a, b, mapped.names, draw.feed())
        parting = calm if calm.is_proof else parting
    silent = tuple(dict.fromkeys((*_unproven(matching, seen, mapped), *parting.unproven)))
    notes = (parting.but_for,) if parting.but_for else ()
    return _Proof(trials, (), silent, parting, notes)


def _check(a: Side, b: Side) -> None:
    for side in (a, b):
        if not side.parameters:
            raise PairError(f"{side.label}: has no parameters: there is nothing to map")
    if len(a.network.outputs) != len(b.network.outputs):
        raise PairError(
            f"{a.label} returns {counted(len(a.network.outputs), 'tensor')} "
            f"({', '.join(a.network.outputs)}), {b.label} {len(b.network.outputs)} "
            f"({', '.join(b.network.outputs)}): only networks that return the same can be paired"
        )


def _lacking(
    matching: Matching, settled: set[str], is_same: bool
) -> tuple[list[PairRow], dict[Piece, float]]:
    """Return rows of biases and of factors that only one side has: zeros and ones, if all else is matched.

    A norm without either is a layer more, unless the outputs are equal.
    """
    rows = []
    constants: dict[Piece, float] = {}
    for place, side in enumerate(matching.sides):
        known = (matching.matches, matching.taken)[place]
        owners = {side.parameters[piece.name].owner for piece in known}
        left = pieces_named(
            piece for piece in matching.pieces[place] if piece not in known and piece.name not in settled
        )
        for name, pieces in left.items():
            about = class_of(pieces[0])
            others = [one for one in matching.pieces[1 - place] if class_of(one) == about]
            counterparts = [one for one in others if one not in (matching.taken, matching.matches)[place]]
            kind = NEUTRAL.get(pieces[0].role or "") if about in matching.neutral else None
            is_part = is_same or side.parameters[name].owner in owners
            if kind is None or len(pieces) < pieces[0].cut.count or counterparts or not is_part:
                return [], {}
            shape = side.parameters[name].shape
            rows.append(without_counterpart(name, kind, shape, not place))
            if not place:
                constants |= dict.fromkeys(pieces, float(kind == "ones"))
    return rows, constants


def _trials(a: Side, b: Side, mapped: _Mapped, progress: Progress) -> list[tuple[Draw, Trial]]:
    """Return the trials, up to the first that does not pass; the last is wide where that says anything.

    What float32 hides with values as they are drawn is compared with calm ones.
    """
    found: list[tuple[Draw, Trial]] = []
    for seed in range(TRIALS):
        progress(f"proving with seeded weights, {seed + 1} of {TRIALS}")
        for is_wide, is_calm in ((True, False), (False, False), (False, True))[seed < TRIALS - 1 :]:
            draw = mapped.draw(a, seed, is_wide=is_wide, is_calm=is_calm)
            trial = trial_of(a, b, draw)
            is_noisy = trial.tolerance >= WIDEST or not np.isfinite(trial.needed_tolerance)
            if trial.passed or not is_noisy:
                break
        found.append((draw, trial))
        if not trial.passed:
            break
    return found


def _unproven(matching: Matching, seen: Seen, mapped: _Mapped) -> tuple[str, ...]:
    """Return the names of `a` of which some block reaches no output, as the more exact side says it.

    A ReLU that lets nothing through with some values does with others. Of sides that are as exact it is a
    Module's, which does not keep all gradients at once.
    """
    mapped.parts.hide()
    place = max(
        (0, 1), key=lambda at: (matching.sides[at].is_double, matching.sides[at].runtime == "pytorch")
    )
    silent = list(matching.matches.values())
    if seen.of_everything:
        silent = _silent(silent, matching, place, seen)
    for draw in range(1 if seen.of_everything else 0, _DRAWS_OF_SILENT):
        if silent:
            matching.set_all_own(draw)
            pieces = [(match.a, match.b)[place] for match in silent]
            silent = _silent(silent, matching, place, matching.look_at(place, pieces, 1000 + draw))
    matching.set_all_own(0)
    mapped.parts.show()
    names = {match.a.name for match in silent}
    return all_names(tuple(name for name in matching.sides[0].parameters if name in names), mapped.divided)


def _silent(matches: Iterable[Match], matching: Matching, place: int, seen: Seen) -> list[Match]:
    found = (seen.a, seen.b)[place]
    least = seen.largest * (_NOTHING if matching.sides[place].is_double else _NOTHING_IN_FLOAT32)
    return [
        match
        for match in matches
        if (piece := (match.a, match.b)[place]) not in found or float(np.linalg.norm(found[piece])) <= least
    ]


def _reasons(matching: Matching, names: PairNames) -> list[tuple[str, str]]:
    """Return why each name is left."""
    found = []
    keys = [{class_of(piece)[0] for piece in side} for side in matching.pieces]
    for place, left in enumerate((names.left_a, names.left_b)):
        for name in left:
            pieces = [piece for piece in matching.pieces[place] if piece.name == name]
            one = matching.sides[place].parameters.get(name)
            shape = None if one is None else one.shape
            if not pieces:
                why = "the weight that it is a part of has no counterpart"
            elif any(piece in (matching.matches, matching.taken)[place] for piece in pieces):
                why = "only parts of it have a counterpart"
            elif any(class_of(piece)[0] not in keys[1 - place] for piece in pieces):
                why = f"the other side has nothing of the shape {shape}"
            else:
                why = "none of the other side's parameters of its shape has its gradient"
            found.append((f"{'ab'[place]} {name}", why))
    return found
