"""Two files of rows, from two machines perhaps, compared image by image without running anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from triport.converters.formats import file_sha256
from triport.parity.pages import run_facts
from triport.reference_models.errors import counted, listed
from triport.reference_models.result import SCHEMA_VERSION

from .blocks import ScoredBlock
from .dataset import Image, ImageDataset, Sample, printable
from .decoding import DIGEST_BYTES
from .pair import PairTally
from .pair_page import PageSide, pair_page
from .row_columns import ImageRows, is_rows, read_rows
from .rows import RowsError
from .wilson import wilson_interval

# what is no difference of what was run
_NOT_COMPARED = frozenset({"data_sha256"})


@dataclass(frozen=True, slots=True)
class RowsScore:
    """The accuracy that a file of rows comes to; `top5_count` is None where it has not five classes a row."""

    rows: ImageRows
    images: int
    top1_count: int
    top5_count: int | None

    @property
    def top1_percent(self) -> float:
        """Share of the images whose best class is right."""
        return 100 * self.top1_count / self.images

    @property
    def top5_percent(self) -> float | None:
        """Share of the images whose class is among the best five."""
        return None if self.top5_count is None else 100 * self.top5_count / self.images

    @property
    def top1_interval_percent(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the top-1 accuracy."""
        low, high = wilson_interval(self.top1_count, self.images)
        return 100 * low, 100 * high

    @property
    def profile(self) -> str:
        """How images were prepared, as the file states it."""
        stated = {
            name.removeprefix("preprocess ").removesuffix("_px"): value
            for name, value in self.rows.stated.items()
            if name.startswith("preprocess ")
        }
        return ", ".join(f"{name} {value}" for name, value in stated.items()) or "not stated"

    def json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        stated = self.rows.stated
        return {
            "rows": printable(str(self.rows.path)),
            "model": stated.get("model"),
            "weights_sha256": stated.get("weights_sha256"),
            "runtime": stated.get("runtime"),
            "device": stated.get("device"),
            "images": self.images,
            "top1_percent": self.top1_percent,
            "top5_percent": self.top5_percent,
            "top1_count": self.top1_count,
            "top5_count": self.top5_count,
            "top1_interval_percent": list(self.top1_interval_percent),
            "stated": dict(stated),
        }


@dataclass(frozen=True, slots=True)
class DoneWithRows:
    """Both accuracies, the pair, what the files state otherwise, and what was decided in reading them."""

    scores: tuple[RowsScore, RowsScore]
    pair: PairTally
    differs_in: tuple[tuple[str, str | None, str | None], ...]
    notes: tuple[str, ...]
    # nothing is run, so there is one process, and no evaluation
    rank = 0
    evaluations = ()
    comparison = None

    @property
    def schema_version(self) -> int:
        """The version of the keys of `to_dict`."""
        return SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """Whether the two are equal but for chance."""
        return self.pair.equal

    @property
    def names(self) -> list[str]:
        """What each is called: its file, and the model and runtime that it states."""
        return [_name_of(score.rows) for score in self.scores]

    def _hashes(self) -> dict[str, str]:
        """Return the SHA-256 of the files of rows."""
        return {str(score.rows.path): file_sha256(score.rows.path) for score in self.scores}

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "schema_version": self.schema_version,
            "models": [score.json() for score in self.scores],
            "pair": self.pair.json(),
            "differs_in": [{"what": what, "a": a, "b": b} for what, a, b in self.differs_in],
            "notes": list(self.notes),
        }

    def page(self, command: str | None = None) -> str:
        """Return the page of the pair; `command` is what was typed, for the page."""
        a, b = (
            PageSide(letter, name, score)
            for letter, name, score in zip("AB", self.names, self.scores, strict=True)
        )
        return pair_page(a, b, self.pair, thumbnails=False, facts=run_facts(command, self._hashes(), {}))


def are_rows(what: Sequence[Any]) -> bool:
    """Whether what `evaluate` was given are files of rows.

    Raises:
        RowsError: some are and some are not, or one is not there.
    """
    found = [isinstance(one, str | os.PathLike) and is_rows(Path(one)) for one in what]
    if any(found) and not all(found):
        rows, other = (
            next(one for one, is_of in zip(what, found, strict=True) if is_of == kind)
            for kind in (True, False)
        )
        raise RowsError(
            f"{rows} is a file of rows, and {other} is none: two files of rows are compared with one another"
        )
    return all(found)


def compare_rows(paths: Sequence[Path], *, allow_subset: bool = False) -> DoneWithRows:
    """Compare two files of rows, or the two networks of one.

    Raises:
        RowsError: they are not of two networks, of other images or labels, damaged, or cut.
    """
    networks = [rows for path in paths for rows in read_rows(path)]
    if len(networks) != 2:
        held = " and ".join(str(path) for path in paths)
        raise RowsError(f"{held}: expected rows of two networks, found {len(networks)}")
    a, b = networks
    notes = [note for rows in dict.fromkeys(paths) for note in _completeness(networks, rows, allow_subset)]
    for rows in networks:
        if not rows.stated:
            notes.append(f"{rows.path}: does not state its model, weights and preprocessing: not compared")
    in_a, in_b = _matched(a, b, allow_subset, notes)
    labels = _labels(a, b, in_a, in_b, notes)
    tally = _tally(a, b, in_a, in_b, labels)
    scores = (_score(a, in_a, labels), _score(b, in_b, labels))
    return DoneWithRows(scores, tally, tuple(_differences(a, b)), tuple(notes))


def _name_of(rows: ImageRows) -> str:
    stated = [rows.stated[key] for key in ("model", "runtime", "device") if key in rows.stated]
    return f"{printable(str(rows.path))}" + (f" ({', '.join(stated)})" if stated else "")


def _completeness(networks: Sequence[ImageRows], path: Path, allow_subset: bool) -> list[str]:
    rows = next(rows for rows in networks if rows.path == path)
    if rows.whole is not False:
        return []
    what = (
        f"{path}: its {counted(len(rows), 'row is', 'rows are')} not all of the run that its first line "
        "states, or were changed"
    )
    if allow_subset:
        return [what]
    raise RowsError(f"{what}. Go on with that run (--resume), or compare what is there with --allow-subset")


def _matched(
    a: ImageRows, b: ImageRows, allow_subset: bool, notes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows of A and of B are of the same images, in A's order."""
    keys = [("names", a.names, b.names)]
    if a.digests is not None and b.digests is not None:
        keys.append(("the hashes of their bytes", a.digests, b.digests))
    keys.append(("names without folders", _file_names(a), _file_names(b)))
    tried = []
    for by, of_a, of_b in keys:
        places = {key: place for place, key in enumerate(of_b)}
        if len(places) < len(of_b) or len(set(of_a)) < len(of_a):
            continue  # it does not tell one image from another
        both = [(place, places[key]) for place, key in enumerate(of_a) if key in places]
        tried.append((len(both), by, both))
        if len(both) == len(a) == len(b):
            break
    most, by, both = max(tried, key=lambda one: one[0])
    if by != "names":
        notes.append(f"images are matched by {by}")
    missing = [(letter, rows, len(rows) - most) for letter, rows in (("A", a), ("B", b)) if len(rows) > most]
    if missing:
        _check_missing(a, b, both, missing, allow_subset, notes)
    in_a, in_b = np.array(both, np.int64).reshape(-1, 2).T
    _check_bytes(a, b, in_a, in_b)
    return in_a, in_b


def _file_names(rows: ImageRows) -> tuple[str, ...]:
    return tuple(PurePosixPath(name.replace("\\", "/")).name for name in rows.names)


def _check_missing(
    a: ImageRows,
    b: ImageRows,
    both: Sequence[tuple[int, int]],
    missing: Sequence[tuple[str, ImageRows, int]],
    allow_subset: bool,
    notes: list[str],
) -> None:
    """Say which images only one file has; raise RowsError unless that is meant."""
    if allow_subset and both:
        counts = ", ".join(f"{count} only in {letter}" for letter, _, count in missing)
        notes.append(f"compared are the {counted(len(both), 'image')} that both have; {counts}")
        return
    matched = [{place for place, _ in both}, {place for _, place in both}]
    lines = []
    for letter, rows, count in missing:
        have = matched["AB".index(letter)]
        examples = [rows.names[place] for place in range(len(rows)) if place not in have]
        lines.append(f"{counted(count, 'image')} only {rows.path} has\n{listed(examples)}")
    end = (
        "\nUse --allow-subset to compare the images that both have"
        if both
        else "\nNo image is in both: are these rows of one data set?"
    )
    raise RowsError(f"{a.path} and {b.path} are not of the same images\n" + "\n".join(lines) + end)


def _check_bytes(a: ImageRows, b: ImageRows, in_a: np.ndarray, in_b: np.ndarray) -> None:
    if a.digests is None or b.digests is None:
        return
    changed = [
        a.names[place]
        for place, other in zip(in_a.tolist(), in_b.tolist(), strict=True)
        if a.digests[place] != b.digests[other]
    ]
    if changed:
        raise RowsError(
            f"{a.path} and {b.path}: {len(changed)} of {len(in_a)} images have the same name and other bytes "
            f"(blake2b)\n{listed(changed)}\nScore the same files on both machines"
        )


def _labels(a: ImageRows, b: ImageRows, in_a: np.ndarray, in_b: np.ndarray, notes: list[str]) -> np.ndarray:
    """Return the labels of the images that are compared.

    Raises:
        RowsError: the two files do not agree, or neither has any.
    """
    if a.labels is None and b.labels is None:
        raise RowsError(
            f"{a.path} and {b.path}: neither has a column label: which class is right is not known"
        )
    if a.labels is None or b.labels is None:
        (lacks, has), (rows, places) = ((a, b), (b, in_b)) if a.labels is None else ((b, a), (a, in_a))
        notes.append(f"{lacks.path} has no labels: those of {has.path} are taken")
        assert rows.labels is not None
        return rows.labels[places]
    of_a, of_b = a.labels[in_a], b.labels[in_b]
    differing = np.flatnonzero(of_a != of_b)
    if not len(differing):
        return of_a
    lines = [f"{a.names[in_a[place]]}: {of_a[place]} and {of_b[place]}" for place in differing.tolist()]
    shift = set((of_b - of_a).tolist())
    hint = ""
    if len(shift) == 1 and abs(by := shift.pop()) == 1:
        counts_one_more = b.path if by == 1 else a.path
        hint = f"\nAll differ by one: {counts_one_more} counts a background class first, or from 1"
    raise RowsError(
        f"{a.path} and {b.path}: {len(differing)} of {len(of_a)} images have another label\n"
        f"{listed(lines)}{hint}"
    )


def _tally(a: ImageRows, b: ImageRows, in_a: np.ndarray, in_b: np.ndarray, labels: np.ndarray) -> PairTally:
    places = min(a.classes.shape[1], b.classes.shape[1])
    classes = np.stack([a.classes[in_a, :places], b.classes[in_b, :places]], axis=1)
    logits = np.stack([a.logits[in_a, :places], b.logits[in_b, :places]], axis=1)
    # numbered anew, so that a large number takes no more room than a small one
    present, numbered = np.unique(np.concatenate([labels.ravel(), classes.ravel()]), return_inverse=True)
    numbered = numbered.reshape(-1)
    samples = tuple(
        Sample(Image(a.path, a.names[place]), label)
        for place, label in zip(in_a.tolist(), numbered[: len(labels)].tolist(), strict=True)
    )
    tally = PairTally(ImageDataset(a.path, samples, tuple(map(str, present.tolist())), layout="rows"))
    digests = np.zeros((len(labels), DIGEST_BYTES), np.uint8)
    tally.add(
        ScoredBlock(0, digests, numbered[len(labels) :].reshape(classes.shape).astype(np.int32), logits)
    )
    return tally


def _score(rows: ImageRows, places: np.ndarray, labels: np.ndarray) -> RowsScore:
    right = rows.classes[places] == labels[:, None]
    top5 = int(right.any(axis=1).sum()) if right.shape[1] == 5 else None
    return RowsScore(rows, len(labels), int(right[:, 0].sum()), top5)


def _differences(a: ImageRows, b: ImageRows) -> list[tuple[str, str | None, str | None]]:
    """Return what the files state otherwise; nothing where one of them states nothing."""
    if not a.stated or not b.stated:
        return []
    return [
        (what, a.stated.get(what), b.stated.get(what))
        for what in dict.fromkeys([*a.stated, *b.stated])
        if what not in _NOT_COMPARED and a.stated.get(what) != b.stated.get(what)
    ]
