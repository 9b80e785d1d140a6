"""A server on this machine, and caches of their own."""

import pytest

from tests.converters.sources.file_server import Server, serving


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    """Downloads are kept in the test's own folder, and nothing waits."""
    monkeypatch.setenv("TRIPORT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    for name in ("TRIPORT_MIRROR", "TRIPORT_OFFLINE", "TRIPORT_MAX_DOWNLOAD_GB", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serve(monkeypatch):
    """Start a server of files, which is the hub and the mirror too."""
    started = []

    def start(**state):
        server = Server(**state)
        manager = serving(server)
        manager.__enter__()
        started.append(manager)
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("TRIPORT_MIRROR", server.address)
        return server

    yield start
    for manager in started:
        manager.__exit__(None, None, None)
