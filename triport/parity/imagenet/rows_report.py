"""What a person reads of two files of rows."""

from __future__ import annotations

from rich.markup import escape

from triport.reference_models.errors import counted

from .pair_of_rows import DoneWithRows, RowsScore


def summary_of_rows(name: str, score: RowsScore) -> str:
    """Return the accuracy that a file of rows comes to, with its interval."""
    low, high = score.top1_interval_percent
    top5 = "" if score.top5_percent is None else f", top-5 {score.top5_percent:.2f} %"
    return (
        f"{escape(name)}: {counted(score.images, 'image')}\n"
        f"top-1 {score.top1_percent:.2f} % (95 % interval {low:.2f} to {high:.2f}){top5}\n"
        f"preprocessing: {escape(score.profile)}"
    )


def facts_of_rows(done: DoneWithRows) -> str:
    """Return what two files of rows state otherwise, and what was decided in reading them; "" for nothing."""
    lines = [f"data: {note}" for note in done.notes]
    if done.differs_in:
        lines.append("A and B were not run alike:")
    lines += [
        f"  {_in_words(what)}: {a or 'not stated'} and {b or 'not stated'}" for what, a, b in done.differs_in
    ]
    return escape("\n".join(lines))


def _in_words(what: str) -> str:
    """Return what is stated as a person says it: `preprocess resize_px` is the preprocessing's resize."""
    if what == "weights_sha256":
        return "weights (SHA-256)"
    group, _, name = what.partition(" ")
    return f"preprocessing, {name.removesuffix('_px')}" if group == "preprocess" else name or what
