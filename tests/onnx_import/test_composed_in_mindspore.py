"""What MindSpore has no operator for, or another one, composed of others."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from tests.onnx_import.test_exporters import FLOAT, INT64, make, wanted
from triport.converters.onnx_import.written import load

pytest.importorskip("mindspore")


def model(node, inputs, output, opset=17, initializers=()):
    graph = onnx.helper.make_graph([node], "net", inputs, [output], list(initializers))
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=9)


def value(name, kind, *shape):
    return onnx.helper.make_tensor_value_info(name, kind, shape)


def test_slices_are_put_at_computed_places_from_either_end(tmp_path):
    proto = model(
        make("ScatterND", ["x", "i", "u"], ["y"]),
        [value("x", FLOAT, 4, 5, 2), value("i", INT64, 3, 2), value("u", FLOAT, 3, 2)],
        value("y", FLOAT, 4, 5, 2),
    )
    random = np.random.default_rng(0)
    x, u = (random.normal(size=shape).astype("f") for shape in ((4, 5, 2), (3, 2)))
    arrays = [x, np.array([[-1, 0], [2, -5], [0, 4]]), u]
    (found,) = outputs_of(written(proto, "mindspore"), arrays, tmp_path)
    assert np.array_equal(found, wanted(proto, *arrays)[0])


NEAR_ZERO = np.concatenate(
    [np.logspace(-30, 1, 300), -np.logspace(-30, 1, 300), [0, 30, -30, 80, -80, 1e30, -1e30]]
)
EXACT = {
    "Tanh": np.tanh,
    "Softplus": lambda x: np.logaddexp(0, x),
    "Elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "Celu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "Mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
}


@pytest.mark.parametrize("operator", EXACT)
def test_small_results_keep_their_digits(operator, tmp_path):
    proto = model(make(operator, ["x"], ["y"]), [value("x", FLOAT, "N")], value("y", FLOAT, "N"), opset=18)
    x = NEAR_ZERO.astype("f")
    (found,) = outputs_of(written(proto, "mindspore"), [x], tmp_path)
    exact = EXACT[operator](x.astype("d"))
    assert np.all(np.abs(found - exact) <= 1e-6 * np.abs(exact) + 1e-38)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("centres", [0, 1])
def test_boxes_that_overlap_better_ones_are_left_out(centres, tmp_path):
    numbers = {"most": np.array(4, np.int64), "overlap": np.array(0.4, "f"), "least": np.array(0.2, "f")}
    proto = model(
        make("NonMaxSuppression", ["boxes", "scores", *numbers], ["y"], center_point_box=centres),
        [value("boxes", FLOAT, 2, 30, 4), value("scores", FLOAT, 2, 3, 30)],
        value("y", INT64, "M", 3),
        initializers=[onnx.numpy_helper.from_array(array, name) for name, array in numbers.items()],
    )
    random = np.random.default_rng(1)
    boxes = random.uniform(0.1, 1, (2, 30, 4)).astype("f")
    scores = random.uniform(0, 1, (2, 3, 30)).astype("f")
    (found,) = outputs_of(written(proto, "mindspore"), [boxes, scores], tmp_path)
    assert len(found) > 10 and np.array_equal(found, wanted(proto, boxes, scores)[0])


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("dtype", ["uint8", "uint32", "uint64"])
def test_bits_are_shifted(dtype, direction, tmp_path):
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    proto = model(
        make("BitShift", ["x", "bits"], ["y"], direction=direction),
        [value("x", kind, 4), value("bits", kind, 4)],
        value("y", kind, 4),
    )
    arrays = [np.array([1, 3, 200, 255], dtype), np.array([7, 2, 1, 4], dtype)]
    (found,) = outputs_of(written(proto, "mindspore"), arrays, tmp_path)
    assert np.array_equal(found, wanted(proto, *arrays)[0])


@pytest.mark.parametrize("largest", [0, 1])
def test_of_equal_values_the_first_are_taken(largest, tmp_path):
    proto = model(
        make("TopK", ["x", "k"], ["values", "y"], largest=largest),
        [value("x", FLOAT, 3, 40)],
        value("y", INT64, 3, 9),
        initializers=[onnx.numpy_helper.from_array(np.array([9]), "k")],
    )
    x = np.random.default_rng(0).integers(0, 4, (3, 40)).astype("f")
    (found,) = outputs_of(written(proto, "mindspore"), [x], tmp_path)
    assert np.array_equal(found, wanted(proto, x)[0])


def test_places_are_counted_from_either_end(tmp_path):
    proto = model(
        make("GatherND", ["x", "i"], ["y"]),
        [value("x", FLOAT, 4, 5, 2), value("i", INT64, 3, 2)],
        value("y", FLOAT, 3, 2),
    )
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype("f")
    arrays = [x, np.array([[-1, 0], [2, -5], [0, 4]])]
    (found,) = outputs_of(written(proto, "mindspore"), arrays, tmp_path)
    assert np.array_equal(found, wanted(proto, *arrays)[0])


def test_logarithms_are_right_to_a_rounding_and_have_gradients(tmp_path):
    proto = model(make("Log", ["x"], ["y"]), [value("x", FLOAT, "N")], value("y", FLOAT, "N"))
    random = np.random.default_rng(0)
    exponents = np.concatenate([random.uniform(-87, 88, 3000), random.uniform(-1.2, 1.2, 3000)])
    x = np.concatenate([np.exp(exponents), [1e-10, 0.5, 1, 2]]).astype("f")
    source = written(proto, "mindspore")
    (found,) = outputs_of(source, [x], tmp_path)
    right = np.log(x.astype(np.float64))
    assert np.all(np.abs(found - right) <= 2e-7 * np.abs(right))
    edges = np.array([0, np.inf, -1, np.nan], "f")
    np.testing.assert_array_equal(outputs_of(source, [edges], tmp_path)[0], [-np.inf, np.inf, np.nan, np.nan])

    import mindspore

    network = load(tmp_path, "written", "mindspore")
    slope = mindspore.grad(lambda given: network(given).sum())(mindspore.Tensor(x[exponents.size :]))
    np.testing.assert_allclose(slope.asnumpy(), 1 / x[exponents.size :], rtol=1e-6)


def test_sigmoids_are_right_to_a_rounding_and_have_gradients(tmp_path):
    proto = model(make("Sigmoid", ["x"], ["y"]), [value("x", FLOAT, "N")], value("y", FLOAT, "N"))
    x = np.concatenate([np.random.default_rng(0).normal(0, 4, 3000), [0, -60, 60, -300, 300]]).astype("f")
    source = written(proto, "mindspore")
    (found,) = outputs_of(source, [x], tmp_path)
    right = 1 / (1 + np.exp(-x.astype(np.float64)))
    assert np.abs(found - right).max() <= 1.5e-7  # MindSpore's own is 8e-7 off
    assert np.all(np.abs(found - right)[:-2] <= 4e-6 * right[:-2])  # float32's e to the power of 60

    import mindspore

    network = load(tmp_path, "written", "mindspore")
    slope = mindspore.grad(lambda given: network(given).sum())(mindspore.Tensor(x))
    np.testing.assert_allclose(slope.asnumpy(), right * (1 - right), atol=1e-6)


@pytest.mark.parametrize(
    ("pads", "stride", "dilation"),
    [((1, 1, 1, 1), (1, 1), (1, 1)), ((0, 2, 0, 2), (2, 1), (1, 2)), ((0, 1, 2, 3), (2, 2), (1, 1))],
)
def test_columns_are_added_up_in_an_image_for_any_batch(pads, stride, dilation, tmp_path):
    """Padding that is not the same on both sides is composed; MindSpore's own operator does the rest."""
    size, kernel = (9, 8), (3, 2)
    windows = 1
    for i in range(2):
        windows *= (size[i] + pads[i] + pads[2 + i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
    numbers = {"size": np.array(size), "kernel": np.array(kernel)}
    proto = model(
        make("Col2Im", ["x", *numbers], ["y"], pads=pads, strides=stride, dilations=dilation),
        [value("x", FLOAT, "N", 5 * 6, windows)],
        value("y", FLOAT, "N", 5, *size),
        opset=18,
        initializers=[onnx.numpy_helper.from_array(array, name) for name, array in numbers.items()],
    )
    source = written(proto, "mindspore")
    for batch in (1, 3):
        x = np.random.default_rng(batch).normal(size=(batch, 30, windows)).astype("f")
        (found,) = outputs_of(source, [x], tmp_path)
        np.testing.assert_allclose(found, wanted(proto, x)[0], rtol=1e-5, atol=1e-5)
