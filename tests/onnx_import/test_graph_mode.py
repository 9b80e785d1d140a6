"""Functions that written source holds compile in MindSpore's graph mode, by which it goes back to ONNX."""

import numpy as np
import onnx
import onnx.parser
import pytest

from tests.few_are_quick import one_in
from tests.onnx_import.source_runs import written
from triport.converters.onnx_import.written import load, write

mindspore = pytest.importorskip("mindspore")
RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "w3": RANDOM.standard_normal((6, 2, 2, 2, 2)).astype("f"),
    "w1": RANDOM.standard_normal((4, 2, 4)).astype("f"),
    "w": RANDOM.standard_normal((2, 12, 4)).astype("f"),
    "r": RANDOM.standard_normal((2, 12, 3)).astype("f"),
    "b": RANDOM.standard_normal((2, 24)).astype("f"),
    "bytes": RANDOM.integers(-127, 128, (4, 3, 3, 3)).astype("i1"),
    "scale": np.float32(0.01),
    "none": np.int8(0),
    "middle": np.uint8(128),
    "sizes": np.array([1, 3, 9, 5]),
    "pads": np.array([0, 0, 1, 2, 0, 0, 0, 1]),
}
IMAGE = "float[1, 3, 8, 6] x"
CASES = {
    "volumes": ("float[n, 4, 4, 5, 6] x", "y = Conv <group = 2, dilations = [1, 1, 2]> (x, w3)"),
    "rows": ("float[n, 4, 7] x", "y = ConvTranspose <strides = [3], pads = [1, 1]> (x, w1)"),
    "LSTM": ("float[6, n, 4] x", 'y = LSTM <hidden_size = 3, direction = "bidirectional"> (x, w, r, b)'),
    "eight bits": (
        IMAGE,
        "q = QuantizeLinear (x, scale, middle) "
        "y = QLinearConv (q, scale, middle, bytes, scale, none, scale, middle)",
    ),
    "eight bits of a dynamic range": (
        IMAGE,
        "q, s, z = DynamicQuantizeLinear (x) i = ConvInteger (q, bytes, z, none) f = Cast <to = 1> (i) "
        "k = Mul (s, scale) y = Mul (f, k)",
    ),
    "pool with edges": (
        IMAGE,
        "y = AveragePool <kernel_shape = [3, 2], strides = [2, 3], ceil_mode = 1> (x)",
    ),
    "cubic": (IMAGE, 'y = Resize <mode = "cubic"> (x, , , sizes)'),
    "reflection": (IMAGE, 'y = Pad <mode = "reflect"> (x, pads)'),
}


@pytest.mark.parametrize("case", one_in(3, CASES))
def test_it_compiles_and_computes_the_same(case, tmp_path):
    inputs, nodes = CASES[case]
    text = f'<ir_version: 8, opset_import: ["": 14]> net ({inputs}) => (float y) {{ {nodes} }}'
    proto = onnx.parser.parse_model(text)
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    read = {name for node in proto.graph.node for name in node.input}
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(array), name)
        for name, array in WEIGHTS.items()
        if name in read
    )
    if "QLinear" in nodes:
        proto.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    write(tmp_path, written(proto, "mindspore"))
    network = load(tmp_path, "written", "mindspore")
    shape = [dim.dim_value or 2 for dim in proto.graph.input[0].type.tensor_type.shape.dim]
    x = mindspore.Tensor(np.random.default_rng(1).standard_normal(shape).astype("f"))
    found = {}
    for mode in (mindspore.PYNATIVE_MODE, mindspore.GRAPH_MODE):
        mindspore.set_context(mode=mode)
        try:
            found[mode] = network(x).asnumpy().astype(np.float64)
        finally:
            mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    eager, compiled = found.values()
    np.testing.assert_allclose(compiled, eager, rtol=1e-5, atol=1e-5)
