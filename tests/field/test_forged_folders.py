"""Published folders: what a check of a forged one finds."""

import hashlib
import json
import os
import random

import numpy as np
import onnx
import pytest

from tests.publishing.forgery import append, found, in_config, mend, replaced, rewrite
from tests.publishing.mutations import WRONG, changed, places, same
from triport.publishing import manifest
from triport.publishing.registered.origin import classes_stated_by
from triport.publishing.verify import verify
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import all_models


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
    assert result.exit_code == 0 and "anyone can write one" in result.stdout
    result = run_cli("verify", published.folder, "--runtimes", "", "--digest", published.digest)
    assert result.exit_code == 0 and "anyone can write one" not in result.stdout
