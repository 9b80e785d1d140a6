"""A server of files on 127.0.0.1, and every way in which a download goes wrong; a hub to read from too."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40


@dataclass
class Server:
    """What is served, how it behaves, and what it was asked.

    Attributes:
        files: content by path.
        redirects: where a path leads.
        cut_after: this many answers end after half of what they state.
        ranges: whether a part of a file may be asked for.
        status: answered to every request, instead of an answer.
        endless: sends zeros without stating a length.
        repositories: of a hub: files by name, by OWNER/NAME.
        raw: whole answers by path, the first for the first request, and the last for all others.
        damaged: names of a hub's files whose content is not what the hub states.
        requests: method, path and range.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    cut_after: int = 0
    ranges: bool = True
    status: int = 0
    endless: bool = False
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    raw: dict[str, list[bytes]] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    headers_seen: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serve for the time of the block."""

    class Handler(_Handler):
        state = server

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.port = http.server_address[1]
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


def is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".ckpt"))


class _Handler(BaseHTTPRequestHandler):
    state: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        state, path = self.state, unquote(urlsplit(self.path).path)
        asked = self.headers.get("Range") or ""
        state.requests.append((self.command, self.path, asked))
        state.headers_seen.append(dict(self.headers.items()))
        if path in state.raw:
            answers = state.raw[path]
            self.wfile.write(answers.pop(0) if len(answers) > 1 else answers[0])
            self.close_connection = True
        elif state.status:
            self._send(state.status, b"<html><title>Sorry</title></html>")
        elif state.endless:
            self._send_zeros()
        elif path in state.redirects:
            self._send(302, b"", Location=state.redirects[path])
        elif path.startswith("/api/models/"):
            self._describe(path)
        elif "/resolve/" in path:
            self._resolve(path)
        elif path in state.files:
            self._send_file(state.files[path], asked)
        else:
            self._send(404, b"not found")

    do_HEAD = do_GET  # noqa: N815

    def _describe(self, path: str) -> None:
        name = "/".join(path.split("/")[3:5])
        files = self.state.repositories.get(name)
        if files is None:
            self._send(401, b"{}", X_Error_Message="Repository not found", X_Error_Code="RepoNotFound")
            return
        siblings = []
        for file, content in files.items():
            entry: dict[str, Any] = {"rfilename": file, "size": len(content), "blobId": _git(content)}
            if is_large(file):
                entry["lfs"] = {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "size": len(content),
                    "pointerSize": 1,
                }
            siblings.append(entry)
        self._send(200, json.dumps({"id": name, "sha": COMMIT, "siblings": siblings, "tags": []}).encode())

    def _resolve(self, path: str) -> None:
        owner, name, _, _, *rest = path.strip("/").split("/")
        file = "/".join(rest)
        content = self.state.repositories.get(f"{owner}/{name}", {}).get(file)
        if content is None:
            self._send(404, b"", X_Error_Code="EntryNotFound")
            return
        etag = hashlib.sha256(content).hexdigest() if is_large(file) else _git(content)
        if file in self.state.damaged:
            content = b"x" + content[1:]
        self._send_file(
            content,
            self.headers.get("Range") or "",
            etag,
            X_Repo_Commit=COMMIT,
            X_Linked_Size=str(len(content)),
        )

    def _send_file(self, content: bytes, asked: str, etag: str = "", **headers: str) -> None:
        state = self.state
        start = 0
        status = 200
        headers["ETag"] = f'"{etag or hashlib.sha256(content).hexdigest()[:16]}"'
        if asked and state.ranges:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            if start >= len(content):
                self._send(416, b"", Content_Range=f"bytes */{len(content)}")
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        rest = content[start:]
        if state.cut_after and self.command == "GET":
            state.cut_after -= 1
            self._send(status, rest[: len(rest) // 2], length=len(rest), **headers)
            self.close_connection = True
            return
        self._send(status, rest, **headers)

    def _send(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_zeros(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(bytes(1 << 20))


def _git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
