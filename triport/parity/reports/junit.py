"""Verdicts as JUnit XML: one suite per model, one case per candidate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from triport.parity.check import ModelReport, Pair
from triport.parity.judge.comparison import Comparison
from triport.parity.judge.words import share_of_largest, size_of
from triport.parity.localise import report as localise_report
from triport.parity.localise.verdict import Localisation
from triport.parity.training.report import parts_of, worst_of
from triport.parity.training.result import TrainingPair, TrainingReport
from triport.reference_models.errors import without_controls

from .terminal import further_differences, label_of, layers_line, what_of


def junit_of(
    reports: Sequence[ModelReport],
    localised: Sequence[Localisation] = (),
    trained: Sequence[TrainingReport] = (),
) -> str:
    """Return the reports as the XML that CI servers read; the same reports give the same bytes.

    `localised`, what differs between the files that the reports are on, is a suite with a case for each pair;
    each of `trained` is a suite of a case per candidate.
    """
    root = ElementTree.Element("testsuites", name="parity")
    subjects = Counter((report.model, report.weights) for report in reports)
    for report in reports:
        several = subjects[report.model, report.weights] > 1
        name = f"{report.model} {'x'.join(map(str, report.input_shape))}" if several else report.model
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=name,
        )
        _add_cases(suite, f"parity.{name}", [case for pair in report.pairs for case in _cases_of(pair)])
    for trained_report in trained:
        name = f"{trained_report.model} training"
        suite = ElementTree.SubElement(root, "testsuite", name=name)
        cases = [
            _Case(pair.candidate, None if pair.passed else training_failure_of(pair))
            for pair in trained_report.pairs
        ]
        _add_cases(suite, f"parity.{name}", cases)
    if localised:
        suite = ElementTree.SubElement(root, "testsuite", name="files")
        named = len(localised) > 1
        cases = [
            _Case(
                "localisation" if number == 1 else f"localisation {number}",
                None if one.passed else localise_report.lines_of(one, named=named),
                "" if one.passed else localise_report.verdict_of(one, named=named),
            )
            for number, one in enumerate(localised, 1)
        ]
        _add_cases(suite, "parity.files", cases)
    ElementTree.indent(root)
    # XML has no control characters, and names come from files
    return without_controls(ElementTree.tostring(root, encoding="unicode", xml_declaration=True)) + "\n"


class _Case(NamedTuple):
    """A test case; `failure` is None where it passed, `message` is its first line unless given."""

    name: str
    failure: str | None = None
    message: str = ""


def _add_cases(suite: ElementTree.Element, classname: str, cases: Sequence[_Case]) -> None:
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.failure is not None for case in cases)))
    for case in cases:
        element = ElementTree.SubElement(suite, "testcase", classname=classname, name=case.name)
        if case.failure is not None:
            message = case.message or next(iter(case.failure.splitlines()), "it differs")
            ElementTree.SubElement(element, "failure", message=message).text = case.failure


def _cases_of(pair: Pair) -> list[_Case]:
    """Return a candidate's case, and one for each output where there are several."""
    cases = [_Case(label_of(pair), None if pair.passed else failure_of(pair))]
    for name, found in pair.outputs.items() if pair.decides else ():
        failure = None if found.passed else _difference(name, pair, found)
        cases.append(_Case(f"{label_of(pair)}, {name}", failure))
    return cases


def _difference(what: str, pair: Pair, found: Comparison) -> str:
    far = share_of_largest(found.needed_tolerance, "the largest")
    return f"{what} differ from {pair.reference} by {far}, allowed {found.tolerance:.1e}"


def failure_of(pair: Pair) -> str:
    """Return why a candidate is not equal, a line per comparison that failed."""
    lines = []
    outputs = pair.outputs.items() if pair.decides else [("logits", pair.comparison)]
    # what needs most of its tolerance first
    ordered = sorted(outputs, key=lambda one: -one[1].share)
    lines += [_difference(name, pair, found) for name, found in ordered if not found.passed]
    lines += [f"{what_of(pair)} differ {line}" for line in further_differences(pair)]
    lines += pair.notes
    lines += [
        layers_line(layers)
        for layers in (pair.layers, pair.isolated)
        if layers is not None and layers.differs
    ]
    return "\n".join(lines)


def training_failure_of(pair: TrainingPair) -> str:
    """Return what of a framework's training differs, a line each."""
    worst = [(what, worst_of(results)) for what, results in parts_of(pair)]
    return "\n".join(
        f"{what} differ: {result.name} is off by {size_of(result.error)}, allowed {result.tolerance:.1e}"
        for what, result in worst
        if not result.passed
    )
