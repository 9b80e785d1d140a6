"""What a person reads of an evaluation."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from triport.reference_models.errors import counted

from .blocks import TOP
from .compare import PreprocessingComparison
from .dataset import printable
from .evaluate import Evaluation
from .pair import SIGNIFICANT, PairTally


def summary_of(evaluation: Evaluation) -> str:
    """Return the accuracy with its interval, beside the published figure, in three to five lines."""
    low, high = evaluation.top1_interval_percent
    ranks = f" on {evaluation.ranks} ranks" if evaluation.ranks > 1 else ""
    precision = "" if evaluation.precision == "float32" else f" with precision {evaluation.precision}"
    lines = [
        f"{_cell(evaluation.model)} in {evaluation.runtime} on {evaluation.device}{precision}{ranks}: "
        f"{counted(evaluation.images, 'image')}{_speed(evaluation)}",
        f"top-1 {evaluation.top1_percent:.2f} % (95 % interval {low:.2f} to {high:.2f}), "
        f"top-5 {evaluation.top5_percent:.2f} %",
        f"preprocessing: {evaluation.profile}"
        + (f" (assumed: {evaluation.profile_assumed})" if evaluation.profile_assumed else ""),
        *(escape(f"data: {note}") for note in evaluation.notes),
    ]
    if (reason := evaluation.no_figure()) is not None:
        lines.append(escape(f"no published figure to compare with: {reason}"))
    published, verdict = evaluation.published(), evaluation.verdict()
    if published is not None and verdict is not None:
        top5 = published["top5_percent"]
        lines.append(
            f"published for {published['weights']}: "
            f"top-1 {published['top1_percent']:.2f} %"
            + (f", top-5 {top5:.2f} %" if top5 is not None else "")
            + f" ({published['context']}); "
            + (
                f"this file: {published['proof']}"
                if published["proof"]
                else "the publisher's figure for weights of this name; nothing proves that this file has them"
            )
        )
        lines.append(f"verdict: {verdict.text}")
    return "\n".join(lines)


def _speed(evaluation: Evaluation) -> str:
    """Return how fast it was; nothing where every row is of an earlier run."""
    speed = evaluation.images_per_second
    return f", {speed:.1f} images/s" if speed else ""


def predictions_table(evaluation: Evaluation, limit: int | None = None) -> Table:
    """Return the first `limit` images with their class and the model's best classes."""
    table = _table("image", "class", "top-5, best first")
    for prediction in evaluation.predictions[:limit]:
        names = [_cell(short_name(evaluation.class_names[index])) for index in prediction.top5]
        label = _cell(short_name(evaluation.class_names[prediction.sample.label]))
        colour = "green" if prediction.top1_correct else "yellow" if prediction.top5_correct else "bold red"
        image = _cell(prediction.sample.name.rsplit("/", 1)[-1])
        table.add_row(image, f"[{colour}]{label}[/]", ", ".join(names))
    return table


def pair_verdict(pair: PairTally) -> str:
    """Return in a sentence whether two models are equally good on the images."""
    flips = f"{counted(pair.only_a, 'image')} only A has right, {pair.only_b} only B"
    if not pair.flips:
        return f"The same best class on all {counted(pair.images, 'image')}."
    chance = f"{pair.p_value:.3g}"
    if (float(chance) >= SIGNIFICANT) != pair.equal:  # rounded across the bound
        chance = f"{pair.p_value:.15g}"
    if pair.equal:
        return f"No difference beyond chance: {flips} (McNemar's exact p = {chance})."
    better = "A" if pair.only_a > pair.only_b else "B"
    return f"{better} is better: {flips} (McNemar's exact p = {chance} < {SIGNIFICANT})."


def pair_summary(pair: PairTally) -> str:
    """Return the agreement of two models, in three lines: images, order and logits are in the first."""
    best = "five best" if pair.places == TOP else f"{pair.places} best" if pair.places > 1 else "best class"
    lines = [f"the same best class on {pair.same_top1} of {pair.images} images"]
    if pair.places > 1:
        lines[0] += f", the same {best} in the same order on {pair.same_top5}"
    if pair.compares_logits and not pair.largest_difference:
        lines[0] += "; the logits of these are equal"
    elif pair.compares_logits:
        lines[0] += (
            f"; the logits of these differ by at most {pair.largest_difference:.1e} "
            f"({pair.largest_difference / (pair.largest_logit or 1.0):.1e} of the largest)"
        )
    return "\n".join([*lines, pair_difference(pair), pair_verdict(pair)])


def pair_difference(pair: PairTally) -> str:
    """Return by how much B's accuracy differs from A's."""
    low, high = pair.difference_interval_percent
    return (
        f"B's top-1 minus A's: {pair.difference_percent:+.2f} points (95 % interval {low:.2f} to {high:.2f})"
    )


def classes_table(pair: PairTally, limit: int = 10) -> Table:
    """Return the classes on which one of two is better, the largest difference first."""
    table = _table("class")
    for heading in ("images", "A right", "B right", "only A", "only B", "McNemar's p"):
        table.add_column(heading, justify="right")
    found = pair.classes()
    for one in found[:limit]:
        counts = (one.images, one.a_right, one.b_right, one.only_a, one.only_b)
        name = _cell(short_name(pair.dataset.class_names[one.label]))
        table.add_row(name, *map(str, counts), f"{one.p_value:.3g}")
    if len(found) > limit:
        table.add_row(f"... and {len(found) - limit} more", *[""] * 6)
    return table


def flips_table(pair: PairTally, limit: int = 20) -> Table:
    """Return the first images whose best class differs, with both."""
    table = _table("image", "class", "A says", "B says")
    names = pair.dataset.class_names
    for flip in pair.flips[:limit]:
        says = [
            f"[{'green' if best == flip.label else 'red'}]{_cell(short_name(names[best]))}[/]"
            for best in (flip.a, flip.b)
        ]
        image = _cell(pair.dataset.samples[flip.position].name)
        table.add_row(image, _cell(short_name(names[flip.label])), *says)
    if len(pair.flips) > limit:
        table.add_row(f"... and {len(pair.flips) - limit} more", "", "", "")
    return table


def comparison_table(comparison: PreprocessingComparison) -> Table:
    """Return how the model scores under each preprocessing and labelling."""
    table = _table("variant", "differs in")
    for heading in ("top-1 %", "top-5 %", "gained", "lost", "same class"):
        table.add_column(heading, justify="right")
    culprit = comparison.culprit
    for found in comparison.alternatives:
        style = "bold red" if found is culprit else None
        table.add_row(
            found.name,
            found.culprit,
            f"{found.top1_percent:.2f}",
            f"{found.top5_percent:.2f}",
            str(found.gained),
            str(found.lost),
            str(found.same_top1),
            style=style,
        )
    return table


def short_name(name: str) -> str:
    """Return the first of a class's words: "tench" of "tench, Tinca tinca"."""
    return name.split(",")[0]


def _cell(text: str) -> str:
    """Return a file's or a folder's name as a table shows it: its brackets are no markup."""
    return escape(printable(text))


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in columns:
        table.add_column(column)
    return table
