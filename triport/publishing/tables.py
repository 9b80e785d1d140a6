"""What a person reads of a publication and of a verification."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .forms import form_of

if TYPE_CHECKING:
    from rich.table import Table

    from .session import Publication
    from .verify import Verification

_MARKS = {"passed": "[green]passed[/]", "failed": "[bold red]FAILED[/]", "not run": "not run"}


def publication_lines(publication: Publication) -> Iterator[str]:
    """Yield what was published, its files and its digest, and what was uploaded."""
    done, request = publication.published, publication.request
    made = done.manifest
    yield f"Published {made.get('weights') or form_of(made).title(made)} in {done.folder}"
    for name, file in made["files"].items():
        yield f"  {name:22} {file['size']:>12,}  {file['what']}"
    pairs = made["parity"]["pairs"]
    worst = max(one["max_rel"] for pair in pairs for one in pair.get("outputs", {"": pair}).values())
    yield f"  parity      {len(pairs)} runs equal {made['parity']['reference']}, the furthest by {worst:.1e}"
    for figure in made.get("accuracy", ()):
        yield f"  accuracy    {figure['metric']} {figure['percent']:.2f} %, {figure['kind']}"
    yield f"  digest      {done.digest}"
    for note in done.notes:
        yield f"  note: {note}"
    if request.dry_run:
        yield f"Would upload to {request.push} (if new: {'public' if request.public else 'private'}):"
        yield from (f"  {name:22} {size:>12,}" for name, size in publication.listed)
    elif publication.pushed is not None:
        yield from publication.pushed.lines(str(request.push))


def verification_pieces(done: Verification) -> Iterator[Table | str]:
    """Yield the checks as a table, and everything that is wrong."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("check", "result", "found", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for check in done.checks:
        table.add_row(check.name, _MARKS[check.status], escape(check.detail))
    yield table
    for check in done.checks:
        yield from (escape(f"  {problem}") for problem in check.problems)
    not_run = [check.name for check in done.checks if check.status == "not run"]
    failed = [check.name for check in done.checks if check.status == "failed"]
    if failed:
        yield escape(f"{done.folder}: NOT as published: {', '.join(failed)}")
        return
    yield escape(f"{done.folder}: as published" + (f"; not run: {', '.join(not_run)}" if not_run else ""))
    if not done.computed:
        yield "  No file was run: that the files compute what the manifest says was not looked at"
    if not done.digest_given:
        yield (
            "  The folder's own manifest says so, and anyone can write one. Only the digest that the\n"
            "  publisher gives elsewhere shows whether it is the publisher's folder: --digest DIGEST"
        )
