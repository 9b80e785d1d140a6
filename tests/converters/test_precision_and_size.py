"""ONNX files in float16, of another image size, and of every size."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from triport.converters.conversion import SHIPPED
from triport.converters.convert import convert, read_parameters
from triport.converters.onnx_export.size import SizeError, of_every_size
from triport.converters.request import ConvertError, ConvertRequest
from triport.reference_models.spec import get_model

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


@pytest.fixture(scope="module", params=["mindspore", "pytorch"])
def source(request, tmp_path_factory):
    """The shipped model as a checkpoint of each framework: ONNX is made of its own definition there."""
    if request.param == "mindspore":
        return SHIPPED
    path = tmp_path_factory.mktemp("source") / "digits.pth"
    convert(SHIPPED, ConvertRequest(to="pytorch", output=path))
    return path


def written(source, path, **options):
    convert(source, ConvertRequest(to="onnx", output=path, **options))
    return onnx.load(path)


@pytest.fixture(scope="module")
def free(source, tmp_path_factory):
    """An ONNX file of every size, made once for each framework."""
    path = tmp_path_factory.mktemp("free") / "free.onnx"
    written(source, path, size="free")
    return path


def types_of(model):
    return [value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)]


@pytest.mark.parametrize(("io_dtype", "types"), [("float32", [FLOAT, FLOAT]), ("float16", [HALF, HALF])])
def test_a_graph_in_float16(source, tmp_path, io_dtype, types):
    model = written(source, tmp_path / "x.onnx", dtype="float16", io_dtype=io_dtype)
    onnx.checker.check_model(model, full_check=True)
    assert types_of(model) == types
    stored = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    for name, array in read_parameters(source).parameters.items():
        assert stored[name].dtype == np.float16
        assert stored[name].tobytes() == array.astype(np.float16).tobytes()


@pytest.mark.parametrize("optimize", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_it_is_equal_by_the_noise_of_float16(run_cli, tmp_path, optimize):
    path = tmp_path / "x.onnx"
    words = ["--optimize"] if optimize else []
    assert run_cli("convert", "--dtype", "fp16", "-o", path, *words).exit_code == 0
    done = run_cli("parity", SHIPPED, path, "--precision", "fp16", "--json", "-")
    assert done.exit_code == 0, done.output
    judged = [pair for model in json.loads(done.stdout)["models"] for pair in model["pairs"]]
    assert any("given file" in pair["candidate"] and pair["passed"] for pair in judged)


def test_a_weight_that_is_off_by_more_than_float16_rounds_is_found(run_cli, tmp_path):
    path = tmp_path / "x.onnx"
    model = written(SHIPPED, path, dtype="float16")
    (tensor,) = (one for one in model.graph.initializer if one.name == "fc.weight")
    values = numpy_helper.to_array(tensor).copy()
    values[0] *= 1.05
    tensor.raw_data = values.tobytes()
    onnx.save(model, path)
    assert run_cli("parity", SHIPPED, path, "--precision", "float16").exit_code == 1


def test_a_value_that_float16_does_not_have_is_refused(tmp_path):
    from triport.converters.formats import ArrayTensor, open_checkpoint, write_checkpoint

    tensors = dict(open_checkpoint(SHIPPED).tensors)
    name = next(name for name in tensors if name.endswith("fc.weight") or "classifier" in name)
    values = tensors[name].numpy().copy()
    values.flat[0] = 1e5
    write_checkpoint(tmp_path / "x.ckpt", "mindspore", {**tensors, name: ArrayTensor(values)})
    with pytest.raises(Exception, match="values that float16 cannot hold"):
        convert(tmp_path / "x.ckpt", ConvertRequest(to="onnx", output=tmp_path / "x.onnx", dtype="float16"))
    assert not (tmp_path / "x.onnx").exists()


def test_another_size_is_in_the_file_and_in_what_it_states(source, tmp_path, run_cli):
    model = written(source, tmp_path / "x.onnx", size=48)
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim][1:] == [3, 48, 48]
    stated = {one.key: one.value for one in model.metadata_props}
    assert json.loads(stated["triport.preprocessing"])["crop_px"] == 48
    assert stated["triport.preprocessing_known"].startswith("assumed: ")
    assert "scaled from 32 to 48 px" in stated["triport.preprocessing_known"]
    assert run_cli("parity", tmp_path / "x.onnx", "--size", 48, "--runtimes", "onnx").exit_code == 0


def test_what_is_scaled_is_not_used_in_silence(tmp_path, run_cli):
    written(SHIPPED, tmp_path / "x.onnx", size=48, dtype="float16")
    done = run_cli("evaluate", tmp_path / "x.onnx", "--data", "examples/digits/val", "--limit", 10)
    assert "(assumed: " in done.stdout and "scaled from 32 to 48 px" in done.stdout


def test_height_and_width_are_free(free):
    axes = [dim.dim_param for dim in onnx.load(free).graph.input[0].type.tensor_type.shape.dim]
    assert axes[2:] == ["height", "width"]


@pytest.mark.parametrize("size", [47, 64])
def test_a_graph_of_every_size_is_each_sizes_own(source, free, tmp_path, size):
    written(source, tmp_path / "fixed.onnx", size=size)
    images = np.random.default_rng(0).standard_normal((2, 3, size, size)).astype(np.float32)
    a, b = (
        onnxruntime.InferenceSession(path).run(None, {"input": images})[0]
        for path in (free, tmp_path / "fixed.onnx")
    )
    assert np.abs(a - b).max() <= 1e-6 * np.abs(b).max()


def test_sizes_that_differ_from_one_another(free):
    images = np.zeros((1, 3, 40, 56), np.float32)
    assert onnxruntime.InferenceSession(free).run(None, {"input": images})[0].shape == (1, 10)


@pytest.mark.parametrize("where", ["node", "constant", "count"])
def test_a_graph_that_has_the_size_in_it_is_refused(where):
    spec = get_model("res2net_digits")

    def export(sized):
        size = sized.input_size_px
        pool = onnx.helper.make_node(
            "AveragePool", ["input"], ["y"], kernel_shape=[size if where == "node" else 1] * 2, name="pool"
        )
        nodes = [pool] * (1 + (size > 64 if where == "count" else 0))
        constant = numpy_helper.from_array(np.array([size if where == "constant" else 1]), "shape")
        value = onnx.helper.make_tensor_value_info("input", FLOAT, ["N", 3, size, size])
        return onnx.helper.make_model(onnx.helper.make_graph(nodes, "x", [value], [], [constant]))

    with pytest.raises(SizeError, match=r"its graph has the image size in it: at 32 and 6[45] px"):
        of_every_size(spec, export)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"to": "onnx", "dtype": "bfloat16"}, "--dtype bfloat16: an ONNX file"),
        ({"to": "onnx", "io_dtype": "float16"}, "--io-dtype float16: is for ONNX files in float16"),
        ({"to": "pytorch", "size": 40}, "--size: weights have no image size"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, options, words):
    with pytest.raises(ConvertError, match=words):
        convert(SHIPPED, ConvertRequest(output=tmp_path / "x", **options))


@pytest.mark.parametrize("size", ["0", "-1", "9000", "large", "1e3"])
def test_a_size_that_is_none(run_cli, tmp_path, size):
    done = run_cli("convert", "-o", tmp_path / "x.onnx", "--size", size)
    assert done.exit_code == 2 and "is no number of pixels" in done.stderr
