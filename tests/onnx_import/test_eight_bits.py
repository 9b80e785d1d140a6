"""What onnxruntime.quantization writes is layers in the source, and computes what ONNX Runtime does."""

import numpy as np
import onnx
import onnx.parser
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.targets import TARGETS
from triport.parity.imported.judge import UnoptimisedRuntime

RANDOM = np.random.default_rng(0)
CONV = """q, s, z = DynamicQuantizeLinear (x)
    a = ConvInteger <pads = [1, 1, 1, 1], strides = [2, 2]> (q, {w}, z, {zero})
    f = Cast <to = 1> (a) k = Mul (s, {scale}) m = Mul (f, k) r = Reshape (b, shape) y = Add (m, r)"""
PRODUCT = (
    """a = MatMulInteger (q, {w}, z, {zero}) f = Cast <to = 1> (a) k = Mul (s, {scale}) {y} = Mul (k, f)"""
)
WEIGHTS = {
    "w": RANDOM.integers(-127, 128, (4, 3, 3, 3)).astype("i1"),
    "u": RANDOM.integers(0, 256, (4, 3, 3, 3)).astype("u1"),
    "none": np.int8(0),
    "middle": np.uint8(125),
    "scale": np.float32(0.01),
    "scales": (0.01 * RANDOM.random(4) + 0.001).astype("f"),
    "b": RANDOM.standard_normal(4).astype("f"),
    "shape": np.array([1, -1, 1, 1]),
    "p": RANDOM.integers(-127, 128, (6, 5)).astype("i1"),
    "p2": RANDOM.integers(-127, 128, (6, 5)).astype("i1"),
    "columns": (0.01 * RANDOM.random(5) + 0.001).astype("f"),
    "bias": RANDOM.standard_normal(5).astype("f"),
}
IMAGE, ROWS = "float[n, 3, 8, 8] x", "float[n, 6] x"
TWO = " ".join(
    PRODUCT.format(w=w, zero="none", scale=scale, y=y)
    .replace("a =", f"a{w} =").replace("(a)", f"(a{w})").replace("f =", f"f{w} =").replace("f)", f"f{w})")
    .replace("k =", f"k{w} =").replace("(k,", f"(k{w},")
    for w, scale, y in (("p", "columns", "left"), ("p2", "scale", "y"))
)  # fmt: skip
CASES = {
    "a convolution": (
        IMAGE,
        "float y",
        CONV.format(w="w", zero="none", scale="scale"),
        ["DynamicQuantizedConv2d"],
    ),
    "of unsigned weights": (
        IMAGE,
        "float y",
        CONV.format(w="u", zero="middle", scale="scale"),
        ["DynamicQuantizedConv2d", "dtype="],
    ),
    "two products of one rounding": (
        ROWS,
        "float y, float t",
        f"q, s, z = DynamicQuantizeLinear (x) {TWO} t = Add (left, bias)",
        ["DynamicQuantizedLinear(6, 5)", "DynamicQuantizedLinear(6, 5, bias=False)"],
    ),
    "a product whose step is read elsewhere": (
        ROWS,
        "float y, float s",
        "q, s, z = DynamicQuantizeLinear (x) " + PRODUCT.format(w="p", zero="none", scale="scale", y="y"),
        ["DynamicQuantizedLinear", "quantize_dynamic(x)"],
    ),
    "whole sums that are read elsewhere": (
        ROWS,
        "float y, int32 a",
        "q, s, z = DynamicQuantizeLinear (x) " + PRODUCT.format(w="p", zero="none", scale="scale", y="y"),
        ["quantize_dynamic(x)"],
    ),
}


def model_of(inputs, outputs, nodes):
    text = f'<ir_version: 8, opset_import: ["": 13]> net ({inputs}) => ({outputs}) {{ {nodes} }}'
    model = onnx.parser.parse_model(text)
    read = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(array), name)
        for name, array in WEIGHTS.items()
        if name in read
    )
    return onnx.shape_inference.infer_shapes(model)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_products_of_a_dynamic_range_are_layers(case, target, tmp_path):
    inputs, outputs, nodes, expected = CASES[case]
    model = model_of(inputs, outputs, nodes)
    source = written(model, target)
    for text in expected:
        assert text in source.text, source.text
    shape = (2, 3, 8, 8) if inputs is IMAGE else (2, 6)
    for scale in (1.0, 0.0):  # a range of nothing but zero has a step of one
        x = (scale * np.random.default_rng(1).standard_normal(shape)).astype("f")
        wanted = UnoptimisedRuntime.of(model.SerializeToString()).run({"x": x})
        for found, right in zip(outputs_of(source, [x], tmp_path), wanted, strict=True):
            assert found.dtype == right.dtype
            np.testing.assert_allclose(found, right, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_a_bias_of_one_step_beside_weights_of_many(target, tmp_path):
    nodes = """a = DequantizeLinear <axis = 0> (w, scales) d = DequantizeLinear (whole, scale)
        y = Conv (x, a, d)"""
    model = model_of(IMAGE, "float y", nodes)
    whole = RANDOM.integers(-500, 500, 4).astype("i4")
    model.graph.initializer.append(onnx.numpy_helper.from_array(whole, "whole"))
    x = np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype("f")
    (wanted,) = UnoptimisedRuntime.of(model.SerializeToString()).run({"x": x})
    source = written(model, target)
    assert "per_channel=True" in source.text
    (found,) = outputs_of(source, [x], tmp_path)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
