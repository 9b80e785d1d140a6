"""triport.json: what a published folder holds, and a digest by which a change of the manifest shows.

The digest is the SHA-256 of the file itself with the digest's own digits as zeros. It finds damage;
against a forger who writes a new one it must be compared with the publisher's (`verify --digest`), or
the folder be signed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from triport.converters.formats import file_sha256
from triport.converters.formats.tensors import short
from triport.converters.published import MANIFEST
from triport.reference_models.errors import TriportError

SCHEMA = 2  # of the folder of a model that triport knows
NETWORK_SCHEMA = 3  # of a network of the publisher's own
# ten times what the largest network here needs
_LARGEST_BYTES = 64 << 20
_ZEROS = "0" * 64
_DIGEST = re.compile(rb'\A\{\n "digest": "sha256:([0-9a-f]{64})",\n')


class ManifestError(TriportError):
    """There is no manifest, or none that can be read."""


def written(values: Mapping[str, Any]) -> bytes:
    """Return a manifest's bytes: its digest, then `values`, as JSON."""
    text = json.dumps({"digest": f"sha256:{_ZEROS}", **values}, indent=1, allow_nan=False) + "\n"
    return text.replace(_ZEROS, hashlib.sha256(text.encode()).hexdigest(), 1).encode()


def problem_of(content: bytes) -> str | None:
    """Return what is wrong with a manifest's bytes, None where they are what the digest says."""
    found = _DIGEST.match(content)
    if found is None:
        return "does not start with its digest: it was changed, or not written by triport"
    start, end = found.span(1)
    digest = hashlib.sha256(content[:start] + _ZEROS.encode() + content[end:]).hexdigest()
    if digest != found[1].decode():
        return f"was changed: its SHA-256 is {digest}, its digest says {found[1].decode()}"
    return None


def digest_of(content: bytes) -> str:
    """Return the digest that a manifest states, in hexadecimal digits."""
    found = _DIGEST.match(content)
    return found[1].decode() if found else ""


def read(folder: Path) -> bytes:
    """Return the bytes of a folder's manifest.

    Raises:
        ManifestError: there is none.
    """
    path = folder / MANIFEST
    try:
        if path.exists() and not (
            path.is_file() or path.is_dir()
        ):  # a pipe is waited for, a device never ends
            raise ManifestError(f"{folder}: {MANIFEST} is no regular file: triport writes no such")
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise ManifestError(
            f"{folder}: has no readable {MANIFEST} ({error.strerror}): it is no folder that `publish` made"
        ) from None
    if len(content) > _LARGEST_BYTES:
        raise ManifestError(
            f"{folder}: {MANIFEST} has more than {_LARGEST_BYTES >> 20} MiB: triport writes no such"
        )
    return content


def parsed(content: bytes) -> dict[str, Any]:
    """Return a manifest's values.

    Raises:
        ManifestError: they are not JSON, or of a schema that is not known here.
    """
    try:
        values = json.loads(content)
        schema = values["schema"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ManifestError(f"{MANIFEST}: cannot be read: {str(error)[:200]}") from None
    if type(schema) is not int or schema not in (SCHEMA, NETWORK_SCHEMA):
        which = "an older" if type(schema) is int and schema < SCHEMA else "a newer"
        raise ManifestError(
            f"{MANIFEST}: is of schema {short(str(schema)[:100])}, known are {SCHEMA} and {NETWORK_SCHEMA}: "
            f"use {which} triport"
        )
    return values


def is_canonical(content: bytes, values: Mapping[str, Any]) -> bool:
    """Whether a manifest's bytes are those that triport writes for its values: no key is there twice."""
    others = {key: value for key, value in values.items() if key != "digest"}
    try:
        return next(iter(values)) == "digest" and written(others) == content
    except (ValueError, RecursionError):
        return False


def files_of(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of the files of these names."""
    return {
        name: {"size": (folder / name).stat().st_size, "sha256": file_sha256(folder / name)}
        for name in sorted(names)
    }
