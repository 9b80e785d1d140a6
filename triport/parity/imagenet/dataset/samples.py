"""A labelled image, wherever its bytes are, and a list of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from triport.reference_models.errors import TriportError, counted, listed

SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
IMAGES = "images (.JPEG, .jpg, .png, .webp, .bmp, .tif)"
VALIDATION_SIZE = 50_000
# what lies beside images and is none; a file of any other suffix could be an image that would be left out
_BESIDE = frozenset({".txt", ".json", ".csv", ".tsv", ".md", ".xml", ".html", ".yaml", ".yml", ".log"})
# what systems put into folders, and into archives of them
_OF_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"})
# of a zip from a Mac, Synology's and QNAP's thumbnails, file systems and their bins
FOLDERS_OF_SYSTEMS = frozenset(
    {"__MACOSX", "@eaDir", ".@__thumb", "lost+found", "$RECYCLE.BIN", "System Volume Information", "#recycle"}
)
_VALIDATION_NAME = re.compile(r"ILSVRC2012_val_(\d{8})(?:_(n\d{8}))?\.(?:jpe?g|png)", re.IGNORECASE)
_TRAINING_NAME = re.compile(r"(n\d{8})_\d+(?:_n\d{8})?\.\w+")


class DatasetError(TriportError):
    """The data are no data set that the model can be scored on."""


def printable(name: str) -> str:
    """Return a name in printable characters, with escapes for all others and for bytes that are no UTF-8."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def images_among(root: Path, names: Iterable[str]) -> tuple[set[str], list[str]]:
    """Return which files are images by their names, and which are known to be none and passed over.

    Raises:
        DatasetError: a file is neither: it may be an image that would not be scored.
    """
    images, beside, strangers = set(), [], []
    for name in names:
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in SUFFIXES:
            images.add(name)
        elif suffix in _BESIDE or PurePosixPath(name).name.lower() in _OF_SYSTEMS:
            beside.append(name)
        else:
            strangers.append(printable(name))
    if strangers:
        raise DatasetError(
            f"{root}: {counted(len(strangers), 'entry is', 'entries are')} none of the "
            f"{IMAGES}\n{listed(sorted(strangers))}"
        )
    return images, beside


def passed_over(beside: list[str]) -> tuple[str, ...]:
    """Return the note on files that are no images, none where there are none."""
    if not beside:
        return ()
    more = f" and {len(beside) - 1} more" if len(beside) > 1 else ""
    return (f"passed over, no images: {printable(beside[0])}{more}",)


@dataclass(frozen=True, slots=True)
class Image:
    """The bytes of an image: a whole file, or `size` bytes at `offset` of a tar file.

    `name` is its path inside the data set: `n01440764/x.JPEG`.
    """

    path: Path
    name: str
    offset: int = 0
    size: int | None = None

    def __str__(self) -> str:
        return printable(str(self.path) if self.size is None else f"{self.path}: {self.name}")

    @property
    def validation_number(self) -> int | None:
        """Which of ILSVRC-2012's validation images it is by its name, 1 to 50,000."""
        found = _VALIDATION_NAME.fullmatch(self.name.rsplit("/", 1)[-1])
        return int(found[1]) if found else None

    @property
    def is_training_image(self) -> bool:
        """Whether it is called as ILSVRC-2012's training images are."""
        return _TRAINING_NAME.fullmatch(self.name.rsplit("/", 1)[-1]) is not None

    @property
    def stated_wnid(self) -> str | None:
        """The WordNet id in its name: `ILSVRC2012_val_00000293_n01440764.JPEG`, `n01440764_10026.JPEG`."""
        name = self.name.rsplit("/", 1)[-1]
        found = _VALIDATION_NAME.fullmatch(name)
        if found is not None:
            return found[2]
        training = _TRAINING_NAME.fullmatch(name)
        return None if training is None else training[1]

    def read(self) -> bytes:
        """Return the image file's bytes.

        Raises:
            OSError: they cannot be read.
        """
        if self.size is None:
            return self.path.read_bytes()
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(self.size)
        if len(data) < self.size:
            raise EOFError(f"expected {self.size} bytes at {self.offset}, found {len(data)}")
        return data


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and the index of its class among the model's outputs."""

    image: Image
    label: int

    def __str__(self) -> str:
        return str(self.image)

    @property
    def path(self) -> Path:
        """The file that holds the image: itself, or the tar file."""
        return self.image.path

    @property
    def name(self) -> str:
        """The image's path inside the data set."""
        return self.image.name


def fingerprint_of(labelled: Iterable[tuple[str, int]]) -> str:
    """Return the SHA-256 of printable names and labels, in order."""
    digest = hashlib.sha256()
    for name, label in labelled:
        digest.update(f"{name}\t{label}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class ImageDataset:
    """Labelled images in a fixed order; `class_names` has one name for each output.

    `notes` says what was decided in reading them, `known_as` which known data set they are, if it is not
    ILSVRC-2012's validation set; `listed` that the labels are those of a list, and not the layout's own.
    """

    root: Path
    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]
    layout: str = ""
    notes: tuple[str, ...] = ()
    known_as: str | None = None
    listed: bool = False

    @property
    def is_validation_set(self) -> bool:
        """Whether all are named as ILSVRC-2012's validation images, and it is no set made of these."""
        return self.known_as is None and all(
            sample.image.validation_number is not None for sample in self.samples
        )

    def fingerprint(self) -> str:
        """Return the SHA-256 of all names and labels, in order."""
        return fingerprint_of((printable(sample.name), sample.label) for sample in self.samples)

    def limited(self, limit: int | None) -> ImageDataset:
        """Return a stratified sample of at most `limit` images, the same at every call.

        Each class gives its first images, one from every class in turn, so that no class has two
        more than another that still has images.

        Raises:
            DatasetError: the limit is not positive.
        """
        if limit is None or limit >= len(self.samples):
            return self
        if limit < 1:
            raise DatasetError(f"the limit must be at least 1 image, found {limit}")
        rank: dict[int, int] = {}
        turns = []
        for position, sample in enumerate(self.samples):
            turn = rank.get(sample.label, 0)
            rank[sample.label] = turn + 1
            turns.append((turn, sample.label, position))
        chosen = sorted(position for _, _, position in sorted(turns)[:limit])
        return replace(self, samples=tuple(self.samples[position] for position in chosen))
