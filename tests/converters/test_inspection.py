"""`inspect`: what a file is, what its values are like, and what differs between two."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from tests.converters.checkpoints import dialect_of, named_arrays, write_arrays, write_random
from triport import convert
from triport.cli import main
from triport.converters.comparison import compare_files
from triport.converters.formats import ArrayTensor, write_checkpoint
from triport.converters.inspection import inspect_file
from triport.converters.statistics import statistics_of
from triport.reference_models.spec import get_model

DIGITS = get_model("res2net_digits")
MINDCV = dialect_of(DIGITS, "mindcv")


@pytest.fixture
def digits_ckpt(tmp_path):
    return write_random(tmp_path / "digits.ckpt", DIGITS, MINDCV)


def run(*command):
    return CliRunner().invoke(main, ["inspect", *map(str, command)])


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int64"])
def test_statistics_are_numpys(dtype):
    values = (np.random.default_rng(1).standard_normal(200_000) * 5 + 1000).astype(dtype)
    found = statistics_of(ArrayTensor(values))
    wide = values.astype(np.float64)
    assert (found.minimum, found.maximum) == (wide.min(), wide.max())
    assert found.mean == pytest.approx(wide.mean(), rel=1e-12)
    assert found.std == pytest.approx(wide.std(), rel=1e-9)
    assert not (found.nan or found.inf or found.all_zero or found.constant)


CASES = {
    "nan and inf": (
        [1, np.nan, np.inf, -np.inf, 3],
        {"nan": 1, "inf": 2, "min": 1.0, "max": 3.0, "mean": 2.0},
    ),
    "zero": ([0, -0.0], {"all_zero": True, "constant": True, "zeros": 2}),
    "constant": ([2.5, 2.5], {"all_zero": False, "constant": True, "std": 0.0}),
    "only nan": ([np.nan], {"nan": 1, "min": None, "mean": None, "constant": False}),
    "empty": ([], {"min": None, "all_zero": False, "constant": False}),
}


@pytest.mark.parametrize(("values", "expected"), CASES.values(), ids=CASES)
def test_what_is_odd_is_counted(values, expected):
    found = statistics_of(ArrayTensor(np.array(values, np.float32))).to_dict()
    assert {key: found[key] for key in expected} == expected


def test_slices_that_end_inside_a_value_are_read(tmp_path, monkeypatch):
    from triport.converters.formats import ckpt

    monkeypatch.setattr(ckpt, "SLICE_BYTES", 1001)
    done = convert(write_random(tmp_path / "a.ckpt", DIGITS, MINDCV), to="pytorch", output=tmp_path / "a.pth")
    assert done.tensors_written
    assert not inspect_file(tmp_path / "a.ckpt", stats=True).problems


def test_everything_is_in_the_json(digits_ckpt):
    found = json.loads(run(digits_ckpt, "--stats", "--json", "-").stdout)
    assert (found["model"], found["dialect"], found["runtime"]) == ("res2net_digits", "mindcv", "mindspore")
    assert found["dtypes"] == {"float32": len(found["tensors"])}
    assert found["integrity"] == "the file has no CRC to check it by"
    assert found["producer"] is None
    assert found["notes"] == []
    assert set(found["tensors"][0]) == {"name", "shape", "dtype", "statistics"}
    plain = json.loads(run(digits_ckpt, "--json", "-").stdout)
    assert set(plain["tensors"][0]) == {"name", "shape", "dtype"}
    assert plain["problems"] == []


def test_the_producer(tmp_path, digits_ckpt):
    import torch

    convert(digits_ckpt, to="pytorch", output=tmp_path / "ours.pth")
    torch.save({"w": torch.ones(2)}, tmp_path / "theirs.pth")
    assert inspect_file(tmp_path / "ours.pth").producer.startswith("triport ")
    assert inspect_file(tmp_path / "theirs.pth").producer == "torch.save"


@pytest.mark.parametrize("dialect", ["mindcv", "timm"])
def test_untouched_batch_norm_is_named(tmp_path, dialect):
    naming = dialect_of(DIGITS, dialect)
    arrays = named_arrays(DIGITS, naming)
    leaves = ("gamma", "beta", "moving_mean", "moving_variance")
    if naming.runtime == "pytorch":
        leaves = ("weight", "bias", "running_mean", "running_var")
    for leaf, value in zip(leaves, (1, 0, 0, 1), strict=True):
        arrays[f"bn1.{leaf}"] = np.full_like(arrays[f"bn1.{leaf}"], value)
    path = write_arrays(tmp_path / ("x.ckpt" if dialect == "mindcv" else "x.pth"), naming.runtime, arrays)
    found = inspect_file(path)
    assert found.untouched_norms == ("bn1",)
    assert re.search(r"look untrained: 1 of \d+ BatchNorm layers .* bn1 the first", found.problems[0])


def test_constant_weights_look_untrained(tmp_path):
    arrays = named_arrays(DIGITS, MINDCV)
    name = next(name for name, array in arrays.items() if array.ndim == 4)
    arrays[name] = np.zeros_like(arrays[name])
    path = write_arrays(tmp_path / "x.ckpt", "mindspore", arrays)
    assert name in inspect_file(path, stats=True).problems[0]
    shown = run(path, "--stats").stdout
    assert "all zero" in shown


def test_an_unknown_ckpt_may_be_cut(tmp_path, digits_ckpt):
    arrays = dict(list(named_arrays(DIGITS, MINDCV).items())[:-1])
    path = write_arrays(tmp_path / "cut.ckpt", "mindspore", arrays)
    assert "nothing can prove that it is complete" in inspect_file(path).problems[-1]
    tensors = {name: ArrayTensor(array) for name, array in arrays.items()}
    write_checkpoint(tmp_path / "crc.ckpt", "mindspore", tensors, crc=True)
    assert not any("prove" in problem for problem in inspect_file(tmp_path / "crc.ckpt").problems)
    assert not any("prove" in problem for problem in inspect_file(digits_ckpt).problems)


def test_the_crc_note_is_not_a_warning_of_convert(tmp_path, digits_ckpt):
    done = convert(digits_ckpt, to="pytorch", output=tmp_path / "x.pth")
    assert not any("CRC" in warning for warning in done.warnings)
    assert "no CRC" in run(digits_ckpt).stdout


def test_another_float_type_is_a_problem_but_the_model_is_known(tmp_path, digits_ckpt):
    convert(digits_ckpt, to="pytorch", output=tmp_path / "half.pth", dtype="bfloat16")
    found = inspect_file(tmp_path / "half.pth")
    assert found.fits[0].spec.name == "res2net_digits"
    assert re.search("are bfloat16: `convert --dtype float32`", found.problems[0])


def test_a_strangers_texts_are_shown_as_they_are(tmp_path):
    """Markup: rich would take [red] for a colour, and stop at [/]."""
    name = "[red]w[/]\x1b[2J"
    write_checkpoint(
        tmp_path / "x.safetensors",
        "pytorch",
        {name: ArrayTensor(np.ones((2, 2)))},
        {"[/]": "[bold]\x1b[2J[/x]"},
    )
    shown = run(tmp_path / "x.safetensors", "--stats")
    assert shown.exit_code == 0, shown.output
    assert "[red]w[/]" in shown.stdout and "\x1b" not in shown.stdout


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".onnx"])
def test_one_model_in_two_formats_is_equal(tmp_path, digits_ckpt, suffix):
    other = tmp_path / f"x{suffix}"
    convert(digits_ckpt, to="onnx" if suffix == ".onnx" else "pytorch", output=other)
    shown = run(digits_ckpt, other)
    assert shown.exit_code == 0, shown.output
    assert "Equal, bit for bit." in shown.stdout
    assert "canonical names of res2net_digits" in shown.stdout


def test_counters_that_one_file_lacks_are_left_out(tmp_path, digits_ckpt):
    other = write_random(tmp_path / "x.pth", DIGITS, dialect_of(DIGITS, "timm"))
    done = compare_files(digits_ckpt, other)
    assert done.equal
    assert done.not_compared
    assert all(name.endswith("num_batches_tracked") for name in done.not_compared)


def test_what_differs_is_named_with_its_distance(tmp_path, digits_ckpt):
    arrays = named_arrays(DIGITS, MINDCV)
    arrays["bn1.beta"] = arrays["bn1.beta"].copy()
    arrays["bn1.beta"][2] += 0.5
    arrays["bn1.gamma"] = arrays["bn1.gamma"].copy()
    arrays["bn1.gamma"][0] = np.nan
    other = write_arrays(tmp_path / "x.ckpt", "mindspore", arrays)
    told = run(digits_ckpt, other, "--json", "-")
    assert told.exit_code == 1
    found = {item["name"]: item for item in json.loads(told.stdout)["differences"]}
    assert set(found) == {"bn1.bias", "bn1.weight"}
    assert found["bn1.bias"]["max_abs"] == pytest.approx(0.5, rel=1e-6)
    assert (found["bn1.bias"]["kind"], found["bn1.bias"]["values"]) == ("value", 1)
    assert found["bn1.weight"]["max_abs"] is None
    assert "NaN or Inf on one side" in run(digits_ckpt, other).stdout


def test_names_shapes_and_dtypes_differ(tmp_path):
    tensors = {"a": np.ones((2, 3), np.float32), "b": np.ones(4, np.float32), "c": np.ones(1, np.float32)}
    write_arrays(tmp_path / "x.pth", "pytorch", tensors)
    other = {"a": np.ones((3, 2), np.float32), "b": np.full(4, 1.25, np.float16), "d": np.ones(1, np.float32)}
    write_arrays(tmp_path / "y.pth", "pytorch", other)
    done = compare_files(tmp_path / "x.pth", tmp_path / "y.pth")
    assert done.model is None
    assert [(one.name, one.kind, one.max_abs) for one in done.differences] == [
        ("a", "shape", None),
        ("b", "dtype", 0.25),
        ("c", "missing", None),
        ("d", "extra", None),
    ]


def test_pieces_of_other_lengths_are_compared_in_step(tmp_path):
    values = np.random.default_rng(0).standard_normal(100_003)
    write_arrays(tmp_path / "x.pth", "pytorch", {"w": values.astype(np.float32)})
    write_arrays(tmp_path / "y.pth", "pytorch", {"w": values})
    (one,) = compare_files(tmp_path / "x.pth", tmp_path / "y.pth").differences
    assert one.max_abs == np.abs(values - values.astype(np.float32)).max()
    assert one.values == np.count_nonzero(values != values.astype(np.float32))


def test_stats_are_of_one_file(digits_ckpt, run_cli):
    refused = run_cli("inspect", digits_ckpt, digits_ckpt, "--stats")
    assert refused.exit_code == 2
    assert "--stats is for one file" in refused.stderr


def test_what_was_decided_in_reading_is_noted_once(tmp_path, run_cli):
    """Of a file of no known model too, alone and beside another; its path is said once in a line."""
    torch = pytest.importorskip("torch")
    path = tmp_path / "wrapped.pth"
    torch.save({"state_dict": {"module.own.weight": torch.ones(2, 2)}, "epoch": 3}, path)
    notes = ["the state dict was found under 'state_dict'", "the prefix 'module.' was taken off every name"]
    found = inspect_file(path)
    assert list(found.notes) == notes and not any("Note:" in problem for problem in found.problems)
    for words in ((path,), (path, path, "--each")):
        said = re.sub(r"\s+", " ", run_cli("inspect", *words).stdout)
        assert [said.count(note) for note in notes] == [words.count(path)] * 2
        assert f"{path}: {path}" not in said
