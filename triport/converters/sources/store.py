"""Where downloads are kept, and how large they may be."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from triport.converters.sources.located import SourceError

FOLDER_VARIABLE = "TRIPORT_CACHE"
LIMIT_VARIABLE = "TRIPORT_MAX_DOWNLOAD_GB"
_LIMIT_GB = 16.0
_SPARE_BYTES = 64 << 20  # a disk that is full to the last byte stops other programs


def cache_folder() -> Path:
    """Return the folder of downloads: of TRIPORT_CACHE, or `triport` in the user's cache."""
    stated = os.environ.get(FOLDER_VARIABLE)
    if stated:
        return Path(stated).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "triport"


def file_name(address: str) -> str:
    """Return the name under which what lies at an address is kept: the address's last part, made harmless.

    Whatever is no letter, digit, dot, dash or underscore becomes an underscore, so that no name leads out of
    the folder, hides in it, or prints anything.
    """
    last = unquote(urlsplit(address).path).rstrip("/").rpartition("/")[2]
    name = re.sub(r"[^A-Za-z0-9._-]", "_", last).lstrip(".-")
    return name[-120:].lstrip(".-") or "download"


def most_bytes() -> int:
    """Return how many bytes a download may have.

    Raises:
        SourceError: the environment says something else than a number.
    """
    text = os.environ.get(LIMIT_VARIABLE, "")
    try:
        size = float(text) if text else _LIMIT_GB
    except ValueError:
        size = -1.0
    if not 0 < size < 1e6:
        raise SourceError(f"{LIMIT_VARIABLE}={text!r}: expected a number of gigabytes, such as 16")
    return int(size * 1e9)


def check_size(size: int, folder: Path, what: str) -> None:
    """Raise SourceError where a download of that many bytes is not allowed, or has no room."""
    most = most_bytes()
    if size > most:
        raise SourceError(
            f"{what}: has more than {most / 1e9:g} GB, the most that is downloaded. If that is right, set "
            f"{LIMIT_VARIABLE} to a larger number"
        )
    free = shutil.disk_usage(folder).free
    if size + _SPARE_BYTES > free:
        raise SourceError(
            f"{what}: has {size:,} bytes, and {folder} has room for {free:,}. Make room, or name another "
            f"folder with {FOLDER_VARIABLE}"
        )


def made_folder(*parts: str) -> Path:
    """Return a folder of the cache, made where it was not.

    Raises:
        SourceError: it cannot be made.
    """
    folder = cache_folder().joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(
            f"{folder}: downloads cannot be kept there: {error.strerror}. Name another folder with "
            f"{FOLDER_VARIABLE}"
        ) from error
    return folder
