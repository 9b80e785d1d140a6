"""Images: which class each one is."""

import json

import pytest

from tests.field.known_images import check_right, score
from tests.parity.imagenet import known_answers as known
from tests.parity.imagenet.known_answers import IMAGES, WNIDS
from triport.parity.imagenet.classes import class_names
from triport.parity.imagenet.dataset import DatasetError, open_dataset
from triport.parity.imagenet.dataset.class_map import map_of_folders
from triport.parity.imagenet.report import summary_of


def unique_words():
    words, seen = [], set()
    for index, name in enumerate(class_names()):
        word = name.split(",")[0].replace("/", "_")
        words.append(f"{word} {index}" if word in seen else word)
        seen.add(word)
    return words


@pytest.mark.field(
    case="class folders named by words",
    source="huggingface/pytorch-image-models#222, pytorch/vision#714",
    outcome="Refused: their sorted order is not the model's, and nothing says which output each one is.",
)
def test_folders_of_words(tmp_path):
    with pytest.raises(DatasetError, match=r"nothing says which output.*order is not known.*--classes"):
        map_of_folders(tmp_path, unique_words(), 1000)


@pytest.mark.field(
    case="class folders with a WordNet id in their names",
    source="found by trying: n01440764_tench, n01440764-tench, 0000_n01440764, N01440764",
    outcome="The right figure, by the ids, and it is said; an id in two folders is refused.",
)
@pytest.mark.parametrize("form", ["{0}_word{1}", "{0}-word{1}", "{1:04d}_{0}", "{1:03d}.{0}"])
def test_folders_with_ids_in_their_names(found, tmp_path, form):
    for name, data in found.data.items():
        index = found.classes[name]
        path = tmp_path / "val" / form.format(WNIDS[index], index) / f"{name}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    result = score(tmp_path)
    check_right(result)
    assert "the WordNet ids in the folders' names" in summary_of(result)
    (tmp_path / "val" / f"{WNIDS[index]}_again").mkdir()
    with pytest.raises(DatasetError, match=f"several folders have {WNIDS[index]}"):
        score(tmp_path)


@pytest.mark.field(
    case="what systems leave among images",
    source="found by trying: Thumbs.db, desktop.ini, __MACOSX of a zip from a Mac, Synology's @eaDir",
    outcome="Passed over; the images are scored.",
)
def test_files_of_systems(found, tmp_path):
    data, _ = known.class_folders(tmp_path, found)
    first = next(path for path in (data / "val").iterdir())
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._one.JPEG"):
        (first / name).write_bytes(b"x")
    (data / "val" / "__MACOSX").mkdir()
    (data / "val" / "@eaDir").mkdir()
    (data / "val" / "__MACOSX" / "._a.JPEG").write_bytes(b"x")
    check_right(score(data))


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
    (tmp_path / "classes.json").write_text(json.dumps(words, indent=1))
    check_right(score(tmp_path / "data", classes=tmp_path / "classes.json"))
    (tmp_path / "classes.json").write_text(json.dumps(words)[:-9])
    with pytest.raises(DatasetError, match="begins as a JSON list and is none"):
        score(tmp_path / "data", classes=tmp_path / "classes.json")


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
    with pytest.raises(DatasetError, match=r"no labels file.*1 other line"):
        score(data, path)


@pytest.mark.field(
    case="labels of -1, as a test set's",
    source="the hub's test split of ImageNet, whose labels are -1",
    outcome="Refused: it says that -1 is no class, and how many images have it.",
)
def test_labels_of_images_whose_class_is_not_known(found, tmp_path):
    data, labels = known.flat(tmp_path, found), tmp_path / "labels.csv"
    labels.write_text("".join(f"{name}.JPEG,-1\n" for name in found.classes))
    with pytest.raises(DatasetError, match=r"have the label -1, which means that the class is not known"):
        score(data, labels)


@pytest.mark.field(
    case="--labels beside a network of ten classes",
    source="found by trying",
    outcome="Refused: such a list is of ILSVRC-2012's classes, which the network has not.",
)
@pytest.mark.parametrize("folders", [(), ("a",)])
def test_labels_of_other_classes(folders, tmp_path):
    place = tmp_path / "val" / "/".join(folders)
    place.mkdir(parents=True)
    (place / "x.png").write_bytes(b"x")
    if folders:
        (tmp_path / "val" / "b").mkdir()
        (tmp_path / "val" / "b" / "y.png").write_bytes(b"y")
    (tmp_path / "labels.txt").write_text("x.png 1\n")
    with pytest.raises(
        DatasetError, match=r"is for the 1000 classes of ILSVRC-2012.*the model has 2 outputs.*--classes FILE"
    ):
        open_dataset(tmp_path / "val", 2, labels=tmp_path / "labels.txt")


@pytest.mark.field(
    case="--labels beside class folders whose images have other names than the validation images",
    source="found by reading",
    outcome="Refused: no label of the list could be compared, where it was read and not used without a word.",
)
def test_labels_that_no_image_can_use(found, tmp_path):
    data, _ = known.class_folders(tmp_path / "a", found)
    (tmp_path / "b").mkdir()
    _, labels = known.flat_with_kaggle(tmp_path / "b", found)
    for place, path in enumerate(sorted((data / "val").rglob("*.JPEG"))):
        path.rename(path.with_name(f"photo_{place}.JPEG"))
    with pytest.raises(DatasetError, match=r"none of .* has such a name.*Leave --labels out"):
        score(data, labels)


@pytest.mark.field(
    case="A head of ImageNet-21k's classes on folders of WordNet ids",
    source="https://github.com/huggingface/pytorch-image-models, heads of 21,841 and 11,221 classes",
    outcome="The ids are those of its config.json or of --classes; without a list, the error asks for one.",
)
@pytest.mark.parametrize("form", ["{}", "{}_tench"])
def test_wordnet_ids_of_another_head_are_those_of_its_own_list(tmp_path, form):
    stated = [form.format(f"n{10_000_000 + 7 * number:08d}") for number in range(21_841)]
    folders = [stated[place] for place in (5, 21_840, 1_000)]
    found = map_of_folders(tmp_path, folders, 21_841, stated=stated)
    assert found.indices == dict(zip(folders, (5, 21_840, 1_000), strict=True))
    assert "the config.json beside the weights" in found.notes[0]
    with pytest.raises(DatasetError, match=r"the model has 21841 outputs.* give --classes FILE"):
        map_of_folders(tmp_path, folders, 21_841)
