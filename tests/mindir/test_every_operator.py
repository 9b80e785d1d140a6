"""Every converter against MindSpore, found by discovery."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.few_are_quick import one_in
from tests.mindir.conftest import check_model, largest_difference, make_input, run_mindspore_apart, run_onnx
from tests.mindir.mindir_cases import CASES, LAYERS, Case
from tests.mindir.mindir_export_only import EXPORT_ONLY
from triport.converters.mindir.emit import onnx_from_graph
from triport.converters.mindir.export import mindir_bytes_from_cell
from triport.converters.mindir.operators import load_operators
from triport.converters.mindir.reader import read_mindir

TRACED_BATCH = 2
MOST_SHARED = 12  # expressions of one Cell

RUN = [(primitive, case) for primitive, cases in CASES.items() for case in cases]
# every primitive, but not every case of those that have several; the slow test runs them all
QUICK = [(primitive, case) for primitive, cases in CASES.items() for case in cases[:1]]
# what MindSpore takes apart in ways of their own; the slow test runs all layers
PLAIN = ("nn.GRU(3, 4, batch_first=True)", "nn.LSTMCell", "nn.MultiheadAttention")
LAYERS_BY_COST = [
    case if case.expression.startswith(PLAIN) else pytest.param(case, marks=pytest.mark.slow)
    for case in LAYERS
]
EXPORTED = [(primitive, case) for primitive, cases in EXPORT_ONLY.items() for case in cases]


def name(argument: object) -> str:
    return argument.expression if isinstance(argument, Case) else str(argument)


def _traced_shape(case: Case) -> tuple[int, ...]:
    return (TRACED_BATCH, *case.shape[1:]) if case.free_batch else case.shape


@pytest.fixture(scope="module")
def reference_of() -> dict[Case, Any]:
    """Graph, MindSpore's results and ONNX Runtime's by opset of the cases so far."""
    return {}


@pytest.mark.parametrize("primitive", load_operators())
def test_has_a_case(primitive: str) -> None:
    assert CASES.get(primitive) or EXPORT_ONLY.get(primitive), (
        f"add a case for {primitive} to mindir_cases.py"
    )


def test_no_case_without_an_operator() -> None:
    assert not ({*CASES, *EXPORT_ONLY} - set(load_operators()))


def _share(cases: list[Case]) -> dict[Case, tuple[Case, int]]:
    """Put expressions of one shape into one Cell: for each, what they share and its place there."""
    groups: dict[tuple[Any, ...], list[Case]] = {}
    for case in dict.fromkeys(cases):
        if ";" not in case.expression and re.search(r"\bx\b", case.expression):
            groups.setdefault((case.shape, case.opsets, case.free_batch), []).append(case)
    found = {}
    for members in groups.values():
        for start in range(0, len(members), MOST_SHARED):
            part = members[start : start + MOST_SHARED]
            shared = part[0]._replace(expression=f"({', '.join(case.expression for case in part)},)")
            found.update({case: (shared, place) for place, case in enumerate(part)})
    return found


SHARED = _share([case for _, case in QUICK])


@pytest.mark.parametrize(("primitive", "case"), one_in(4, QUICK), ids=name)
def test_equals_mindspore(
    primitive: str, case: Case, build_cell: Callable[[str], Any], reference_of: dict[Case, Any]
) -> None:
    """Trace with a batch of two, run with a batch of three, at the first and the last opset.

    What is no layer shares a Cell with others: exporting costs more than everything else.
    """
    shared, place = SHARED.get(case, (case, None))
    check_opsets(
        primitive, shared, build_cell, reference_of, {case.opsets[0], case.opsets[-1]}, place, case.tolerance
    )


@pytest.mark.slow
@pytest.mark.parametrize(("primitive", "case"), RUN, ids=name)
def test_equals_mindspore_at_every_opset(
    primitive: str, case: Case, build_cell: Callable[[str], Any], reference_of: dict[Case, Any]
) -> None:
    check_opsets(primitive, case, build_cell, reference_of, set(range(case.opsets[0], case.opsets[-1] + 1)))


def check_opsets(
    primitive: str | None,
    case: Case,
    build_cell: Callable[[str], Any],
    reference_of: dict[Case, Any],
    opsets: set[int],
    place: int | None = None,
    tolerance: float | None = None,
) -> None:
    """Compare all results, or those of the expression at a place in a shared Cell."""
    x = make_input(case.shape)
    if case not in reference_of:
        cell = build_cell(case.expression)
        graph = read_mindir(mindir_bytes_from_cell(cell, _traced_shape(case)))
        reference_of[case] = graph, run_mindspore_apart(cell, x), {}
    graph, references, results_of = reference_of[case]
    assert primitive is None or primitive in {node.primitive for node in graph.nodes}
    for opset in sorted(opsets):
        if opset not in results_of:
            model = onnx_from_graph(graph, opset=opset, free_batch=case.free_batch)
            check_model(model)
            results_of[opset] = run_onnx(model, x)
        first = sum(map(len, references[:place])) if place is not None else 0
        expected = references[place] if place is not None else [one for item in references for one in item]
        results = results_of[opset][first : first + len(expected)]
        for found, reference in zip(results, expected, strict=True):
            assert found.dtype == reference.dtype
            assert found.shape == reference.shape
            assert largest_difference(found, reference) <= (tolerance or case.tolerance), f"opset {opset}"


@pytest.mark.parametrize("case", LAYERS_BY_COST, ids=name)
def test_layers_equal_mindspore(
    case: Case, build_cell: Callable[[str], Any], reference_of: dict[Case, Any]
) -> None:
    """Recurrent and attention layers, which MindSpore takes apart into other primitives."""
    check_opsets(None, case, build_cell, reference_of, {case.opsets[0], case.opsets[-1]})


@pytest.mark.parametrize(("primitive", "case"), EXPORTED, ids=name)
def test_converts_without_a_reference(primitive: str, case: Case, build_cell: Callable[[str], Any]) -> None:
    """Without a kernel of MindSpore's to compare with: NumPy, where the case says what it is there."""
    cell = build_cell(case.expression)
    graph = read_mindir(mindir_bytes_from_cell(cell, _traced_shape(case)))
    assert primitive in {node.primitive for node in graph.nodes}
    model = onnx_from_graph(graph, opset=case.opsets[-1], free_batch=case.free_batch)
    check_model(model)
    x = make_input(case.shape)
    results = run_onnx(model, x)
    if case.expected is None:
        assert results[0].shape[0] == case.shape[0]
        return
    with np.errstate(invalid="ignore"):
        expected = eval(case.expected, {"np": np, "x": x, "fold": fold})
    for found, reference in zip(
        results, expected if isinstance(expected, tuple) else [expected], strict=False
    ):
        assert found.shape == reference.shape
        assert largest_difference(found, np.asarray(reference)) <= case.tolerance


def fold(x: np.ndarray, height: int, width: int, kernel: int) -> np.ndarray:
    """Add up windows (N, C * kernel * kernel, windows) of stride 1 into an image."""
    rows, columns = height - kernel + 1, width - kernel + 1
    windows = x.reshape(x.shape[0], -1, kernel, kernel, rows, columns)
    image = np.zeros((x.shape[0], windows.shape[1], height, width), x.dtype)
    for i, j in np.ndindex(kernel, kernel):
        image[:, :, i : i + rows, j : j + columns] += windows[:, :, i, j]
    return image
