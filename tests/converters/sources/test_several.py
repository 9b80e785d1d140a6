"""Many sources at once, patterns, and standard input."""

import json
import shutil

import pytest
from click.testing import CliRunner

from triport.cli import main
from triport.converters.conversion import SHIPPED


@pytest.fixture
def three(tmp_path):
    """Two checkpoints and a file that is none."""
    for name in ("a.ckpt", "b.ckpt"):
        shutil.copy(SHIPPED, tmp_path / name)
    (tmp_path / "c.ckpt").write_text("nothing")
    return tmp_path


def test_a_pattern_makes_one_report(three, run_cli):
    done = run_cli("inspect", three / "[ab].ckpt", "--json", "-")
    assert done.exit_code == 0, done.output
    assert [one["model"] for one in json.loads(done.stdout)["files"]] == ["res2net_digits"] * 2


def test_one_that_cannot_be_read_keeps_no_other_from_the_report(three, run_cli):
    done = run_cli("inspect", three / "*.ckpt")
    assert done.exit_code == 2
    assert done.stdout.count("res2net_digits") == 2 and "Cannot be read: " in done.stdout
    assert "it is a text, 'nothing'" in done.stdout


def test_two_files_are_compared_unless_each_is_asked_for(three, run_cli):
    files = [three / "a.ckpt", three / "b.ckpt"]
    assert "Equal, bit for bit" in run_cli("inspect", *files).stdout
    done = run_cli("inspect", *files, "--each", "--strict")
    assert done.exit_code == 0 and "2 files" in done.stdout


def test_a_pattern_that_fits_nothing(tmp_path, run_cli):
    done = run_cli("inspect", tmp_path / "*.pth")
    assert done.exit_code == 2 and "no file fits this pattern" in done.stderr


@pytest.mark.parametrize(
    ("command", "words"), [("parity", ()), ("evaluate", ("--data", "examples/digits/val"))]
)
def test_a_pattern_where_files_are_named_one_by_one(three, run_cli, command, words):
    done = run_cli(command, three / "*.ckpt", *words)
    assert done.exit_code == 2
    assert "a pattern is for `convert` and `inspect`: name each file here" in done.stderr


def test_many_are_converted_into_a_folder(three, run_cli, tmp_path):
    out = tmp_path / "out"
    done = run_cli("convert", three / "*.ckpt", "--to", "pytorch", "-o", out, "--json", "-")
    assert done.exit_code == 2
    told = json.loads(done.stdout)
    assert [one["output"] for one in told["conversions"]] == [str(out / "a.pth"), str(out / "b.pth")]
    assert [one["source"] for one in told["failed"]] == [str(three / "c.ckpt")]
    assert sorted(path.name for path in out.iterdir()) == ["a.pth", "b.pth"]


def test_two_sources_of_one_name_do_not_become_one_file(three, run_cli, tmp_path):
    (three / "d").mkdir()
    shutil.copy(SHIPPED, three / "d" / "a.ckpt")
    done = run_cli(
        "convert", three / "a.ckpt", three / "d" / "a.ckpt", "--to", "pytorch", "-o", tmp_path / "o"
    )
    assert (
        done.exit_code == 2
        and "and so does" in done.stdout
        and "1 of 2 sources were converted" in done.stdout
    )


def test_many_need_a_folder(three, run_cli):
    done = run_cli("convert", three / "a.ckpt", three / "b.ckpt", "--to", "pytorch")
    assert done.exit_code == 2 and "2 sources go into a folder: name one with -o FOLDER" in done.stderr
    done = run_cli("convert", three / "a.ckpt", three / "b.ckpt", "--to", "pytorch", "-o", three / "c.ckpt")
    assert done.exit_code == 2 and (three / "c.ckpt").read_text() == "nothing"
    done = run_cli("convert", three / "a.ckpt", three / "b.ckpt", "--to", "pytorch", "-o", three / "new.pth")
    assert done.exit_code == 2 and "name one with -o FOLDER" in done.stderr
    assert not (three / "new.pth").exists()


def test_standard_input_is_a_source(tmp_path):
    words = ["convert", "-", "--to", "pytorch", "-o", str(tmp_path / "x.pth")]
    done = CliRunner().invoke(main, words, input=SHIPPED.read_bytes())
    assert done.exit_code == 0, done.output
    assert "187 written, 0 dropped" in done.stdout


@pytest.mark.parametrize("form", ["json", "html", "stdout"])
def test_standard_input_has_no_temporary_name_in_a_report(form, tmp_path):
    """A path that is gone when the report is read says nothing: the report has what was typed."""
    path = tmp_path / f"report.{form}"
    words = ["parity", "-", "--runtimes", "onnx,pytorch", "--batch-size", "1", "--size", "32"]
    words += ["--json", "-"] if form == "stdout" else [f"--{form}", str(path)]
    done = CliRunner().invoke(main, words, input=SHIPPED.read_bytes())
    assert done.exit_code == 0, done.output
    text = done.stdout if form == "stdout" else path.read_text()
    assert "/stdin" not in text
    if form == "html":
        assert "parity - --batch-size 1 " in text
    else:
        [model] = json.loads(text)["models"]
        assert model["weights"] == "-" and list(model["files"]) == ["-"]


def test_standard_input_without_a_byte_is_an_error():
    done = CliRunner().invoke(main, ["inspect", "-"], input=b"")
    assert done.exit_code == 2 and "standard input is empty" in done.stderr
