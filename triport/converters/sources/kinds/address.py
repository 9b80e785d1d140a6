"""An https address of a file. One on the Hugging Face hub is asked of the hub."""

from __future__ import annotations

import hashlib
import re

from triport.converters.hub import import_hub, without_secrets
from triport.converters.identification.published_weights import digits_in_name
from triport.converters.sources.download import WantedFile, check_address, download
from triport.converters.sources.located import FetchOptions, Located
from triport.converters.sources.repository import bring_repository, repository_at
from triport.converters.sources.store import file_name, made_folder

FORM = "https://host/file"


def takes(text: str) -> bool:
    """Return whether a SOURCE is an address; one that is not https is refused when it is brought."""
    return re.match(r"(?!hf:)[a-z][a-z0-9+.-]*://", text, re.IGNORECASE) is not None


def bring(text: str, asked: FetchOptions) -> Located:
    """Return the file at an address."""
    check_address(text)
    import_hub()
    repository = repository_at(text)
    if repository is not None:
        return bring_repository(repository, asked)
    name = file_name(text)
    digits = digits_in_name(name)
    # the address may hold a login or a signature, which is no name of a folder
    folder = made_folder("addresses", hashlib.sha256(text.encode()).hexdigest()[:16])
    wanted = WantedFile(text, folder / name, digits, "the name of the file")
    sha256 = download(wanted, asked)
    proof = (
        f"its SHA-256 begins with {digits[:8]}, as its name says"
        if digits
        else f"nobody states its SHA-256, which is {sha256}"
    )
    return Located(wanted.target, None, (f"{without_secrets(text)} is {wanted.target}; {proof}",))
