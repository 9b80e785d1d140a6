"""Images: rows that go on after an interruption."""

import csv
import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.parity.imagenet import known_answers as known
from tests.parity.imagenet.known_answers import IMAGES, PROFILE, WRONG, ColourRunner
from triport import convert
from triport.parity.imagenet import appending
from triport.parity.imagenet.dataset import open_dataset
from triport.parity.imagenet.evaluate import evaluate
from triport.parity.imagenet.preprocess import ImageError
from triport.parity.imagenet.rows import RowFile, RowsError

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "digits" / "val"
BATCH = 8
HEADING = 2


@pytest.fixture
def images(tmp_path):
    """The known images in class folders, writable."""
    return known.class_folders(tmp_path / "data", known.answers())[0] / "val"


@pytest.fixture
def rows(tmp_path):
    return tmp_path / "rows.csv"


@pytest.fixture(scope="module")
def digits_onnx(tmp_path_factory):
    """The shipped model in ONNX."""
    path = tmp_path_factory.mktemp("onnx") / "digits.onnx"
    convert(None, to="onnx", output=path)
    return path


def run(images, rows, *, resume=False, identity=None, runner=None):
    dataset = open_dataset(images, 1000, allow_subset=True)
    runner = runner or ColourRunner(noise=1e-4)
    identity = identity or {"model": "colours"}
    file = RowFile(rows, identity, dataset, contenders=1, batch_size=BATCH, resume=resume)
    try:
        return evaluate(runner, "colours", dataset, PROFILE, batch_size=BATCH, rows=file)
    finally:
        file.close()


def cut(rows, count):
    """Leave the heading and `count` rows."""
    lines = rows.read_bytes().splitlines(keepends=True)
    rows.write_bytes(b"".join(lines[: HEADING + count]))


# --- rows of what is there now


@pytest.mark.field(
    case="images that were repaired after their rows were written",
    source="pytorch/ao#3073, EvolvingLMMs-Lab/lmms-eval#1217 (stale results)",
    outcome="--resume is refused and names them; the file stays as it is.",
)
@pytest.mark.parametrize("kept", [IMAGES, BATCH])
def test_images_that_have_changed(kept, images, rows):
    run(images, rows)
    cut(rows, kept)
    before = rows.read_bytes()
    changed = sorted(images.glob("*/*"))[5]
    changed.write_bytes(known.picture(7, 999))
    with pytest.raises(RowsError, match=rf"1 of {kept} images have changed since.*\n  .*{changed.name}"):
        run(images, rows, resume=True)
    assert rows.read_bytes() == before


@pytest.mark.field(
    case="images that were changed before their rows are due",
    source="EvolvingLMMs-Lab/lmms-eval#1217 (stale results)",
    outcome="--resume goes on: only kept rows are of the bytes before.",
)
def test_images_that_changed_and_have_no_rows_yet(images, rows):
    run(images, rows)
    cut(rows, BATCH)
    last = sorted(images.glob("*/*"))[-1]
    last.write_bytes(last.read_bytes() + b"\0")
    assert run(images, rows, resume=True).images == IMAGES


@pytest.mark.field(
    case="an image of a kept row that is gone",
    source="found by trial",
    outcome="--resume is refused; the file stays as it is.",
)
def test_an_image_that_is_gone(images, rows, monkeypatch):
    run(images, rows)
    cut(rows, BATCH)
    before = rows.read_bytes()
    dataset = open_dataset(images, 1000, allow_subset=True)
    dataset.samples[3].path.unlink()
    with pytest.raises(ImageError, match=dataset.samples[3].path.name):
        RowFile(rows, {"model": "colours"}, dataset, contenders=1, batch_size=BATCH, resume=True)
    assert rows.read_bytes() == before


@pytest.mark.field(
    case="other weights, precision, preprocessing, profile, device, data or options with --resume",
    source="EvolvingLMMs-Lab/lmms-eval#1217, huggingface/lighteval#994",
    outcome="Refused with what differs; the file stays as it is.",
)
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--profile", "resize=40"),
            "models 1, preprocess, resize_px is 40 in this run, and 32 in the run that",
        ),
        pytest.param(
            ("--precision", "float16"),
            'precision is "float16" in this run, and "float32" in the run that wrote the rows',
            marks=pytest.mark.slow,
        ),
        (("--batch-size", "16"), "batch_size is 16 in this run, and 8 in the run that wrote the rows"),
        (("--limit", "20"), "dataset_sha256 is "),
        (
            ("--compare-preprocessing",),
            "compare_preprocessing is true in this run, and false in the run that",
        ),
        (("--runtime", "pytorch"), 'models 1, runtime is "pytorch" in this run, and "onnx" in the run that'),
    ],
)
def test_rows_of_another_run(words, message, rows, digits_onnx, run_cli):
    model = digits_onnx if "float16" not in words else "res2net_digits"
    command = ["evaluate", model, "--data", DIGITS, "--limit", 24, "--batch-size", 8, "--rows", rows]
    command += [] if model == digits_onnx else ["--runtime", "pytorch"]
    assert run_cli(*command).exit_code == 0
    cut(rows, 8)
    before = rows.read_bytes()
    found = run_cli(*command, "--resume", *words)
    assert found.exit_code == 2
    assert "rows are of another run" in found.stderr
    assert message in " ".join(found.stderr.split()) and "{" not in found.stderr
    assert rows.read_bytes() == before


@pytest.mark.field(
    case="ONNX weights in a data file beside the model, changed",
    source="onnx/onnx (external data)",
    outcome="--resume is refused: the data file's hash is part of what the rows are of.",
)
def test_changed_external_data(rows, digits_onnx, tmp_path, run_cli):
    import onnx

    model = onnx.load(digits_onnx)
    path = tmp_path / "external.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    command = ["evaluate", path, "--data", DIGITS, "--limit", 16, "--batch-size", 8, "--rows", rows]
    assert run_cli(*command).exit_code == 0, run_cli(*command).stderr
    cut(rows, 8)
    data = bytearray((tmp_path / "weights.bin").read_bytes())
    data[-4:] = np.float32(0.25).tobytes()
    (tmp_path / "weights.bin").write_bytes(data)
    found = run_cli(*command, "--resume")
    assert found.exit_code == 2 and "data_sha256" in found.stderr


def _in_row(change):
    """Return a change of a file's first row, given as its fields: name, label, hash, classes, logits."""

    def changed(lines):
        fields = lines[HEADING].decode().split(",")
        change(fields)
        return [*lines[:HEADING], ",".join(fields).encode(), *lines[HEADING + 1 :]]

    return changed


@pytest.mark.field(
    case="rows that were changed by hand: other classes, a logit that is no number, another order",
    source="found by an adversary: 99.0 % was printed of rows with the class 99, -1, or one class twice",
    outcome="Refused with the line; a kept row is one that evaluate could have written. The file stays.",
)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_in_row(lambda f: f.__setitem__(3, "1000")), "line 3 is damaged"),
        (_in_row(lambda f: f.__setitem__(3, "-1")), "line 3 is damaged"),
        (_in_row(lambda f: f.__setitem__(3, f[4])), "line 3 is damaged"),
        (_in_row(lambda f: f.__setitem__(3, str(int(f[3]) + 2**32))), "line 3 is damaged"),
        (_in_row(lambda f: f.__setitem__(-1, "nan")), "line 3 is damaged"),
        (_in_row(lambda f: f.__setitem__(-1, "-inf")), "line 3 is damaged"),
        (_in_row(lambda f: f.__setitem__(-1, f"+{f[-1]}")), "line 3 is damaged"),
        (_in_row(lambda f: f.__setitem__(slice(8, None), f[:7:-1])), "line 3 is damaged"),
        (
            lambda lines: [lines[0].replace(b"{", b'{"batch_size": 1, ', 1), *lines[1:]],
            "a key is there twice",
        ),
    ],
)
def test_rows_changed_by_hand(change, message, images, rows):
    run(images, rows)
    cut(rows, 2 * BATCH)
    before = b"\n".join(change(rows.read_bytes().split(b"\n")))
    rows.write_bytes(before)
    with pytest.raises(RowsError, match=message):
        run(images, rows, resume=True)
    assert rows.read_bytes() == before


# --- another file is never touched


@pytest.mark.field(
    case="--rows names another file, with --resume",
    source="found by trial",
    outcome="Refused; the file keeps every byte, however short it is.",
)
@pytest.mark.parametrize(
    "data",
    [
        b'{"0": 0}',
        b"my only line of notes\n",
        b"# triport",
        b"# triport evaluate of mine",
        b"# triport evaluate {}\n",
        b"# triport evaluate []\nimage,label\n",
        bytes(range(11, 256)) * 40,
        b"\n",
        b"image,label\na,1\n",
    ],
)
def test_another_file_is_kept(data, images, rows):
    rows.write_bytes(data)
    if data == b"# triport":  # the beginning of the heading, as a kill leaves it
        assert run(images, rows, resume=True).images == IMAGES
        return
    with pytest.raises(RowsError):
        run(images, rows, resume=True)
    assert rows.read_bytes() == data


@pytest.mark.field(
    case="the beginning of another run's heading, with --resume",
    source="found by trial",
    outcome="Refused; the file keeps every byte.",
)
@pytest.mark.parametrize("size", [60, 200])
def test_a_cut_heading_of_another_run(size, images, rows):
    run(images, rows, identity={"a": 1})
    rows.write_bytes(rows.read_bytes()[:size])
    before = rows.read_bytes()
    with pytest.raises(RowsError):
        run(images, rows, resume=True, identity={"b": 1})
    assert rows.read_bytes() == before


@pytest.mark.field(
    case="--rows names a folder, or a device",
    source="found by trial",
    outcome="One message, exit code 2.",
)
@pytest.mark.parametrize(
    ("path", "message"), [(".", "is a directory"), ("/dev/null", "is not a regular file")]
)
@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_rows_into_no_file(path, message, resume, digits_onnx, run_cli):
    command = ["evaluate", digits_onnx, "--data", DIGITS, "--limit", 5, "--rows", path, *resume]
    found = run_cli(*command)
    assert found.exit_code == 2
    assert message in found.stderr


@pytest.mark.field(
    case="a run that fails before its first row",
    source="found by trial",
    outcome="No file is left behind, so that the next run needs no --resume.",
)
def test_no_file_is_left_without_a_row(images, rows):
    sorted(images.glob("*/*"))[0].write_bytes(b"no image")
    with pytest.raises(ImageError):
        run(images, rows)
    assert not rows.exists()


# --- two runs, no room


@pytest.mark.field(
    case="two runs with one rows file",
    source="microsoft/syntheseus#155 (races of appends)",
    outcome="The second is refused while the first runs; the first's rows are whole.",
)
def test_two_runs_on_one_file(images, rows):
    class Meanwhile(ColourRunner):
        refused = 0

        def logits(self, batch):
            with pytest.raises(RowsError, match="another run writes its rows there now"):
                run(images, rows, resume=True)
            self.refused += 1
            return super().logits(batch)

    runner = Meanwhile(noise=1e-4)
    run(images, rows, runner=runner)
    assert runner.refused == -(-IMAGES // BATCH)
    whole = rows.read_bytes()
    rows.unlink()
    run(images, rows)
    assert rows.read_bytes() == whole


@pytest.mark.field(
    case="a file system without locks, and something else that writes or removes the file",
    source="microsoft/syntheseus#155 (races of appends)",
    outcome="Noticed before the next rows are written.",
)
@pytest.mark.parametrize("harm", [lambda rows: rows.write_bytes(b""), lambda rows: rows.unlink()])
def test_a_file_that_is_changed_meanwhile(harm, images, rows, monkeypatch):
    def no_locks(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(appending.fcntl, "flock", no_locks)

    class Harming(ColourRunner):
        def logits(self, batch):
            if rows.exists() and rows.stat().st_size:
                harm(rows)
            return super().logits(batch)

    with pytest.raises(RowsError, match="something else has changed or removed it"):
        run(images, rows, runner=Harming())


@pytest.mark.field(
    case="no room left for the rows",
    source="found by trial (ENOSPC, EFBIG)",
    outcome="One message that says how many rows are written; --resume gives the same file.",
)
@pytest.mark.parametrize("written", [0, 1, 3])
def test_no_room(written, images, rows, monkeypatch):
    calls = []

    def full(descriptor, data, offset):
        calls.append(len(data))
        if len(calls) == written + 1:
            os.write(descriptor, b"")
            return real(descriptor, data[:11], offset)
        if len(calls) > written + 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data, offset)

    real = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(appending.os, "pwrite", full)
        message = rf"No space left on device.*rows of {written * BATCH} images: --resume goes on"
        with pytest.raises(RowsError, match=message):
            run(images, rows)
    run(images, rows, resume=True)
    whole = rows.read_bytes()
    rows.unlink()
    run(images, rows)
    assert rows.read_bytes() == whole


# --- names


@pytest.mark.field(
    case="a newline, a quotation mark, bytes that are no UTF-8 in an image's name",
    source="arsenetar/dupeguru#210, devsnd/tarindexer#9, pandas-dev/pandas#22610",
    outcome="A row is one line; --resume gives the same file.",
)
@pytest.mark.parametrize("name", [b"a\nb.png", b"a\rb.png", b'a"b,c.png', b"a\xffb.png", b"\x1b[31m.png"])
@pytest.mark.parametrize("kept", [0, 7, 2 * BATCH, IMAGES])
def test_odd_names(name, kept, images, rows):
    first = sorted(images.glob("*/*"))[0]
    first.rename(os.fsdecode(os.fsencode(first.parent) + b"/" + name))
    run(images, rows)
    whole = rows.read_bytes()
    assert whole.decode().count("\n") == HEADING + IMAGES
    assert len(list(csv.reader(whole.decode().splitlines()[1:]))) == 1 + IMAGES
    cut(rows, kept)
    result = run(images, rows, resume=True)
    assert rows.read_bytes() == whole
    assert (result.images, result.top1_count) == (IMAGES, IMAGES - WRONG)


@pytest.mark.field(
    case="the command line on images whose names are no UTF-8",
    source="arsenetar/dupeguru#210",
    outcome="Scored, with rows and predictions printed.",
)
def test_the_command_line_on_odd_names(digits_onnx, tmp_path, run_cli):
    shutil.copytree(DIGITS, tmp_path / "val")
    first = sorted((tmp_path / "val" / "0").iterdir())[0]
    first.rename(os.fsdecode(os.fsencode(first.parent) + b"/ \xff\n[red].png"))
    command = ["evaluate", digits_onnx, "--data", tmp_path / "val", "--limit", 30, "--predictions"]
    found = run_cli(*command, "--rows", tmp_path / "rows.csv")
    assert found.exit_code == 0, found.output
    assert r" \udcff\n[red].png" in found.stdout
