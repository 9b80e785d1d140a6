"""Whatever is changed in a published folder is found and named, also where the manifest was mended."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.publishing.forgery import replace_text, rewrite
from triport.converters.formats import ArrayTensor, open_checkpoint, write_checkpoint
from triport.publishing import manifest
from triport.publishing.folder import FolderError
from triport.publishing.manifest import ManifestError
from triport.publishing.tables import verification_pieces
from triport.publishing.verify import verify

ROOT = Path(__file__).parents[2]
CHANGES = 100


def problems_of(folder, check):
    done = verify(folder, runtimes=())
    assert not done.passed
    found = next(one for one in done.checks if one.name == check)
    assert found.status == "failed"
    return "\n".join(found.problems)


def test_an_untouched_folder_passes_in_every_runtime(made):
    done = verify(made.folder, digest=made.digest)
    assert done.passed
    assert {check.name: check.status for check in done.checks} == dict.fromkeys(
        ["manifest", "files", "structure", "bits", "texts", "claims"]
        + [f"sample: model{end}" for end in (".ckpt", ".safetensors", ".onnx", "_optimized.onnx")],
        "passed",
    )


@pytest.mark.parametrize(("runtimes", "run"), [((), 0), (("onnx",), 2), (("pytorch", "mindspore"), 2)])
def test_a_file_that_is_not_run_is_said(made, runtimes, run):
    done = verify(made.folder, runtimes=runtimes)
    samples = [check for check in done.checks if check.name.startswith("sample")]
    assert (len(samples), [check.status for check in samples].count("passed")) == (4, run)
    assert all("not asked for" in check.detail for check in samples if check.status == "not run")
    assert done.to_dict()["computed"] == bool(run)
    _, verdict, *further = verification_pieces(done)
    assert "; not run: sample: model" in verdict
    assert ("No file was run" in further[0]) == (not run)


@pytest.mark.parametrize("seed", range(CHANGES))
def test_a_changed_byte_is_found_and_named(made, seed):
    """The files in turn, a random byte of each, changed to a random other value."""
    files = sorted(path for path in made.folder.iterdir())
    path, chooser = files[seed % len(files)], random.Random(seed)
    content = path.read_bytes()
    position = chooser.randrange(len(content))
    changed = bytearray(content)
    changed[position] ^= chooser.randrange(1, 256)
    path.write_bytes(changed)
    try:
        done = verify(made.folder, runtimes=())
    finally:
        path.write_bytes(content)
    assert not done.passed
    named = [problem for check in done.checks for problem in check.problems]
    assert len(named) == 1 and named[0].startswith(f"{path.name}: ")


@pytest.mark.parametrize("name", ["model.onnx", "README.md", "parity.html"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert problems_of(folder, "files") == f"{name}: is missing"


def test_a_file_too_many_is_named(folder):
    (folder / "pytorch_model.bin").write_bytes(b"surprise")
    assert problems_of(folder, "files") == "pytorch_model.bin: is not in the manifest"


def test_a_hubs_bookkeeping_is_told_and_no_fault(folder):
    (folder / ".gitattributes").write_text("*.onnx filter=lfs\n")
    (folder / ".cache").mkdir()
    done = verify(folder, runtimes=())
    assert done.passed
    assert "not part of it: .cache, .gitattributes" in done.checks[1].detail


def test_another_folder_with_a_right_manifest_is_not_the_published_one(folder, made):
    rewrite(folder, lambda values: values.update(license="mit"))
    done = verify(folder, digest=made.digest, runtimes=())
    assert done.checks[0].status == "failed"
    assert "not the folder that was published" in done.checks[0].problems[0]
    assert {check.status for check in done.checks[1:]} == {"not run"}


def change_a_weight(folder, name):
    """Write a weights file with one bit changed."""
    path = folder / name
    if path.suffix == ".onnx":
        model = onnx.load(path)
        tensor = model.graph.initializer[3]
        values = numpy_helper.to_array(tensor).copy()
        values.flat[0] = np.nextafter(values.flat[0], np.float32(np.inf))
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        path.write_bytes(model.SerializeToString())
        return tensor.name
    checkpoint = open_checkpoint(path)
    arrays = {name: tensor.numpy() for name, tensor in checkpoint.tensors.items()}
    first = next(iter(arrays))
    arrays[first].flat[0] = np.nextafter(arrays[first].flat[0], np.float32(np.inf))
    path.unlink()
    tensors = {name: ArrayTensor(array) for name, array in arrays.items()}
    write_checkpoint(path, checkpoint.runtime, tensors, dict(checkpoint.metadata))
    return first


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "model.ckpt"])
def test_other_bits_are_found_though_every_hash_is_right(folder, name):
    changed = change_a_weight(folder, name)
    rewrite(folder)
    assert problems_of(folder, "bits") == f"{name}: {changed} holds other bits than the ledger says"


def renamed_classes(values):
    values["num_classes"] = 11


def wider_tolerance(values):
    values["sample"]["tolerance"] = 1.0


def no_pass(values):
    values["parity"]["pairs"][0]["passed"] = False


@pytest.mark.parametrize(
    ("change", "check", "message"),
    [
        (renamed_classes, "claims", "num_classes is 11, and it names 10"),
        (renamed_classes, "texts", "config.json: num_classes is 10, the manifest says 11"),
        (wider_tolerance, "claims", "allows 0."),
        (no_pass, "claims", "did not pass parity"),
        (lambda values: values["accuracy"].clear(), "texts", "claims top-1 accuracy 99.33"),
        (lambda values: values.update(license="MIT"), "texts", '"license" is "apache-2.0", the manifest'),
        (lambda values: values.update(license="mit"), "claims", 'license is "mit", SPDX writes MIT'),
        (lambda values: values.update(license="mine"), "claims", "which SPDX does not list"),
        (lambda values: values["names"].pop(), "bits", "is not in the ledger"),
        (lambda values: values.pop("names"), "manifest", "the manifest lacks names"),
        (lambda values: values["names"][0].pop("shape"), "manifest", "names[0] lacks shape"),
        (lambda values: values["files"].pop("config.json"), "files", "does not list config.json"),
        (lambda values: values["files"].update({"../x": {}}), "manifest", "a key of files is '../x'"),
        (
            lambda values: values["preprocess"].update(mean=[0, 0, 0]),
            "structure",
            "its metadata triport.preprocessing is",
        ),
        (lambda values: values["preprocess"].update(mean=[0, 0, 0]), "claims", "prepares images by"),
        (lambda values: values["preprocess"].update(mean=[0, 0, 0]), "texts", "pretrained_cfg.mean"),
    ],
)
def test_a_manifest_that_contradicts_the_files_is_found(folder, change, check, message):
    try:
        rewrite(folder, change)
    except OSError:
        pytest.fail("the forgery itself failed")
    assert message in problems_of(folder, check)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value: 99.33", "value: 99.93", "claims top-1 accuracy 99.93"),
        ("| 99.33 |", "| 99.93 |", "99.93"),
        ("license: apache-2.0", "license: mit", '"license" is "mit"'),
        ("res2net_digits.ckpt", "other.ckpt", "other.ckpt"),
        ("An image classifier", "The best image classifier", "The best"),
        ("model-index:", "model-index: [", "metadata cannot be read"),
    ],
)
def test_a_claim_of_the_card_that_the_manifest_lacks_is_found(folder, old, new, message):
    replace_text(folder / "README.md", old, new)
    rewrite(folder)
    assert message in problems_of(folder, "texts")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("config.json", '"num_classes": 10', '"num_classes": 12', "num_classes is"),
        ("config.json", '"interpolation": "bilinear"', '"interpolation": "bicubic"', "interpolation is"),
        ("network_torch.py", "return ", "import os; return ", "is not the definition of res2net_digits"),
    ],
)
def test_texts_that_say_something_else_are_found(folder, name, old, new, message):
    replace_text(folder / name, old, new)
    rewrite(folder)
    assert message in problems_of(folder, "texts")


def test_another_graph_with_the_same_weights_is_found_by_the_sample(folder):
    model = onnx.load(folder / "model.onnx")
    pool = next(node for node in model.graph.node if node.op_type == "Relu")
    pool.op_type = "Abs"
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    rewrite(folder)
    done = verify(folder, runtimes=("onnx",))
    # the card and the manifest's parity state the file's hash too
    assert [check.name for check in done.checks if check.status == "failed"] == [
        "texts",
        "claims",
        "sample: model.onnx",
    ]


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 8], ids=repr)
@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("model.onnx", "structure"),
        ("model_optimized.onnx", "structure"),
        ("model.safetensors", "bits"),
        ("model.ckpt", "bits"),
        ("config.json", "texts"),
        ("README.md", "texts"),
        ("network_torch.py", "texts"),
    ],
)
def test_garbage_with_a_right_hash_is_found(folder, name, check, content):
    (folder / name).write_bytes(content)
    rewrite(folder)
    assert problems_of(folder, check)
    assert run_in_onnxruntime(folder).status == ("failed" if name == "model.onnx" else "passed")


def run_in_onnxruntime(folder):
    done = verify(folder, runtimes=("onnx",))
    return next(check for check in done.checks if check.name == "sample: model.onnx")


def test_another_versions_texts_need_that_version_or_the_digest(folder):
    rewrite(folder, lambda values: values.update(triport="0.0.9"))
    assert "triport 0.0.9 wrote it, which 0.1.0 cannot confirm" in problems_of(folder, "texts")
    # the files state the version too, and those are this version's
    digest = manifest.digest_of(manifest.read(folder))
    found = {check.name: check for check in verify(folder, digest=digest, runtimes=()).checks}
    assert (found["texts"].status, found["structure"].status) == ("not run", "failed")
    assert "the digest vouches for them" in found["texts"].detail


def test_external_data_is_refused(folder):
    model = onnx.load(folder / "model.onnx")
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="config.json.data")
    (folder / "config.json.data").unlink()
    rewrite(folder)
    assert "model.onnx: takes data from another file" in problems_of(folder, "structure")


def test_a_manifest_that_is_a_pipe_is_not_waited_for(folder):
    (folder / "triport.json").unlink()
    os.mkfifo(folder / "triport.json")
    with pytest.raises(ManifestError, match="is no regular file"):
        verify(folder)


def test_a_folder_without_a_manifest_is_bad_input(folder):
    (folder / "triport.json").unlink()
    with pytest.raises(ManifestError, match="no folder that `publish` made"):
        verify(folder)


def test_a_file_is_bad_input(made):
    with pytest.raises(FolderError, match="is not a folder"):
        verify(made.folder / "model.onnx")


def test_a_newer_schema_is_bad_input(folder):
    rewrite(folder, lambda values: values.update(schema=99))
    with pytest.raises(ManifestError, match="use a newer triport"):
        verify(folder)


def test_exit_codes_and_json(folder, run_cli):
    result = run_cli("verify", folder, "--runtimes", "", "--json", "-")
    assert result.exit_code == 0 and json.loads(result.stdout)["passed"]
    (folder / "config.json").write_text("{}")
    result = run_cli("verify", folder, "--runtimes", "")
    assert result.exit_code == 1 and "config.json: has 2 bytes" in result.stdout
    assert run_cli("verify", folder, "--runtimes", "tensorflow").exit_code == 2
    assert run_cli("verify", folder.parent / "nothing").exit_code == 2


def test_it_says_which_runtimes_are_not_installed(made, tmp_path):
    """Without the frameworks and the hub's package: everything else is checked."""
    absent = ("torch", "mindspore", "onnxruntime", "huggingface_hub", "onnxscript", "PIL")
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in absent)
    code = f"import sys\n{blocked}sys.argv = ['cli', 'verify', {str(made.folder)!r}, '--json', '-']\n"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}import cli\ncli.main()"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert [name for name, check in found.items() if check["status"] == "passed"] == [
        "manifest",
        "files",
        "structure",
        "bits",
        "texts",
        "claims",
    ]
    for file, package in (("model.ckpt", "MindSpore"), ("model.onnx", "ONNX Runtime")):
        assert found[f"sample: {file}"]["status"] == "not run"
        assert f"{package} cannot be loaded" in found[f"sample: {file}"]["detail"]


def test_the_digest_covers_every_byte_of_the_manifest(made):
    content = manifest.read(made.folder)
    assert manifest.problem_of(content) is None
    assert "was changed" in (manifest.problem_of(content + b"\n") or "")
    assert "does not start with its digest" in (manifest.problem_of(b" " + content) or "")
