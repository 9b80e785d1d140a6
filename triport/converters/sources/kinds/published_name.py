"""The name of published weights, such as res2net50.mindcv: their file is where the record says."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from triport.converters.conversion import SHIPPED
from triport.converters.hub import PUBLISHED, import_hub
from triport.converters.identification.published_weights import known_digits
from triport.converters.sources.download import WantedFile, check_address, download
from triport.converters.sources.located import FetchOptions, Located, SourceError
from triport.converters.sources.repository import bring_repository, repository_at
from triport.converters.sources.store import file_name, made_folder
from triport.reference_models.spec import Weights, all_models

FORM = "MODEL.PUBLISHER"
MIRROR = "TRIPORT_MIRROR"

_NAME = re.compile(r"\w+\.[\w-]+")
_SUFFIXES = (".ckpt", ".pth", ".pt", ".bin", ".safetensors", ".onnx", ".tar")


def takes(text: str) -> bool:
    """Return whether a SOURCE is the name of published weights."""
    return _NAME.fullmatch(text) is not None and _record(text) is not None


def bring(text: str, asked: FetchOptions) -> Located:
    """Return the published file, which has the hash that its publisher states."""
    weights = _record(text)
    assert weights is not None
    if weights.url.endswith(SHIPPED.name):
        return Located(SHIPPED, text)
    if not weights.url:
        raise SourceError(f"{text}: its publisher gives figures and no file. Give the file itself")
    import_hub()
    repository = repository_at(weights.url)
    if repository is not None:
        return bring_repository(repository, asked, text, known_digits(weights))
    if not urlsplit(weights.url).path.endswith(_SUFFIXES):
        raise SourceError(f"{text}: is published at {weights.url}, a page and not a file: get it there")
    digits = known_digits(weights)
    folder = made_folder("weights", text)
    who = "the record of these weights" if weights.sha256 else "the publisher, in the name of the file,"
    wanted = WantedFile(_mirrored(weights.url), folder / file_name(weights.url), digits, who, PUBLISHED)
    download(wanted, asked)
    proof = (
        f"its SHA-256 begins with {digits[:8]}, as {who.rstrip(',')} says"
        if digits
        else "its publisher states no hash, so nothing proves it"
    )
    return Located(wanted.target, text, (f"{text}: {wanted.what} is {wanted.target}; {proof}",))


def _record(name: str) -> Weights | None:
    return next(
        (one for spec in all_models().values() for one in spec.weights if one.name == name),
        None,
    )


def _mirrored(url: str) -> str:
    """Return an address at the mirror, where there is one: MIRROR/host/path."""
    mirror = os.environ.get(MIRROR, "").rstrip("/")
    if not mirror:
        return url
    try:
        check_address(mirror)
    except SourceError as error:
        raise SourceError(f"{MIRROR}: {error}") from None
    parts = urlsplit(url)
    return f"{mirror}/{parts.netloc}{parts.path}"
