"""Images: in tar files, shards and Parquet files."""

import io
import json
import shutil
import sys

import pytest

from tests.field.known_images import check_right, score
from tests.parity.imagenet import known_answers as known
from tests.parity.imagenet.known_answers import IMAGES, WNIDS
from triport.parity.imagenet.classes import class_names
from triport.parity.imagenet.dataset import DatasetError
from triport.parity.imagenet.report import summary_of
from triport.reference_models.errors import TriportError


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
    case="a shard that is not there, where a part of the set is meant",
    source="found by trying: val-{000000..000002}.tar of which the second was not downloaded",
    outcome="What is there is scored, and it is said how many shards are missing, and which.",
)
@pytest.mark.parametrize("name", ["", "imagenet-val-{000000..000002}.tar"])
def test_a_missing_shard_is_said(found, tmp_path, name):
    data, _ = known.webdataset_cls(tmp_path, found)
    (data / "imagenet-val-000001.tar").unlink()
    result = score(data / name)
    assert result.images == 2 * IMAGES // 3
    assert "1 of 3 shards are missing" in summary_of(result) and "1" in summary_of(result)
    with pytest.raises(DatasetError, match="1 shard is missing"):
        score(data / name, allow_subset=False)


@pytest.mark.field(
    case="shards of the training images alone",
    source="found by trying: imagenet-train-000000.tar with samples that are called by numbers",
    outcome="Scored as what they are, and not judged by the validation set's figure.",
)
def test_training_shards_alone(found, tmp_path):
    for shard in range(2):
        files = {}
        for serial, (name, data) in enumerate(list(found.data.items())[shard::2]):
            files[f"{shard}{serial:05d}.jpg"] = data
            files[f"{shard}{serial:05d}.cls"] = str(found.classes[name]).encode()
        known.write_tar(tmp_path / f"imagenet-train-{shard:06d}.tar", files)
    result = score(tmp_path)
    check_right(result)
    assert result.known_as == "a training set" and not result.same_images
    assert "the images are a training set's" in summary_of(result)


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
    case="shards with fewer samples than the file beside them says",
    source="huggingface/pytorch-image-models (_info.json), webdataset/webdataset (sizes.json)",
    outcome="Refused with both counts; with --allow-subset a part is meant.",
)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sizes.json", {"imagenet-val-000001.tar": 21}),
        (
            "_info.json",
            {"splits": {"validation": {"filenames": ["imagenet-val-000001.tar"], "shard_lengths": [21]}}},
        ),
    ],
)
def test_counts_beside_shards(name, text, found, tmp_path):
    found.data = {f"a{n:03d}": data for n, data in enumerate(found.data.values())}
    found.classes = dict(zip(found.data, found.classes.values(), strict=True))
    data, _ = known.webdataset_cls(tmp_path, found)
    (data / name).write_text(json.dumps(text))
    with pytest.raises(DatasetError, match=rf"imagenet-val-000001.tar: 20, and {name} says 21"):
        score(data, allow_subset=False)
    check_right(score(data))
    (data / name).write_text(json.dumps(text).replace("21", "20"))
    check_right(score(data, allow_subset=False))


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
    with pytest.raises(DatasetError, match=r"1 file is missing\n  validation-00001-of-00002"):
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
