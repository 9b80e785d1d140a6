"""One row per image, written as the results come, so that a run that was killed goes on where it was.

A CSV file. Its first line, a comment, says what was run on what; a run that goes on must say the
same. Rows are in the data set's order and written by whole batches, so that the batches after an
interruption are those of an uninterrupted run, and the rows the same bits.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reference_models.errors import TriportError, listed

from .blocks import TOP, Block
from .dataset import ImageDataset
from .decoding import DIGEST_BYTES

_MARK = "# triport evaluate "


class RowsError(TriportError):
    """A file of rows is in the way, is damaged, or is of another run."""


class RowFile:
    """Rows of `dataset` by `contenders` networks, appended block by block."""

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any],
        dataset: ImageDataset,
        *,
        contenders: int,
        batch_size: int,
        resume: bool,
    ) -> None:
        """Begin a new file, or with `resume` go on with one that is there.

        `identity` says what is run on what, as JSON.

        Raises:
            RowsError: the file exists and is not to be resumed, or is of another run.
        """
        self.path = path
        self._dataset = dataset
        self._shape = (contenders, min(TOP, len(dataset.class_names)))
        self._batch_size = batch_size
        self._identity = json.loads(
            json.dumps({**identity, "batch_size": batch_size, "dataset_sha256": dataset.fingerprint()})
        )
        self._kept: Block | None = None
        if path.exists():
            if not resume:
                raise RowsError(f"{path} exists: use --resume to go on with it, or another path")
            self._kept, size = self._read()
            os.truncate(path, size)
        try:
            self._file = path.open("a", newline="", encoding="utf-8")
        except OSError as error:
            raise RowsError(f"{path}: cannot be written ({error.strerror})") from error
        self._writer = csv.writer(self._file, lineterminator="\n")
        if self._file.tell() == 0:
            self._file.write(_MARK + json.dumps(self._identity, sort_keys=True) + "\n")
            self._writer.writerow(self._columns())

    def kept(self) -> Block | None:
        """Return the rows that were there already, from the first image on; None without any."""
        return self._kept

    def append(self, block: Block) -> None:
        """Write the rows of the next images, and give them to the operating system."""
        top = self._shape[1]
        for offset, digest in enumerate(block.digests):
            sample = self._dataset.samples[block.position + offset]
            row: list[Any] = [sample.name, sample.label, digest.tobytes().hex()]
            for classes, logits in zip(block.classes[offset], block.logits[offset], strict=True):
                row += [*classes.tolist(), *(str(logits[place]) for place in range(top))]
            self._writer.writerow(row)
        self._file.flush()

    def close(self) -> None:
        """Bring the file to the disk and close it."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def _columns(self) -> list[str]:
        contenders, top = self._shape
        columns = ["image", "label", "blake2b"]
        for contender in range(contenders):
            prefix = f"{chr(ord('a') + contender)}_" if contenders > 1 else ""
            columns += [f"{prefix}{kind}{place}" for kind in ("top", "logit") for place in range(1, top + 1)]
        return columns

    def _read(self) -> tuple[Block | None, int]:
        """Return the rows of whole batches, and how long the file is up to their end."""
        data = self.path.read_bytes()
        lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
        if len(lines) < 2:
            return None, 0  # killed before its first row
        self._check_identity(lines[0])
        if lines[1].decode().rstrip("\n").split(",") != self._columns():
            raise RowsError(f"{self.path}: its second line does not name the columns of such a run")
        count = len(lines) - 2
        total = len(self._dataset.samples)
        if count > total:
            raise RowsError(f"{self.path}: {count} rows for {total} images")
        if count < total:
            count -= count % self._batch_size
        size = sum(len(line) for line in lines[: 2 + count])
        return (self._parse(lines[2 : 2 + count]) if count else None), size

    def _check_identity(self, line: bytes) -> None:
        try:
            if not line.startswith(_MARK.encode()):
                raise ValueError
            found = json.loads(line[len(_MARK) :])
        except ValueError:
            raise RowsError(
                f"{self.path}: no rows of `evaluate`: its first line is not what it writes"
            ) from None
        differing = [
            f"{key}: expected {self._identity.get(key)}, found {found.get(key)}"
            for key in dict.fromkeys([*self._identity, *found])
            if self._identity.get(key) != found.get(key)
        ]
        if differing:
            raise RowsError(
                f"{self.path}: its rows are of another run\n{listed(differing)}\n"
                "Run what it was begun with, or use another path"
            )

    def _parse(self, lines: Sequence[bytes]) -> Block:
        contenders, top = self._shape
        digests = np.empty((len(lines), DIGEST_BYTES), np.uint8)
        classes = np.empty((len(lines), contenders, top), np.int32)
        logits = np.empty((len(lines), contenders, top), np.float32)
        for index, row in enumerate(self._rows(lines)):
            sample = self._dataset.samples[index]
            try:
                if (row[0], row[1]) != (sample.name, str(sample.label)):
                    raise ValueError
                digests[index] = np.frombuffer(bytes.fromhex(row[2]), np.uint8)
                values = np.array(row[3:]).reshape(contenders, 2, top)
                classes[index], logits[index] = values[:, 0].astype(np.int32), values[:, 1].astype(np.float32)
            except (ValueError, IndexError):
                raise RowsError(
                    f"{self.path}: line {index + 3} is damaged, or is not of {sample.name} "
                    f"with label {sample.label}"
                ) from None
        return Block(0, digests, classes, logits)

    def _rows(self, lines: Sequence[bytes]) -> Iterator[list[str]]:
        try:
            yield from csv.reader(io.StringIO(b"".join(lines).decode()))
        except (csv.Error, UnicodeDecodeError) as error:
            raise RowsError(f"{self.path}: its rows cannot be read ({error})") from error
