"""Sources at an address: published weights by name, and any https address."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from triport.converters.conversion import SHIPPED
from triport.converters.sources import SourceError, locate
from triport.converters.sources.kinds import published_name
from triport.converters.sources.store import file_name
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import get_model

CONTENT = SHIPPED.read_bytes()
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]
NAME = f"digits-{DIGITS}.ckpt"
AT = f"/publisher.example/weights/{NAME}"
PAGE = b"<!DOCTYPE html><html><head><title>Not found</title></head></html>"


@pytest.fixture
def published_elsewhere(monkeypatch):
    """The record of the shipped model's weights, as if they lay at a publisher's."""
    (record,) = get_model("res2net_digits").weights
    record = replace(record, url=f"https://publisher.example/weights/{NAME}", sha256="")
    monkeypatch.setattr(published_name, "_record", lambda name: record if name == record.name else None)


def test_weights_are_downloaded_once_and_converted(serve, published_elsewhere, run_cli, tmp_path):
    server = serve(files={AT: CONTENT})
    for _ in range(2):
        done = run_cli(
            "convert", "res2net_digits.triport", "--to", "pytorch", "-o", tmp_path / "x.pth", "--json", "-"
        )
        assert done.exit_code == 0, done.output
    assert [path for method, path, _ in server.requests if method == "GET"] == [AT]
    told = json.loads(done.stdout)
    assert told["model"] == "res2net_digits" and Path(told["source"]).read_bytes() == CONTENT
    assert f"its SHA-256 begins with {DIGITS}, as the publisher, in the name of the file says" in done.stderr


@pytest.mark.parametrize("command", ["inspect", "parity", "evaluate", "publish"])
def test_every_command_takes_a_name(serve, published_elsewhere, run_cli, tmp_path, command):
    serve(files={AT: CONTENT})
    words = {
        "inspect": [],
        "parity": ["--runtimes", "pytorch"],
        "evaluate": ["--data", "examples/digits/val", "--limit", 20, "--allow-subset"],
        "publish": ["--model", "res2net_digits", "--license", "mit", "-o", tmp_path / "no" / "folder"],
    }
    done = run_cli(command, "res2net_digits.triport", *words[command])
    if command == "publish":  # which takes long: that it comes as far as the folder says enough
        assert done.exit_code == 2 and "no/folder" in done.stderr
    else:
        assert done.exit_code == 0, done.output
        assert "its SHA-256 begins with" in done.stderr


def test_an_address_is_followed_through_redirects(serve):
    server = serve(redirects={"/a": "/b", "/b": f"/c/{NAME}"}, files={f"/c/{NAME}": CONTENT})
    found = locate(f"{server.address}/a")
    assert found.path.read_bytes() == CONTENT
    assert "nobody states its SHA-256" in found.said[0]


def test_what_is_named_by_its_hash_must_have_it(serve, tmp_path):
    server = serve(files={"/digits-00000000.ckpt": CONTENT})
    with pytest.raises(SourceError, match=f"begins with {DIGITS}, and the name of the file states 00000000"):
        locate(f"{server.address}/digits-00000000.ckpt")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix in (".ckpt", ".part")]


def test_a_wrong_hash_leaves_the_output_as_it_was(serve, published_elsewhere, run_cli, tmp_path):
    serve(files={AT: CONTENT[:-1] + b"\x00"})
    (tmp_path / "x.pth").write_bytes(b"kept")
    done = run_cli("convert", "res2net_digits.triport", "--to", "pytorch", "-o", tmp_path / "x.pth")
    assert done.exit_code == 2 and "the publisher, in the name of the file, states" in done.stderr
    assert (tmp_path / "x.pth").read_bytes() == b"kept"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_off_goes_on(serve, ranges):
    server = serve(files={f"/{NAME}": CONTENT}, cut_after=2, ranges=ranges)
    assert locate(f"{server.address}/{NAME}").path.read_bytes() == CONTENT
    asked = [wanted for _, _, wanted in server.requests]
    assert asked[0] == "" and all(wanted.startswith("bytes=") for wanted in asked[1:]) and len(asked) == 3


def test_a_server_that_always_cuts_off_is_an_error(serve):
    server = serve(files={f"/{NAME}": CONTENT}, cut_after=10**9, ranges=False)
    with pytest.raises(SourceError, match=r"cannot be downloaded: .*without sending complete"):
        locate(f"{server.address}/{NAME}")


@pytest.mark.parametrize("left", [CONTENT[:1000], b"of another file", CONTENT + b"too long"])
def test_what_an_earlier_run_left_is_used_or_thrown_away(serve, left):
    server = serve(files={f"/{NAME}": CONTENT})
    found = locate(f"{server.address}/{NAME}").path
    found.rename(found.with_name(f"{NAME}.part"))
    found.with_name(f"{NAME}.part").write_bytes(left)
    server.requests.clear()
    assert locate(f"{server.address}/{NAME}").path.read_bytes() == CONTENT
    assert server.requests[0][2] == f"bytes={len(left)}-"


def test_a_file_that_was_changed_is_downloaded_again(serve):
    server = serve(files={f"/{NAME}": CONTENT})
    found = locate(f"{server.address}/{NAME}").path
    found.write_bytes(b"changed")
    assert locate(f"{server.address}/{NAME}").path.read_bytes() == CONTENT
    assert len(server.requests) == 2


@pytest.mark.parametrize("name", ["weights.ckpt", NAME])
def test_a_page_in_place_of_a_file_is_named(serve, tmp_path, name):
    server = serve(files={f"/{name}": PAGE})
    with pytest.raises(SourceError, match=r"what came is an HTML page \('Not found'\), not the file"):
        locate(f"{server.address}/{name}")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix in (".ckpt", ".part")]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, "HTTP 404: the host has no such file"),
        ({"status": 403}, "HTTP 403: the host does not allow it"),
        ({"status": 500}, "HTTP 500: the host itself failed"),
        ({"files": {"/x.ckpt": b""}}, "is empty: the server has nothing there"),
    ],
)
def test_an_answer_that_is_no_file(serve, state, words):
    server = serve(**state)
    with pytest.raises(SourceError, match=words):
        locate(f"{server.address}/x.ckpt")


def test_no_network(serve, published_elsewhere, monkeypatch):
    monkeypatch.setenv("TRIPORT_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(
        SourceError, match="the host cannot be reached: check the network, and TRIPORT_MIRROR"
    ):
        locate("res2net_digits.triport")


def test_offline_takes_only_what_was_downloaded(serve, published_elsewhere, run_cli):
    server = serve(files={AT: CONTENT})
    done = run_cli("inspect", "res2net_digits.triport", "--offline")
    assert done.exit_code == 2 and "--offline forbids a download now" in done.stderr and not server.requests
    assert run_cli("inspect", "res2net_digits.triport").exit_code == 0
    server.requests.clear()
    assert run_cli("inspect", "res2net_digits.triport", "--offline").exit_code == 0
    assert not server.requests


def test_an_endless_answer_is_stopped(serve, monkeypatch, tmp_path):
    monkeypatch.setenv("TRIPORT_MAX_DOWNLOAD_GB", "0.004")
    server = serve(endless=True)
    with pytest.raises(SourceError, match=r"has more than 0\.004 GB"):
        locate(f"{server.address}/x.ckpt")
    kept = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert kept <= 4_000_000


def test_a_size_over_the_limit_is_refused_before_a_byte_is_written(serve, monkeypatch):
    monkeypatch.setenv("TRIPORT_MAX_DOWNLOAD_GB", "0.0001")
    server = serve(files={f"/{NAME}": CONTENT})
    with pytest.raises(SourceError, match=r"has more than 0\.0001 GB"):
        locate(f"{server.address}/{NAME}")


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/x.ckpt",
        "https:///x.ckpt",
        "http://10.0.0.1/x.ckpt",
        "ftp://example.org/x.ckpt",
        "S3://bucket/x.ckpt",
    ],
)
def test_an_address_that_is_not_encrypted_is_refused(address):
    with pytest.raises(SourceError, match=r"is not encrypted|is no address"):
        locate(address)


def test_a_redirect_to_an_address_that_is_not_encrypted_is_refused(serve, monkeypatch):
    from triport.converters.sources import download

    server = serve(redirects={"/x.ckpt": "/y.ckpt"}, files={"/y.ckpt": CONTENT})
    seen = []
    check = download.check_address

    def refusing(address):
        seen.append(address)
        if address.endswith("y.ckpt"):
            check("http://example.org/y.ckpt")
        check(address)

    monkeypatch.setattr(download, "check_address", refusing)
    with pytest.raises(SourceError, match="is not encrypted"):
        locate(f"{server.address}/x.ckpt")
    assert seen[-1].endswith("y.ckpt")


def test_a_signature_and_a_login_are_not_printed(serve):
    server = serve()
    told = []
    address = (
        server.address.replace("//", "//me:Passw0rd@") + "/x.ckpt?X-Amz-Signature=SIGNED&token=hf_abcdefgh"
    )
    with pytest.raises(SourceError) as caught:
        locate(address, told.append)
    for text in (str(caught.value), *told):
        assert "Passw0rd" not in text and "SIGNED" not in text and "hf_abcdefgh" not in text
    assert caught.value.__context__ is None


def test_the_users_token_of_the_hub_goes_to_no_other_host(serve, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    server = serve(files={f"/{NAME}": CONTENT})
    locate(f"{server.address}/{NAME}")
    assert not any("Authorization" in headers for headers in server.headers_seen)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://h/../../etc/passwd", "passwd"),
        ("https://h/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "passwd"),
        ("https://h/..", "download"),
        ("https://h/", "download"),
        ("https://h/.hidden", "hidden"),
        ("https://h/-o.ckpt", "o.ckpt"),
        ("https://h/a%00b%1b[31m.ckpt", "a_b__31m.ckpt"),
        ("https://h/" + "x" * 500 + ".ckpt", "x" * 115 + ".ckpt"),
    ],
)
def test_a_name_from_an_address_stays_in_its_folder(address, name):
    assert file_name(address) == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet50.modelzoo", "gives figures and no file"),
        ("tf_efficientnet_lite0.efficientnet-lite-pytorch", "a page and not a file"),
    ],
)
def test_weights_without_a_file(name, words):
    with pytest.raises(SourceError, match=words):
        locate(name)


def test_a_model_without_weights_names_those_that_are_published(run_cli):
    done = run_cli("convert", "res2net50", "--to", "pytorch")
    assert done.exit_code == 2
    assert "Published are res2net50.mindcv, res2net50.mindcv_910v2, res2net50.timm: give one" in done.stderr


def test_a_file_of_the_name_is_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "res2net50.mindcv").write_bytes(CONTENT)
    assert locate("res2net50.mindcv").path == Path("res2net50.mindcv")


def test_without_huggingface_hub_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(TriportError, match=r'pip install "triport\[hub\]"'):
        locate("res2net50.mindcv")
