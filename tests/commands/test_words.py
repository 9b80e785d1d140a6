"""Other words for runtimes, precisions and devices, hints, -q, groups of the help, and completion."""

import json

import pytest
from click.shell_completion import ShellComplete

from triport.cli import main
from triport.commands.shared.words import DEVICE_ALIASES, PRECISION_ALIASES, RUNTIME_ALIASES, DeviceWord


@pytest.mark.parametrize(
    ("word", "suffix", "runtime"),
    [
        ("torch", ".pth", "pytorch"),
        ("pt", ".pth", "pytorch"),
        ("MS", ".ckpt", "mindspore"),
        ("ort", ".onnx", "onnx"),
    ],
)
def test_other_words_for_runtimes(run_cli, tmp_path, word, suffix, runtime):
    done = run_cli("convert", "--to", word, "-o", tmp_path / f"x{suffix}", "--json", "-")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["to"] == runtime


@pytest.mark.parametrize(
    ("name", "runtime"),
    [("x.pth", "pytorch"), ("x.PT", "pytorch"), ("x.ckpt", "mindspore"), ("x.onnx", "onnx")],
)
def test_the_runtime_is_found_from_the_outputs_suffix(run_cli, tmp_path, name, runtime):
    done = run_cli("convert", "-o", tmp_path / name, "--json", "-")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["to"] == runtime


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x.safetensors", ".safetensors is of mindspore and pytorch; say which with --to"),
        ("x.bin2", ".bin2 is of no runtime; say which with --to"),
        ("folder", "say pytorch, mindspore or onnx, or name a file with -o"),
    ],
)
def test_a_suffix_that_does_not_say_it(run_cli, tmp_path, name, words):
    done = run_cli("convert", "-o", tmp_path / name)
    assert done.exit_code == 2 and words in done.stderr and not list(tmp_path.iterdir())


def test_other_words_for_precisions_and_runtimes_of_parity(run_cli):
    words = ["--runtimes", "torch", "--precision", "fp16", "--json", "-"]
    done = run_cli("parity", "res2net_digits", *words)
    assert done.exit_code == 0, done.output
    (pair,) = json.loads(done.stdout)["models"][0]["pairs"]
    assert pair["candidate"] == "pytorch" and "float16" in json.dumps(pair)


@pytest.mark.parametrize(
    ("word", "device"),
    [
        ("gpu", "cuda"),
        ("gpu:1", "cuda:1"),
        ("ascend:0", "npu:0"),
        ("Ascend", "npu"),
        ("cpu", "cpu"),
        ("npu:2", "npu:2"),
    ],
)
def test_other_words_for_devices(word, device):
    assert DeviceWord().convert(word, None, None) == device


def test_no_alias_is_a_word_of_its_own():
    from triport.parity.precision import PRECISIONS
    from triport.parity.runtimes import runtimes

    assert not set(RUNTIME_ALIASES) & set(runtimes()) and set(RUNTIME_ALIASES.values()) <= set(runtimes())
    assert not set(PRECISION_ALIASES) & set(PRECISIONS) and set(PRECISION_ALIASES.values()) <= set(PRECISIONS)
    assert set(DEVICE_ALIASES.values()) == {"cuda", "npu"}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["evalaute"], "No such command 'evalaute'. Did you mean evaluate?"),
        (["xyzzy"], "There are convert, diagnose, doctor,"),
        (["convert", "--to", "pytroch"], "Did you mean pytorch"),
        (["parity", "x", "--presision", "fp16"], "--precision"),
        (["parity", "x", "--runtime", "onnx"], "Did you mean '--runtimes'?"),
        (["parity", "x", "--fp16"], "Did you mean '--precision'?"),
        (["convert", "x", "--html", "y"], "Did you mean '--report'?"),
        (["evaluate", "x", "--report", "y"], "Did you mean '--html'?"),
        (["convert", "x", "--opste", "17"], "'--opset'"),
        (["models", "resnet5"], "Did you mean"),
        (["convert", "res2net50.mindvc", "--to", "torch"], "Did you mean res2net50.mindcv"),
        (["inspect", "res2net50.tim"], "Did you mean res2net50.timm"),
    ],
    ids=" ".join,
)
def test_what_does_not_exist_is_answered_with_what_is_like_it(run_cli, words, hint):
    done = run_cli(*words)
    assert done.exit_code == 2 and hint in done.stderr


def test_a_file_that_is_not_there_is_no_misspelt_name(run_cli):
    done = run_cli("inspect", "res2net50.onnx")
    assert done.exit_code == 2 and "no such file" in done.stderr


def test_rows_that_are_not_there_are_no_want_of_images(run_cli, tmp_path):
    (tmp_path / "rows_a.csv").write_text("image,label,top1\n")
    done = run_cli("evaluate", tmp_path / "rows_a.csv", tmp_path / "rows_b.csv")
    assert done.exit_code == 2
    assert f"rows_b.csv: no such file; did you mean {tmp_path / 'rows_a.csv'}?" in done.stderr
    assert "--data" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pair", "a:b", "c:d"], "Missing option '--input'. An input of both, such as 1x3x224x224"),
        (
            ["publish", "x.ckpt", "-o", "out"],
            "'--license'. The license of the weights, as an SPDX identifier",
        ),
        (["publish", "x.ckpt", "--license", "mit"], "'-o' / '--output'. The new folder to write"),
    ],
    ids=["input", "license", "output"],
)
def test_of_an_option_that_is_missing_it_is_said_what_it_is(run_cli, words, said):
    done = run_cli(*words)
    assert done.exit_code == 2 and said in done.stderr


def test_quiet_prints_errors_alone(run_cli, tmp_path):
    done = run_cli("convert", "-q", "-o", tmp_path / "x.pth")
    assert (done.exit_code, done.output) == (0, "") and (tmp_path / "x.pth").exists()
    assert json.loads(run_cli("inspect", "-q", tmp_path / "x.pth", "--json", "-").stdout)["format"] == "pth"
    done = run_cli("-q", "inspect", tmp_path / "none.pth")
    assert done.exit_code == 2 and "no such file" in done.stderr and not done.stdout


@pytest.mark.parametrize("command", ["convert", "evaluate", "parity"])
def test_the_help_has_groups_that_name_options_that_are_there(run_cli, command):
    group = main.get_command(None, command)
    there = {name for parameter in group.params for name in parameter.opts}
    named = [option for options in group._groups.values() for option in options]
    assert set(named) <= there and len(named) == len(set(named))
    text = run_cli(command, "--help").stdout
    assert all(f"{title}:" in text for title in group._groups)


def completions(*words):
    *before, last = words
    found = ShellComplete(main, {}, "triport", "_TRIPORT_COMPLETE").get_completions(before, last)
    return [item.value for item in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("ev",), ["evaluate"]),
        (("models", "res2net50_v1b.t"), ["res2net50_v1b.timm"]),
        (("convert", "res2net101.m"), ["res2net101.mindcv"]),
        (("convert", "--to", "py"), ["pytorch"]),
        (("evaluate", "--runtime", "o"), ["onnx", "openvino"]),
        (("parity", "--prec"), ["--precision"]),
        (("parity", "--precision", "f"), ["float32", "float16"]),
        (("parity", "--device", ""), ["cpu", "cuda", "npu"]),
        (("parity", "--runtimes", "mindspore,p"), ["mindspore,pytorch"]),
        (("parity", "--model", "res2net101.m"), ["res2net101.mindcv"]),
        (("evaluate", "--profile", "res2net101.m"), ["res2net101.mindcv"]),
        (("convert", "--dialect", "mindc"), ["mindcv", "mindcv-structural"]),
    ],
    ids=" ".join,
)
def test_completion(words, expected):
    assert completions(*words) == expected
