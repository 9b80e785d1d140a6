"""From two networks to the map between their parameters, and what proves it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from triport.converters.naming.pair_names import PairNames, Row
from triport.converters.networks.input_specs import InputSpec, parse_input
from triport.reference_models.errors import TriportError

from .comparing import SAME_OUTPUTS, Seen, class_of
from .exchange import exchangeable
from .matching import match_all
from .parting import Substituted, substituted
from .plans import plans_of
from .proof import TRIALS, drawn_values, even, feed_of, is_bit_equal, moved, trial_of
from .result import PairResult, Trial
from .rows import folded_rows, left_of, rows_of, with_aliases, without_counterpart
from .sides import Side
from .sides.reading import as_given, side_of
from .state import Matching
from .ties import Ties, tied_rows, untied

Progress = Callable[[str], None]
# how much nearer the outputs must come for cuts that the shapes do not ask for
_WORTH_CUTTING = 3.0
_ADDED = ("shift", "norm shift")
# what roundings make of a gradient that is zero, relative to the largest of all gradients
_NOTHING, _NOTHING_IN_FLOAT32 = 1e-13, 1e-7


class PairError(TriportError):
    """Two networks cannot be compared at all."""


def pair_of(a: Any, b: Any, inputs: Sequence[str], progress: Progress = lambda step: None) -> PairResult:
    """Derive the map between two networks' parameters, and prove it.

    Args:
        a: a NET's text, a Module or a Cell.
        b: likewise.
        inputs: what goes into both, in order, as `--input` has it.
        progress: is told each step.

    Raises:
        TriportError: a network cannot be made, or not be run on such inputs.
    """
    if not inputs:
        raise PairError("a pair needs its inputs: --input 1x3x224x224, once for each input of the networks")
    specs: list[InputSpec] = [parse_input(text) for text in inputs]
    with as_given(a), as_given(b):
        return derived(side_of(a, specs, progress), side_of(b, specs, progress), progress)


def derived(a: Side, b: Side, progress: Progress = lambda step: None) -> PairResult:
    """Derive and prove the map between two sides, whose values are changed."""
    start = time.perf_counter()
    _check(a, b)
    ties = untied(a, b)
    matching, seen = _started(a, b, progress)
    match_all(matching, seen)
    rows, problems = rows_of(matching)
    folded = folded_rows(matching)
    of_folded = {name for row in folded for name in row.a}
    extra, constants = _lacking(matching, of_folded)
    rows = [row for row in rows if not of_folded & {*row.a}]
    rows = tied_rows(rows, ties)
    rows = [with_aliases(row, a.parameters, b.parameters) for row in (*rows, *folded, *extra)]
    left_a = left_of(a.parameters, rows, "a")
    left_b = left_of(b.parameters, rows, "b")
    names = PairNames(
        tuple(rows),
        left_a,
        left_b,
        tuple((name, "kept as the network is built") for name in a.kept),
        tuple((name, "kept as the network is built") for name in b.kept),
    )
    trials: tuple[Trial, ...] = ()
    parting: Substituted | None = None
    symmetric: tuple[tuple[str, ...], ...] = ()
    unproven: tuple[str, ...] = ()
    if names.complete:
        progress("proving")
        trials = _trials(a, b, names, constants, ties, progress)
        unproven = _unproven(matching)
        if all(trial.passed for trial in trials):
            symmetric = exchangeable(matching, progress)
        else:
            parting = _parting(a, b, names, constants, ties, progress)
            unproven = tuple(dict.fromkeys((*unproven, *parting.unproven)))
    return PairResult(
        a=a.label,
        b=b.label,
        runtimes=(a.runtime, b.runtime),
        names=names,
        shapes=(
            {name: one.shape for name, one in a.parameters.items()},
            {name: one.shape for name, one in b.parameters.items()},
        ),
        trials=trials,
        reasons=tuple(_reasons(matching, left_a, left_b)),
        symmetric=symmetric,
        unproven=unproven,
        mended=parting is not None and parting.equal,
        first_parting=None if parting is None else parting.first,
        notes=tuple(problems) + tuple(f"{row.reason}: {(*row.a, *row.b)[0]}" for row in extra),
        seconds=time.perf_counter() - start,
    )


def _check(a: Side, b: Side) -> None:
    for side in (a, b):
        if not side.parameters:
            raise PairError(f"{side.label}: has no parameters: there is nothing to map")
    if len(a.network.outputs) != len(b.network.outputs):
        raise PairError(
            f"{a.label} returns {len(a.network.outputs)} tensors ({', '.join(a.network.outputs)}), {b.label} "
            f"{len(b.network.outputs)} ({', '.join(b.network.outputs)}): a pair is of two networks that "
            f"return the same"
        )


def _started(a: Side, b: Side, progress: Progress) -> tuple[Matching, Seen]:
    """Return the matching under the plan and the input with which the outputs are nearest, and its first run."""
    plans = plans_of(a.parameters, b.parameters)
    feed = feed_of(a, 0)
    best: tuple[Matching, Seen] | None = None
    last: Matching | None = None
    for place, plan in enumerate(plans):
        progress(f"comparing gradients{f', {plan.what}' if place else ''}")
        last = Matching(a, b, plan, feed, progress)
        seen = last.start()
        if best is None or seen.apart * _WORTH_CUTTING < best[1].apart:
            best = last, seen
        if best[1].apart <= SAME_OUTPUTS[last.is_double]:
            break
    assert best is not None
    if best[1].apart > SAME_OUTPUTS[best[0].is_double] and any(one.ndim == 4 for one in feed):
        progress("comparing gradients, of even images")
        last = Matching(a, b, best[0].plan, [even(one) for one in feed], progress)
        seen = last.start()
        # what is equal there only is not equal, and twins there may be none
        if SAME_OUTPUTS[last.is_double] < seen.apart < best[1].apart:
            best = last, seen
    if best[0] is not last:  # the values that it gave are not those of the last
        return best[0], best[0].start()
    return best


def _lacking(matching: Matching, settled: set[str]) -> tuple[list[Row], dict[str, float]]:
    """Return rows of biases that only one side has: zeros, if all else is matched."""
    rows = []
    constants = {}
    for place, side in enumerate(matching.sides):
        known = (matching.matches, matching.taken)[place]
        owners = {side.parameters[piece.name].owner for piece in known}
        left = [piece for piece in matching.pieces[place] if piece not in known and piece.name not in settled]
        for piece in left:
            others = [one for one in matching.pieces[1 - place] if class_of(one) == class_of(piece)]
            counterparts = [one for one in others if one not in (matching.taken, matching.matches)[place]]
            is_bias = class_of(piece) in matching.neutral and piece.role in _ADDED and piece.cut.count == 1
            if not is_bias or counterparts or side.parameters[piece.name].owner not in owners:
                return [], {}
            shape = side.parameters[piece.name].shape
            rows.append(without_counterpart(piece.name, "zeros", shape, not place))
            if not place:
                constants[piece.name] = 0.0
    return rows, constants


def _trials(
    a: Side, b: Side, names: PairNames, constants: dict[str, float], ties: Ties, progress: Progress
) -> tuple[Trial, ...]:
    found = []
    for seed in range(TRIALS):
        progress(f"proving with seeded weights, {seed + 1} of {TRIALS}")
        values = drawn_values(a, seed, constants, ties)
        if not seed and not is_bit_equal(a, names, values):
            raise AssertionError("the rows do not give back what they were given")
        found.append(trial_of(a, b, names, values, seed))
    return tuple(found)


def _parting(
    a: Side, b: Side, names: PairNames, constants: dict[str, float], ties: Ties, progress: Progress
) -> Substituted:
    """Return where the sides part, and whether all the rest is equal."""
    progress("finding the first module that parts")
    values = drawn_values(a, 0, constants, ties)
    a.set_values(values)
    b.set_values(moved(a, b, names, values))
    return substituted(a, b, names, feed_of(a, 0))


def _unproven(matching: Matching) -> tuple[str, ...]:
    """Return the names of `a` of which some block reaches no output, as the more exact side says it."""
    place = 0 if matching.sides[0].is_double or not matching.sides[1].is_double else 1
    seen = matching.look(1000, everything=True)
    found = (seen.a, seen.b)[place]
    least = seen.largest * (_NOTHING if matching.sides[place].is_double else _NOTHING_IN_FLOAT32)
    silent = {
        match.a.name
        for match in matching.matches.values()
        if (piece := (match.a, match.b)[place]) not in found or float(np.linalg.norm(found[piece])) <= least
    }
    return tuple(name for name in matching.sides[0].parameters if name in silent)


def _reasons(matching: Matching, left_a: Sequence[str], left_b: Sequence[str]) -> list[tuple[str, str]]:
    """Return why each name is left."""
    found = []
    keys = [{class_of(piece)[0] for piece in side} for side in matching.pieces]
    for place, left in enumerate((left_a, left_b)):
        for name in left:
            pieces = [piece for piece in matching.pieces[place] if piece.name == name]
            shape = matching.sides[place].parameters[name].shape
            if any(class_of(piece)[0] not in keys[1 - place] for piece in pieces):
                why = f"the other side has nothing of the shape {shape}"
            else:
                why = "none of the other side's parameters of its shape has its gradient"
            found.append((f"{'ab'[place]} {name}", why))
    return found
