"""huggingface_hub with time limits, without secrets in what is said, and with its errors in plain words.

Its own client waits without a limit, and its loggers print addresses that carry passwords and signatures.
It uploads what is published, and downloads what a user names (`sources`).
"""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from triport.reference_models.errors import TriportError

Tell = Callable[[str], None]

# without a byte from the hub: for its answer to a question, and while files and commits are taken in
ANSWER_SECONDS = 30.0
UPLOAD_SECONDS = 120.0
_CONNECT_SECONDS = 15.0
# what a hub that is asked too often may make us wait
_LONGEST_WAIT_SECONDS = 60

_LOGGERS = ("huggingface_hub", "httpx", "httpx2", "httpcore", "httpcore2", "hf_xet", "urllib3", "filelock")
_MOST_CHARACTERS = 400
# what the client adds for programmers
_MORE = re.compile(r"\s*For more information check: \S+")
_GATED = (
    "it gives its files only to those who have asked for access: ask on its page in a browser, then log in "
    "with `hf auth login`"
)
_PATTERNS = (
    (re.compile(r"(?<=://)[^/\s@\"'<>]*@"), "[login]@"),
    # what a signed address is signed with stands behind its question mark
    (re.compile(r"(https?://[^\s?\"'<>]*)\?[^\s\"'<>]*"), r"\1?[removed]"),
    (re.compile(r"hf_[A-Za-z0-9_]{4,}|api_org_[A-Za-z0-9]{4,}"), "[token]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',;]+"), "[token]"),
    (
        re.compile(r"(?i)\b(x-amz-[\w-]+|sig|signature|token|key-pair-id|policy|password)=[^&\s\"'<>]+"),
        r"\1=[removed]",
    ),
)


class HubPlace(NamedTuple):
    """What is asked, for messages: its name, what sets its address, and what to do by the answer's status."""

    name: str
    setting: str
    advice: Mapping[int, str]


HUB_TO_WRITE = HubPlace(
    "the hub",
    "HF_ENDPOINT where it is set",
    {
        401: "the hub does not know you: log in with `hf auth login`, with a token that may write",
        403: "the hub does not allow it: the token must be one that may write to this owner's repositories",
        404: "the hub has no such place: check OWNER, and HF_ENDPOINT where it is set",
        409: "the repository was changed at the same time, or is there already: try again",
        412: "the repository was changed at the same time: try again",
        413: "a file is too large for this hub",
        429: "the hub was asked too often: try again later",
    },
)
HUB_TO_READ = HubPlace(
    "the hub",
    "HF_ENDPOINT where it is set",
    {
        401: "the hub has no such repository, or it is private: check the name, or log in with "
        "`hf auth login`",
        403: "the hub does not allow it: ask for access in a browser, then log in with `hf auth login`",
        404: "the hub has no such place: check the name, and HF_ENDPOINT where it is set",
        429: "the hub was asked too often: try again later",
    },
)
ADDRESS = HubPlace(
    "the host",
    "the address",
    {
        401: "the host wants a login: download the file yourself and give its path",
        403: "the host does not allow it: download the file yourself and give its path",
        404: "the host has no such file: check the address",
        410: "the file was there and is gone: look for it in a browser",
        429: "the host was asked too often: try again later",
    },
)
# where published weights are, or a mirror has them
PUBLISHED = HubPlace(
    "the host",
    "TRIPORT_MIRROR where it is set",
    {
        **ADDRESS.advice,
        404: "the host has no such file: check TRIPORT_MIRROR where it is set, or get the file elsewhere and "
        "give its path",
    },
)


class HubError(TriportError):
    """What lies on a hub, or at another address, could not be reached."""


class _NoAnswerError(Exception):
    """The hub is silent, or asks for a long wait. Of no class that the client tries again for."""


@contextlib.contextmanager
def connected(tell: Tell) -> Iterator[Any]:
    """Give huggingface_hub's HfApi for the time of the block, limited and silenced.

    Its progress bars and its loggers are off; what they would have said goes to `tell`, without secrets.

    Raises:
        HubError: huggingface_hub is not installed.
    """
    hub = import_hub()
    endpoint = os.environ.get("HF_ENDPOINT") or None
    if endpoint is not None and not endpoint.startswith(("https://", "http://")):
        raise HubError(f"HF_ENDPOINT: {without_secrets(endpoint)}: is no address; expected https://host")
    import huggingface_hub.constants
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from huggingface_hub.utils._http import default_client_factory

    def limited_client() -> Any:
        client = default_client_factory()
        client.send = _limited(client.send)  # type: ignore[method-assign]
        return client

    shown, xet = not are_progress_bars_disabled(), huggingface_hub.constants.HF_HUB_DISABLE_XET
    with _silenced(tell), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hub.set_client_factory(limited_client)
        disable_progress_bars()
        # Xet's own client, in Rust, keeps to no limit of ours; the hub takes the files by HTTP as well
        huggingface_hub.constants.HF_HUB_DISABLE_XET = True
        try:
            yield hub.HfApi(endpoint=endpoint)
        finally:
            hub.set_client_factory(default_client_factory)
            huggingface_hub.constants.HF_HUB_DISABLE_XET = xet
            if shown:
                enable_progress_bars()


def import_hub() -> Any:
    """Return the module huggingface_hub.

    Raises:
        HubError: it is not installed.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise HubError(
            f'downloads and uploads need huggingface_hub ({error}). Install it: pip install "triport[hub]"'
        ) from error
    return huggingface_hub


# what the client's errors say of a host that was reached
_NO_ANSWERS = {
    "UnsupportedProtocol": "it leads to an address that is not https",
    "TooManyRedirects": "it leads from one address to the next without an end",
    "RemoteProtocolError": "what it sends breaks off, or is not HTTP",
    "DecodingError": "what it sends is not compressed as it says",
}


def reason_of(error: BaseException, place: HubPlace = HUB_TO_WRITE) -> str:
    """Return why what was asked was not done, in one bounded line without secrets."""
    error = _telling(error)
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = without_secrets(_MORE.sub("", str(error)))
    if isinstance(error, _NoAnswerError):
        return said
    if isinstance(status, int):
        if "GatedRepoError" in {cls.__name__ for cls in type(error).__mro__}:
            return f"HTTP {status}: {_GATED} (it says: {said})"
        own_fault = f"{place.name} itself failed: try again later" if status >= 500 else ""
        next_step = place.advice.get(status, own_fault)
        return f"HTTP {status}: {next_step}{' ' if next_step else ''}(it says: {said})"
    names = {cls.__name__ for cls in type(error).__mro__}
    if "OfflineModeIsEnabled" in names:
        return "HF_HUB_OFFLINE is set: unset it"
    for name, why in _NO_ANSWERS.items():
        if name in names:
            return f"{place.name} gave no answer that can be used: {why} ({said})"
    if names & {"ConnectError", "NetworkError", "TransportError", "ConnectionError"}:
        return f"{place.name} cannot be reached: check the network, and {place.setting} ({said})"
    if names & {"JSONDecodeError", "UnicodeDecodeError", "KeyError", "TypeError", "AttributeError"}:
        return f"its answer is none that a hub gives: check {place.setting}"
    return f"{type(error).__name__}: {said}"


def _telling(error: BaseException) -> BaseException:
    """Return what caused an error, where that says more: the client wraps an upload's failure."""
    causes = [error]
    while len(causes) < 10 and (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    tells = (one for one in causes if isinstance(one, _NoAnswerError) or hasattr(one, "response"))
    return next(tells, error)


def without_secrets(text: str) -> str:
    """Return a text as one printable, bounded line with logins, tokens and signatures taken out."""
    line = redacted(text)
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}..."


def redacted(text: str) -> str:
    """Return a text as one printable line of any length with logins, tokens and signatures taken out."""
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "[removed]")
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    line = " ".join(text.split())
    return "".join(sign if sign.isprintable() else "?" for sign in line)


def _secrets() -> set[str]:
    """Return the secrets of the user's environment as they may be written: token, logins in addresses."""
    found: set[str] = set()
    with contextlib.suppress(HubError):  # where it is not installed there is no token of it
        token = import_hub().get_token()
        if token:
            found.add(token)
    for name, value in os.environ.items():
        if name.upper() not in ("HF_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") or "@" not in value:
            continue
        try:
            parts = urlsplit(value)
        except ValueError:
            continue
        login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        found.add(base64.b64encode(login.encode()).decode())
        if parts.password:
            plain = unquote(parts.password)
            found |= {parts.password, plain, quote(plain, safe="")}
    # a password of a few letters would be taken out of every word
    return {secret for secret in found if len(secret) >= 4}


def _limited(send: Callable[..., Any]) -> Callable[..., Any]:
    """Return a client's `send` that ends after a silence, and where a hub asks for a long wait."""

    def limited(request: Any, **options: Any) -> Any:
        uploads = request.method == "PUT" or "/commit/" in request.url.path
        seconds = UPLOAD_SECONDS if uploads else ANSWER_SECONDS
        limits = {"connect": _CONNECT_SECONDS, "read": seconds, "write": seconds, "pool": seconds}
        asked = request.extensions.get("timeout") or {}
        request.extensions["timeout"] = {
            name: min(limit, limit if asked.get(name) is None else asked[name])
            for name, limit in limits.items()
        }
        host = request.url.host
        silent = None
        try:
            response = send(request, **options)
        except Exception as error:
            if not any("Timeout" in cls.__name__ for cls in type(error).__mro__):
                raise
            connecting = "Connect" in type(error).__name__
            silent = (
                f"{host} cannot be reached within {_CONNECT_SECONDS:g} s"
                if connecting
                else f"{host} did not answer for {request.extensions['timeout']['read']:g} s"
            )
        if silent:  # outside of the handler: the client's own error has the address in it
            raise _NoAnswerError(f"{silent}: check the network, and HF_ENDPOINT where it is set")
        wait = _wait_seconds(response.headers)
        if response.status_code in (429, 503) and wait > _LONGEST_WAIT_SECONDS:
            raise _NoAnswerError(f"{host} asks to wait {wait} s: try again later")
        return response

    return limited


def _wait_seconds(headers: Any) -> int:
    """Return for how long a hub asks us to wait."""
    stated = str(headers.get("retry-after") or "").strip()
    limit = re.search(r";\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d{1,12})", str(headers.get("ratelimit") or ""))
    waits = [int(stated)] if stated.isdecimal() and len(stated) <= 12 else []
    return max([*waits, *([int(limit[1])] if limit else []), 0])


class _Relay(logging.Handler):
    """Tells what a library logs, without secrets."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):  # a record that cannot be formatted is not worth a failure
            self._tell(without_secrets(record.getMessage()))


@contextlib.contextmanager
def _silenced(tell: Tell) -> Iterator[None]:
    """Take the libraries' loggers away from the terminal and from the root logger."""
    relay = _Relay(tell)
    loggers = [
        logging.getLogger(name)
        for name in {
            *_LOGGERS,
            *(n for n in list(logging.root.manager.loggerDict) if n.split(".")[0] in _LOGGERS),
        }
    ]
    before = [(logger, logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = (
            [relay] if logger.name in _LOGGERS else [],
            logger.name not in _LOGGERS,
        )
    try:
        yield
    finally:
        for logger, handlers, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
