"""Model records as tables for the terminal and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from triport.reference_models.program import program
from triport.reference_models.spec import Accuracy, ModelSpec

if TYPE_CHECKING:
    from rich.table import Table


def best_accuracy(spec: ModelSpec) -> Accuracy | None:
    """Return the highest published top-1 of a model."""
    found = [accuracy for weights in spec.weights for accuracy in weights.accuracies]
    return max(found, key=lambda accuracy: accuracy.top1_percent, default=None)


def summary(spec: ModelSpec) -> dict[str, Any]:
    """Return one row of `models --json`."""
    best = best_accuracy(spec)
    return {
        "model": spec.name,
        "family": spec.family,
        "publisher": spec.publisher,
        "input_size_px": spec.input_size_px,
        "num_parameters": spec.num_parameters,
        "dialects": [dialect.name for dialect in spec.dialects],
        "weights": [weights.name for weights in spec.weights],
        "best_top1_percent": best.top1_percent if best else None,
    }


def details(spec: ModelSpec) -> dict[str, Any]:
    """Return `models NAME --json`."""
    return {
        **summary(spec),
        "num_classes": spec.num_classes,
        "dialects": [{"name": dialect.name, "runtime": dialect.runtime} for dialect in spec.dialects],
        "weights": [asdict(weights) for weights in spec.weights],
        "same_weights_as": [asdict(other) for other in spec.same_weights_as],
        "architectures": [asdict(one) for one in spec.architectures],
    }


def compact_table(*columns: str) -> Table:
    """Return a table with a line below its headings, and no other."""
    from rich import box
    from rich.table import Table

    return Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)


def models_table(specs: Iterable[ModelSpec]) -> Iterator[Table | str]:
    """Yield the table of all models, which fits 80 columns."""
    table = compact_table("model", "graph of")
    for heading in ("px", "params", "weights", "top-1 %"):
        table.add_column(heading, justify="right")
    for spec in specs:
        best = best_accuracy(spec)
        table.add_row(
            spec.name,
            spec.publisher,
            str(spec.input_size_px),
            f"{spec.num_parameters / 1e6:.1f} M",
            str(len(spec.weights)),
            f"{best.top1_percent:.2f}" if best else "",
        )
    yield table
    yield (
        "weights: how many published ones are known; top-1 %: the best that was published\n"
        f"What is known of one model: {program()} models NAME"
    )


def model_tables(spec: ModelSpec) -> Iterator[Table | str]:
    """Yield what is known of one model."""
    from rich.table import Table

    table = Table(title=spec.name, show_header=False)
    table.add_row("family", spec.family)
    table.add_row("graph of", spec.publisher)
    table.add_row("input", f"{spec.input_size_px} px, {spec.num_classes} classes")
    table.add_row("parameters", f"{spec.num_parameters:,}")
    table.add_row("names", ", ".join(f"{dialect.name} ({dialect.runtime})" for dialect in spec.dialects))
    for other in spec.same_weights_as:
        size = f" by {other.percent} of the largest logit" if other.relative_difference else ""
        table.add_row("weights also fit", f"{other.model}, which differs{size}: {other.why}")
    for one in spec.architectures:
        function = "the same function" if one.same_function else f"another function: {one.why}"
        table.add_row("loads in", f"{one.publisher}'s {one.name} under {one.dialect} names: {function}")
    yield table
    if not spec.weights:
        yield "No published weights of this model are known to triport."
        return
    table = Table("weights", "context", "date", title="Published weights")
    table.add_column("top-1 %", justify="right")
    table.add_column("top-5 %", justify="right")
    for weights in spec.weights:
        for accuracy in weights.accuracies:
            top5 = "" if accuracy.top5_percent is None else f"{accuracy.top5_percent:.2f}"
            table.add_row(weights.name, accuracy.context, accuracy.date, f"{accuracy.top1_percent:.2f}", top5)
    yield table
    for weights in spec.weights:
        yield f"{weights.name}, with {weights.dialect}'s names"
        yield f"  file           {weights.url or 'no published file is known to triport'}"
        yield f"  preprocessing  {weights.preprocess}"
