"""One file from an address: whole and with the right hash, or not at all.

The HTTP is huggingface_hub's client, with the limits and the silence of `converters.hub`. A download that was
cut off goes on where it stopped, in this run; in a later one only where a hash will prove the whole.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from triport.converters.formats import FormatError, SourceFile, file_sha256
from triport.converters.formats.not_checkpoints import what_it_is
from triport.converters.hub import ADDRESS, HubPlace, connected, reason_of, without_secrets
from triport.converters.sources.located import FetchOptions, SourceError
from triport.converters.sources.store import check_size

_CHUNK_BYTES = 1 << 16  # what of a piece has come when a download is cut off is lost
_TRIES = 5  # without a new byte


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file that is to be downloaded.

    Attributes:
        address: where it lies.
        target: where it goes.
        digits: the first digits of its SHA-256, or all; none where nobody states them.
        who: what states the digits, for messages.
        place: what is asked, for messages.
    """

    address: str
    target: Path
    digits: str = ""
    who: str = ""
    place: HubPlace = ADDRESS

    @property
    def what(self) -> str:
        """What is downloaded, for messages, without a login or a signature that the address may hold."""
        return without_secrets(self.address)


class _DifferentError(SourceError):
    """The bytes are not those that the hash is of."""


def check_address(address: str) -> None:
    """Raise SourceError unless an address is https, or of this machine."""
    parts = urlsplit(address)
    if not parts.hostname or parts.scheme not in ("https", "http"):
        raise SourceError(f"{without_secrets(address)}: is no address; expected https://host/path")
    if parts.scheme == "http" and not _is_this_machine(parts.hostname):
        raise SourceError(
            f"{without_secrets(address)}: is not encrypted, so that anyone on the way could give another "
            f"file. Use https, or download the file yourself and give its path"
        )


def download(wanted: WantedFile, asked: FetchOptions) -> str:
    """Bring a file to its place, unless it is there with the right hash; return its SHA-256.

    Raises:
        SourceError: it cannot be had, has another hash, or is no file of weights but a page that says so.
    """
    check_address(wanted.address)
    if wanted.target.is_file() and wanted.digits:
        found = file_sha256(wanted.target)
        if found.startswith(wanted.digits):
            return found
        asked.tell(f"{wanted.target}: was changed since it was downloaded, and is downloaded again")
    if asked.offline:
        if wanted.target.is_file() and not wanted.digits:
            return file_sha256(wanted.target)
        raise SourceError(f"{wanted.what}: {asked.not_here}, or put the file at {wanted.target}")
    part = wanted.target.with_name(f"{wanted.target.name}.part")
    resumes = bool(wanted.digits) and part.is_file() and part.stat().st_size > 0
    with _alone(part, asked.tell):
        if not resumes:
            part.unlink(missing_ok=True)
        try:
            return _whole(wanted, part, asked, resumes)
        finally:
            # what came of a download that failed is of use where a hash will prove the whole
            if part.is_file() and not (wanted.digits and part.stat().st_size):
                part.unlink()


def _whole(wanted: WantedFile, part: Path, asked: FetchOptions, resumes: bool) -> str:
    """Download a file, from the beginning where what an earlier run left turns out to be of another one."""
    try:
        return _finished(wanted, part, asked)
    except _DifferentError:
        part.unlink(missing_ok=True)
        if not resumes:
            raise
    return _finished(wanted, part, asked)


def _finished(wanted: WantedFile, part: Path, asked: FetchOptions) -> str:
    """Download what is missing of a part, check it, and give it its name."""
    failure = ""
    with connected(asked.tell), part.open("ab") as file:
        try:
            _Transfer(wanted, file, asked.tell).run()
        except SourceError:
            raise
        except Exception as error:  # the client's errors are of several libraries
            failure = str(error) if isinstance(error, _CutOffError) else reason_of(error, wanted.place)
    if failure:  # outside of the handler: the client's own error has the address in it
        raise SourceError(f"{wanted.what}: cannot be downloaded: {failure}")
    found = file_sha256(part)
    page = _page(part)
    if wanted.digits and not found.startswith(wanted.digits):
        raise _DifferentError(
            f"{wanted.what}: the SHA-256 of what came begins with {found[:8]}, and {wanted.who} states "
            f"{wanted.digits[:8]}{f'; what came {page}' if page else ''}. It was thrown away: try again, and "
            f"if it stays so, ask the publisher"
        )
    if page and not wanted.digits:
        part.unlink(missing_ok=True)
        raise SourceError(f"{wanted.what}: what came {page}")
    part.replace(wanted.target)
    return found


class _Transfer:
    """Asks for a file until all of it is there, each time from where it stopped."""

    def __init__(self, wanted: WantedFile, file: BinaryIO, tell: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._file = file
        self._tell = tell
        self._mark: str | None = None  # the server's own name of this content
        self._total = 0  # its bytes, where the server states them
        self._coded = False  # bytes are counted in the file, and asked for of what is sent

    def run(self) -> None:
        """Write the file's bytes.

        Raises:
            SourceError: it is too large, comes from an address that is not encrypted, or never ends whole.
        """
        left = _TRIES
        while True:
            before = self._file.tell()
            try:
                self._ask(before)
                return
            except Exception as error:
                left = _TRIES if self._file.tell() > before else left - 1
                if left <= 0 or not _is_cut_off(error):
                    raise
            self._tell(f"the download was cut off after {self._file.tell():,} bytes and goes on")

    def _ask(self, start: int) -> None:
        from huggingface_hub.utils import hf_raise_for_status, http_stream_backoff

        headers = {"Accept-Encoding": "identity"}
        if start and (self._coded or not (self._mark or self._wanted.digits)):
            self._begin_again()  # nothing would show that the rest is of the same file
            start = 0
        if start:
            headers["Range"] = f"bytes={start}-"
            if self._mark:
                headers["If-Range"] = self._mark
        asked = http_stream_backoff("GET", self._wanted.address, headers=headers, retry_on_exceptions=())
        with asked as response:
            for passed in (*response.history, response):
                check_address(str(passed.url))
            if response.status_code == 416 and start:  # longer than the file: it was of another one
                self._begin_again()
                raise _CutOffError("the host says that the file is shorter than what has come of it")
            hf_raise_for_status(response)
            mark = _mark(response)
            if response.status_code == 206 and not self._goes_on(response, start, mark):
                self._begin_again()
                raise _CutOffError("the host sends another part of the file than it is asked for")
            if response.status_code != 206:
                self._begin_again()
            self._mark = mark
            self._coded = response.headers.get("content-encoding", "identity") != "identity"
            self._write(response)

    def _goes_on(self, response: Any, start: int, mark: str | None) -> bool:
        """Return whether a part of a file is the rest from `start` on, and of the file that was begun."""
        stated = response.headers.get("content-range", "")
        total = stated.rpartition("/")[2]
        same = (not self._mark or mark == self._mark) and (not self._total or total == str(self._total))
        return bool(start) and stated.startswith(f"bytes {start}-") and same

    def _write(self, response: Any) -> None:
        folder, what = self._wanted.target.parent, self._wanted.what
        length = response.headers.get("content-length", "")
        whole = self._file.tell() + (int(length) if length.isdecimal() else 0)
        self._total = whole if length and not self._coded else 0
        check_size(whole, folder, what)
        shown = -1
        for chunk in response.iter_bytes(_CHUNK_BYTES):
            done = self._file.tell() + len(chunk)
            if not length or done > whole:
                check_size(done, folder, what)
            self._file.write(chunk)
            if (percent := 100 * done // max(whole, done)) != shown:
                shown = percent
                share = f" of {whole / 1e6:,.1f} MB, {percent} %" if length else " MB"
                self._tell(f"downloading {what}: {done / 1e6:,.1f}{share}")
        self._file.flush()

    def _begin_again(self) -> None:
        self._file.seek(0)
        self._file.truncate()


class _CutOffError(Exception):
    """The server has to be asked once more, from the beginning."""


def _is_cut_off(error: Exception) -> bool:
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"RemoteProtocolError", "ReadError", "ReadTimeout", "_CutOffError"})


def _mark(response: Any) -> str | None:
    """Return the server's own name of just these bytes, where it gives one."""
    mark = response.headers.get("etag", "")
    return mark if mark and not mark.startswith("W/") else None


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _page(path: Path) -> str | None:
    """Return what a file is that is known to be none of weights: a page, a picture, an archive."""
    try:
        source = SourceFile(path)
        if not source.size:
            return "is empty: the server has nothing there"
        return what_it_is(source)
    except FormatError as error:
        return str(error)


def _alone(part: Path, tell: Callable[[str], None]) -> Any:
    """Return the lock under which one process at a time downloads a file."""
    from filelock import FileLock, Timeout

    lock = FileLock(f"{part}.lock")
    try:
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:
        tell("another process downloads this file: waiting for it")
    return lock
