"""From two networks to the map between their parameters, and what proves it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from triport.converters.naming.pair_names import PairNames
from triport.converters.naming.record import values_digest
from triport.converters.networks.given import as_given
from triport.converters.networks.input_specs import InputSpec, parse_input
from triport.reference_models.errors import TriportError, counted

from .comparing import SAME_OUTPUTS, Seen, class_of
from .constants import keep_constants
from .divided_weights import Divided, merged
from .mapped import Mapped, mapped_by
from .one_sided import OneSided
from .other_way import merged_in_the_first
from .own_names import in_own_names
from .proof import feed_of, is_random
from .proving import Proof, proof_of, proof_of_guess
from .result import PairResult, Trial
from .sides import Side
from .sides.reading import side_of
from .starting import candidates
from .state import Matching
from .ties import Ties, untied
from .trained import trained_otherwise

Progress = Callable[[str], None]


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
    matching, seen, mapped, proof = _first_proven((a, b), plain, ties, parts, divided, progress)
    parting = proof.parting
    is_sure = parting is not None and parting.is_proof and parting.are_known
    for side in (a, b):
        if seen.apart > SAME_OUTPUTS[matching.is_double] and not is_sure and is_random(side):
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


def _first_proven(
    sides: tuple[Side, Side],
    plain: Side,
    ties: tuple[Ties, Ties],
    parts: OneSided,
    divided: Divided,
    progress: Progress,
) -> tuple[Matching, Seen, Mapped, Proof]:
    """Return the first guess that is proven though the graphs differ, or else all that can be told.

    Args:
        sides: both.
        plain: the first side as it is matched.
        ties: what was untied on either.
        parts: what one side alone has.
        divided: what was merged in `plain`.
        progress: is told each step.
    """
    a, b = sides
    borne_out: tuple[list[object], tuple[Trial, ...]] | None = None
    proof = Proof()
    for matching, seen in candidates(plain, b, progress):
        parts.show()
        mapped = mapped_by(matching, ties, parts, divided, seen.apart <= SAME_OUTPUTS[matching.is_double])
        # the sides of the matching may be steered: what proves is how the networks are
        if not mapped.names.complete:
            proof = Proof()
        elif not seen.is_guess:
            known = borne_out[1] if borne_out is not None and borne_out[0] == mapped.moves else ()
            proof = proof_of(a, b, matching, seen, mapped, progress, known)
        elif borne_out is None:
            proof = proof_of_guess(a, b, matching, mapped, progress)
            if all(trial.passed for trial in proof.trials):
                borne_out = mapped.moves, proof.trials
        if proof.parting is not None and proof.parting.is_proof:
            break
        parts.hide()
    parts.show()
    return matching, seen, mapped, proof


def _kept_digests(side: Side) -> dict[str, str]:
    return {name: values_digest(array) for name, array in side.kept_values().items()}


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
