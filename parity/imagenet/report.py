"""What a person reads of an evaluation."""

from __future__ import annotations

from rich import box
from rich.table import Table

from .evaluate import Evaluation


def summary_of(evaluation: Evaluation) -> str:
    """Return the accuracy with its interval, beside the published figure, in three or four lines."""
    low, high = evaluation.top1_interval_percent
    lines = [
        f"{evaluation.model} in {evaluation.runtime} on {evaluation.device}: "
        f"{evaluation.images} images, {evaluation.images_per_second:.1f} images/s",
        f"top-1 {evaluation.top1_percent:.2f} % (95 % interval {low:.2f} to {high:.2f}), "
        f"top-5 {evaluation.top5_percent:.2f} %",
        f"preprocessing: {evaluation.profile}",
    ]
    published = evaluation.published()
    if published is not None:
        top5 = published["top5_percent"]
        lines.append(
            f"published for {published['weights']}: "
            f"top-1 {published['top1_percent']:.2f} %"
            + (f", top-5 {top5:.2f} %" if top5 is not None else "")
            + f" ({published['context']})"
        )
    return "\n".join(lines)


def predictions_table(evaluation: Evaluation, limit: int | None = None) -> Table:
    """Return the first `limit` images with their class and the model's best classes."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("image")
    table.add_column("class")
    table.add_column("top-5, best first")
    for prediction in evaluation.predictions[:limit]:
        names = [_short(evaluation.class_names[index]) for index in prediction.top5]
        label = _short(evaluation.class_names[prediction.sample.label])
        colour = "green" if prediction.top1_correct else "yellow" if prediction.top5_correct else "bold red"
        table.add_row(prediction.sample.path.name, f"[{colour}]{label}[/]", ", ".join(names))
    return table


def _short(name: str) -> str:
    """Return the first of a class's words: "tench" of "tench, Tinca tinca"."""
    return name.split(",")[0]
