"""What a config.json beside the weights calls the outputs: compared, published, and never passed over."""

from __future__ import annotations

import importlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.field.digits_weights import state_dict
from triport.converters.statements.config_file import labels_beside
from triport.parity.imagenet.dataset import DatasetError, open_dataset
from triport.parity.imagenet.dataset.class_map import map_of_folders
from triport.publishing.registered.origin import CLASSES_BESIDE, OriginError, classes_stated_by, read_classes
from triport.reference_models.errors import TriportError

torch = importlib.import_module("torch")
WORDS = ("zero", "one", "two", "three")
BY_NUMBER = {str(number): word for number, word in enumerate(WORDS)}


def weights(folder: Path, **config: Any) -> Path:
    folder.mkdir()
    torch.save(state_dict(), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config))
    return folder / "pytorch_model.bin"


@pytest.mark.field(
    case="class folders of words in a tar file, beside a config.json that has their order",
    source="found by an adversary: folders were in the order of id2label, the same in a tar file were sorted",
    outcome="The order of the config.json in both.",
)
def test_a_tar_file_has_the_stated_order(tmp_path: Path) -> None:
    for word in WORDS:
        (tmp_path / "val" / word).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "val" / word / f"{word}.png")
    with tarfile.open(tmp_path / "val.tar", "w") as archive:
        archive.add(tmp_path / "val", "val")
    for data in (tmp_path / "val", tmp_path / "val.tar"):
        found = open_dataset(data, 4, stated=WORDS)
        assert found.class_names == WORDS
        assert all(WORDS[one.label] in one.name for one in found.samples)


@pytest.mark.field(
    case="class folders that the config.json beside the weights does not name",
    source="found by an adversary: ZERO for zero, and a figure came of the sorted order",
    outcome="Refused with the names; outputs that are called by numbers alone name none.",
)
def test_folders_that_are_no_stated_classes(tmp_path: Path) -> None:
    folders = [word.upper() for word in WORDS]
    with pytest.raises(DatasetError, match=r"4 of 4 folders are no outputs of the model.*zero, one, two"):
        map_of_folders(tmp_path, folders, 4, stated=WORDS)
    unnamed = [f"LABEL_{number}" for number in range(4)]
    assert "sorted order" in map_of_folders(tmp_path, folders, 4, stated=unnamed).notes[0]


@pytest.mark.field(
    case="a config.json that contradicts itself in the order of the classes",
    source="found by an adversary: label_names, id2label and label2id of which one was taken, and gaps",
    outcome="Refused, and both are named; two classes of one name, which label2id cannot have, are none.",
)
@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"id2label": BY_NUMBER, "label_names": WORDS[::-1]}, "label_names and id2label"),
        ({"id2label": BY_NUMBER, "label2id": {"zero": 3, "one": 1, "two": 2, "three": 0}}, "label2id"),
        ({"id2label": {"1": "zero", "2": "one"}}, "from 0 to 1"),
        ({"label2id": {word: number for number, word in enumerate(WORDS)}}, ""),
        ({"id2label": {"0": "crane", "1": "crane"}, "label2id": {"crane": 1}}, ""),
    ],
)
def test_order_of_classes_stated_twice(tmp_path: Path, config: dict[str, Any], says: str) -> None:
    (tmp_path / "model.bin").touch()
    (tmp_path / "config.json").write_text(json.dumps(config))
    if says:
        with pytest.raises(TriportError, match=says):
            labels_beside(tmp_path / "model.bin")
    else:
        assert labels_beside(tmp_path / "model.bin") in (WORDS, ("crane", "crane"))


@pytest.mark.field(
    case="a config.json whose id2label or label2id does not number the outputs from 0, or has more of them",
    source="found by trying: {'1': 'tench', ...} was 'not checked', as if it might change the network",
    outcome="It is said that the outputs' names are not known; another count than the head's is a problem.",
)
@pytest.mark.parametrize(
    ("config", "says", "code"),
    [
        ({"id2label": {str(n): f"c{n}" for n in range(10)}}, "", 0),
        # two classes of one name: a label less, and no output less
        ({"label2id": {f"c{n}": n for n in range(10) if n != 4}}, "", 0),
        (
            {"id2label": {str(n): f"c{n}" for n in range(1, 11)}},
            "id2label does not number its 10 classes from",
            0,
        ),
        (
            {"label2id": {f"c{n}": n for n in range(1, 11)}},
            "label2id does not number its 10 classes from 0",
            0,
        ),
        (
            {"id2label": {str(n): f"c{n}" for n in range(11)}},
            "id2label says '11', its head has 10 classes",
            1,
        ),
        ({"label2id": {f"c{n}": n for n in range(3)}}, "label2id says '3', its head has 10 classes", 1),
        ({"label2id": {"a": "9" * 5000}}, "", 0),
    ],
    ids=["right", "two of one name", "from 1", "from 1, by name", "more", "fewer", "no number"],
)
def test_numbers_of_classes_in_a_config(
    tmp_path: Path, config: dict[str, Any], says: str, code: int, run_cli: Any
) -> None:
    run_cli("convert", "--to", "pytorch", "-o", tmp_path / "model.pth")
    (tmp_path / "config.json").write_text(json.dumps(config))
    result = run_cli("inspect", tmp_path / "model.pth", "--strict")
    assert (result.exit_code, says in result.stdout) == (code, True)
    assert ("id2label." in result.stdout, "does not number" in result.stdout) == (False, "not" in says)


@pytest.mark.field(
    case="--classes as a table: class_to_idx or id2label in JSON",
    source="torchvision's ImageFolder.class_to_idx, saved by many scripts; it was said to have one class",
    outcome="Read in the order of its numbers; another order than the config.json's is said.",
)
def test_tables_of_classes(tmp_path: Path) -> None:
    for table in ({word: number for number, word in enumerate(WORDS)}, BY_NUMBER):
        (tmp_path / "classes.json").write_text(json.dumps(table, indent=1))
        found = map_of_folders(tmp_path, WORDS, 4, tmp_path / "classes.json", stated=WORDS[::-1])
        assert found.class_names == WORDS
        assert "another order than the config.json" in found.notes[-1]
    (tmp_path / "classes.json").write_text(json.dumps({"zero": 1, "one": 2}))
    with pytest.raises(DatasetError, match="numbers of their outputs, from 0 on"):
        map_of_folders(tmp_path, WORDS, 4, tmp_path / "classes.json")


@pytest.mark.field(
    case="publish of weights beside a config.json that names their classes",
    source="found by an adversary: the names were lost, and of 1,000 classes ImageNet's were assumed",
    outcome="The names of the config.json are published; --classes that contradict it are refused.",
)
def test_stated_classes_are_published(tmp_path: Path) -> None:
    assert read_classes(None, 4, WORDS) == WORDS
    assert classes_stated_by(False, 1000, None, beside=True) == CLASSES_BESIDE
    (tmp_path / "classes.txt").write_text("\n".join(WORDS[::-1]))
    with pytest.raises(
        OriginError, match=r"calls output 0 three, and the config.json beside the source zero"
    ):
        read_classes(tmp_path / "classes.txt", 4, WORDS)
    with pytest.raises(OriginError, match=r"the config.json beside the source: .* that can be printed"):
        read_classes(None, 2, ("a\x1b[31m", "b"))


@pytest.mark.field(
    case="equal weights beside two config.json with the classes in another order",
    source="asked of every sentence, which input makes it false: 'Equal, bit for bit.'",
    outcome="Exit 1: weights equal, the order of the classes differs. Other words are no other order.",
)
def test_equal_weights_of_another_order_of_classes(tmp_path: Path, run_cli: Any) -> None:
    names = [f"class {number}" for number in range(10)]
    first = weights(tmp_path / "a", label_names=names)
    other = weights(tmp_path / "b", label_names=names[::-1])
    done = run_cli("inspect", first, other)
    assert done.exit_code == 1
    assert "Weights equal; the order of the classes differs: 10 classes" in done.stdout
    words = weights(tmp_path / "c", label_names=[name.title() for name in names])
    assert run_cli("inspect", first, words).stdout.endswith("Equal, bit for bit.\n")
