"""`publish`: a folder that carries its proof."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .shared.command import Command, OutputFolder
from .shared.options import JSON
from .shared.output import emit, shown_progress


@click.command(cls=Command)
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--model", required=True, metavar="NAME", help="What SOURCE is: a model, or published weights.")
@click.option("-o", "--output", required=True, type=OutputFolder(path_type=Path), help="A new folder.")
@click.option(
    "--license", required=True, metavar="ID", help="Of the weights, an SPDX identifier such as apache-2.0."
)
@click.option(
    "--dialect", "dialects", multiple=True, metavar="D", help="Also write names of mindcv, timm, ..."
)
@click.option("--classes", type=click.Path(path_type=Path), help="A file with one class name a line.")
@click.option("--accuracy", multiple=True, metavar="[DATA SET=]FILE", help="What `evaluate --json` wrote.")
@click.option("--push", metavar="REPO", help="Then upload the folder to this model repository of the hub.")
@click.option(
    "--public/--private",
    "public",
    default=None,
    help="With --push: whether a new repository is seen by everyone. Private by default.",
)
@click.option("--replace", is_flag=True, help="With --push: change a repository that has other files.")
@click.option(
    "--delete-others", is_flag=True, help="With --replace: delete its files that are not published."
)
@click.option("--dry-run", is_flag=True, help="With --push: list what would be uploaded, upload nothing.")
@JSON
def publish(
    source: Path,
    model: str,
    output: Path,
    license: str,
    dialects: tuple[str, ...],
    classes: Path | None,
    accuracy: tuple[str, ...],
    push: str | None,
    public: bool | None,
    replace: bool,
    delete_others: bool,
    dry_run: bool,
    json_path: str | None,
) -> None:
    """Make a folder of SOURCE for every runtime, with a model card and a manifest that proves it.

    Inspection, conversion, round trip and parity must pass: at the first that does not, exit code 1
    and no folder. The same source gives the same bytes; SOURCE_DATE_EPOCH sets the card's date.

    \b
    Example:
      python cli.py publish resnet50.ckpt --model resnet50.mindcv --license apache-2.0 -o published/resnet50
      python cli.py publish resnet50.pth --model resnet50 --license mit -o out --push me/resnet50 --dry-run
    """
    from triport.publishing.proofs import NotPublishableError
    from triport.publishing.publish import publish as run
    from triport.publishing.push import Asked, check_repository, upload_list
    from triport.publishing.push import push as upload
    from triport.publishing.tables import publication_lines
    from triport.reference_models.errors import TriportError

    for option, given in (
        ("--dry-run", dry_run),
        ("--replace", replace),
        ("--public" if public else "--private", public is not None),
    ):
        if given and push is None:
            raise click.UsageError(f"{option} goes with --push")
    if delete_others and not replace:
        raise click.UsageError("--delete-others goes with --replace")
    asked = Asked(None if public is None else not public, replace, delete_others)
    if push is not None:
        check_repository(push)
    try:
        with shown_progress() as progress:
            done = run(
                source,
                output,
                model=model,
                license=license,
                dialects=dialects,
                classes=classes,
                accuracy=accuracy,
                progress=progress,
            )
    except NotPublishableError as error:
        click.echo(f"Not published: {error}", err=True)
        sys.exit(1)
    result, lines = done.as_dict(), list(publication_lines(done))
    if push is not None and dry_run:
        files = upload_list(output)
        result["push"] = {"repository": push, "dry_run": True, "files": [name for name, _ in files]}
        lines.append(f"Would upload to {push} (if new: {'public' if public else 'private'}):")
        lines += [f"  {name:22} {size:>12,}" for name, size in files]
    elif push is not None:
        try:
            with shown_progress() as progress:
                pushed = upload(output, push, progress, asked)
        except TriportError:
            # the folder is there, and its digest is not said again
            emit({**result, "push": None}, json_path, lambda: click.echo("\n".join(lines)))
            raise
        result["push"] = {"repository": push, "dry_run": False, **pushed.as_dict()}
        lines += pushed.lines(push)
    emit(result, json_path, lambda: click.echo("\n".join(lines)))
