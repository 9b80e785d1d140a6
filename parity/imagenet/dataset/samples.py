"""A labelled image, wherever its bytes are, and a list of them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from reference_models.errors import TriportError

SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})
VALIDATION_SIZE = 50_000
_VALIDATION_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.(?:JPEG|jpeg|jpg)")


class DatasetError(TriportError):
    """The data are no data set that the model can be scored on."""


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
        return str(self.path) if self.size is None else f"{self.path}: {self.name}"

    @property
    def validation_number(self) -> int | None:
        """Which of ILSVRC-2012's validation images it is by its name, 1 to 50,000."""
        found = _VALIDATION_NAME.fullmatch(self.name.rsplit("/", 1)[-1])
        return int(found[1]) if found else None

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


@dataclass(frozen=True, slots=True)
class ImageDataset:
    """Labelled images in a fixed order; `class_names` has one name for each output."""

    root: Path
    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]
    layout: str = ""

    @property
    def is_validation_set(self) -> bool:
        """Whether the images are of ILSVRC-2012's validation set: all of them are named so."""
        return all(sample.image.validation_number is not None for sample in self.samples)

    def fingerprint(self) -> str:
        """Return the SHA-256 of all names and labels, in order."""
        digest = hashlib.sha256()
        for sample in self.samples:
            digest.update(f"{sample.name}\t{sample.label}\n".encode())
        return digest.hexdigest()

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
