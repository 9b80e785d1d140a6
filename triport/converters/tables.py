"""Conversions and inspections as tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from triport.converters.conversion import Conversion
from triport.converters.formats import short
from triport.converters.formats.training_state import STATE_OF
from triport.converters.provenance import PREPROCESSING_KEY, PREPROCESSING_KNOWN_KEY
from triport.reference_models.errors import counted, listed
from triport.reference_models.tables import compact_table

if TYPE_CHECKING:
    from rich.table import Table

    from triport.converters.batches import BatchResult
    from triport.converters.comparison import FilesComparison
    from triport.converters.graphs.verdict import GraphVerdict
    from triport.converters.inspection import Inspection


class ToldResult(Protocol):
    """A result that says itself what was done."""

    def lines(self) -> list[str]:
        """Return the result as lines for a terminal."""


def lines_of(done: Conversion | ToldResult) -> list[str]:
    """Return what a conversion of weights or of a graph did, as lines for a terminal."""
    return list(_conversion_lines(done)) if isinstance(done, Conversion) else done.lines()


def _conversion_lines(done: Conversion) -> Iterator[str]:
    """Yield what a conversion did, then its warnings.

    Plain lines: a third of a conversion's time would go into importing rich.
    """
    source = str(done.source)
    if done.is_of_shipped:
        source = f"{source.removeprefix(f'{Path.cwd()}/')} (the small trained model that triport ships)"
    rows = [
        ("source", source),
        ("output", done.output),
        (
            "model",
            f"{done.model}, {f'{done.num_classes} classes' if done.num_classes else 'without its head'}",
        ),
        ("from, to", f"{done.source_runtime} -> {done.target_runtime}, {done.dialect} names"),
        ("tensors", f"{done.tensors_written} written, {len(done.dropped)} dropped"),
    ]
    reasons = [
        "the optimizer's state of a parameter" if reason.startswith(STATE_OF) else reason
        for _, reason in done.dropped
    ]
    for reason, count in Counter(reasons).items():
        rows.append(("", f"{count} dropped: {reason}"))
    if done.rounding is not None:
        rounding = done.rounding
        at = f" in {rounding.tensor}" if rounding.tensor else ""
        rows.append(
            (
                "rounding",
                f"to {rounding.dtype}: at most {rounding.max_abs_error:.3g}{at}, "
                f"{rounding.max_rel_error:.3g} of the value; {counted(rounding.became_zero, 'value')} "
                "became 0",
            )
        )
    rows.append(("round trip", done.round_trip))
    loading = [f"{one.publisher}'s {one.name}" for one in done.loads_in if one.same_function]
    if loading:
        whole = "" if done.num_classes else ", without its head"
        rows.append(("loads in", f"{', '.join(loading)}{whole}: the same function"))
    yield "Converted"
    yield from (f"  {title:<11} {text}" for title, text in rows)
    yield from (f"Assumed: {assumption}" for assumption in done.assumed)
    yield from (f"Note: {warning}" for warning in done.warnings)


def inspection_table(found: Inspection) -> Iterator[Table | str]:
    """Yield what a checkpoint is, its statistics where there are any, then its problems."""
    from rich.markup import escape
    from rich.table import Table

    checkpoint = found.checkpoint
    table = Table(title=escape(str(checkpoint.path)), show_header=False)
    table.add_row("format", f"{checkpoint.format} ({checkpoint.runtime})")
    for one in found.fits:
        size = f"{one.num_classes} classes" if one.num_classes else "without its head"
        title = "model" if one is found.fits[0] else "fits as well"
        table.add_row(title, f"{one.spec.name}, {size}, {one.dialect.name} names")
    if found.pair is not None:
        side = f"{found.pair.side}, {short(found.pair.source.net)} ({found.pair.source.runtime})"
        other = f"{short(found.pair.target.net)} ({found.pair.target.runtime})"
        table.add_row("names", escape(f"those of {side}; becomes {other}'s"))
        table.add_row("map", escape(found.pair.file.standing))
    elif not found.fits:
        table.add_row("model", "none that is known")
    table.add_row("tensors", ", ".join(f"{count} {dtype}" for dtype, count in found.dtypes.items()))
    table.add_row("parameters", f"{found.num_parameters:,} (BatchNorm statistics not counted)")
    table.add_row("dropped", str(len(found.dropped)))
    table.add_row("written by", escape(short(found.producer)) if found.producer else "the file does not say")
    told = {judged.statement.where.removeprefix("metadata ") for judged in found.statements}
    if found.prepared is not None:
        told |= {PREPROCESSING_KEY, PREPROCESSING_KNOWN_KEY}
    for key, value in checkpoint.metadata.items():  # a stranger's texts: no markup, no control codes
        if key not in told:
            table.add_row(escape(short(key)), escape(short(value, 400)))
    for judged in found.statements:
        says = (
            f"{short(str(judged.statement.value))!r}: {judged.holds.value}{judged.why and ', '}{judged.why}"
        )
        table.add_row(escape(short(judged.statement.where)), escape(says))
    if found.graph is not None:
        table.add_row("graph", escape(_graph_words(found.graph, found.fits[0].spec.name)))
    if found.prepared is not None and (found.prepared.preprocess is not None or found.fits[0].spec.weights):
        how = f"{found.prepared.preprocess}; " if found.prepared.preprocess is not None else ""
        table.add_row("preprocessing", escape(f"{how}{found.prepared}"))
    table.add_row("integrity", checkpoint.integrity)
    table.add_row("sha256", found.sha256)
    yield table
    if found.statistics is not None:
        yield _statistics_table(found)
    for assumption in found.assumed:
        yield f"Assumed: {escape(assumption)}"
    for note in found.notes:
        yield f"Note: {escape(note)}"
    for problem in found.problems:
        yield f"[bold red]Problem:[/] {escape(problem)}"


def inspections_table(done: BatchResult) -> Iterator[Table | str]:
    """Yield what each of many checkpoints is, a row each, and what is wrong with it below."""
    from rich.markup import escape

    table = compact_table("file", "format", "model", "names")
    yield counted(len(done.results), "file")
    for heading in ("classes", "parameters", "problems"):
        table.add_column(heading, justify="right")
    for source, found in done.results:
        first = found.fits[0] if found.fits else None
        table.add_row(
            escape(short(source, 200)),
            found.checkpoint.format,
            first.spec.name if first else "none that is known",
            first.dialect.name if first else "",
            str(first.num_classes) if first and first.num_classes else "",
            f"{found.num_parameters:,}",
            str(len(found.problems) or ""),
        )
    yield table
    for source, found in done.results:
        for problem in found.problems:
            yield f"[bold red]Problem:[/] {escape(_of_source(source, problem))}"
        if not found.fits:  # what was decided in reading it may be why
            yield from (f"Note: {escape(_of_source(source, note))}" for note in found.notes)
    yield from _failures(done)


def conversions_lines(done: BatchResult) -> Iterator[str]:
    """Yield what many conversions did, one after the other."""
    for _, one in done.results:
        yield from lines_of(one)
    yield f"{len(done.results)} of {len(done.results) + len(done.failed)} sources were converted."
    yield from (f"Failed: {_of_source(source, message)}" for source, message in done.failed)


def _failures(done: BatchResult) -> Iterator[str]:
    from rich.markup import escape

    for source, message in done.failed:
        yield f"[bold red]Cannot be read:[/] {escape(_of_source(source, message))}"


def _of_source(source: str, text: str) -> str:
    """Return a text with the source that it is of, which some begin with."""
    return text if text.startswith(f"{source}: ") else f"{short(source, 200)}: {text}"


def _graph_words(graph: GraphVerdict, model: str) -> str:
    if graph.not_compared is not None:
        return f"not compared: {graph.not_compared}"
    return (
        f"that of {model}"
        if graph.equal
        else f"not that of {model}, in {counted(len(graph.differences), 'place')}"
    )


def _statistics_table(found: Inspection) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("tensor", "shape", "dtype", title="Values")
    for heading in ("min", "max", "mean", "std"):
        table.add_column(heading, justify="right")
    table.add_column("marks")
    for name, tensor in found.checkpoint.tensors.items():
        values = (found.statistics or {})[name]
        numbers, marks = [""] * 4, []
        if values is not None:
            wanted = (values.minimum, values.maximum, values.mean, values.std)
            numbers = ["" if number is None else f"{number:.4g}" for number in wanted]
            marks += [f"{values.nan} NaN"] if values.nan else []
            marks += [f"{values.inf} Inf"] if values.inf else []
            marks += ["all zero"] if values.all_zero else ["constant"] if values.constant else []
        marks += ["untouched"] if name.rpartition(".")[0] in found.untouched_norms else []
        shape = escape(str(list(tensor.shape)))
        table.add_row(escape(short(name)), shape, tensor.dtype, *numbers, ", ".join(marks))
    return table


def comparison_lines(done: FilesComparison) -> Iterator[str]:
    """Yield what differs between two checkpoints, one line a tensor."""
    by = f"canonical names of {done.model}" if done.model else "the files' own names: no model fits both"
    yield f"{done.first} and {done.second}, {counted(done.tensors, 'tensor')} by {by}"
    for one in done.differences:
        values = ""
        if one.values is not None:
            largest = "NaN or Inf on one side" if one.max_abs is None else f"at most {one.max_abs:.6g}"
            values = f": {one.values_in_words}{f', {largest}' if one.values else ''}"
        sides = f"{one.first or 'nothing'} against {one.second or 'nothing'}"
        yield f"  {one.kind:<8} {short(one.name)}  {sides if one.kind != 'value' else one.first}{values}"
    if done.not_compared:
        yield (
            f"  {counted(len(done.not_compared), 'counter')} of training batches left out, which only one "
            "file has"
        )
    yield from (f"Note: {note}" for note in done.notes)
    count = counted(len(done.differences), "tensor")
    weights = "Weights equal" if done.weights_equal else f"Different: {count}"
    if done.graphs:
        yield (
            f"{weights}; graphs differ: {counted(len(done.graphs), 'thing')} that {done.first} has otherwise "
            f"than {done.second}"
        )
        yield listed(done.graphs)
    elif done.graphs_compared:
        yield "  the graphs that the files hold or state are the same"
    else:
        yield (
            "  the graphs are not compared: for that, each file must hold a graph, or say which model it is "
            "of; and the graphs must have one opset, and no branches, loops or functions"
        )
    if done.images:
        things = counted(len(done.images), "thing")
        yield f"{weights}; preprocessing differs: {things} that the files state otherwise"
        yield listed(done.images)
    if done.classes:
        yield f"{weights}; the order of the classes differs: {counted(len(done.classes), 'class', 'classes')}"
        yield listed(done.classes)
    elif not (done.graphs or done.images):
        where = "" if done.whole else ", in what was compared"
        yield f"Equal, bit for bit{where}." if done.equal else f"{weights}."
