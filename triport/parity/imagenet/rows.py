"""One row per image, written as the results come, so that a run that was killed goes on where it was.

A CSV file. Its first line, a comment, says what was run on what; a run that goes on must say the
same, and the images whose rows are kept must have the bytes that the rows were made of. Rows are in the
data set's order and written by whole batches, so that the batches after an interruption are those of an
uninterrupted run, and the rows the same bits. Names are written in printable characters: a row is a line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.formats import as_stated, short
from triport.reference_models.errors import TriportError, counted, listed

from .appending import AppendedFile, AppendError
from .blocks import TOP, ScoredBlock
from .dataset import ImageDataset, printable
from .decoding import DIGEST_BYTES, digest_of, read_sample

MARK = "# triport evaluate "
# raised when rows of the same images and weights come out otherwise: a file of an older number does not go on
_REVISION = 2


class RowsError(TriportError):
    """A file of rows is in the way, is damaged, or is of another run."""


_ABSENT = object()


def _differences(now: Any, before: Any, what: str = "") -> Iterator[str]:
    """Yield a sentence for each statement of a run that the rows' own run made otherwise.

    Args:
        now: what this run says of itself, as JSON.
        before: what the file says.
        what: the statement that both belong to.
    """
    if now == before:
        return
    if isinstance(now, dict) and isinstance(before, dict):
        for key in dict.fromkeys([*now, *before]):
            inner = f"{what}, {key}" if what else str(key)
            yield from _differences(now.get(key, _ABSENT), before.get(key, _ABSENT), inner)
    elif isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        for place, (one, other) in enumerate(zip(now, before, strict=True), 1):
            yield from _differences(one, other, f"{what} {place}")
    else:
        yield f"{short(what)} is {_said(now)} in this run, and {_said(before)} in the run that wrote the rows"


def _said(value: Any) -> str:
    return "not stated" if value is _ABSENT else as_stated(value)


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
        workers: int = 1,
    ) -> None:
        """Begin a new file, or with `resume` go on with one that is there.

        `identity` says what is run on what, as JSON; `workers` threads read the images of kept rows again.
        A file that is there stays as it is until the first new row.

        Raises:
            RowsError: the file exists and is not to be resumed, is of another run or of other images,
                is no file of rows, or another run writes to it.
            ImageError: an image of a kept row cannot be read any more.
        """
        self.path = path
        self._dataset = dataset
        self._shape = (contenders, min(TOP, len(dataset.class_names)))
        self._batch_size = batch_size
        self._identity = json.loads(
            json.dumps(
                {
                    **identity,
                    "batch_size": batch_size,
                    "dataset_sha256": dataset.fingerprint(),
                    "revision": _REVISION,
                }
            )
        )
        self._kept: ScoredBlock | None = None
        try:
            self._file = AppendedFile(path, resume=resume)
        except AppendError as error:
            raise RowsError(str(error)) from error
        try:
            self._kept = self._read()
            if self._kept is not None:
                self._check_images(self._kept, workers)
        except BaseException:
            self._file.close()
            raise

    def kept(self) -> ScoredBlock | None:
        """Return the rows that were there already, from the first image on; None without any."""
        return self._kept

    def append(self, block: ScoredBlock) -> None:
        """Write the rows of the next images, and give them to the operating system.

        Raises:
            RowsError: there is no room, or something else has changed the file.
        """
        text = "".join(
            self._line(block.position + offset, block.digests[offset], classes, logits)
            for offset, (classes, logits) in enumerate(zip(block.classes, block.logits, strict=True))
        )
        heading = self._heading() if self._file.end == 0 else b""
        try:
            self._file.append(heading + text.encode())
        except AppendError as error:
            raise RowsError(
                f"{error}. It holds the rows of {block.position} images: --resume goes on with it"
            ) from error

    def close(self) -> None:
        """Bring the file to the disk and close it; a new file without a row goes away."""
        try:
            self._file.close()
        except AppendError as error:
            raise RowsError(str(error)) from error

    def _line(self, position: int, digest: np.ndarray, classes: np.ndarray, logits: np.ndarray) -> str:
        sample = self._dataset.samples[position]
        row: list[Any] = [printable(sample.name), sample.label, digest.tobytes().hex()]
        for best, values in zip(classes, logits, strict=True):
            row += [*best.tolist(), *map(str, values)]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(row)
        return text.getvalue()

    def _heading(self) -> bytes:
        mark = MARK + json.dumps(self._identity, sort_keys=True)
        return f"{mark}\n{','.join(self._columns())}\n".encode()

    def _columns(self) -> list[str]:
        contenders, top = self._shape
        columns = ["image", "label", "blake2b"]
        for contender in range(contenders):
            prefix = f"{chr(ord('a') + contender)}_" if contenders > 1 else ""
            columns += [f"{prefix}{kind}{place}" for kind in ("top", "logit") for place in range(1, top + 1)]
        return columns

    def _read(self) -> ScoredBlock | None:
        """Return the rows of whole batches, and have the file go on after them."""
        if not MARK.encode().startswith(self._file.read(len(MARK))):
            raise RowsError(
                f"{self.path}: no rows of `evaluate`: its first line is not what it writes. It is left as it "
                "is; give --rows another path"
            )
        data = self._file.read()
        if self._heading().startswith(data):
            return None  # empty, or killed before its first row
        lines = data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]
        if not lines:
            raise RowsError(f"{self.path}: its first line is cut, and is not that of this run")
        self._check_identity(lines[0])
        if len(lines) < 2 or lines[1].decode(errors="replace").split(",") != self._columns():
            raise RowsError(f"{self.path}: its second line does not name the columns of such a run")
        rows = lines[2:]
        total = len(self._dataset.samples)
        if len(rows) > total or (len(rows) == total and not data.endswith(b"\n")):
            more = "" if len(rows) > total else ", and a part of one more"
            raise RowsError(f"{self.path}: {counted(len(rows), 'row')} for {total} images{more}")
        if len(rows) < total:
            rows = rows[: len(rows) - len(rows) % self._batch_size]
        self._file.end = sum(len(line) + 1 for line in [*lines[:2], *rows])
        return self._parse(rows) if rows else None

    def _check_identity(self, line: bytes) -> None:
        try:
            found = json.loads(line[len(MARK) :])
            if not isinstance(found, dict):
                raise ValueError
        except (ValueError, RecursionError):
            raise RowsError(
                f"{self.path}: no rows of `evaluate`: its first line is not what it writes"
            ) from None
        differing = list(_differences(self._identity, found))
        if not differing and line + b"\n" != self._heading()[: len(line) + 1]:
            differing = ["its first line is written in another form: a key is there twice, or spaces differ"]
        if differing:
            raise RowsError(
                f"{self.path}: its rows are of another run\n{listed(differing)}\n"
                "Run what it was begun with, or use another path"
            )

    def _check_images(self, kept: ScoredBlock, workers: int) -> None:
        """Raise RowsError unless every image of a kept row has the bytes that the row was made of."""
        samples = self._dataset.samples[: len(kept)]
        with ThreadPoolExecutor(workers, thread_name_prefix="hash") as pool:
            now = pool.map(lambda sample: digest_of(read_sample(sample)), samples)
            changed = [
                sample
                for sample, found, before in zip(samples, now, kept.digests, strict=True)
                if found != before.tobytes()
            ]
        if changed:
            raise RowsError(
                f"{self.path}: {len(changed)} of {len(kept)} images have changed since their rows were "
                f"written\n{listed(changed)}\nTheir rows are of the bytes before: start again with another "
                "path, or without this file"
            )

    def _parse(self, lines: Sequence[bytes]) -> ScoredBlock:
        contenders, top = self._shape
        digests = np.empty((len(lines), DIGEST_BYTES), np.uint8)
        classes = np.empty((len(lines), contenders, top), np.int32)
        logits = np.empty((len(lines), contenders, top), np.float32)
        for index, row in enumerate(self._rows(lines)):
            sample = self._dataset.samples[index]
            try:
                digests[index] = np.frombuffer(bytes.fromhex(row[2]), np.uint8)
                values = np.array(row[3:]).reshape(contenders, 2, top)
                classes[index], logits[index] = values[:, 0].astype(np.int32), values[:, 1].astype(np.float32)
                written = self._line(index, digests[index], classes[index], logits[index])
                if written.encode() != lines[index] + b"\n" or not self._can_be(
                    classes[index], logits[index]
                ):
                    raise ValueError
            except (ValueError, IndexError, OverflowError):
                raise RowsError(
                    f"{self.path}: line {index + 3} is damaged, or is not of {sample} "
                    f"with label {sample.label}"
                ) from None
        return ScoredBlock(0, digests, classes, logits)

    def _can_be(self, classes: np.ndarray, logits: np.ndarray) -> bool:
        """Whether these can be an image's best classes: each once, the best first, a tie by its number."""
        count = len(self._dataset.class_names)
        return bool(np.isfinite(logits).all()) and all(
            len(set(best)) == len(best)
            and min(best) >= 0
            and max(best) < count
            and (ordered := list(zip((-values).tolist(), best, strict=True))) == sorted(ordered)
            for best, values in zip(classes.tolist(), logits, strict=True)
        )

    def _rows(self, lines: Sequence[bytes]) -> Iterator[list[str]]:
        """Yield one row of each line, a line at a time: a quotation mark cannot join two of them."""
        for index, line in enumerate(lines):
            try:
                yield next(csv.reader([line.decode()], strict=True), [])
            except (csv.Error, UnicodeDecodeError) as error:
                raise RowsError(f"{self.path}: line {index + 3} cannot be read ({error})") from error
