"""The weights of a repository on the Hugging Face hub, in huggingface_hub's own cache.

The hub states the SHA-256 of every large file and git's hash of every small one; what was downloaded, now or
in an earlier run, is compared with them.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from triport.converters.formats import sharded
from triport.converters.hub import HUB_TO_READ, connected, import_hub, reason_of
from triport.converters.model_folders import ABOUT, chosen_of, is_weights_name
from triport.converters.sources.located import FetchOptions, Located, SourceError
from triport.converters.sources.store import check_size
from triport.reference_models.errors import TriportError, counted

HOST = "huggingface.co"

_FILE_AT = re.compile(r"/(?P<name>[^/]+/[^/]+)/(?:resolve|blob)/(?P<revision>[^/]+)/(?P<file>.+)")
_PAGE_AT = re.compile(r"/(?P<name>[^/]+/[^/]+)/?")
_NOT_OWNERS = ("datasets", "spaces", "docs", "api", "models", "papers")


class Repository(NamedTuple):
    """A repository: OWNER/NAME, a branch, tag or commit, and a file; None takes `main`, and what it holds."""

    name: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        at = f"@{self.revision}" if self.revision else ""
        return f"hf-hub:{self.name}{f'/{self.file}' if self.file else ''}{at}"


def repository_at(address: str) -> Repository | None:
    """Return the repository or the file of the hub that an address is of, None where it is elsewhere."""
    parts = urlsplit(address)
    if parts.hostname != HOST:
        return None
    path = unquote(parts.path)
    if ".." in path:
        return None
    if match := _FILE_AT.fullmatch(path):
        return Repository(match["name"], match["revision"], match["file"])
    match = _PAGE_AT.fullmatch(path)
    return Repository(match["name"]) if match and path.split("/")[1] not in _NOT_OWNERS else None


def bring_repository(
    repository: Repository, asked: FetchOptions, weights: str | None = None, digits: str = ""
) -> Located:
    """Return the file of weights of a repository, or the one that was named.

    Args:
        repository: which.
        asked: how it is brought.
        weights: the published weights that were named.
        digits: the first digits of the SHA-256 that these must have.

    Raises:
        SourceError: it cannot be had, has no weights or several, or is not what the hub or the record states.
    """
    hub = import_hub()
    failure = ""
    path = Path()
    with connected(asked.tell) as api:
        try:
            bring = _kept if asked.offline else _downloaded
            path = bring(hub, api, repository, asked)
        except TriportError:
            raise
        except Exception as error:  # the client's errors are of several libraries
            failure = reason_of(error, HUB_TO_READ)
            if asked.offline:
                failure = f"it {asked.not_here}"
    if failure:  # outside of the handler: the client's own error may have a token in it
        raise SourceError(f"{repository}: cannot be downloaded: {failure}")
    proof = _checked(path, repository)
    if digits:
        found = _hash(path, "sha256")
        if not found.startswith(digits):
            raise SourceError(
                f"{weights}: the SHA-256 of {path} begins with {found[:8]}, and the record of these weights "
                f"states {digits[:8]}: the hub has another file there now. Give {repository} instead if that "
                f"is the one that you mean"
            )
        proof = f"its SHA-256 begins with {digits[:8]}, as the record of these weights states"
    name = f"{weights}: {repository}" if weights else str(repository)
    return Located(path, weights, (f"{name} is {path}; {proof}",))


def _downloaded(hub: Any, api: Any, repository: Repository, asked: FetchOptions) -> Path:
    """Download the weights and what lies beside them and says what they are."""
    asked.tell(f"asking for {repository}")
    info = api.model_info(repository.name, revision=repository.revision, files_metadata=True)
    sizes = {one.rfilename: one.size or 0 for one in info.siblings}
    file = _chosen(repository, sizes)
    folder = file.rpartition("/")[0]
    beside = [f"{folder}/{name}" if folder else name for name in ABOUT]
    wanted = [file, *(name for name in beside if name in sizes)]
    cache = Path(hub.constants.HF_HUB_CACHE)
    cache.mkdir(parents=True, exist_ok=True)
    paths = [_one(api, repository, info.sha, name, sizes[name], cache, asked) for name in wanted]
    if sharded.is_index_name(file):
        parts = [f"{folder}/{part}" if folder else part for part in sharded.parts_of(paths[0])]
        missing = [name for name in parts if name not in sizes]
        if missing:
            raise SourceError(
                f"{repository}: is incomplete: {file} names {counted(len(parts), 'part')}, and it does not "
                f"have {', '.join(missing[:3])}. Ask its owner for a complete one"
            )
        for name in parts:
            _checked(_one(api, repository, info.sha, name, sizes[name], cache, asked), repository)
    return paths[0]


def _one(
    api: Any, repository: Repository, commit: str, name: str, size: int, cache: Path, asked: FetchOptions
) -> Path:
    check_size(size, cache, f"{repository}: {name}")
    asked.tell(f"downloading {name} of {repository.name}, {size / 1e6:,.1f} MB")
    # by the name of the branch: the cache then knows it without the network
    path = Path(api.hf_hub_download(repository.name, name, revision=repository.revision))
    if commit not in path.parts:
        raise SourceError(f"{repository}: was changed on the hub while it was downloaded: try again")
    return path


def _kept(hub: Any, api: Any, repository: Repository, asked: FetchOptions) -> Path:
    """Return what was downloaded before."""
    folder = Path(hub.snapshot_download(repository.name, revision=repository.revision, local_files_only=True))
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return folder / _chosen(repository, names)


def _chosen(repository: Repository, names: Any) -> str:
    if repository.file is not None:
        if repository.file not in names:
            raise SourceError(f"{repository}: the repository has no such file. It has {_some(names)}")
        return repository.file
    found = chosen_of([name for name in names if "/" not in name])
    if found is None:
        several = any(is_weights_name(name) for name in names)
        problem = (
            f"has no one file of weights that is to be taken: name one, as hf-hub:{repository.name}/FILE"
            if several
            else "has no file of weights"
        )
        raise SourceError(f"{repository}: {problem}. It has {_some(names)}")
    return found


def _checked(path: Path, repository: Repository) -> str:
    """Compare a file of the hub's cache with the hash that the hub states, which is its blob's name there.

    Returns:
        What proves it, in words.

    Raises:
        SourceError: the hashes differ.
    """
    stated = os.path.basename(os.path.realpath(path))  # noqa: PTH119
    kind = {64: "sha256", 40: "git"}.get(len(stated)) if re.fullmatch(r"[0-9a-f]+", stated) else None
    if kind is None:
        return "its hash is not known to this cache, so nothing proves it"
    found = _hash(path, kind)
    if found != stated:
        raise SourceError(
            f"{repository}: {path} has the hash {found[:8]}, and the hub states {stated[:8]}: it was damaged "
            f"or changed. Delete {os.path.realpath(path)} and run this again"
        )
    word = "its SHA-256" if kind == "sha256" else "git's hash of it"
    return f"{word} begins with {stated[:8]}, as the hub states"


def _hash(path: Path, kind: str) -> str:
    """Return the SHA-256 of a file, or git's hash of it."""
    digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _some(names: Any) -> str:
    listed = sorted(name for name in names if not name.startswith("."))
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return (", ".join(listed[:8]) + more) or "no file"
