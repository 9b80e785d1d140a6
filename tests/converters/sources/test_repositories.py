"""Sources on a hub: hf-hub:owner/name, timm/name, its addresses, and published weights that lie there."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

from triport.converters.convert import convert
from triport.converters.formats import FormatError, open_checkpoint
from triport.converters.request import ConvertRequest
from triport.converters.sources import SourceError, locate
from triport.converters.sources.kinds.hub_name import takes
from triport.converters.sources.repository import Repository, repository_at
from triport.reference_models.errors import TriportError

CONFIG = json.dumps({"architecture": "res2net_digits", "num_classes": 10}).encode()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The shipped model as safetensors."""
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    convert(None, ConvertRequest(to="pytorch", output=path))
    return path.read_bytes()


def repository(weights, **more):
    return {"me/digits": {"model.safetensors": weights, "config.json": CONFIG, **more}}


@pytest.mark.parametrize("source", ["hf-hub:me/digits", "hf://me/digits", "https://huggingface.co/me/digits"])
def test_a_repository_is_downloaded_once_with_its_config(serve, weights, source):
    server = serve(repositories=repository(weights, **{"README.md": b"#", "pytorch_model.bin": b"no"}))
    found = locate(source)
    assert found.path.read_bytes() == weights
    assert found.path.with_name("config.json").read_bytes() == CONFIG
    assert "as the hub states" in found.said[0]
    assert not any("README" in path or "pytorch_model" in path for _, path, _ in server.requests)
    server.requests.clear()
    assert locate(source, offline=True).path == found.path
    assert not server.requests


def test_a_repository_is_converted(serve, weights, run_cli, tmp_path):
    serve(repositories=repository(weights))
    done = run_cli("convert", "hf-hub:me/digits", "--to", "mindspore", "-o", tmp_path / "x.ckpt")
    assert done.exit_code == 0, done.output
    assert "hf-hub:me/digits is " in done.stderr and "as the hub states" in done.stderr


def test_what_is_made_of_a_repository_has_its_name(serve, weights, run_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    serve(repositories={"me/digits_1.in1k": {"model.safetensors": weights, "config.json": CONFIG}})
    for sources in (["hf-hub:me/digits_1.in1k"], ["hf-hub:me/digits_1.in1k", "res2net_digits.triport"]):
        folder = ["-o", "many"] if len(sources) > 1 else []
        done = run_cli("convert", *sources, "--to", "mindspore", *folder)
        assert done.exit_code == 0, done.output
    assert (tmp_path / "digits_1.in1k.ckpt").is_file()
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == [
        "digits_1.in1k.ckpt",
        "res2net_digits.ckpt",
    ]


def test_a_checkpoint_in_parts_is_downloaded_whole(serve):
    parts = {f"model-0000{n}-of-00002.safetensors": save({f"w{n}": np.ones(3, np.float32)}) for n in (1, 2)}
    index = {f"w{n}": f"model-0000{n}-of-00002.safetensors" for n in (1, 2)}
    text = json.dumps({"weight_map": index}).encode()
    serve(repositories={"me/large": {"model.safetensors.index.json": text, **parts}})
    assert set(open_checkpoint(locate("hf-hub:me/large").path).tensors) == {"w1", "w2"}


def test_a_part_outside_the_repository_is_not_asked_for(serve):
    text = json.dumps({"weight_map": {"w": "../../other/repository/resolve/main/x.safetensors"}}).encode()
    server = serve(repositories={"me/large": {"model.safetensors.index.json": text}})
    with pytest.raises(FormatError, match="no name of a file beside the index: refused"):
        locate("hf-hub:me/large")
    assert not any("other" in path for _, path, _ in server.requests)


def test_what_its_config_says_is_held_against_the_weights(serve, weights, run_cli, tmp_path):
    wrong = json.dumps({"architecture": "resnet50", "num_classes": 10}).encode()
    serve(repositories=repository(weights, **{"config.json": wrong}))
    done = run_cli("convert", "hf-hub:me/digits", "--to", "mindspore", "-o", tmp_path / "x.ckpt")
    assert done.exit_code == 2 and "architecture says 'resnet50'" in done.stderr


def test_one_file_of_several_must_be_named(serve, weights):
    serve(repositories={"me/digits": {"a.safetensors": weights, "b.safetensors": weights}})
    with pytest.raises(
        SourceError, match=r"has no one file of weights .*\. It has a.safetensors, b.safetensors"
    ):
        locate("hf-hub:me/digits")
    assert locate("hf-hub:me/digits/b.safetensors").path.name == "b.safetensors"
    with pytest.raises(SourceError, match="has no such file"):
        locate("hf-hub:me/digits/c.safetensors")


def test_a_file_that_is_not_what_the_hub_states_is_an_error(serve, weights):
    serve(repositories=repository(weights), damaged=("model.safetensors",))
    with pytest.raises(SourceError, match=r"the hub states .*: it was damaged or changed"):
        locate("hf-hub:me/digits")


def test_a_cache_that_was_changed_is_an_error(serve, weights):
    serve(repositories=repository(weights))
    blob = locate("hf-hub:me/digits").path.resolve()
    blob.write_bytes(weights[:-1] + b"\x01")
    with pytest.raises(SourceError, match="the hub states"):
        locate("hf-hub:me/digits", offline=True)


def test_published_weights_on_the_hub_must_have_the_records_hash(serve, weights):
    serve(repositories={"timm/inception_v4.tf_in1k": {"model.safetensors": weights}})
    with pytest.raises(SourceError, match="the record of these weights states a756a086"):
        locate("inception_v4.timm")


def test_published_weights_without_a_hash_are_those_of_the_hub(serve, weights):
    serve(repositories={"timm/res2net50_26w_4s.in1k": {"model.safetensors": weights}})
    found = locate("res2net50.timm")
    assert found.weights == "res2net50.timm" and "as the hub states" in found.said[0]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, "no such repository, or it is private"),
        ({"status": 403}, "the hub does not allow it"),
        ({"status": 404}, "the hub has no such place"),
    ],
)
def test_a_repository_that_cannot_be_had(serve, monkeypatch, state, words):
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    serve(**state)
    with pytest.raises(SourceError, match=words) as caught:
        locate("hf-hub:me/digits")
    assert "hf_secretsecret" not in str(caught.value) and caught.value.__context__ is None


def test_a_part_that_the_repository_lacks(serve):
    text = json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}).encode()
    part = save({"a": np.ones(3, np.float32)})
    server = serve(repositories={"me/large": {"model.safetensors.index.json": text, "one.safetensors": part}})
    with pytest.raises(
        SourceError, match=r"is incomplete: .* names 2 parts, and it does not have two\.safet"
    ):
        locate("hf-hub:me/large")
    assert not any("one.safetensors" in path for _, path, _ in server.requests)


def test_a_repository_without_weights(serve):
    serve(repositories={"me/text": {"README.md": b"#"}})
    with pytest.raises(SourceError, match=r"hf-hub:me/text: has no file of weights\. It has README\.md"):
        locate("hf-hub:me/text")


@pytest.mark.parametrize("status", [401, 403])
def test_a_repository_whose_owner_grants_access(serve, status):
    sent = b"HTTP/1.1 %d X\r\nX-Error-Code: GatedRepo\r\nContent-Length: 0\r\n\r\n" % status
    serve(raw={"/api/models/me/digits": [sent]})
    with pytest.raises(SourceError, match="asked for access: ask on its page in a browser, then log in"):
        locate("hf-hub:me/digits")


def test_an_endpoint_that_is_no_address(serve, monkeypatch):
    serve()
    monkeypatch.setenv("HF_ENDPOINT", "hf-mirror.com")
    with pytest.raises(TriportError, match=r"HF_ENDPOINT: hf-mirror.com: is no address; expected https://"):
        locate("hf-hub:me/digits")


def test_offline_without_a_copy(serve):
    server = serve()
    with pytest.raises(SourceError, match=r"it was not .* and --offline forbids .* Leave --offline out"):
        locate("hf-hub:me/digits", offline=True)
    assert not server.requests


@pytest.mark.parametrize("name", ["TRIPORT_OFFLINE", "HF_HUB_OFFLINE"])
@pytest.mark.parametrize("source", ["hf-hub:me/digits", "res2net50.mindcv", "{}/x.ckpt"])
def test_the_variable_that_forbids_to_download_is_named(serve, monkeypatch, name, source):
    server = serve()
    monkeypatch.setenv(name, "1")
    with pytest.raises(SourceError, match=f"was not .* and {name} forbids a download now. Unset {name}"):
        locate(source.format(server.address))
    assert not server.requests


@pytest.mark.parametrize(
    "name",
    ["hf-hub:me", "hf-hub:../me/x", "hf-hub:me/..", "hf-hub:me/x/../../y", "hf-hub:me/x/.hidden", "hf-hub:"],
)
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(SourceError, match="is no repository of the hub; expected hf-hub:owner/name"):
        locate(name)


def test_timm_names_are_the_hubs():
    assert takes("timm/resnet50.a1_in1k") and not takes("timm/models/resnet.py") and not takes("me/digits")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://huggingface.co/a/b", Repository("a/b")),
        ("https://huggingface.co/a/b/resolve/main/x/y.bin", Repository("a/b", "main", "x/y.bin")),
        ("https://huggingface.co/a/b/blob/v1/y.bin?download=true", Repository("a/b", "v1", "y.bin")),
        ("https://huggingface.co/datasets/b", None),
        ("https://example.org/a/b", None),
    ],
)
def test_addresses_of_the_hub(address, expected):
    assert repository_at(address) == expected
