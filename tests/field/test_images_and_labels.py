"""Images: which of them are scored, and what set they are."""

import io
import os
import shutil

import numpy as np
import pytest

from tests.field.known_images import check_right, score
from tests.parity.imagenet import known_answers as known
from tests.parity.imagenet.known_answers import PROFILE, WNIDS, ColourRunner
from triport.parity.imagenet.dataset import DatasetError, open_dataset
from triport.parity.imagenet.evaluate import Contender, evaluate
from triport.parity.imagenet.evaluate import score as evaluated
from triport.parity.imagenet.report import summary_of
from triport.reference_models.spec import get_model


@pytest.mark.field(
    case="images beside the class folders, or training images among validation images",
    source="tensorpack/tensorpack#70",
    outcome="Refused with their names: they would be left out, or scored as one set.",
)
def test_images_in_the_wrong_place(found, tmp_path):
    data, _ = known.class_folders(tmp_path, found)
    extra = known.picture(1, 777)
    (data / "val" / "loose.JPEG").write_bytes(extra)
    with pytest.raises(DatasetError, match=r"1 image lies beside the class folders.*\n.*loose.JPEG"):
        score(data)
    (data / "val" / "loose.JPEG").unlink()
    wnid = WNIDS[next(iter(found.classes.values()))]
    (data / "val" / wnid / f"{wnid}_10026.JPEG").write_bytes(extra)
    with pytest.raises(DatasetError, match="1 image is named as ILSVRC-2012's training images, beside 60"):
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
    with pytest.raises(DatasetError, match="1 image has another class than the WordNet id in their names"):
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
    case="a pipe or a broken link that is called like an image",
    source="found by trial",
    outcome="Refused by its name: nothing is waited for.",
)
@pytest.mark.parametrize("layout", [known.class_folders, known.flat_with_names])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("nowhere")], ids=["pipe", "link"])
def test_special_files(layout, make, found, tmp_path):
    data, labels_path = layout(tmp_path, found)
    folder = next((data / "val").iterdir()) if (data / "val").is_dir() else data
    make(folder / "x.png")
    with pytest.raises(DatasetError, match=r"1 entry is (none of the|no file).*\n.*x\.png"):
        score(data, labels_path)


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

    from triport.parity.imagenet.report import predictions_table

    for n, name in enumerate(("[bold]", "[red]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"[link]{n}[red].png").write_bytes(known.picture(1, n))

    class Two(ColourRunner):
        def logits(self, batch):
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
        (
            None,
            "the publisher's figure for weights of this name; nothing proves that this file has them",
        ),
        (
            "ab" * 32,
            "the publisher's figure for weights of this name; nothing proves that this file has them",
        ),
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
