"""`convert --dtype`: values rounded as the types say, by how much, and what cannot be held."""

import json

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner

from tests.converters.checkpoints import dialect_of, named_arrays, read_arrays, write_arrays, write_random
from triport import convert
from triport.cli import main
from triport.converters.convert import ConvertError
from triport.converters.dtypes import ConvertedTensor, DtypeError, converted
from triport.converters.formats import ArrayTensor, open_checkpoint
from triport.converters.identification.identify import IdentifyError
from triport.reference_models.spec import get_model

DIGITS = get_model("res2net_digits")
NUMPY = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32}


@pytest.fixture
def digits_ckpt(tmp_path):
    return write_random(tmp_path / "digits.ckpt", DIGITS, dialect_of(DIGITS, "mindcv"))


@pytest.mark.parametrize("dtype", NUMPY)
@pytest.mark.parametrize("before", [np.float32, np.float16, ml_dtypes.bfloat16, np.float64])
def test_values_are_rounded_to_nearest(dtype, before):
    values = np.random.default_rng(0).standard_normal(100_000).astype(before)
    tensor = ConvertedTensor(ArrayTensor(values), dtype)
    np.testing.assert_array_equal(tensor.numpy(), values.astype(NUMPY[dtype]))
    assert tensor.dtype == dtype
    assert max(map(len, tensor.chunks())) <= 128 * 1024


def test_the_rounding_is_what_numpy_says():
    arrays = {
        "a": np.array([1.0, 1.0 + 2**-12, 3e-9], np.float32),
        "b": np.array([1000.0, 1000.3], np.float32),
        "n": np.array([1, 2], np.int64),
    }
    tensors, rounding = converted({name: ArrayTensor(array) for name, array in arrays.items()}, "float16")
    half = arrays["b"].astype(np.float16).astype(np.float64)
    assert rounding.max_abs_error == np.abs(half - arrays["b"]).max()
    assert (rounding.tensor, rounding.became_zero, rounding.max_rel_error) == ("b", 1, 1.0)
    assert tensors["n"].dtype == "int64"


@pytest.mark.parametrize(("dtype", "value"), [("float16", 65520.0), ("bfloat16", 3.4e38)])
def test_overflow_names_the_tensors(dtype, value):
    tensors = {"x": ArrayTensor(np.array([1, value, -value], np.float32)), "y": ArrayTensor(np.ones(2))}
    with pytest.raises(
        DtypeError, match=rf"(?s)1 of 2 tensors have .* {dtype} cannot hold.*x: 2 of 3 values"
    ):
        converted(tensors, dtype)


def test_what_just_fits_is_no_overflow():
    tensors, rounding = converted({"x": ArrayTensor(np.array([65519.9], np.float32))}, "float16")
    assert tensors["x"].numpy()[0] == 65504
    assert rounding.max_abs_error == pytest.approx(15.9, abs=0.01)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_pytorch_gets_the_dtype(tmp_path, digits_ckpt, dtype, suffix):
    import torch

    done = convert(digits_ckpt, to="pytorch", output=tmp_path / f"out{suffix}", dtype=dtype)
    if suffix == ".pth":
        state = torch.load(done.output, weights_only=True)
    else:
        from safetensors.torch import load_file

        state = load_file(done.output)
    assert {value.dtype for value in state.values()} == {getattr(torch, dtype)}
    entry = done.to_dict()["rounding"]
    assert entry["dtype"] == dtype
    assert 0 < entry["max_abs_error"] < 0.01
    assert done.to_dict()["round_trip"] == f"bit-equal to the values in {dtype}"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_there_and_back(tmp_path, digits_ckpt, dtype):
    convert(digits_ckpt, to="mindspore", output=tmp_path / "low.ckpt", dtype=dtype)
    done = convert(tmp_path / "low.ckpt", to="mindspore", output=tmp_path / "back.ckpt", dtype="float32")
    before, after = read_arrays(digits_ckpt), read_arrays(tmp_path / "back.ckpt")
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values.astype(NUMPY[dtype]).astype(np.float32))
    assert done.rounding.max_abs_error == 0


def test_a_float16_checkpoint_needs_the_option(tmp_path, digits_ckpt):
    convert(digits_ckpt, to="pytorch", output=tmp_path / "half.pth", dtype="float16")
    with pytest.raises(
        IdentifyError, match=r"(?s)of another float type.*dtype float16, expected float32.*--dtype"
    ):
        convert(tmp_path / "half.pth", to="mindspore", output=tmp_path / "out.ckpt")
    assert not (tmp_path / "out.ckpt").exists()


def test_onnx_from_a_float16_checkpoint(tmp_path, digits_ckpt):
    convert(digits_ckpt, to="pytorch", output=tmp_path / "half.pth", dtype="float16")
    convert(tmp_path / "half.pth", to="onnx", output=tmp_path / "out.onnx", dtype="float32")
    assert open_checkpoint(tmp_path / "out.onnx").tensors["bn1.weight"].dtype == "float32"
    with pytest.raises(ConvertError, match="--dtype bfloat16: an ONNX file is written in float32 or float16"):
        convert(digits_ckpt, to="onnx", output=tmp_path / "half.onnx", dtype="bfloat16")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_nan_in_a_low_type_is_found(tmp_path, dtype):
    arrays = named_arrays(DIGITS, dialect_of(DIGITS, "mindcv"))
    arrays = {name: array.astype(np.float16) for name, array in arrays.items()}
    arrays["bn1.beta"][1] = np.nan
    source = write_arrays(tmp_path / "in.ckpt", "mindspore", arrays)
    with pytest.raises(ConvertError, match=r"(?s)NaN or Inf in 1 of .*bn1.beta: 1 of"):
        convert(source, to="pytorch", output=tmp_path / "out.pth", dtype=dtype)


def test_on_the_command_line(tmp_path, digits_ckpt):
    command = [
        "convert",
        str(digits_ckpt),
        "--to",
        "pytorch",
        "-o",
        str(tmp_path / "x.pth"),
        "--dtype",
        "float16",
    ]
    shown = CliRunner().invoke(main, command)
    assert shown.exit_code == 0, shown.output
    assert "rounding    to float16: at most" in shown.stdout
    told = CliRunner().invoke(main, [*command, "--json", "-"])
    assert json.loads(told.stdout)["rounding"]["dtype"] == "float16"
    arrays = named_arrays(DIGITS, dialect_of(DIGITS, "mindcv"))
    arrays["bn1.beta"] = arrays["bn1.beta"] * 1e6
    write_arrays(digits_ckpt, "mindspore", arrays)
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 2
    assert "bn1.beta: " in refused.stderr and "bfloat16" in refused.stderr
