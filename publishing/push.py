"""Uploads a published folder to the hub. huggingface_hub has its own token: none is kept or printed here."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from converters.published import MANIFEST
from reference_models.errors import TriportError

from . import manifest

_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_TOKEN = re.compile(r"hf_[A-Za-z0-9_]{4,}|(?i:bearer\s+\S+)")


class PushError(TriportError):
    """The folder could not be uploaded."""


def upload_list(folder: Path) -> list[tuple[str, int]]:
    """Return name and size of every file that goes to the hub."""
    values = manifest.parsed(manifest.read(folder))
    return [(name, (folder / name).stat().st_size) for name in sorted([*values["files"], MANIFEST])]


def check_repository(repository: str) -> None:
    """Raise PushError unless huggingface_hub is there and the name is OWNER/NAME."""
    if not _REPO.fullmatch(repository):
        raise PushError(f"--push {repository}: expected OWNER/NAME")
    _hub()


def push(folder: Path, repository: str, progress: Callable[[str], None] = lambda step: None) -> str:
    """Upload the manifest's files, in one commit; return its address.

    Raises:
        PushError: it was refused, or the hub cannot be reached; the message has no token in it.
    """
    check_repository(repository)
    api = _hub().HfApi()
    values = manifest.parsed(manifest.read(folder))
    names = [name for name, _ in upload_list(folder)]
    progress(f"uploading {len(names)} files to {repository}")
    try:
        api.create_repo(repository, repo_type="model", exist_ok=True)
        done = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            repo_type="model",
            commit_message=f"{values['model']}, published by triport {values['triport']}",
            allow_patterns=names,
        )
    except Exception as error:  # of huggingface_hub, of its HTTP client, of the network
        reason = without_tokens(str(error) or type(error).__name__)
        raise PushError(
            f"{repository}: the upload failed: {type(error).__name__}: {reason}\n"
            f"The folder {folder} is complete: log in with `hf auth login`, then upload it with "
            f"`hf upload {repository} {folder}`"
        ) from None
    return str(done.commit_url)


def without_tokens(text: str) -> str:
    """Return a text with everything that looks like a token, or is the user's, taken out."""
    token = _hub().get_token()
    if token:
        text = text.replace(token, "[token]")
    return _TOKEN.sub("[token]", text)


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise PushError(
            f'--push needs huggingface_hub ({error}). Install it: pip install "triport[hub]"'
        ) from error
    return huggingface_hub
