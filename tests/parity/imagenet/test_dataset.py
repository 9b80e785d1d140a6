import csv
import shutil
from pathlib import Path

import pytest

from triport.parity.imagenet.classes import class_names, is_wnid, wnid_indices
from triport.parity.imagenet.dataset import DatasetError, open_dataset

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"


@pytest.fixture
def digits(tmp_path):
    """Ten classes with two (empty) files each."""
    for name in range(10):
        (tmp_path / str(name)).mkdir()
        for index in range(2):
            (tmp_path / str(name) / f"{index}.png").touch()
    return tmp_path


def test_the_classes_are_the_sorted_wnids():
    assert list(wnid_indices()) == sorted(wnid_indices())
    assert len(wnid_indices()) == len(class_names()) == 1000
    assert all(is_wnid(name) for name in wnid_indices())
    assert class_names()[0] == "tench, Tinca tinca"
    assert class_names()[999] == "toilet tissue, toilet paper, bathroom tissue"


@pytest.mark.parametrize("folder", [PHOTOS, PHOTOS / "val"])
@pytest.mark.parametrize(("num_classes", "offset"), [(1000, 0), (1001, 1)])
def test_33_of_1000_folders_get_their_own_classes(folder, num_classes, offset):
    with (PHOTOS / "labels.csv").open() as file:
        expected = {row["file"]: row for row in csv.DictReader(file)}
    dataset = open_dataset(folder, num_classes)
    assert len(dataset.samples) == len(expected) == 45
    assert len(dataset.class_names) == num_classes
    for sample in dataset.samples:
        row = expected[sample.path.relative_to(PHOTOS).as_posix()]
        assert sample.label == int(row["class_index"]) + offset
        assert row["class_name"] in dataset.class_names[sample.label]


def test_other_names_are_classes_in_sorted_order(digits):
    dataset = open_dataset(digits, 10)
    assert [sample.label for sample in dataset.samples] == [label for label in range(10) for _ in range(2)]
    assert dataset.class_names == tuple("0123456789")


@pytest.mark.parametrize(
    ("folder", "num_classes", "message"),
    [
        (PHOTOS / "nothing", 1000, "no such folder"),
        (PHOTOS / "labels.csv", 1000, "no such folder"),
        (PHOTOS / "val" / "n01514859", 1000, "expected one folder per class"),
        (PHOTOS, 10, r"WordNet ids.*the model has 10 outputs.*give --classes FILE"),
    ],
)
def test_wrong_folder(folder, num_classes, message):
    with pytest.raises(DatasetError, match=message):
        open_dataset(folder, num_classes)


def test_number_of_folders_must_be_the_number_of_outputs(digits):
    with pytest.raises(DatasetError, match="the model has 1000 outputs, found 10 folders"):
        open_dataset(digits, 1000)


def test_a_missing_class_is_not_renumbered(digits):
    shutil.rmtree(digits / "3")
    with pytest.raises(DatasetError, match="the model has 10 outputs, found 9 folders"):
        open_dataset(digits, 10)


@pytest.mark.parametrize("stranger", ["n99999999", "tench"])
def test_unknown_folder_among_wnids(stranger, tmp_path):
    (tmp_path / "n01440764").mkdir()
    (tmp_path / stranger).mkdir()
    with pytest.raises(DatasetError, match=rf"1 of 2 folders are no class of ILSVRC-2012\n  {stranger}"):
        open_dataset(tmp_path, 1000)


def test_numbers_whose_two_orders_differ(digits):
    for name in (10, 11):
        (digits / str(name)).mkdir()
    with pytest.raises(DatasetError, match="leading zeros"):
        open_dataset(digits, 12)


def test_empty_class_folder(digits):
    (digits / "10").mkdir()
    (digits / "10").rename(digits / "a")
    with pytest.raises(DatasetError, match=r"1 class folder holds no image\n.*/a"):
        open_dataset(digits, 11)


@pytest.mark.parametrize("name", ["picture.heic", "0001.png.part", "noname"])
def test_file_that_may_be_an_image(name, digits):
    (digits / "0" / name).touch()
    with pytest.raises(DatasetError, match=rf"0: 1 entry is none of the images.*\n  {name}"):
        open_dataset(digits, 10)


@pytest.mark.parametrize("name", ["notes.txt", "dataset.json"])
def test_a_file_beside_images_is_passed_over_and_said(name, digits):
    (digits / "0" / name).touch()
    dataset = open_dataset(digits, 10)
    assert len(dataset.samples) == 20
    assert f"passed over, no images: 0/{name}" in dataset.notes


def test_hidden_files_are_passed_over(digits):
    (digits / "0" / ".DS_Store").touch()
    (digits / ".cache").mkdir()
    assert len(open_dataset(digits, 10).samples) == 20


@pytest.mark.parametrize(("limit", "per_class"), [(10, {1}), (15, {1, 2}), (20, {2}), (99, {2})])
def test_limit_is_stratified_and_fixed(limit, per_class, digits):
    dataset = open_dataset(digits, 10).limited(limit)
    assert len(dataset.samples) == min(limit, 20)
    counts = {label: sum(sample.label == label for sample in dataset.samples) for label in range(10)}
    assert set(counts.values()) == per_class
    assert dataset == open_dataset(digits, 10).limited(limit)


def test_no_limit_is_everything(digits):
    assert len(open_dataset(digits, 10).limited(None).samples) == 20


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_must_be_positive(limit, digits):
    with pytest.raises(DatasetError, match="at least 1"):
        open_dataset(digits, 10).limited(limit)
