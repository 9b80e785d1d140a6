"""Checkpoints in several files, and folders of hubs."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from triport.converters.formats import FormatError, open_checkpoint

FIRST = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "a.bias": np.ones(2, np.float32)}
SECOND = {"b.weight": np.full((4,), 7, np.float32)}
PARTS = {"model-00001-of-00002.safetensors": FIRST, "model-00002-of-00002.safetensors": SECOND}
INDEX = "model.safetensors.index.json"


def written(folder, change=lambda index: None):
    """Write parts and their index, and return the index."""
    folder.mkdir(exist_ok=True)
    for name, tensors in PARTS.items():
        save_file(tensors, folder / name, {"format": "pt"})
    index = {
        "metadata": {"total_size": sum(one.nbytes for part in PARTS.values() for one in part.values())},
        "weight_map": {name: part for part, tensors in PARTS.items() for name in tensors},
    }
    change(index)
    (folder / INDEX).write_text(json.dumps(index))
    return folder / INDEX


def test_the_tensors_of_all_parts(tmp_path):
    found = open_checkpoint(written(tmp_path))
    assert (found.format, found.runtime) == ("safetensors", "pytorch")
    for name, array in {**FIRST, **SECOND}.items():
        assert found.tensors[name].numpy().tobytes() == array.tobytes()
    assert found.files == tuple(str(tmp_path / name) for name in PARTS)
    assert "the checkpoint is in 2 files, and the SHA-256 is that of their index alone" in found.notes[-1]


def test_parts_of_torch(tmp_path):
    for number, tensors in enumerate((FIRST, SECOND), 1):
        torch.save(
            {name: torch.from_numpy(array) for name, array in tensors.items()},
            tmp_path / f"pytorch_model-0000{number}-of-00002.bin",
        )
    index = dict.fromkeys(FIRST, "pytorch_model-00001-of-00002.bin") | dict.fromkeys(
        SECOND, "pytorch_model-00002-of-00002.bin"
    )
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    found = open_checkpoint(tmp_path)
    assert found.format == "pth" and set(found.tensors) == {*FIRST, *SECOND}


def test_a_byte_order_mark_before_the_index(tmp_path):
    index = written(tmp_path)
    index.write_bytes(b"\xef\xbb\xbf" + index.read_bytes())
    assert set(open_checkpoint(index).tensors) == {*FIRST, *SECOND}


@pytest.mark.parametrize("again", ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"])
def test_a_name_twice_in_the_index(tmp_path, again):
    index = written(tmp_path)
    index.write_text(index.read_text().replace('"b.weight":', f'"b.weight": "{again}", "b.weight":'))
    if again == "model-00002-of-00002.safetensors":  # and says the same
        assert set(open_checkpoint(index).tensors) == {*FIRST, *SECOND}
    else:
        with pytest.raises(FormatError, match=r"has 'b\.weight' twice and says otherwise"):
            open_checkpoint(index)


def place(name, part):
    return lambda index: index["weight_map"].update({name: part})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (place("b.weight", "../model.safetensors"), "no name of a file beside the index: refused"),
        (place("b.weight", "/etc/passwd"), "no name of a file beside the index: refused"),
        (place("b.weight", "a\\b"), "no name of a file beside the index: refused"),
        (place("b.weight", ".hidden"), "no name of a file beside the index: refused"),
        (place("b.weight", "a\x1b[31m"), "no name of a file beside the index: refused"),
        (place("b.weight", ""), "no name of a file beside the index: refused"),
        (place("b.weight", "other.safetensors"), "its part other.safetensors is not beside it"),
        (place("b.weight", "model-00001-of-00002.safetensors"), "b.weight is not in model-00001"),
        (place("c.weight", "model-00001-of-00002.safetensors"), "do not agree; 1 of their names differ"),
        (lambda index: index["weight_map"].pop("a.bias"), "a.bias is in .*the index does not name it"),
        (lambda index: index.update(weight_map=[]), "has no table weight_map"),
        (lambda index: index.update(weight_map={"a": 1}), "has no table weight_map"),
        (place("b.weight", INDEX), "is neither a safetensors file nor one of torch.save"),
    ],
)
def test_an_index_that_is_wrong_is_refused(tmp_path, change, words):
    with pytest.raises(FormatError, match=words):
        open_checkpoint(written(tmp_path, change))


def test_a_total_that_is_not_the_parts_is_said(tmp_path):
    found = open_checkpoint(written(tmp_path, lambda index: index["metadata"].update(total_size=1)))
    assert found.notes[-1] == "the index states 1 bytes of values, and the parts hold 48"


def test_a_text_that_is_no_json(tmp_path):
    path = tmp_path / INDEX
    path.write_text('{"weight_map": {')
    with pytest.raises(FormatError, match="the index is no JSON text"):
        open_checkpoint(path)


def test_a_part_that_was_cut_is_an_error(tmp_path):
    index = written(tmp_path)
    part = tmp_path / "model-00002-of-00002.safetensors"
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(FormatError, match="model-00002-of-00002"):
        open_checkpoint(index)


@pytest.mark.parametrize("about", ["config.json", "configuration.json"])
def test_a_hubs_folder_is_its_weights(tmp_path, about):
    (tmp_path / about).write_text("{}")
    save_file(FIRST, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "pytorch_model.bin").write_bytes(b"older")
    found = open_checkpoint(tmp_path)
    assert found.path == str(tmp_path / "model.safetensors") and set(found.tensors) == set(FIRST)


def test_a_folder_with_several_files_is_asked_about(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for name in ("a.safetensors", "b.safetensors"):
        save_file(FIRST, tmp_path / name)
    with pytest.raises(FormatError, match=r"is a directory.*It has a.safetensors, b.safetensors: give one"):
        open_checkpoint(tmp_path)


def test_a_folder_that_is_no_hubs_is_not_guessed_at(tmp_path):
    save_file(FIRST, tmp_path / "a.safetensors")
    with pytest.raises(FormatError, match="is a directory"):
        open_checkpoint(tmp_path)
