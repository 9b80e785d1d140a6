"""Whatever is changed in the folder of a network of one's own is found, also with a mended manifest."""

import random

import numpy as np
import onnx
import pytest

from tests.publishing.forgery import replace_text, rewrite
from tests.publishing.mutations import check_that_a_change_is_found
from tests.publishing.test_verify import change_a_weight, problems_of
from triport.converters.formats import ArrayTensor, open_checkpoint, write_checkpoint
from triport.publishing import manifest
from triport.publishing.own.card import card_of
from triport.publishing.verify import verify


def mend(folder, change=lambda values: None):
    """Write a manifest and a card that agree with the files as they are."""
    rewrite(folder, change)
    values = manifest.parsed(manifest.read(folder))
    values["parity"]["files"]["model.onnx"] = values["files"]["model.onnx"]["sha256"]
    (folder / "README.md").write_text(card_of(values)[1])
    rewrite(folder, lambda written: written["parity"].update(files=values["parity"]["files"]))


@pytest.mark.parametrize("seed", range(40))
def test_a_changed_byte_is_found_and_named(own_folder, seed):
    files = sorted(own_folder.iterdir())
    path, chooser = files[seed % len(files)], random.Random(seed)
    content = bytearray(path.read_bytes())
    content[chooser.randrange(len(content))] ^= chooser.randrange(1, 256)
    path.write_bytes(content)
    done = verify(own_folder, runtimes=())
    named = [problem for check in done.checks for problem in check.problems]
    assert not done.passed and len(named) == 1 and named[0].startswith(f"{path.name}: ")


@pytest.mark.parametrize("name", ["model.onnx", "NAMES.toml", "sample.safetensors", "model_b.safetensors"])
def test_a_missing_file_is_named(own_folder, name):
    (own_folder / name).unlink()
    assert problems_of(own_folder, "files") == f"{name}: is missing"


def test_a_file_too_many_is_named_also_where_the_manifest_lists_it(own_folder):
    (own_folder / "net.py").write_text("import os")
    assert problems_of(own_folder, "files") == "net.py: is not in the manifest"
    entry = manifest.files_of(own_folder, ["net.py"])["net.py"]
    rewrite(own_folder, lambda values: values["files"].update({"net.py": {**entry, "what": "code"}}))
    assert "lists net.py, which `publish` does not write" in problems_of(own_folder, "files")


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "model_b.safetensors"])
def test_other_bits_are_found_though_every_hash_is_right(own_folder, name):
    tensor = change_a_weight(own_folder, name)
    mend(own_folder)
    assert f"{name}: {tensor} holds other bits than the ledger says" in problems_of(own_folder, "bits")


def test_a_weight_changed_in_the_ledger_too_is_found_by_the_map(own_folder):
    from triport.publishing.tensors import payload_sha256

    tensor = change_a_weight(own_folder, "model_b.safetensors")
    digest = payload_sha256(open_checkpoint(own_folder / "model_b.safetensors").tensors[tensor])

    def change(values):
        entry = next(e for e in values["names"] if e["files"].get("model_b.safetensors") == tensor)
        entry["sha256"] = digest

    mend(own_folder, change)
    assert "is not what NAMES.toml makes of model.safetensors" in problems_of(own_folder, "bits")


@pytest.mark.parametrize(
    ("change", "check", "message"),
    [
        (lambda v: v.update(license="MIT-of-mine"), "claims", "SPDX does not list"),
        (lambda v: v.update(preprocessing="none needed"), "texts", "tokens minus their mean"),
        (lambda v: v["map"].update(standing="proven for ever"), "bits", "says that the map is"),
        (lambda v: v.update(map=None), "files", "lists NAMES.toml"),
        (lambda v: v["parity"]["pairs"][1].update(passed=False), "claims", "did not pass parity"),
        (lambda v: v["parity"]["pairs"].pop(1), "claims", "does not compare model.onnx"),
        (lambda v: v["parity"]["pairs"].pop(2), "claims", "does not compare tests.parity"),
        (lambda v: v["parity"].update(reference="mindspore-float32"), "claims", "its reference is"),
        (lambda v: v["inputs"][0].update(shape=["N", 9, 6]), "structure", "its inputs are"),
        (lambda v: v["outputs"][0].update(dtype="int64"), "structure", "its outputs are"),
        (lambda v: v["graph"].update(opset=11), "structure", "opset"),
        (lambda v: v["names"].pop(0), "bits", "is not in the ledger"),
        (lambda v: v["names"][0].update(role="constant"), "bits", "a constant of the graph"),
        (lambda v: v["nets"][1].update(file="model.safetensors"), "files", "lists model_b"),
        (lambda v: v.update(accuracy=99.9), "manifest", "accuracy"),
        (lambda v: v.update(model="resnet50"), "manifest", "model"),
        (lambda v: v["files"]["model.onnx"].update(what="the best"), "claims", '"the best"'),
    ],
)
def test_a_manifest_that_contradicts_the_files_is_found(own_folder, change, check, message):
    rewrite(own_folder, change)
    done = verify(own_folder, runtimes=())
    found = [problem for one in done.checks if one.name == check for problem in one.problems]
    assert not done.passed and message in "\n".join(found)


def test_a_wider_tolerance_is_found(own_folder):
    def wider(values):
        for one in values["parity"]["pairs"][1]["outputs"].values():
            one["tolerance"] = 0.5

    mend(own_folder, wider)
    assert "the network's noise only" in problems_of(own_folder, "claims")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("**No accuracy is claimed**", "**99.9 % accuracy**"),
        ("license: mit", "license: apache-2.0"),
        ("tokens minus their mean", "nothing at all"),
        ("proven: outputs equal in 3 trials", "proven: outputs equal in 9 trials"),
    ],
)
def test_a_claim_of_the_card_that_the_manifest_lacks_is_found(own_folder, old, new):
    replace_text(own_folder / "README.md", old, new)
    rewrite(own_folder)
    assert "README.md: " in problems_of(own_folder, "texts")


def test_another_graph_with_the_same_weights_is_found_by_the_sample(own_folder):
    model = onnx.load(own_folder / "model.onnx")
    node = next(node for node in model.graph.node if node.op_type == "Softmax")
    node.op_type = "LogSoftmax"
    (own_folder / "model.onnx").write_bytes(model.SerializeToString())
    mend(own_folder)
    done = verify(own_folder, runtimes=("onnx",))
    assert [check.name for check in done.checks if check.status == "failed"] == ["sample: model.onnx"]


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("triport.model", "resnet50", "its metadata has triport.model"),
        ("triport.buffers", '["other"]', "are buffers, and has no such tensors"),
        ("triport.buffers", "top-1 of 99 %", "says that top-1 of 99 % are buffers"),
    ],
)
def test_metadata_that_say_what_is_not_so_are_found(key, value, problem, own_folder):
    model = onnx.load(own_folder / "model.onnx")
    model.metadata_props.add(key=key, value=value)
    (own_folder / "model.onnx").write_bytes(model.SerializeToString())
    mend(own_folder)
    assert problem in problems_of(own_folder, "structure")


def test_a_sample_of_something_else_is_found(own_folder):
    path = own_folder / "sample.safetensors"
    tensors = {name: one.numpy() for name, one in open_checkpoint(path).tensors.items()}
    tensors["input.x"] = np.full_like(tensors["input.x"], np.nan)
    path.unlink()
    write_checkpoint(path, "pytorch", {name: ArrayTensor(array) for name, array in tensors.items()})
    mend(own_folder)
    assert "input.x has values that are no numbers" in problems_of(own_folder, "structure")


@pytest.mark.parametrize("seed", range(60))
def test_no_manifest_makes_a_traceback(own_folder, seed):
    check_that_a_change_is_found(own_folder, seed)
