"""Verdicts as JUnit XML: one suite per model, one case per candidate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from .check import ModelReport, Pair
from .localise import report as localise_report
from .localise.verdict import Localisation
from .report import further_differences, label_of, layers_line
from .training.report import parts_of, worst_of
from .training.result import TrainingPair, TrainingReport


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
            tests=str(len(report.pairs)),
            failures=str(sum(not pair.passed for pair in report.pairs)),
        )
        for pair in report.pairs:
            case = ElementTree.SubElement(suite, "testcase", classname=f"parity.{name}", name=label_of(pair))
            if not pair.passed:
                message = failure_of(pair)
                ElementTree.SubElement(case, "failure", message=message.splitlines()[0]).text = message
    for trained_report in trained:
        pairs = trained_report.pairs
        name = f"{trained_report.model} training"
        failures = str(sum(not pair.passed for pair in pairs))
        suite = ElementTree.SubElement(root, "testsuite", name=name, tests=str(len(pairs)), failures=failures)
        for found in pairs:
            case = ElementTree.SubElement(suite, "testcase", classname=f"parity.{name}", name=found.candidate)
            if not found.passed:
                message = training_failure_of(found)
                ElementTree.SubElement(case, "failure", message=message.splitlines()[0]).text = message
    if localised:
        failed = sum(not one.passed for one in localised)
        suite = ElementTree.SubElement(
            root, "testsuite", name="files", tests=str(len(localised)), failures=str(failed)
        )
    for number, one in enumerate(localised, 1):
        name = "localisation" if number == 1 else f"localisation {number}"
        case = ElementTree.SubElement(suite, "testcase", classname="parity.files", name=name)
        if not one.passed:
            verdict = localise_report.verdict_of(one, named=len(localised) > 1)
            text = localise_report.lines_of(one, named=len(localised) > 1)
            ElementTree.SubElement(case, "failure", message=verdict).text = text
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def failure_of(pair: Pair) -> str:
    """Return why a candidate is not equal, a line per comparison that failed."""
    lines = []
    if not pair.comparison.passed:
        lines.append(
            f"logits differ from {pair.reference} by {pair.comparison.needed_tolerance:.1e} of the largest, "
            f"allowed {pair.comparison.tolerance:.1e}"
        )
    lines += [f"logits differ {line}" for line in further_differences(pair)]
    lines += pair.notes
    lines += [
        layers_line(layers)
        for layers in (pair.layers, pair.isolated)
        if layers is not None and not layers.passed
    ]
    return "\n".join(lines)


def training_failure_of(pair: TrainingPair) -> str:
    """Return what of a framework's training differs, a line each."""
    worst = [(what, worst_of(results)) for what, results in parts_of(pair)]
    return "\n".join(
        f"{what} differ: {result.name} is off by {result.error:.1e}, allowed {result.tolerance:.1e}"
        for what, result in worst
        if not result.passed
    )
