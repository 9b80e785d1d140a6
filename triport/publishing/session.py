"""One call of `publish`: makes the folder, then uploads it where that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from triport.reference_models.errors import TriportError
from triport.reference_models.result import SCHEMA_VERSION

from .outcome import PublishedFolder, PublishError
from .own.network import OwnNetwork
from .own.publish import publish_network
from .push import Pushed, PushOptions, check_repository, push, upload_list
from .registered.publish import publish


class NotUploadedError(TriportError):
    """The folder was made, and the upload failed; `publication` says what there is."""

    def __init__(self, why: str, publication: Publication) -> None:
        super().__init__(why)
        self.publication = publication


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """The options of `publish`.

    Attributes:
        source: any checkpoint file.
        output: the folder; nothing may be there.
        model: a model's or published weights' name; None for a network of one's own.
        own: a network of one's own; None for a model.
        license: of the weights, an SPDX identifier: apache-2.0.
        dialects: publishers in whose names the weights are written besides.
        classes: a file with one class name a line; None takes what the source or the model says.
        accuracy: files that `evaluate --json` wrote, each perhaps as "data set=file".
        push: the model repository of the hub that the folder is uploaded to, OWNER/NAME.
        public: whether a new repository is seen by everyone; None makes it private.
        replace: change a repository that has other files.
        delete_others: delete its files that are not published.
        dry_run: list what would be uploaded, upload nothing.
    """

    source: Path
    output: Path
    model: str | None
    license: str
    own: OwnNetwork | None = None
    dialects: Sequence[str] = ()
    classes: Path | None = None
    accuracy: Sequence[str] = ()
    push: str | None = None
    public: bool | None = None
    replace: bool = False
    delete_others: bool = False
    dry_run: bool = False

    def check(self) -> None:
        """Raise PublishError where options do not go together, PushError where nothing can be uploaded."""
        if (self.model is None) == (self.own is None):
            raise PublishError(
                "say what SOURCE is: --model NAME of a model that triport knows, or --net NET of your own"
            )
        theirs = {"--dialect": self.dialects, "--classes": self.classes, "--accuracy": self.accuracy}
        asked = [option for option, given in theirs.items() if given]
        if self.own is not None and asked:
            raise PublishError(f"{', '.join(asked)}: is for models that triport knows: leave it or --net out")
        for option, given in (
            ("--dry-run", self.dry_run),
            ("--replace", self.replace),
            ("--public" if self.public else "--private", self.public is not None),
        ):
            if given and self.push is None:
                raise PublishError(f"{option} goes with --push")
        if self.delete_others and not self.replace:
            raise PublishError("--delete-others goes with --replace")
        if self.push is not None:
            check_repository(self.push)


@dataclass(frozen=True, slots=True)
class Publication:
    """A folder that was made, and what became of its upload.

    Attributes:
        published: the folder.
        request: what was asked for.
        pushed: what the upload did; None where none was asked for, or where it failed.
        listed: name and size of what would be uploaded, where only that was asked for.
    """

    published: PublishedFolder
    request: PublishRequest
    pushed: Pushed | None = None
    listed: tuple[tuple[str, int], ...] = ()
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """Whether the folder was made, and uploaded where that was asked for."""
        return self.request.push is None or self.request.dry_run or self.pushed is not None

    def to_dict(self) -> dict[str, Any]:
        """Return what `publish --json` prints; "push" is None where the upload failed."""
        made = {"schema_version": self.schema_version, **self.published.to_dict()}
        to = {"repository": self.request.push, "dry_run": self.request.dry_run}
        if self.request.push is None:
            return made
        if self.request.dry_run:
            return {**made, "push": {**to, "files": [name for name, _ in self.listed]}}
        return {**made, "push": {**to, **self.pushed.to_dict()} if self.pushed else None}


def run(request: PublishRequest, progress: Callable[[str], None] = lambda step: None) -> Publication:
    """Do what `publish` was asked for.

    Raises:
        NotPublishableError: a check failed; there is no folder.
        NotUploadedError: there is a folder, and the upload failed.
        TriportError: what was asked for makes no sense; there is no folder.
    """
    request.check()
    done = _made(request, progress)
    if request.push is None:
        return Publication(done, request)
    if request.dry_run:
        return Publication(done, request, listed=tuple(upload_list(request.output)))
    asked = PushOptions(
        None if request.public is None else not request.public, request.replace, request.delete_others
    )
    try:
        pushed = push(request.output, request.push, progress, asked)
    except TriportError as error:
        # not chained: the library's error may hold an address with a login
        raise NotUploadedError(str(error), Publication(done, request)) from None
    return Publication(done, request, pushed)


def _made(request: PublishRequest, progress: Callable[[str], None]) -> PublishedFolder:
    if request.own is not None:
        return publish_network(
            request.source, request.output, request.own, license=request.license, progress=progress
        )
    assert request.model is not None
    return publish(
        request.source,
        request.output,
        model=request.model,
        license=request.license,
        dialects=request.dialects,
        classes=request.classes,
        accuracy=request.accuracy,
        progress=progress,
    )
