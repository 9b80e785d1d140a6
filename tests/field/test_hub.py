"""Uploads to a hub."""

import hashlib
import json
import logging
import os

import pytest

from tests.publishing.stand_in_hub import SIGNATURE, Hub, running
from triport.converters import hub as module
from triport.publishing.push import PushError, PushOptions, push

TOKEN = "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ012345"
PASSWORD = "Passw0rd/InUrl"


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """Start a stand-in of the hub, which the client takes for the hub; return what it was asked."""
    with_hubs = []
    # the client's own waits between its tries
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    def start(login="", **state):
        hub = Hub(**state)
        manager = running(hub)
        manager.__enter__()
        with_hubs.append(manager)
        monkeypatch.setenv("HF_ENDPOINT", hub.address.replace("//", f"//{login}"))
        return hub

    yield start
    for manager in with_hubs:
        manager.__exit__(None, None, None)


def refused(folder, asked=None):
    """Return why an upload is refused: one bounded message without the token, its cause not chained."""
    told = []
    with pytest.raises(PushError) as caught:
        push(folder, "me/digits", told.append, asked)
    error, text = caught.value, str(caught.value)
    assert error.__context__ is None and error.__cause__ is None
    for said in (text, *told):
        assert TOKEN not in said and SIGNATURE not in said and PASSWORD not in said
        assert len(said) < 1500 and said.replace("\n", "").isprintable()
    return text


def of_git(path):
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.mark.field(
    case="A new repository, nothing said of who may see it",
    source="found by use: huggingface_hub's default is public",
    outcome="It is made private, and the output says so.",
)
def test_a_new_repository_is_private(published_copy, serve):
    hub = serve()
    done = push(published_copy, "me/digits")
    assert hub.created is not None and hub.created["visibility"] == "private"
    assert done.new and done.visibility == "private"
    assert "a new private repository me/digits" in done.lines("me/digits")[0]
    assert sorted(hub.committed["added"]) == sorted(path.name for path in published_copy.iterdir())


@pytest.mark.field(
    case="A new repository with --public",
    source="found by use",
    outcome="It is made public, and the output says so.",
)
def test_a_public_repository_is_asked_for(published_copy, serve):
    hub = serve()
    done = push(published_copy, "me/digits", asked=PushOptions(private=False))
    assert hub.created is not None and hub.created["visibility"] == "public"
    assert "a new public repository" in done.lines("me/digits")[0]


@pytest.mark.field(
    case="--private, and the repository is public",
    source="found by use: create_repo(exist_ok=True) ignores `private` of a repository that is there",
    outcome="Refused: nothing private goes to where everyone sees it.",
)
def test_an_existing_public_repository_is_not_private(published_copy, serve):
    hub = serve(files={})
    assert "is there already and is public" in refused(published_copy, PushOptions(private=True))
    assert not hub.committed


@pytest.mark.field(
    case="A repository with a README and other weights",
    source="found by use: upload_folder replaces what has the same name, and leaves the rest",
    outcome="Refused: the message names what would be replaced, what would stay, and the options.",
)
def test_what_is_there_is_not_replaced(published_copy, serve):
    hub = serve(files={"README.md": "1" * 40, "pytorch_model.bin": "2" * 40, ".gitattributes": "3" * 40})
    text = refused(published_copy)
    assert "would be replaced: README.md" in text
    assert "would stay beside it: pytorch_model.bin" in text and ".gitattributes" not in text
    assert "--replace" in text and "--delete-others" in text
    assert not hub.committed


@pytest.mark.field(
    case="--replace",
    source="found by use",
    outcome="Files of the same names are replaced, the others stay, and both are named.",
)
def test_replace_says_what_it_does(published_copy, serve):
    hub = serve(files={"README.md": "1" * 40, "old.onnx": "2" * 40})
    done = push(published_copy, "me/digits", asked=PushOptions(replace=True))
    assert (done.replaced, done.kept, done.deleted) == (("README.md",), ("old.onnx",), ())
    said = "\n".join(done.lines("me/digits"))
    assert "replaced: README.md" in said and "old.onnx; verify will name them" in said
    assert "deleted" not in hub.committed and hub.committed["parent"] == ["0" * 40]


@pytest.mark.field(
    case="--replace --delete-others",
    source="found by use",
    outcome="What the manifest does not list is deleted in the same commit, and named.",
)
def test_others_are_deleted_on_request_only(published_copy, serve):
    hub = serve(files={"old.onnx": "2" * 40, ".gitattributes": "3" * 40})
    done = push(published_copy, "me/digits", asked=PushOptions(replace=True, delete_others=True))
    assert hub.committed["deleted"] == ["old.onnx"] and done.deleted == ("old.onnx",)
    assert "deleted: old.onnx" in "\n".join(done.lines("me/digits"))


@pytest.mark.field(
    case="The same folder once more",
    source="found by use",
    outcome="Nothing differs, so nothing has to be allowed.",
)
def test_the_same_files_replace_nothing(published_copy, serve):
    serve(files={path.name: of_git(path) for path in published_copy.iterdir()})
    done = push(published_copy, "me/digits")
    assert (done.new, done.replaced, done.kept) == (False, (), ())


@pytest.mark.field(
    case="An endpoint with user:password@",
    source="found by use: a mirror of a company, whose 403 has the address in it",
    outcome="The password is in no message.",
)
@pytest.mark.parametrize("login", ["user:Passw0rd%2FInUrl@", f"user:{PASSWORD.replace('/', '')}@"])
@pytest.mark.parametrize("token", [TOKEN, None])
def test_an_endpoints_password_is_not_printed(published_copy, serve, monkeypatch, login, token):
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
        monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    serve(login=login, status=403)
    text = refused(published_copy)
    assert "HTTP 403" in text and "Passw0rd" not in text and "[login]@127.0.0.1" in text


@pytest.mark.field(
    case="The storage of large files fails",
    source="found by use: huggingface_hub's logger prints the signed address at each try",
    outcome="Neither signature nor token is printed, by the message or by a logger.",
)
def test_a_signed_address_is_not_printed(published_copy, serve, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    serve(large=(".onnx",), storage_status=500)
    assert "HTTP 500: the hub itself failed" in refused(published_copy)
    printed = "".join(capfd.readouterr()) + caplog.text
    assert SIGNATURE not in printed and TOKEN not in printed


@pytest.mark.field(
    case="A hub that takes the request and never answers",
    source="found by use: huggingface_hub's client has no time limit",
    outcome="After the time limit one message says which host was silent for how long.",
)
@pytest.mark.parametrize(
    "place", ["/api/repos/create", "/api/validate-yaml", "/preupload/", "/storage/", "/commit/"]
)
def test_no_answer_is_an_error(published_copy, serve, monkeypatch, place):
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(module, "UPLOAD_SECONDS", 0.3)
    serve(silent=place, large=(".onnx",))
    assert "127.0.0.1 did not answer for 0.3 s" in refused(published_copy)


@pytest.mark.field(
    case="401, 403, 404, 409, 413, 429, 500, 502 with a page of 50 kB, garbage, a closed connection",
    source="found by use",
    outcome="One message says what it is and what to do; it is bounded and has no token.",
)
@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"status": 401}, "log in with `hf auth login`"),
        ({"status": 403}, "the hub does not allow it"),
        ({"status": 404}, "the hub has no such place"),
        ({"commit_status": 409}, "changed at the same time"),
        ({"commit_status": 412}, "changed at the same time"),
        ({"commit_status": 403}, "the hub does not allow it"),
        ({"status": 413}, "a file is too large"),
        ({"status": 429}, "asked too often"),
        ({"status": 429, "headers": {"Retry-After": "86400"}}, "asks to wait 86400 s"),
        ({"status": 500}, "the hub itself failed"),
        ({"status": 502, "body": b"<html><h1>Bad Gateway</h1>" + b"x" * 50_000}, "the hub itself failed"),
        ({"status": 200, "body": b"\x00\xff<<<\x1b[31m"}, "its answer is none that a hub gives"),
        ({"status": 200, "body": b"[1, 2]"}, "its answer is none that a hub gives"),
        (
            {"status": 302, "headers": {"Location": f"http://127.0.0.1:9/x?sig={SIGNATURE}"}},
            "cannot be reached",
        ),
        ({"reset": True}, "the hub gave no answer that can be used: what it sends breaks off"),
    ],
)
def test_errors_of_a_hub_are_explained(published_copy, serve, state, words):
    hub = serve(**state)
    text = refused(published_copy)
    assert text.startswith("me/digits: the upload failed: ") and words in text
    assert "is complete" in text and not hub.committed


@pytest.mark.field(
    case="A hub that is not there",
    source="found by use",
    outcome="One message says that it cannot be reached.",
)
def test_no_hub_at_all(published_copy, serve, monkeypatch):
    serve()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "the hub cannot be reached" in refused(published_copy)


@pytest.mark.field(
    case="publish --push on the command line",
    source="found by use",
    outcome="Exit code 2 and the folder stays; with --replace it is uploaded and what changed is said.",
)
def test_publish_push_on_the_command_line(published_copy, serve, run_cli, monkeypatch, tmp_path):
    monkeypatch.setattr(
        "triport.publishing.session.publish", lambda *arguments, **options: _done(published_copy)
    )
    hub = serve(files={"README.md": "1" * 40})
    words = ["publish", "x.ckpt", "--model", "res2net_digits", "--license", "mit", "-o", published_copy]
    result = run_cli(*words, "--push", "me/digits")
    assert result.exit_code == 2 and "would be replaced: README.md" in result.stderr
    assert "digest" in result.stdout and not hub.committed
    result = run_cli(*words, "--push", "me/digits", "--replace", "--json", tmp_path / "done.json")
    assert result.exit_code == 0 and "replaced: README.md" in result.stdout
    assert json.loads((tmp_path / "done.json").read_text())["push"]["visibility"] == "public"
    for wrong in (["--replace"], ["--public"], ["--push", "me/digits", "--delete-others"]):
        assert run_cli(*words, *wrong).exit_code == 2


def _done(folder):
    from triport.publishing import manifest
    from triport.publishing.outcome import PublishedFolder

    content = manifest.read(folder)
    return PublishedFolder(folder, manifest.parsed(content), manifest.digest_of(content), ())


@pytest.mark.field(
    case="A proxy's password in the environment",
    source="found by use",
    outcome="It is taken out of messages, however it is written.",
)
@pytest.mark.parametrize("written", ["Passw0rd%2FInUrl", PASSWORD, "dTpQYXNzdzByZC9JblVybA=="])
def test_a_proxys_password_is_not_printed(monkeypatch, written):
    monkeypatch.setenv("HTTPS_PROXY", "http://u:Passw0rd%2FInUrl@proxy.example:3128")
    assert written not in module.without_secrets(f"cannot connect: {written} refused")
    assert "HTTPS_PROXY" in os.environ
