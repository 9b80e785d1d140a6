"""Uploads a published folder to the hub, after a look at what is there. No token is kept or printed here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triport.converters.formats.tensors import short
from triport.converters.hub import HubError, connected, import_hub, reason_of, without_secrets
from triport.converters.published import MANIFEST
from triport.reference_models.errors import counted, listed

from . import manifest
from .folder import BOOKKEEPING
from .forms import form_of

__all__ = ["PushError", "PushOptions", "Pushed", "check_repository", "push", "upload_list"]

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


class PushError(HubError):
    """The folder could not be uploaded."""


@dataclass(frozen=True, slots=True)
class PushOptions:
    """What the user allows.

    Attributes:
        private: whether a new repository is; None makes it private. A repository that is there must be so.
        replace: change a repository that has other files already.
        delete_others: and delete what the manifest does not list.
    """

    private: bool | None = None
    replace: bool = False
    delete_others: bool = False


@dataclass(frozen=True, slots=True)
class Pushed:
    """What an upload did.

    Attributes:
        commit: its address.
        visibility: "private" or "public".
        new: whether the repository was made.
        replaced: the files that were there with other content.
        deleted: the files that were removed.
        kept: the files beside the manifest's, which `verify` will name.
    """

    commit: str
    visibility: str
    new: bool
    replaced: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what `publish --json` prints of it."""
        return {
            "commit": self.commit,
            "visibility": self.visibility,
            "new": self.new,
            "replaced": list(self.replaced),
            "deleted": list(self.deleted),
            "kept": list(self.kept),
        }

    def lines(self, repository: str) -> list[str]:
        """Return the same for a person."""
        made = "a new" if self.new else "the"
        lines = [f"Uploaded to {made} {self.visibility} repository {repository}: {self.commit}"]
        if self.new and self.visibility == "private":
            lines.append(
                "  nobody else sees it: make it public in its settings on the hub, or next time with --public"
            )
        for what, files in (("replaced", self.replaced), ("deleted", self.deleted)):
            if files:
                lines.append(f"  {what}: {_named(files)}")
        if self.kept:
            lines.append(
                f"  still there, and not part of what was published: {_named(self.kept)}; verify will name "
                "them, and --delete-others removes them"
            )
        return lines


@dataclass(frozen=True, slots=True)
class _There:
    """A repository before the upload; `files` has the content's hashes by name."""

    new: bool
    private: bool
    revision: str | None
    files: Mapping[str, frozenset[str]]


def upload_list(folder: Path) -> list[tuple[str, int]]:
    """Return name and size of every file that goes to the hub."""
    values = manifest.parsed(manifest.read(folder))
    return [(name, (folder / name).stat().st_size) for name in sorted([*values["files"], MANIFEST])]


def check_repository(repository: str) -> None:
    """Raise PushError unless huggingface_hub is there and the name is OWNER/NAME."""
    if not _REPO.fullmatch(repository):
        raise PushError(f"--push {short(repository)}: expected OWNER/NAME")
    import_hub()


def push(
    folder: Path,
    repository: str,
    progress: Callable[[str], None] = lambda step: None,
    asked: PushOptions | None = None,
) -> Pushed:
    """Upload the manifest's files, in one commit.

    A new repository is private unless public is asked for. One that has other files is left as it is
    unless that was allowed.

    Raises:
        PushError: it was refused, here or by the hub, or the hub cannot be reached; no secret is in it.
    """
    check_repository(repository)
    failure = None
    with connected(progress) as api:
        try:
            return _pushed(api, folder, repository, progress, asked or PushOptions())
        except PushError:
            raise
        except Exception as error:  # of huggingface_hub, of its HTTP client, of the network
            failure = reason_of(error)
    # outside of the handler: the library's error, which may hold an address with a login, is not chained
    raise PushError(
        f"{repository}: the upload failed: {failure}\n"
        f"The folder {folder} is complete. Once the cause is gone, "
        f"`hf upload --private {repository} {folder}` uploads it"
    )


def _pushed(
    api: Any, folder: Path, repository: str, progress: Callable[[str], None], asked: PushOptions
) -> Pushed:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    values = manifest.parsed(manifest.read(folder))
    names = [name for name, _ in upload_list(folder)]
    progress(f"asking the hub for {repository}")
    there = _made_or_found(api, repository, asked)
    replaced = tuple(
        name for name in names if name in there.files and not _is_same(folder / name, there.files[name])
    )
    others = tuple(sorted(there.files.keys() - set(names) - BOOKKEEPING))
    _check_allowed(repository, folder, there, replaced, others, asked)
    deleted = others if asked.delete_others else ()
    progress(f"uploading {counted(len(names), 'file')} to {repository}")
    done = api.create_commit(
        repo_id=repository,
        repo_type="model",
        operations=[
            *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name) for name in names),
            *(CommitOperationDelete(path_in_repo=name, is_folder=False) for name in deleted),
        ],
        commit_message=f"{form_of(values).title(values)}, published by triport {values['triport']}",
        # what was looked at is what is changed
        parent_commit=there.revision,
    )
    return Pushed(
        without_secrets(str(done.commit_url)),
        "private" if there.private else "public",
        there.new,
        replaced,
        deleted,
        () if deleted else others,
    )


def _made_or_found(api: Any, repository: str, asked: PushOptions) -> _There:
    """Make the repository, or return what it has where there is one."""
    private = asked.private is not False
    refused: Any = None
    try:
        api.create_repo(repository, repo_type="model", private=private, exist_ok=False)
        return _There(True, private, None, {})
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        # 403: whoever may write to a repository need not be allowed to make one
        if status not in (403, 409):
            raise
        refused = error
    try:
        found = api.model_info(repository, files_metadata=True)
    except Exception:
        if getattr(refused.response, "status_code", None) == 403:
            raise refused from None
        raise
    files = {one.rfilename: _hashes(one) for one in found.siblings or []}
    return _There(False, bool(found.private), found.sha, files)


def _hashes(sibling: Any) -> frozenset[str]:
    """Return the hashes that the hub has of a file: SHA-256 of a large one, git's of another."""
    lfs = sibling.lfs or {}
    return frozenset(filter(None, [lfs.get("sha256")] if lfs else [sibling.blob_id]))


def _is_same(path: Path, hashes: frozenset[str]) -> bool:
    content = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return bool(hashes & {hashlib.sha256(content).hexdigest(), blob.hexdigest()})


def _check_allowed(
    repository: str,
    folder: Path,
    there: _There,
    replaced: tuple[str, ...],
    others: tuple[str, ...],
    asked: PushOptions,
) -> None:
    """Raise PushError where the upload would do what was not asked for."""
    state = "private" if there.private else "public"
    if asked.private is not None and asked.private != there.private:
        raise PushError(
            f"{repository}: is there already and is {state}; nothing was uploaded. Leave the option out, "
            f"change the repository on the hub, or push to a new one. The folder {folder} is complete"
        )
    if asked.replace or not (replaced or others):
        return
    found = []
    if replaced:
        found.append(f"with other content, and would be replaced: {_named(replaced)}")
    if others:
        found.append(f"not part of what is published, and would stay beside it: {_named(others)}")
    raise PushError(
        f"{repository}: exists ({state}) and has files; nothing was uploaded. It has\n{listed(found)}\n"
        "Push to a new repository, or allow it with --replace; --replace --delete-others also deletes what "
        f"is not published. The folder {folder} is complete"
    )


def _named(names: tuple[str, ...]) -> str:
    """Return names for a message: ten of them, and how many more there are."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(short, names[:10])) + more
