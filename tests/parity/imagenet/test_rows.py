"""Rows as they come, and a run that goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.parity.imagenet import known_answers as known
from tests.parity.imagenet.known_answers import IMAGES, PROFILE, WRONG, ColourRunner
from triport.parity.imagenet.dataset import open_dataset
from triport.parity.imagenet.evaluate import evaluate
from triport.parity.imagenet.rows import RowFile, RowsError

ROOT = Path(__file__).parents[3]
BATCH = 8
IDENTITY = {"model": "colours", "versions": {"fake": "1"}}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    data, _ = known.class_folders(folder, known.answers())
    return open_dataset(data, 1000, allow_subset=True)


def run(path, dataset, *, resume=False, identity=IDENTITY, batch_size=BATCH):
    runner = ColourRunner(noise=1e-4)
    rows = RowFile(path, identity, dataset, contenders=1, batch_size=batch_size, resume=resume)
    try:
        return runner, evaluate(runner, "colours", dataset, PROFILE, batch_size=batch_size, rows=rows)
    finally:
        rows.close()


@pytest.fixture(scope="module")
def whole(dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    run(path, dataset)
    return path.read_bytes()


def test_one_row_per_image(whole, dataset):
    mark, header, *lines = whole.decode().splitlines()
    assert json.loads(mark.removeprefix("# triport evaluate "))["model"] == "colours"
    assert header == "image,label,blake2b," + ",".join(
        f"{k}{i}" for k in ("top", "logit") for i in range(1, 6)
    )
    assert [line.split(",")[0] for line in lines] == [sample.name for sample in dataset.samples]
    assert sum(line.split(",")[1] == line.split(",")[3] for line in lines) == IMAGES - WRONG


# lines: 2 of heading and one per image
@pytest.mark.parametrize(
    "lines", [0, 1, 2, 2 + BATCH - 1, 2 + BATCH, 2 + 3 * BATCH + 1, 2 + IMAGES - 1, 2 + IMAGES]
)
@pytest.mark.parametrize("torn", [0, 7])
def test_a_file_cut_anywhere_goes_on_to_the_same(lines, torn, whole, dataset, tmp_path):
    path = tmp_path / "rows.csv"
    parts = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(parts[:lines]) + b"".join(parts[lines:])[:torn])
    runner, result = run(path, dataset, resume=True)
    assert path.read_bytes() == whole
    assert (result.images, result.top1_count) == (IMAGES, IMAGES - WRONG)
    kept = max(0, lines - 2)
    kept -= 0 if kept == IMAGES else kept % BATCH
    assert runner.seen == IMAGES - kept


def test_an_existing_file_is_not_overwritten(whole, dataset, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(whole)
    with pytest.raises(RowsError, match=r"rows.csv exists: use --resume"):
        run(path, dataset)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"identity": {**IDENTITY, "versions": {"fake": "2"}}},
            'versions, fake is "2" in this run, and "1" in the run',
        ),
        ({"batch_size": 9}, "batch_size is 9 in this run, and 8 in the run"),
        ({"identity": {"model": "colours"}}, "versions is not stated in this run"),
    ],
)
def test_another_run_does_not_go_on(changes, message, whole, dataset, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(whole[:-200])
    with pytest.raises(RowsError, match=rf"rows are of another run\n  {message}"):
        run(path, dataset, resume=True, **changes)
    assert path.read_bytes() == whole[:-200]


def test_another_data_set_does_not_go_on(whole, dataset, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(whole)
    with pytest.raises(RowsError, match="dataset_sha256"):
        run(path, dataset.limited(40), resume=True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"image,label\n" * 3, "no rows of `evaluate`"),
        (lambda data: data.replace(b"logit1", b"logit9"), "does not name the columns"),
        (lambda data: data.replace(b",", b";", 400), "does not name the columns|no rows"),
        (lambda data: data + data.splitlines(keepends=True)[-1], "61 rows for 60 images"),
        (
            lambda data: data.replace(b"ILSVRC2012_val_", b"ILSVRC2012_vul_", 9),
            "line 3 is damaged, or is not of",
        ),
        (lambda data: data[:-3] + b"x\n", "line 62 is damaged"),
    ],
)
def test_a_damaged_file_does_not_go_on(damage, message, whole, dataset, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(damage(whole))
    with pytest.raises(RowsError, match=message):
        run(path, dataset, resume=True)


SCRIPT = """
import sys, time
from pathlib import Path
from triport.parity.imagenet.dataset import open_dataset
from tests.parity.imagenet import test_rows
from tests.parity.imagenet.known_answers import ColourRunner
class Slow(ColourRunner):
    def logits(self, batch):
        time.sleep(0.1)
        return super().logits(batch)
test_rows.ColourRunner = Slow
test_rows.run(Path(sys.argv[1]), open_dataset(Path(sys.argv[2]), 1000, allow_subset=True))
"""


def test_killed_in_the_middle(whole, dataset, tmp_path):
    """SIGKILL while it runs; then the same rows, byte for byte, and the same figure."""
    path = tmp_path / "rows.csv"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, path, dataset.root.parent],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
    )
    while not path.exists() or path.read_bytes().count(b"\n") < 2 + 2 * BATCH:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 2 + 2 * BATCH <= path.read_bytes().count(b"\n") < 2 + IMAGES
    _, result = run(path, dataset, resume=True)
    assert path.read_bytes() == whole
    assert result.top1_count == IMAGES - WRONG
