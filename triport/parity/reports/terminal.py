"""What a person reads of a parity check on a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from triport.parity.check import ModelReport, Pair
from triport.parity.judge.comparison import Comparison
from triport.parity.judge.tolerance import CALIBRATIONS
from triport.parity.judge.words import share_of_largest, size_of
from triport.parity.layers.judge import LayerReport
from triport.parity.one_output import ONE_OUTPUT
from triport.parity.runtimes import by_default, runtimes, runtimes_with
from triport.reference_models.errors import counted


def table_of(report: ModelReport) -> Table:
    """Return one model's pairs as a table that fits 80 columns."""
    device = next((pair.device for pair in report.pairs), "cpu")
    reference = next((pair.reference for pair in report.candidates), "")
    table = Table(
        title=escape(
            f"{report.model}: {report.weights}, {shapes_of(report)}, on {device}, against {reference}"
        ),
        caption=escape(caption_of(report)),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
    )
    table.add_column("candidate")
    for column in ("noise", "needed", "allowed", "room", "top-1"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for pair in report.pairs:
        result = pair.comparison
        table.add_row(
            escape(label_of(pair)),
            _scientific(report.noise),
            _scientific(result.needed_tolerance),
            _scientific(result.tolerance),
            headroom_of(pair),
            top1_of(pair),
            "[green]equal[/]" if pair.passed else "[bold red]DIFFERS[/]",
        )
    return table


def top1_of(pair: Pair) -> str:
    """Return how often the best class agrees; a dash where the output is no (N, classes)."""
    return agreement_of(pair.comparison)


def agreement_of(found: Comparison) -> str:
    """Return how often the best class of an output agrees; a dash where it is no (N, classes)."""
    agreement = found.top1_agreement
    return "-" if agreement is None else f"{100 * agreement:.0f} %"


def shapes_of(report: ModelReport) -> str:
    """Return the shapes of the inputs: "input 2 x 3 x 32 x 32", with names where there are several."""
    shapes = {name: " x ".join(map(str, shape)) for name, shape in report.input_shapes.items()}
    if len(shapes) < 2:
        return "input " + " x ".join(map(str, report.input_shape))
    return "inputs " + ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def caption_of(report: ModelReport) -> str:
    """Return where the tolerance came from, what else was run and what was not, and what the layers say."""
    factor = CALIBRATIONS[report.precision].factor
    several = len(report.noises) > 1
    of = "each output's largest value" if several else "the largest logit"
    lines = [f"relative to {of}; allowed is {factor:g} x the noise of {report.precision}"]
    left_out = (
        set(by_default())
        - set(runtimes_with(report.precision))
        - {_runtime_of(pair) for pair in report.pairs}
    )
    if left_out:
        lines.append(f"not in {report.precision}: {', '.join(sorted(left_out))}")
    lines += further_lines(report)
    lines += [f"not run: {line}" for line in report.not_run]
    if several:
        lines += outputs_lines(report)
    if all(pair.comparison.top1_agreement is None for pair in report.pairs):
        lines.append("top-1 is not asked: the output that decides is no (N, classes)")
    for pair in report.pairs:
        lines += [f"{label_of(pair)}: {note}" for note in notes_of(pair)]
        for layers in (pair.layers, pair.isolated):
            if layers is not None:
                lines.append(f"{label_of(pair)}: {layers_line(layers)}")
    return "\n".join(lines)


def notes_of(pair: Pair) -> list[str]:
    """Return what whoever reads a candidate's verdict must know."""
    kernels = [f"equal but for {pair.but_for.whose} kernels: {pair.but_for}"] if pair.but_for else []
    return [*pair.notes, *kernels]


def outputs_lines(report: ModelReport) -> list[str]:
    """Return a line for each candidate: what each of its outputs needs, those first that need most."""
    lines = []
    for pair in report.pairs:
        ordered = sorted(pair.outputs.items(), key=lambda one: (one[1].passed, -one[1].share))
        said = ", ".join(
            f"{'' if found.passed else 'DIFFERS '}{name} {size_of(found.needed_tolerance)} (allowed "
            f"{_scientific(found.tolerance)})"
            for name, found in ordered
        )
        lines.append(f"{label_of(pair)}: the row above is of {pair.decides}, which decides; {said}")
    return lines


def further_lines(report: ModelReport) -> list[str]:
    """Return what was run besides the main batch, and a line for each candidate that is wrong there."""
    inputs = {
        result.input: ", ".join(image.what for image in result.images)
        for pair in report.pairs
        for result in pair.further
        if result.images
    }
    lines = []
    if inputs:
        what = "image" if all(" image" in name for name in inputs) else "row"
        run = "; ".join(f"{name} ({images})" for name, images in inputs.items())
        lines.append(f"also run, each {what} judged by its own noise: {run}")
    for pair in report.pairs:
        lines += [f"{label_of(pair)}: DIFFERS {line}" for line in further_differences(pair)]
    return lines


def further_differences(pair: Pair) -> list[str]:
    """Return a line for each further input on which a candidate is wrong: on what, and by how much."""
    lines = []
    for result in pair.further:
        if result.failed:
            lines.append(f"with {result.input}: {result.failed}")
        elif not result.passed:
            wrong = ", ".join(
                f"{image.what} by {size_of(image.needed_tolerance)} (allowed "
                f"{_scientific(image.tolerance)}){f' in {image.output}' if pair.decides else ''}"
                for image in result.images
                if not image.passed
            )
            lines.append(f"with {result.input}: {wrong}")
    return lines


def off_by(pair: Pair) -> str:
    """Return by how much a candidate's logits are off, and on which input."""
    if not pair.comparison.passed:
        return f"{what_of(pair)} off by {size_of(pair.comparison.needed_tolerance)}"
    return "; ".join(f"{what_of(pair)} off {line}" for line in further_differences(pair))


def what_of(pair: Pair) -> str:
    """Return what is off: the output by its name, or "logits" where there is one."""
    return pair.decides or "logits"


def label_of(pair: Pair) -> str:
    """Return what a row is called: the candidate, or a file beside another."""
    if not pair.of_files:
        return pair.candidate
    first, second = Path(pair.reference), Path(pair.candidate)
    if first.name != second.name:
        return f"{second.name} beside {first.name}"
    return f"{second} beside {first}"


def _runtime_of(pair: Pair) -> str:
    """Return the runtime that a candidate ran in; empty where that is none."""
    label = pair.candidate.partition(" ")[0]
    return next((name for name, one in runtimes().items() if label == one.LABEL), "")


def headroom_of(pair: Pair) -> str:
    """Return how often the needed tolerance fits into the allowed one."""
    result = pair.comparison
    if result.needed_tolerance == 0:
        return "inf"
    if not math.isfinite(result.needed_tolerance):
        return "0"
    ratio = result.tolerance / result.needed_tolerance
    return f"{ratio:.1f} x" if ratio >= 0.1 else f"{ratio:.0e} x"


def layers_line(layers: LayerReport) -> str:
    """Return what the modules say, in one line."""
    how = "each fed the reference's input, " if layers.isolated else ""
    if layers.parting is None:
        if layers.behind:
            is_whole = not (layers.not_compared or layers.given_otherwise)
            compared = "are" if is_whole else "were compared and are"
            otherwise = _given_otherwise(layers)
            return f"{how}{_counted(layers)} {compared} right, so the fault is in {layers.behind}{otherwise}"
        if not layers.steps:
            decide = "" if layers.differs else ", so the outputs alone decide"
            why = f" ({layers.why_not})" if layers.why_not else ""
            none = f"{how}no module could be compared{why}{decide}"
            return f"{none}{_given_otherwise(layers)}{_of_no_kind(layers)}"
        left_out = f"{_not_compared(layers)}{_given_otherwise(layers)}{_of_no_kind(layers)}"
        return f"{how}{_counted(layers)} within their own noise{left_out}"
    step = layers.parting.step
    return (
        f"{how}the first difference is {layers.parting} "
        f"(input {'of another shape' if step.given_shapes else size_of(step.given_error)}, "
        f"output {f'of another shape ({step.shapes})' if step.shapes else size_of(step.error)}, "
        f"allowed {_scientific(step.tolerance)}){_given_otherwise(layers)}"
    )


def _counted(layers: LayerReport) -> str:
    compared, missing = len(layers.steps), len(layers.not_compared) + len(layers.given_otherwise)
    if missing:
        return f"{compared} of {compared + missing} modules"
    return f"{'all ' if compared > 1 else ''}{counted(compared, 'module')}"


def _of_no_kind(layers: LayerReport, limit: int = 5) -> str:
    """Return which modules were not compared as layers, because nothing is known of their classes."""
    if not layers.of_no_kind:
        return ""
    more = f" and {len(layers.of_no_kind) - limit} more" if len(layers.of_no_kind) > limit else ""
    names = ", ".join(layers.of_no_kind[:limit])
    return f"; of no known kind, so not compared but by what they return: {names}{more}"


def _given_otherwise(layers: LayerReport, limit: int = 5) -> str:
    """Return which modules were given another shape than the reference's, and are judged by what follows."""
    if not layers.given_otherwise:
        return ""
    named = [f"{step.name} ({step.given_shapes})" for step in layers.given_otherwise]
    more = f" and {len(named) - limit} more" if len(named) > limit else ""
    return f"; not compared, given another shape: {', '.join(named[:limit])}{more}"


def _not_compared(layers: LayerReport, limit: int = 5) -> str:
    """Return which modules were not compared, and why."""
    if not layers.not_compared:
        return ""
    names = ", ".join(layers.not_compared[:limit])
    more = f" and {len(layers.not_compared) - limit} more" if len(layers.not_compared) > limit else ""
    why = f" ({layers.why_not})" if layers.why_not else ""
    return f"; not compared: {names}{more}{why}"


def layers_table(candidate: str, layers: LayerReport, rows: int = 8) -> Table | None:
    """Return the modules around the first that parts; None where none does."""
    if layers.parting is None:
        return None
    names = [step.name for step in layers.steps]
    at = names.index(layers.parting.step.name)
    table = Table(
        title=escape(f"{candidate}: {layers_line(layers)}"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
    )
    table.add_column("module")
    for column in ("input", "output", "noise", "allowed"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("worst channels")
    for step in layers.steps[max(0, at - rows // 2) : at + rows // 2]:
        table.add_row(
            f"[bold red]{step.name}[/]" if step.name == names[at] else step.name,
            "other shape" if step.given_shapes else _scientific(step.given_error),
            "other shape" if step.shapes else _scientific(step.error),
            _scientific(step.noise),
            _scientific(step.tolerance),
            ", ".join(f"{channel} ({_scientific(error)})" for channel, error in step.worst_channels[:3]),
        )
    return table


def verdict_of(reports: Sequence[ModelReport], *, files_differ: bool = False, in_part: bool = False) -> str:
    """Return one line: what is equal, and what is not.

    Where files were compared with one another, it says by how much they are apart; `files_differ` says that
    their weights or graphs are not the same, whether that is seen in what they compute or not. `in_part`
    says that something of them was not judged.
    """
    failed = [report for report in reports if not report.passed]
    of_files = [pair for report in reports for pair in report.pairs if pair.of_files]
    apart = "; ".join(map(_apart, of_files))
    subjects = len({(report.model, report.weights) for report in reports})
    if not failed:
        alike = [f"of {one.model} {ONE_OUTPUT}" for one in reports if one.is_one][:1]
        pairs = sum(len(report.pairs) for report in reports)
        if files_differ:
            shown = f"{counted(pairs, 'comparison')} within tolerance"
            said = [f"NOT equal: the files differ, and the logits are within tolerance: {apart} ({shown})"]
            return "; ".join(said + alike)
        made = len({report.model for report in reports if report.weights.startswith("random seed")})
        kinds = [(subjects - made, "file" if apart else "model"), (made, "model")]
        counts = [counted(count, kind) for count, kind in kinds if count]
        models = " and ".join(counts)
        if len(counts) == 1 and subjects > 1:
            models = f"both {models[2:]}" if subjects == 2 else f"all {models}"
        but_for = "".join(
            f"; {report.model} in {label_of(pair)} but for {pair.but_for.whose} kernels of "
            f"{', '.join(pair.but_for.functions)}"
            for report in reports
            for pair in report.pairs
            if pair.but_for
        )
        shown = f"{counted(pairs, 'comparison')} within tolerance{but_for}"
        said = [f"{models}, {shown}", apart, "not everything was judged" if in_part else ""]
        said += alike
        return f"Equal: {'; '.join(filter(None, said))}"
    # a model that was checked on several inputs is as many checks
    kind = "files" if apart else "models"
    what = kind if subjects == len(reports) else "checks"
    worst = []
    for report in failed:
        names = [pair.candidate for pair in report.candidates if not pair.passed]
        at = "" if what == kind else " at " + " x ".join(map(str, report.input_shape))
        if names:
            worst.append(f"{report.model}{at} ({', '.join(names)})")
    unequal = sum(any(not pair.passed for pair in report.candidates) for report in reports)
    differ = "differs from what its" if unequal == 1 else "differ from what their"
    whose = f" {differ} own weights make" if apart else ""
    parts = [f"{unequal} of {len(reports)} {what}{whose}: {'; '.join(worst)}"] if worst else []
    off = [_apart(pair) for pair in of_files if not pair.passed]
    within = [_apart(pair) for pair in of_files if pair.passed]
    return f"NOT equal: {'; '.join([*off, *parts, *(f'within tolerance: {one}' for one in within)])}"


def _apart(pair: Pair) -> str:
    """Return by how much a file is apart from another, in words."""
    result = pair.comparison
    if not math.isfinite(result.needed_tolerance) and pair.notes:
        return f"{label_of(pair)}: {pair.notes[0]}"
    differences = further_differences(pair)
    if result.passed and differences:
        return f"{label_of(pair)} is off {'; and '.join(differences)}"
    far = share_of_largest(result.needed_tolerance, "the largest logit")
    return f"{label_of(pair)} is off by {far}, allowed {_scientific(result.tolerance)}"


def _scientific(value: float) -> str:
    if math.isnan(value):
        return "not known"
    return f"{value:.1e}" if math.isfinite(value) else str(float(value))
