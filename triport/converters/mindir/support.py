"""Which MindIR primitives become ONNX, with their declared limits, and which a graph needs and lacks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from triport.converters.formats.tensors import short
from triport.converters.operator_support import Need, Needs, Supported

from .asked import is_mindir
from .convert_nodes import MAX_REASON, NO_CONVERTER, Outcome, place_of
from .emit import LOWEST_OPSET, outcomes_of
from .graph import UnknownSizeError
from .operators import MindirOperator, load_operators
from .reader import read_mindir

TARGETS = ("onnx",)
UNKNOWN_SIZES = (
    "the batch size is unknown in the file: limits are judged once MindSpore has traced it with one"
)


def reads(path: Path) -> bool:
    """Return whether a file is a MindSpore graph."""
    return is_mindir(path)


def list_operators(to: str) -> list[Supported]:
    """Return every primitive that can be written."""
    del to
    return [
        Supported(
            operator.primitive,
            operator.module.rpartition(".")[2],
            description_of(operator),
            tuple(limits_of(operator)),
        )
        for operator in load_operators().values()
    ]


def find_needs(path: Path, to: str, opset: int) -> Needs:
    """Return which primitives a .mindir file has, and which calls of them an opset of ONNX cannot have.

    Raises:
        TriportError: the file is damaged, encrypted, or has control flow on computed values.
    """
    note = ""
    try:
        outcomes = outcomes_of(read_mindir(path), opset)
    except UnknownSizeError as error:
        if not error.is_only_batch:
            raise
        known = load_operators()
        note = UNKNOWN_SIZES
        outcomes = [
            Outcome(node, "" if node.primitive in known else NO_CONVERTER, node.primitive not in known)
            for node in error.nodes
        ]
    by_primitive: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_primitive.setdefault(outcome.node.primitive, []).append(outcome)
    needs = tuple(_need(name, found) for name, found in sorted(by_primitive.items()))
    return Needs(str(path), to, opset, needs, note)


def _need(name: str, outcomes: list[Outcome]) -> Need:
    places: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.reason:
            places.setdefault(short(outcome.reason, MAX_REASON), []).append(short(place_of(outcome.node)))
    return Need(
        short(name),
        len(outcomes),
        tuple((reason, tuple(found)) for reason, found in places.items()),
        sum(not outcome.is_judged for outcome in outcomes),
    )


def description_of(operator: MindirOperator) -> str:
    """Return what a converter does, in one sentence."""
    return (inspect.getdoc(operator.convert) or "").partition("\n\n")[0].replace("\n", " ")


def limits_of(operator: MindirOperator) -> Iterator[str]:
    """Yield what an operator declares of its limits."""
    if operator.lowest_opset > LOWEST_OPSET:
        yield f"opset {operator.lowest_opset} or later"
    if operator.in_place is not None:
        yield "writes x"
    if operator.is_view:
        yield "a view"
    for what, allowed in operator.takes.items():
        yield f"{what} {' or '.join(f'`{value!r}`' for value in allowed)}"
    for reason in operator.refuses:
        yield f"not where {re.sub('{[a-z_]+}', '...', reason)}"
