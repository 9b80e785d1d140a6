"""A repository of the Hugging Face hub: hf-hub:owner/name or timm/name, with a file and @revision at will."""

from __future__ import annotations

import re

from triport.converters.formats.tensors import short
from triport.converters.sources.located import FetchOptions, Located, SourceError
from triport.converters.sources.repository import Repository, bring_repository

FORM = "hf-hub:owner/name[/file][@revision] or timm/name"

_PREFIXES = ("hf-hub:", "hf_hub:", "hf://")
_REPOSITORY = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?P<file>(?:/[\w][\w.+-]{0,200}){0,8})"
    r"(?:@(?P<revision>[\w][\w./-]{0,200}))?",
    re.ASCII,
)


def takes(text: str) -> bool:
    """Return whether a SOURCE has one of the forms."""
    return text.startswith(_PREFIXES) or re.fullmatch(r"timm/[\w.-]+(@[\w./-]+)?", text) is not None


def bring(text: str, asked: FetchOptions) -> Located:
    """Return the weights of a repository, in their folder."""
    plain = text
    for prefix in _PREFIXES:
        plain = plain.removeprefix(prefix)
    match = _REPOSITORY.fullmatch(plain)
    if match is None or ".." in plain:
        raise SourceError(f"{short(text)}: is no repository of the hub; expected {FORM}")
    file = match["file"].removeprefix("/") or None
    return bring_repository(Repository(match["name"], match["revision"], file), asked)
