"""A parity check as one HTML page that a person reads at a glance and that can be kept."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Sequence

from triport.parity.check import GRAPH_OF, IMAGES_OF, ModelReport, Pair
from triport.parity.judge.tolerance import CALIBRATIONS
from triport.parity.layers.judge import LayerReport
from triport.parity.localise import report as localise_report
from triport.parity.localise.verdict import Localisation
from triport.parity.pages import Facts, render, run_facts
from triport.parity.training import report as training_report
from triport.parity.training.result import TrainingReport
from triport.reference_models.program import as_typed, program

from .plots import HEIGHT, MARGIN, WIDTH, Plot, number, plot_of_layers, plot_of_tensors
from .terminal import (
    agreement_of,
    further_lines,
    headroom_of,
    label_of,
    layers_line,
    notes_of,
    shapes_of,
    top1_of,
    verdict_of,
)


def page_of(
    reports: Sequence[ModelReport],
    *,
    made: str | None = None,
    title: str = "Parity",
    localised: Sequence[Localisation] = (),
    trained: Sequence[TrainingReport] = (),
    command: str | None = None,
) -> str:
    """Return the page for the reports; the same reports give the same bytes.

    Args:
        reports: of one run.
        made: when and by what, if the page is to say so.
        title: of the page.
        localised: what differs between the files that the reports are on.
        trained: how the frameworks train, if that was compared.
        command: what was typed, if the page is to say so, with the date and the hashes of the files.
    """
    differ = not all(one.passed for one in localised)
    in_part = any(one.not_judged for one in localised)
    verdict = verdict_of(reports, files_differ=differ, in_part=in_part)
    return render(
        "parity.html",
        facts=facts_of(reports, command) if command else (),
        title=title,
        made=made,
        passed=bool(reports)
        and all(report.passed for report in reports)
        and not differ
        and all(report.passed for report in trained),
        verdict=". ".join([verdict, *([training_report.verdict_of(trained)] if trained else [])]),
        reports=reports,
        localised=localised,
        localised_verdict=functools.partial(localise_report.verdict_of, named=len(localised) > 1),
        label_of=label_of,
        further_lines=further_lines,
        trained=trained,
        parts_of=training_report.parts_of,
        worst_of=training_report.worst_of,
        statistics_line=training_report.statistics_line,
        inputs_in_words=training_report.inputs_in_words,
        repeat_training=repeat_training_of,
        plot_of_tensors=plot_of_tensors,
        versions=versions_of([*reports, *trained]),
        plots=_plots(reports),
        width=WIDTH,
        height=HEIGHT,
        margin=MARGIN,
        headroom_of=headroom_of,
        top1_of=top1_of,
        agreement=agreement_of,
        notes_of=notes_of,
        shapes_of=shapes_of,
        layers_line=layers_line,
        layers_of_pair=layers_of_pair,
        around=around,
        number=number,
        repeat=functools.partial(repeat_of, files=files_beside(reports)),
    )


def facts_of(reports: Sequence[ModelReport], command: str) -> Facts:
    """Return the date, the command, and the hashes of all files that the reports are on."""
    hashes = {file: sha256 for report in reports for file, sha256 in report.files.items()}
    return run_facts(command, hashes, versions_of(reports))


def _plots(reports: Sequence[ModelReport]) -> dict[tuple[int, int, str], Plot]:
    """Return a plot of each layer report, by the places of its report and pair and what it is called."""
    return {
        (report_index, pair_index, kind): plot_of_layers(layers)
        for report_index, report in enumerate(reports)
        for pair_index, pair in enumerate(report.pairs)
        for kind, layers in layers_of_pair(pair)
    }


def layers_of_pair(pair: Pair) -> list[tuple[str, LayerReport]]:
    """Return the layer reports that a pair has, with what they are called."""
    found = [("modules in the network", pair.layers), ("modules apart", pair.isolated)]
    return [(kind, layers) for kind, layers in found if layers is not None]


def versions_of(reports: Sequence[ModelReport | TrainingReport]) -> dict[str, str]:
    """Return the versions, precision flags and environment of every pair, those that differ joined."""
    found: dict[str, list[str]] = {}
    for report in reports:
        for pair in report.pairs:
            for name, value in pair.versions.items():
                if value not in found.setdefault(name, []):
                    found[name].append(value)
    return {name: ", ".join(values) for name, values in found.items()}


def files_beside(reports: Sequence[ModelReport]) -> list[str]:
    """Return the files that were compared with one another, the first first."""
    pairs = [pair for report in reports for pair in report.pairs if pair.of_files]
    return list(dict.fromkeys([*(pair.reference for pair in pairs), *(pair.candidate for pair in pairs)]))


def repeat_of(report: ModelReport, files: Sequence[str] = ()) -> str:
    """Return the command that repeats a model's check, with all `files` that it was one of."""
    words = [f"{program()} parity", *_quoted(report.repeat or _words_of(report, files))]
    if report.inputs.startswith(IMAGES_OF):
        words += ["--images", report.inputs.removeprefix(IMAGES_OF)]
    if report.seed is not None:
        words += ["--seed", str(report.seed)]
    if report.precision != "float32":
        words += ["--precision", report.precision]
    calibration = CALIBRATIONS[report.precision]
    drawn = {calibration.tolerance_of(noise) for noise in (report.noise, *report.noises.values())}
    allowed = {pair.comparison.tolerance for pair in report.pairs}
    if allowed - drawn:
        words += ["--tolerance", *(f"{tolerance:g}" for tolerance in allowed)]
    if any(pair.layers for pair in report.pairs):
        words.append("--layers")
    if any(pair.isolated for pair in report.pairs):
        words.append("--isolate")
    return " ".join(words)


def _words_of(report: ModelReport, files: Sequence[str]) -> list[str]:
    """Return which model or files a report is on, and the shape of its images."""
    made = report.weights.startswith("random seed")
    own = list(report.files)[: 2 if report.weights.startswith(GRAPH_OF) else 1]
    if made or not own:
        named: list[str] = [report.model]
    else:
        named = list(files) if set(own) & set(files) else own
    return [*named, "--batch-size", str(report.input_shape[0]), "--size", str(report.input_shape[-1])]


def _quoted(words: Sequence[str]) -> list[str]:
    return [shlex.quote(as_typed(word)) for word in words]


def repeat_training_of(report: TrainingReport) -> str:
    """Return the command that repeats a model's training check."""
    made = report.weights.startswith("random seed")
    sizes = ["--batch-size", str(report.input_shape[0]), "--size", str(report.input_shape[-1])]
    asked = report.repeat or [report.model if made else report.weights, *sizes]
    words = [f"{program()} parity", *_quoted(asked), "--seed", str(report.seed)]
    steps = max((len(pair.steps.loss) for pair in report.pairs if pair.steps), default=0)
    return " ".join([*words, "--gradients", *(["--steps", str(steps)] if steps else [])])


def around(layers: LayerReport, rows: int = 10) -> list:
    """Return the steps around the first that parts."""
    if layers.parting is None:
        return []
    at = [step.name for step in layers.steps].index(layers.parting.step.name)
    return list(layers.steps[max(0, at - rows // 2) : at + rows // 2])
