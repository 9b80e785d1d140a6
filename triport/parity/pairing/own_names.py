"""What is found of a pair in the names of a file with a graph, where a side is one: the file's own.

Everything before works on the Module that was written of the graph, whose parameters are called, and laid
out, as that Module has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.naming.step import Step
from triport.converters.naming.step_texts import Only
from triport.converters.naming.steps import Transpose

from .result import PairResult
from .sides import Side
from .sides.initializers import Initializer

_Initializers = Mapping[str, Initializer]


def in_own_names(found: PairResult, a: Side, b: Side) -> PairResult:
    """Return what was found with the names and the layout that such files have."""
    if a.graph_file is None and b.graph_file is None:
        return found
    first, second = _initializers(a), _initializers(b)
    names = found.names
    rows = tuple(_row(row, first, second) for row in names.rows)
    named = PairNames(
        rows,
        tuple(_called(name, first) for name in names.left_a),
        tuple(_called(name, second) for name in names.left_b),
        _kept(names.kept_a, a),
        _kept(names.kept_b, b),
    )
    return replace(
        found,
        names=named,
        runtimes=(_runtime(a), _runtime(b)),
        shapes=(_shapes(found.shapes[0], first), _shapes(found.shapes[1], second)),
        reasons=tuple((_reason(name, first, second), why) for name, why in found.reasons),
        symmetric=tuple(tuple(_called(name, first) for name in group) for group in found.symmetric),
        unproven=tuple(_called(name, first) for name in found.unproven),
        notes=(*found.notes, *_unnamed(names, a, b)),
        kept_sha256=(
            dict(_kept(found.kept_sha256[0].items(), a)),
            dict(_kept(found.kept_sha256[1].items(), b)),
        ),
    )


def _initializers(side: Side) -> _Initializers:
    return {} if side.graph_file is None else side.graph_file.initializers


def _runtime(side: Side) -> str:
    return side.runtime if side.graph_file is None else side.graph_file.runtime


def _row(row: PairRow, first: _Initializers, second: _Initializers) -> PairRow:
    """Return a row from what the first file keeps to what the second does."""
    before = _steps(row.a, first)
    after = [step.inverse for step in reversed(_steps(row.b, second))]
    called_a, called_b = (
        tuple(_called(name, known) for name in names) for names, known in ((row.a, first), (row.b, second))
    )
    return PairRow(called_a, called_b, _shortened([*before, *row.steps, *after]), row.reason)


def _steps(names: Sequence[str], known: _Initializers) -> list[Step]:
    """Return the steps from what a file keeps of these to what the Module has, each of one tensor alone."""
    alone = len(names) == 1
    return [
        step if alone else Only(place, 1, step)
        for place, name in enumerate(names)
        if name in known
        for step in known[name].steps
    ]


def _shortened(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return steps without transpositions that one after the other undoes."""
    found: list[Step] = []
    for step in steps:
        if found and isinstance(step, Transpose) and found[-1] == step.inverse:
            found.pop()
        else:
            found.append(step)
    return tuple(found)


def _called(name: str, known: _Initializers) -> str:
    return known[name].name if name in known else name


def _reason(name: str, first: _Initializers, second: _Initializers) -> str:
    side, _, one = name.partition(" ")
    return f"{side} {_called(one, first if side == 'a' else second)}"


def _shapes(shapes: Mapping[str, tuple[int, ...]], known: _Initializers) -> dict[str, tuple[int, ...]]:
    return {
        _called(name, known): known[name].shape if name in known else shape for name, shape in shapes.items()
    }


def _kept(kept: Iterable[tuple[str, str]], side: Side) -> tuple[tuple[str, str], ...]:
    if side.graph_file is None:
        return tuple(kept)
    known = side.graph_file.initializers
    return tuple((known[name].name, why) for name, why in kept if name in known)


def _unnamed(names: PairNames, a: Side, b: Side) -> list[str]:
    """Return what is said of parameters that no initializer of a file is: those of an LSTM in PyTorch."""
    said = []
    for side, used in (
        (a, [name for row in names.rows for name in row.a]),
        (b, [name for row in names.rows for name in row.b]),
    ):
        if side.graph_file is None:
            continue
        other = [name for name in used if name not in side.graph_file.initializers]
        if other:
            more = f" and {len(other) - 1} more" if len(other) > 1 else ""
            said.append(
                f"{side.label}: {other[0]}{more}: is no tensor of the file but what the Module that is "
                f"written of it makes of some: weights of the file cannot be moved by these names"
            )
    return said
