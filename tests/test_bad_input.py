"""Bad input: one clear message, exit code 2, no traceback, and every file as it was."""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests.converters.checkpoints import dialect_of, named_arrays, write_arrays
from tests.few_are_quick import one_in
from triport.reference_models.spec import get_model

ROOT = Path(__file__).parent.parent
SPEC = get_model("res2net_digits")


def arrays():
    return named_arrays(SPEC, dialect_of(SPEC, "mindcv"))


def changed(**changes):
    found = arrays()
    for name, value in changes.items():
        name = name.replace("__", ".")
        if value is None:
            del found[name]
        else:
            found[name] = value
    return found


def with_value(name, value):
    found = arrays()
    found[name] = found[name].copy()
    found[name].flat[0] = value
    return found


def written(make):
    return lambda folder: write_arrays(folder / "in.ckpt", "mindspore", make())


def content(data):
    def make(folder):
        (folder / "in.ckpt").write_bytes(data)
        return folder / "in.ckpt"

    return make


def truncated(folder):
    path = write_arrays(folder / "in.ckpt", "mindspore", arrays())
    path.write_bytes(path.read_bytes()[:-100])
    return path


def directory(folder):
    (folder / "in.ckpt").mkdir()
    return folder / "in.ckpt"


CASES = {
    "no such file": (lambda folder: folder / "in.ckpt", [], "in.ckpt"),
    "empty": (content(b""), [], "is empty"),
    "garbage": (content(b"hello, this is no checkpoint" * 9), [], "no known format"),
    "truncated": (truncated, [], "in.ckpt"),
    "a directory": (directory, [], "director"),
    "another format than said": (written(arrays), ["--from", "pytorch"], "is a checkpoint of mindspore"),
    "a wrong model named": (
        written(arrays),
        ["--model", "res2net50"],
        "is not a checkpoint of res2net50, but of res2net_digits",
    ),
    "an unknown model named": (written(arrays), ["--model", "res3net"], "Did you mean"),
    "of an unknown model": (
        written(lambda: {"a.weight": np.ones((3, 3), np.float32)}),
        [],
        "fits no known model",
    ),
    "one tensor missing": (written(lambda: changed(classifier__bias=None)), [], "classifier.bias: missing"),
    "one tensor extra": (
        written(lambda: changed(extra__weight=np.ones((2, 2), np.float32))),
        [],
        "extra.weight: (2, 2) float32, which res2net_digits does not have",
    ),
    "of another shape": (
        written(lambda: changed(classifier__bias=np.ones(11, np.float32))),
        [],
        "classifier.bias: shape (11,), expected (10,)",
    ),
    "of another dtype": (
        written(lambda: changed(classifier__bias=np.ones(10, np.float64))),
        [],
        "classifier.bias: dtype float64, expected float32",
    ),
    "NaN inside": (written(lambda: with_value("classifier.weight", np.nan)), [], "NaN or Inf in 1 of"),
    "Inf inside": (written(lambda: with_value("classifier.bias", -np.inf)), [], "classifier.bias: 1 of 10"),
    "an unknown dialect": (written(arrays), ["--dialect", "keras"], "It has: timm"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("existing", [True, False], ids=["over a file", "new"])
def test_convert_refuses(name, existing, tmp_path, run_cli):
    make, options, message = CASES[name]
    source, output = make(tmp_path), tmp_path / "out.pth"
    if existing:
        output.write_bytes(b"precious")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    result = run_cli("convert", source, "--to", "pytorch", "-o", output, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("Error:") == 1 and "Traceback" not in result.stderr
    assert result.stdout == ""
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("name", ["no such file", "empty", "garbage", "truncated", "a directory"])
@pytest.mark.parametrize("command", [["inspect"], ["parity", "res2net_digits", "--weights"]])
def test_other_commands_refuse(name, command, tmp_path, run_cli):
    make, _, message = CASES[name]
    result = run_cli(*command, make(tmp_path))
    assert result.exit_code == 2
    assert message in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("to", ["pytorch", "onnx"])
def test_no_permission_to_write(to, run_cli):
    suffix = {"pytorch": ".pth", "onnx": ".onnx"}[to]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write_arrays(folder / "in.ckpt", "mindspore", arrays())
        (folder / "locked").mkdir()
        folder.chmod(0o755)
        (folder / "locked").chmod(0o555)
        # everything is imported before the rights to read the installation may be gone
        assert run_cli("convert", source, "--to", to, "-o", folder / f"first{suffix}").exit_code == 0
        privileged = os.geteuid() == 0
        if privileged:
            os.seteuid(65534)  # root may write anywhere
        try:
            result = run_cli("convert", source, "--to", to, "-o", folder / "locked" / f"out{suffix}")
        finally:
            if privileged:
                os.seteuid(0)
        assert list((folder / "locked").iterdir()) == []
    assert result.exit_code == 2
    assert "no permission to write" in result.stderr


@pytest.mark.parametrize("to", one_in(3, ["mindspore", "pytorch", "onnx"]))
def test_a_full_disk_leaves_the_old_file(to, tmp_path):
    source = write_arrays(tmp_path / "in.ckpt", "mindspore", arrays())
    output = tmp_path / {"pytorch": "out.pth", "mindspore": "out.ckpt", "onnx": "out.onnx"}[to]
    output.write_bytes(b"precious")

    def at_most_100_kb():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    program = [sys.executable, str(ROOT / "cli.py"), "convert", str(source), "--to", to, "-o", str(output)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": "/dev/shm"}
    result = subprocess.run(
        program, capture_output=True, text=True, preexec_fn=at_most_100_kb, env=environment, cwd=tmp_path
    )
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("Error: ") and "Traceback" not in result.stderr
    assert output.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.ckpt", output.name]


def test_a_file_that_is_not_there_is_answered_with_those_like_it(run_cli, tmp_path):
    (tmp_path / "resnet50.onnx").touch()

    done = run_cli("inspect", tmp_path / "resnet50.onx")
    assert done.exit_code == 2
    assert f"no such file; did you mean {tmp_path / 'resnet50.onnx'}?" in done.stderr
    assert "no such file; check the path" in run_cli("inspect", tmp_path / "other.pth").stderr


@pytest.mark.parametrize("name", ["\x1b[31m", "\x00", "\u202e", "\u2028", "\ud800"])
def test_names_of_files_are_printable_on_pages(name):
    from triport.parity.pages import render
    from triport.reference_models.errors import without_controls

    assert without_controls(f"a{name}b").isprintable()
    assert name not in render("base.html", facts=[("SHA-256 of", f"a{name}b")])
