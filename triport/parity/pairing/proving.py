"""What numbers say of a complete map: trials of the outputs, or where they part and all the rest is equal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from triport.parity.judge.tolerance import WIDEST

from .comparing import SAME_OUTPUTS, Seen
from .divided_weights import all_names, groups_of
from .exchange import exchangeable
from .mapped import Mapped
from .parting import Substituted, parted
from .proof import TRIALS, Draw, trial_of
from .result import Trial
from .siblings import exchanged_together
from .sides import Side
from .signs import may_be_negative, named, with_numbers
from .state import Match, Matching
from .trained import dropped_otherwise
from .unseen import unseen

Progress = Callable[[str], None]
# what roundings make of a gradient that is zero, relative to the largest of all gradients
_NOTHING, _NOTHING_IN_FLOAT32 = 1e-13, 1e-7
# which trial has vectors with both signs
_SIGNED = 1
# how many draws must agree that a parameter changes nothing
_DRAWS_OF_SILENT = 4


@dataclass(frozen=True, slots=True)
class Proof:
    """What numbers say of a complete map."""

    trials: tuple[Trial, ...] = ()
    symmetric: tuple[tuple[str, ...], ...] = ()
    unproven: tuple[str, ...] = ()
    parting: Substituted | None = None
    notes: tuple[str, ...] = ()


def proof_of_guess(a: Side, b: Side, matching: Matching, mapped: Mapped, progress: Progress) -> Proof:
    """Return where the outputs part with a guess, if that proves it; its trials alone where they are equal.

    Equal outputs are not enough for a guess: gradients tell more of each parameter, and which are twins.
    Where outputs were equal at the start, with one value for all of one size, they are no further apart now.
    """
    done = _trials(a, b, mapped, progress)
    trials = tuple(trial for _, trial in done)
    same = SAME_OUTPUTS[matching.is_double]
    is_further = matching.apart <= same < trials[-1].needed_tolerance
    if is_further or all(trial.passed for trial in trials):
        return Proof(trials)
    return _by_parting(a, b, matching, Seen(), mapped, done, progress)


def proof_of(
    a: Side,
    b: Side,
    matching: Matching,
    seen: Seen,
    mapped: Mapped,
    progress: Progress,
    known: tuple[Trial, ...] = (),
) -> Proof:
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
        dropped = dropped_otherwise(a, b, mapped.draw(a, 0))
        unproven = _unproven(matching, seen, mapped)
        mapped.parts.hide()
        symmetric = exchangeable(matching, progress)
        together = exchanged_together(matching.sides[0], matching.feed)
        mapped.parts.show()
        notes = (*unseen(a, b, mapped.names, trials), *_on_signs(trials), *dropped, *together)
        return Proof(trials, groups_of(symmetric, mapped.divided), unproven, notes=notes)
    return _by_parting(a, b, matching, seen, mapped, done, progress)


def _by_parting(
    a: Side,
    b: Side,
    matching: Matching,
    seen: Seen,
    mapped: Mapped,
    done: list[tuple[Draw, Trial]],
    progress: Progress,
) -> Proof:
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
    notes = (*((parting.but_for,) if parting.but_for else ()), *_on_signs(trials))
    return Proof(trials, (), silent, parting, notes)


def _trials(a: Side, b: Side, mapped: Mapped, progress: Progress) -> list[tuple[Draw, Trial]]:
    """Return the trials, up to the first that does not pass; the last is wide where that says anything.

    What float32 hides with values as they are drawn is compared with calm ones. The second trial draws
    vectors with both signs, as far as these leave numbers.
    """
    found: list[tuple[Draw, Trial]] = []
    vectors = may_be_negative(a, b, mapped.names)
    for seed in range(TRIALS):
        progress(f"proving with seeded weights, {seed + 1} of {TRIALS}")
        if seed == _SIGNED and vectors:
            with_signs = _signed_trial(a, b, mapped, seed, vectors)
            if with_signs is not None:
                found.append(with_signs)
                if not with_signs[1].passed:
                    break
                continue
        for is_wide, is_calm in ((True, False), (False, False), (False, True))[seed < TRIALS - 1 :]:
            draw = mapped.draw(a, seed, is_wide=is_wide, is_calm=is_calm)
            trial = trial_of(a, b, draw)
            is_noisy = trial.tolerance >= WIDEST or not np.isfinite(trial.needed_tolerance)
            if trial.passed or not is_noisy:
                break
        if seed == _SIGNED:
            # of these signs say nothing
            trial = replace(trial, positive=vectors)
        found.append((draw, trial))
        if not trial.passed:
            break
    return found


def _signed_trial(
    a: Side, b: Side, mapped: Mapped, seed: int, vectors: tuple[str, ...]
) -> tuple[Draw, Trial] | None:
    """Return a trial whose vectors have both signs, as far as these leave numbers; None: they say nothing."""
    signed = frozenset(vectors)
    draw = mapped.draw(a, seed, signed=signed)
    trial = trial_of(a, b, draw)
    if not np.isfinite(trial.needed_tolerance):
        signed = with_numbers(a, b, mapped, seed, vectors)
        if not signed:
            return None
        draw = mapped.draw(a, seed, signed=signed)
        trial = trial_of(a, b, draw)
    if not trial.passed and np.isfinite(trial.needed_tolerance) and trial.tolerance >= WIDEST:
        return None
    positive = tuple(name for name in vectors if name not in signed)
    return draw, replace(trial, signed=tuple(name for name in vectors if name in signed), positive=positive)


def _on_signs(trials: tuple[Trial, ...]) -> list[str]:
    """Return sentences on what negative values change, and on where they were not tried."""
    said = []
    for trial in trials:
        if trial.signed and not trial.passed:
            said.append(
                "outputs are equal on a draw with positive values, and not on one in which some values of "
                f"{named(trial.signed)} are negative"
            )
        elif trial.positive:
            said.append(
                f"compared with positive values alone, as negative ones say nothing: {named(trial.positive)}"
            )
    return said


def _unproven(matching: Matching, seen: Seen, mapped: Mapped) -> tuple[str, ...]:
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
