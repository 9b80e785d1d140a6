"""Operators of ONNX Runtime's own domain become standard ones: equal to ONNX Runtime, or refused."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import import operators
from triport.converters.onnx_import.reading import ImportRefusedError
from triport.parity.imported.judge import UnoptimisedRuntime

FLOAT = onnx.TensorProto.FLOAT
RANDOM = np.random.default_rng(0)


def drawn(*shape):
    return RANDOM.standard_normal(shape).astype("f4")


# operator, shape of x, further inputs (None is left out), attributes
CASES = {
    "conv_relu": ("FusedConv", [2, 3, 8, 8], [drawn(4, 3, 3, 3), drawn(4)], {"activation": "Relu"}),
    "conv_sum": (
        "FusedConv",
        [2, 3, 8, 8],
        [drawn(4, 3, 3, 3), drawn(4), drawn(2, 4, 6, 6)],
        {"activation": "Relu"},
    ),
    "conv_clip": (
        "FusedConv",
        [2, 3, 8, 8],
        [drawn(4, 3, 3, 3)],
        {"activation": "Clip", "activation_params": [0.0, 1.5], "pads": [1, 1, 1, 1]},
    ),
    "conv_leaky": (
        "FusedConv",
        [2, 3, 8, 8],
        [drawn(4, 3, 3, 3)],
        {"activation": "LeakyRelu", "activation_params": [0.2]},
    ),
    "gemm": ("FusedGemm", [3, 4], [drawn(4, 5), drawn(5)], {"activation": "Sigmoid", "alpha": 0.5}),
    "matmul": ("FusedMatMul", [2, 3, 4], [drawn(2, 5, 4)], {"alpha": 0.5, "transB": 1}),
    "matmul_a": ("FusedMatMul", [2, 4, 3], [drawn(2, 4, 5)], {"transA": 1}),
    "gelu": ("Gelu", [3, 4], [], {}),
    "bias_gelu": ("BiasGelu", [3, 4], [drawn(4)], {}),
    "fast_gelu": ("FastGelu", [3, 4], [drawn(4)], {}),
    "quick_gelu": ("QuickGelu", [3, 4], [], {"alpha": 1.5}),
    "skip_norm": (
        "SkipLayerNormalization",
        [2, 3, 4],
        [drawn(2, 3, 4), drawn(4), drawn(4), drawn(4)],
        {"epsilon": 1e-5},
    ),
    "skip_rms": (
        "SkipSimplifiedLayerNormalization",
        [2, 3, 4],
        [drawn(2, 3, 4), drawn(4)],
        {"epsilon": 1e-5},
    ),
    "attention": ("Attention", [2, 3, 8], [drawn(8, 24), drawn(24)], {"num_heads": 2}),
    "attention_mask": (
        "Attention",
        [2, 3, 8],
        [drawn(8, 24), drawn(24), None, None, drawn(2, 2, 3, 3)],
        {"num_heads": 2, "scale": 0.3},
    ),
    "multi_head": (
        "MultiHeadAttention",
        [2, 3, 8],
        [drawn(2, 3, 8), drawn(2, 3, 8), drawn(24)],
        {"num_heads": 2},
    ),
    "attention_kept": (
        "Attention",
        [2, 3, 8],
        [drawn(8, 24), drawn(24), np.array([[1, 1, 0], [1, 1, 1]], "i4")],
        {"num_heads": 2},
    ),
    "multi_head_kept": (
        "MultiHeadAttention",
        [2, 3, 8],
        [drawn(2, 3, 8), drawn(2, 3, 8), drawn(24), np.array([[1, 0, 0], [1, 0, 1]], "i4")],
        {"num_heads": 2},
    ),
}
LATER = {
    "attention_causal": (
        "Attention",
        [2, 3, 8],
        [drawn(8, 24), drawn(24)],
        {"num_heads": 2, "unidirectional": 1},
    )
}


def model_of(op_type, shape, inputs, attributes, opset):
    names = [f"w.{i}" if each is not None else "" for i, each in enumerate(inputs)]
    node = onnx.helper.make_node(op_type, ["x", *names], ["y"], domain="com.microsoft", **attributes)
    graph = onnx.helper.make_graph(
        [node],
        "graph",
        [onnx.helper.make_tensor_value_info("x", FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("y", FLOAT, None)],
        [
            onnx.numpy_helper.from_array(each, name)
            for each, name in zip(inputs, names, strict=True)
            if each is not None
        ],
    )
    opsets = [onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid("com.microsoft", 1)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize("target", operators.TARGETS)
@pytest.mark.parametrize(
    ("case", "opset"), [*((case, opset) for case in CASES for opset in (12, 17)), ("attention_causal", 14)]
)
def test_it_computes_what_onnx_runtime_does(case, target, opset, tmp_path):
    given = {**CASES, **LATER}[case]
    proto = model_of(*given, opset)
    x = drawn(*given[1])
    wanted = UnoptimisedRuntime.of(proto.SerializeToString()).run({"x": x})[0]
    found = outputs_of(written(proto, target), [x], tmp_path)[0]
    np.testing.assert_allclose(found, wanted, atol=2e-6 * abs(wanted).max())


@pytest.mark.parametrize(
    ("case", "attributes"),
    [
        ("conv_relu", {"activation": "Relu", "unknown": 1}),
        ("conv_relu", {"activation": "Softplus"}),
        ("multi_head", {"num_heads": 2, "unknown": 1}),
        ("matmul", {"transBatchA": 1}),
    ],
)
def test_what_is_not_read_is_refused(case, attributes):
    op_type, shape, inputs, _ = CASES[case]
    with pytest.raises(ImportRefusedError, match=f"com.microsoft.{op_type} has no translation"):
        written(model_of(op_type, shape, inputs, attributes, 17))
