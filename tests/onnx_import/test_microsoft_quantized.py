"""Eight-bit operators of ONNX Runtime's own domain: each result is at most a step off, and few are."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.reading import ImportRefusedError
from triport.parity.imported.judge import UnoptimisedRuntime

RANDOM = np.random.default_rng(0)
STEP = np.float32(0.03)
QUANTITIES = {
    "s": STEP,
    "z": np.uint8(130),
    "t": np.float32(0.02),
    "u": np.uint8(120),
    "p": np.float32(1 / 256),  # what softmax is quantised to
    "o": np.uint8(0),
    "w": RANDOM.integers(-127, 128, (6, 4)).astype(np.int8),
    "ws": np.float32(0.01),
    "wz": np.int8(0),
    "wt": RANDOM.uniform(0.005, 0.02, 4).astype("f4"),
    "b": RANDOM.integers(-300, 300, 4).astype(np.int32),
    "bias": RANDOM.standard_normal(4).astype("f4"),
    "packed": RANDOM.integers(0, 256, (4, 1, 8)).astype(np.uint8),
    "steps": RANDOM.uniform(0.05, 0.1, 4).astype("f4"),
}
# of numbers that are quantised before: x as a (s, z), v as c (t, u)
QUANTISED = {
    "add": "q = com.microsoft.QLinearAdd (a, s, z, c, t, u, s, z)",
    "mul": "q = com.microsoft.QLinearMul (a, s, z, c, t, u, s, z)",
    "sigmoid": "q = com.microsoft.QLinearSigmoid (a, s, z, s, z)",
    "leaky": "q = com.microsoft.QLinearLeakyRelu <alpha = 0.2> (a, s, z, s, z)",
    "softmax": "q = com.microsoft.QLinearSoftmax <axis = -1, opset = 13> (a, s, z, p, o)",
    "concat": "q = com.microsoft.QLinearConcat <axis = 1> (s, z, a, s, z, c, t, u)",
    "gemm": "q = com.microsoft.QGemm (a, s, z, w, ws, wz, b, s, z)",
}
FLOAT = {
    "dynamic": "y = com.microsoft.DynamicQuantizeMatMul (x, w, ws, wz, bias)",
    "columns": "y = com.microsoft.DynamicQuantizeMatMul (x, w, wt)",
    "four_bits": "y = com.microsoft.MatMulNBits <K = 6, N = 4, bits = 4, block_size = 16> (x, packed, steps)",
    "to_float": """d, ds, dz = DynamicQuantizeLinear (x)
        y = com.microsoft.MatMulIntegerToFloat (d, w, ds, ws, dz, wz, bias)""",
}
CASES = FLOAT | {
    name: f"""a = QuantizeLinear (x, s, z)
        c = QuantizeLinear (v, t, u)
        {line}
        y = DequantizeLinear (q, s, z)"""
    for name, line in QUANTISED.items()
}


def model(lines):
    proto = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
        graph (float[n, 6] x, float[n, 6] v) => (float y) {{ {lines} }}"""
    )
    del proto.graph.output[0].type.tensor_type.shape.dim[:]
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in QUANTITIES.items()
    )
    return proto


@pytest.mark.parametrize("case", CASES)
def test_it_computes_what_onnx_runtime_does(case, tmp_path):
    proto = model(CASES[case])
    x, v = (RANDOM.standard_normal((50, 6)).astype("f4") for _ in range(2))
    (wanted,) = UnoptimisedRuntime.of(proto.SerializeToString()).run({"x": x, "v": v})
    (found,) = outputs_of(written(proto), [x, v], tmp_path)
    apart = abs(found - wanted)
    assert apart.max() < (1.01 * STEP if case in QUANTISED else 1e-5 * abs(wanted).max())
    assert (apart > 1e-5 * abs(wanted).max()).mean() < 0.02


@pytest.mark.parametrize(
    "line",
    [
        "y = com.microsoft.MatMulNBits <K = 6, N = 4, bits = 3, block_size = 16> (x, packed, steps)",
        "y = com.microsoft.MatMulNBits <K = 6, N = 4, bits = 2, block_size = 16> (x, packed, steps)",
        "y = com.microsoft.MatMulNBits <K = 6, N = 4, bits = 4, block_size = 16> (x, packed, v)",
    ],
)
def test_what_is_not_read_is_refused(line):
    with pytest.raises(ImportRefusedError, match="MatMulNBits has no translation"):
        written(model(line))


@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_an_lstm_whose_inputs_are_quantised_as_they_come(direction, target, tmp_path):
    count, size = (2 if direction == "bidirectional" else 1), 4
    constants = {
        "w": RANDOM.integers(-127, 128, (count, 3, 4 * size)).astype(np.int8),
        "r": RANDOM.integers(-127, 128, (count, size, 4 * size)).astype(np.int8),
        "b": RANDOM.standard_normal((count, 8 * size)).astype("f4"),
        "s": np.full(count, 0.01, "f4"),
        "z": np.zeros(count, np.int8),
    }
    given = ["x", "w", "r", "b", "", "", "", "", "s", "z", "s", "z"]
    node = onnx.helper.make_node(
        "DynamicQuantizeLSTM",
        given,
        ["y", "h", "c"],
        domain="com.microsoft",
        hidden_size=size,
        direction=direction,
    )
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [node],
        "graph",
        [onnx.helper.make_tensor_value_info("x", kind, ["t", "n", 3])],
        [onnx.helper.make_tensor_value_info(name, kind, None) for name in ("y", "h", "c")],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.microsoft", 1)]
    proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    x = RANDOM.standard_normal((5, 2, 3)).astype("f4")
    found = outputs_of(written(proto, target), [x], tmp_path)
    for mine, its in zip(found, UnoptimisedRuntime.of(proto.SerializeToString()).run({"x": x}), strict=True):
        assert mine.shape == its.shape and np.allclose(mine, its, atol=1e-5)
