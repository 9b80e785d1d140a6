"""A small hub on 127.0.0.1: enough of its interface for an upload, and every way in which one fails."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SIGNATURE = "SIGNEDWITHTHIS"


@dataclass
class Hub:
    """What the hub has, how it behaves, and what it was asked.

    Attributes:
        files: of the repository before the upload, with git's hash of each; None where there is none.
        private: whether that repository is.
        status: answered to every request, instead of an answer.
        body: goes with `status`.
        headers: go with `status`.
        large: files of these endings go to a storage by a signed address.
        storage_status: what the storage answers.
        commit_status: what a commit is answered.
        silent: takes a request whose path holds this text, and never answers.
        reset: closes every connection without an answer.
        requests: method, path, and the body of a repository's creation.
        committed: names that were added and names that were deleted.
    """

    files: dict[str, str] | None = None
    private: bool = False
    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    large: tuple[str, ...] = ()
    storage_status: int = 200
    commit_status: int = 200
    silent: str | None = None
    reset: bool = False
    requests: list[tuple[str, str]] = field(default_factory=list)
    created: dict[str, Any] | None = None
    committed: dict[str, list[str]] = field(default_factory=dict)
    port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Serve a hub for the time of the block."""

    class Handler(_Handler):
        state = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def answer(self, status: int, value: Any = None, *, raw: bytes | None = None, **headers: str) -> None:
        body = json.dumps(value if value is not None else {}).encode() if raw is None else raw
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, words: str) -> None:
        self.answer(status, {"error": words}, X_Error_Message=words)

    def handle_any(self) -> None:
        """Answer one request."""
        hub, path = self.state, self.path
        body = self._body()
        hub.requests.append((self.command, path))
        bearer = self.headers.get("Authorization") or ""
        if hub.silent is not None and hub.silent in path:
            hub.closing.wait(60)
            return
        if hub.reset:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif hub.status:
            words = f"refused for {bearer}"
            self.answer(
                hub.status,
                {"error": words},
                raw=hub.body or None,
                **{"X_Error_Message": words, **hub.headers},
            )
        elif path == "/api/repos/create":
            hub.created = json.loads(body)
            if hub.files is not None:
                self.refuse(409, "You already created this model repo")
            else:
                self.answer(200, {"url": f"{hub.address}/me/digits"})
        elif path.startswith("/api/validate-yaml"):
            self.answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in path:
            self._say_how_to_upload(json.loads(body)["files"])
        elif path.endswith("/info/lfs/objects/batch"):
            self._give_signed_addresses(json.loads(body)["objects"], bearer)
        elif path.startswith("/storage/"):
            if hub.storage_status == 200:
                self.answer(200)
            else:
                self.refuse(hub.storage_status, "the storage is broken")
        elif "/commit/" in path:
            self._commit(body, bearer)
        elif path.startswith("/api/models/me/digits") and hub.files is not None:
            siblings = [{"rfilename": name, "size": 1, "blobId": oid} for name, oid in hub.files.items()]
            self.answer(
                200,
                {
                    "id": "me/digits",
                    "sha": "0" * 40,
                    "private": hub.private,
                    "siblings": siblings,
                    "tags": [],
                },
            )
        else:
            self.refuse(404, "not found")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _say_how_to_upload(self, files: list[dict[str, Any]]) -> None:
        large = self.state.large
        modes = ["lfs" if large and one["path"].endswith(large) else "regular" for one in files]
        answer = [
            {"path": one["path"], "uploadMode": mode, "shouldIgnore": False}
            for one, mode in zip(files, modes, strict=True)
        ]
        self.answer(200, {"files": answer, "commitOid": "0" * 40})

    def _give_signed_addresses(self, objects: list[dict[str, Any]], bearer: str) -> None:
        answer = []
        for one in objects:
            signed = f"X-Amz-Signature={SIGNATURE}&token={bearer.removeprefix('Bearer ')}"
            href = f"{self.state.address}/storage/{one['oid']}?{signed}"
            answer.append({"oid": one["oid"], "size": one["size"], "actions": {"upload": {"href": href}}})
        self.answer(
            200, {"transfer": "basic", "objects": answer}, Content_Type="application/vnd.git-lfs+json"
        )

    def _commit(self, body: bytes, bearer: str) -> None:
        if self.state.commit_status != 200:
            self.refuse(self.state.commit_status, f"the commit is refused, token {bearer}")
            return
        lines = [json.loads(line) for line in body.decode().splitlines()]
        for line in lines:
            kind = "deleted" if line["key"].startswith("deleted") else "added"
            if line["key"] != "header":
                self.state.committed.setdefault(kind, []).append(line["value"]["path"])
            else:
                self.state.committed["parent"] = [line["value"].get("parentCommit")]
        url = f"{self.state.address}/me/digits/commit/{'a' * 40}"
        self.answer(200, {"success": True, "commitOid": "a" * 40, "commitUrl": url, "hookOutput": ""})

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any  # noqa: N815
