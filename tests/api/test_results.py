"""What the functions return is what the commands print, under one protocol."""

import json
import shutil
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

import triport
from tests.converters.checkpoints import dialect_of, write_random
from triport.converters.formats import open_checkpoint
from triport.reference_models.spec import all_models

SPEC = all_models()["res2net_digits"]
DATA = "examples/digits/val"


@pytest.fixture
def digits_ckpt(tmp_path):
    return write_random(tmp_path / "digits.ckpt", SPEC, dialect_of(SPEC, "mindcv"))


def follows_protocol(result):
    value = result.to_dict()
    assert value["schema_version"] == result.schema_version == 1
    assert isinstance(result.passed, bool)
    return json.loads(json.dumps(value, allow_nan=False))


def without_times(value):
    """Return a result without what no two runs have in common."""
    if isinstance(value, dict):
        return {key: without_times(one) for key, one in value.items() if "seconds" not in key}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def printed(result):
    return json.loads(result.stdout)


def test_open_reads_tensors_one_by_one(digits_ckpt):
    stored = open_checkpoint(digits_ckpt).tensors
    with triport.open(digits_ckpt) as checkpoint:
        assert list(checkpoint) == list(stored)
        assert (checkpoint.format, checkpoint.runtime) == ("ckpt", "mindspore")
        for name, tensor in checkpoint.items():
            assert (tensor.shape, tensor.dtype) == (stored[name].shape, stored[name].dtype)
        assert np.array_equal(tensor.numpy(), stored[name].numpy())
        assert "nothing" not in checkpoint
    with pytest.raises(triport.Error, match=r"digits\.ckpt: is closed"):
        tensor.numpy()


def test_open_takes_the_part_that_is_meant(tmp_path, digits_ckpt):
    triport.convert(digits_ckpt, tmp_path / "a.pth", to="pytorch")
    renamed = triport.open(tmp_path / "a.pth", renames={"fc": "head"})
    assert "head.weight" in renamed and "fc.weight" not in renamed


@pytest.mark.parametrize("text", ["fc.1", {"fc.1": ""}, ["fc.1"]])
def test_renames_that_are_none_are_refused(text, digits_ckpt):
    with pytest.raises(triport.Error, match="rename"):
        triport.open(digits_ckpt, renames=text)


def test_inspect_is_what_the_command_prints(digits_ckpt, run_cli):
    found = triport.inspect(digits_ckpt, stats=True)
    assert follows_protocol(found) == printed(run_cli("inspect", digits_ckpt, "--stats", "--json", "-"))
    assert found.passed == (not found.problems)


def test_diff_is_what_the_command_prints(tmp_path, digits_ckpt, run_cli):
    triport.convert(digits_ckpt, tmp_path / "a.pth", to="pytorch")
    same = triport.diff(digits_ckpt, tmp_path / "a.pth")
    assert same.passed
    found = triport.diff(digits_ckpt, triport.SHIPPED)
    assert not found.passed
    assert follows_protocol(found) == printed(run_cli("inspect", digits_ckpt, triport.SHIPPED, "--json", "-"))


def test_convert_is_what_the_command_prints(tmp_path, digits_ckpt, run_cli):
    done = triport.convert(digits_ckpt, tmp_path / "a.pth", to="pytorch", dialect="timm")
    words = ("convert", digits_ckpt, "--to", "pytorch", "--dialect", "timm", "-o", tmp_path / "a.pth")
    assert follows_protocol(done) == printed(run_cli(*words, "--json", "-"))
    with pytest.raises(FrozenInstanceError):
        done.model = "other"


def test_convert_refuses_what_the_command_refuses(tmp_path, digits_ckpt):
    with pytest.raises(triport.Error, match="--checkpoint and --input describe a network in code"):
        triport.convert(digits_ckpt, to="onnx", inputs=["1x3x8x8"])
    with pytest.raises(TypeError, match="optimise"):
        triport.convert(digits_ckpt, to="onnx", optimise=True)


def test_models_are_what_the_command_prints(run_cli):
    assert [one.summary() for one in triport.models()] == printed(run_cli("models", "--json", "-"))
    found = triport.model("resnet50.mindcv")
    assert follows_protocol(found) == printed(run_cli("models", "resnet50.mindcv", "--json", "-"))
    with pytest.raises(triport.Error, match="Did you mean resnet50"):
        triport.model("resnet5O")


def test_parity_is_what_the_command_prints(run_cli):
    done = triport.parity("res2net_digits", runtimes="pytorch", batch_sizes=[1, 2], sizes=[28])
    words = ("parity", "res2net_digits", "--runtimes", "pytorch", "--batch-size", "1,2", "--size", "28")
    shown = printed(run_cli(*words, "--json", "-"))
    assert without_times(follows_protocol(done)) == without_times(shown)
    assert done.passed and len(done.reports) == 2


def test_parity_of_files_is_what_the_command_prints(digits_ckpt, run_cli):
    done = triport.parity(digits_ckpt, triport.SHIPPED, runtimes=["pytorch"])
    words = ("parity", digits_ckpt, triport.SHIPPED, "--runtimes", "pytorch")
    shown = printed(run_cli(*words, "--json", "-"))
    assert without_times(follows_protocol(done)) == without_times(shown)
    assert not done.passed and done.localised[0].cause == "weights"


def test_parity_trains_on_no_fewer_than_four_images(run_cli):
    done = triport.parity("res2net_digits", runtimes=["pytorch"], gradients=True, sizes=[28])
    assert [report.input_shape[0] for report in done.trained] == [4]
    assert follows_protocol(done)["training"][0]["passed"] is True


def test_evaluate_is_what_the_command_prints(run_cli):
    done = triport.evaluate(triport.SHIPPED, data=DATA, runtime="pytorch", limit=20)
    words = ("evaluate", triport.SHIPPED, "--data", DATA, "--runtime", "pytorch", "--limit", 20)
    value, shown = follows_protocol(done), printed(run_cli(*words, "--json", "-"))
    assert value.keys() == shown.keys()
    assert value["top1_count"] == shown["top1_count"]


def test_verify_is_what_the_command_prints(published_copy, run_cli):
    done = triport.verify(published_copy, runtimes=["onnx"])
    shown = printed(run_cli("verify", published_copy, "--runtimes", "onnx", "--json", "-"))
    assert done.passed and follows_protocol(done) == shown
    with pytest.raises(triport.Error, match="--runtimes tpu: known are"):
        triport.verify(published_copy, runtimes="tpu")


def test_publish_refuses_options_that_go_nowhere(tmp_path):
    with pytest.raises(triport.Error, match="--dry-run goes with --push"):
        triport.publish(triport.SHIPPED, tmp_path / "x", model="res2net_digits", license="mit", dry_run=True)
    assert not list(tmp_path.iterdir())


def test_publish_makes_the_folder_of_the_command(tmp_path, published):
    done = triport.publish(str(triport.SHIPPED), tmp_path / "x", model="res2net_digits", license="apache-2.0")
    assert done.passed and follows_protocol(done)["digest"] == published.digest
    shutil.rmtree(tmp_path / "x")


def test_doctor_follows_the_protocol(run_cli):
    assert printed(run_cli("doctor", "--json", "-"))["schema_version"] == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "--input"),
        ({"inputs": [6.5]}, "found a float"),
        ({"inputs": ["1x3x8x8"]}, "mat1 and mat2 shapes cannot be multiplied"),
    ],
)
def test_to_onnx_says_what_it_takes(options, problem, tmp_path):
    import torch

    with pytest.raises(triport.Error, match=problem):
        triport.to_onnx(torch.nn.Linear(2, 2), tmp_path / "x.onnx", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", ["2x6", (2, 6)])
def test_to_onnx_converts_a_module(shape, tmp_path):
    import torch

    done = triport.to_onnx(torch.nn.Linear(6, 3), tmp_path / "x.onnx", inputs=[shape])
    assert done.passed and follows_protocol(done)["comparison"]["verdict"] == "equal"


def test_to_onnx_converts_a_cell(tmp_path):
    import mindspore

    done = triport.to_onnx(mindspore.nn.Dense(6, 3), tmp_path / "x.onnx", inputs=["2x6"])
    assert done.passed and follows_protocol(done)["comparison"]["verdict"] == "equal"
