"""Parquet files of a user's own classes: which label is which output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from triport.parity.imagenet.dataset.layouts import LayoutRequest
from triport.parity.imagenet.dataset.layouts.parquet import read
from triport.parity.imagenet.dataset.samples import DatasetError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

PETS = ("cat", "dog", "guinea_pig")


def written(folder: Path, *names: tuple[str, ...] | None) -> Path:
    """Write a file for each list of names, or none, with an image of each label."""
    for place, stated in enumerate(names):
        table = pyarrow.table({"image": [bytes([place, label]) for label in range(3)], "label": [0, 1, 2]})
        if stated is not None:
            said = {"info": {"features": {"label": {"names": list(stated), "_type": "ClassLabel"}}}}
            table = table.replace_schema_metadata({"huggingface": json.dumps(said)})
        parquet.write_table(table, folder / f"validation-{place:05d}-of-{len(names):05d}.parquet")
    return folder


def labels(data: Path, stated: tuple[str, ...] = ()) -> tuple[list[int], Any]:
    found = read(data, LayoutRequest(3, stated=stated))
    return [sample.label for sample in found.samples], found.notes


@pytest.mark.field(
    case="Parquet files of which the second numbers its classes otherwise",
    source="found here: the names of the first file alone were read",
    outcome="refused: one label is two classes",
)
def test_files_that_contradict_each_other(tmp_path: Path) -> None:
    data = written(tmp_path, PETS, PETS[::-1])
    with pytest.raises(DatasetError, match=r"00000-of-00002\.parquet and .*00001-of.* state other classes"):
        labels(data)
    assert labels(written(tmp_path, PETS, None))[0] == [0, 1, 2, 0, 1, 2]  # the second says nothing


@pytest.mark.field(
    case="a network whose config.json has the Parquet files' names of classes in another order",
    source="found here: labels were taken for the places of the outputs",
    outcome="each label is the output of its name; names that are not the outputs' are refused",
)
def test_labels_are_the_outputs_of_their_names(tmp_path: Path) -> None:
    data = written(tmp_path, ("guinea pig", "cat", "dog"))
    assert labels(data, PETS) == ([2, 0, 1], ())
    with pytest.raises(DatasetError, match=r"(?s)calls its classes otherwise than the network's.*guinea pig"):
        labels(data, ("cat", "dog", "horse"))
    found, notes = labels(data)
    assert (found, "taken for the places" in notes[0]) == ([0, 1, 2], True)


@pytest.mark.field(
    case="classes that are called by numbers, not in their order",
    source="found here",
    outcome="the output of that number, and it is said that this is taken for granted",
)
def test_classes_called_by_numbers(tmp_path: Path) -> None:
    found, notes = labels(written(tmp_path, ("2", "1", "0")))
    assert found == [2, 1, 0]
    assert "called by numbers are taken for those outputs" in notes[0]
